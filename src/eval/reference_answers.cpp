#include "eval/reference_answers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "data/conversations.h"

namespace minke {
namespace {

constexpr int64_t kAtOnce = 8;        // sequences of a forward
constexpr size_t kBetweenLooks = 64;  // answers until `go_on` is asked

Continuation in_chat(const TaskProblem& p, const Tokenizer& tokenizer, const ChatTemplate& chat) {
  const TrainedConversation c = ConversationEncoder(tokenizer, chat)
                                    .answer(Json::array({{{"role", "user"}, {"content", p.asked}},
                                                         {{"role", "assistant"}, {"content", p.task.answer}}}));
  auto begin = c.tokens.begin() + (std::find(c.is_target.begin(), c.is_target.end(), 1) - c.is_target.begin());
  check(std::equal(c.tokens.begin(), begin, p.ids.begin(), p.ids.end()),
        "a good answer stands behind the prompt that the question is put by");
  // What closes the thought belongs to the prompt; a token that has some of the answer, too, to the answer.
  const auto written = [&] { return tokenizer.decode({std::to_address(begin), size_t(c.tokens.end() - begin) - 1}); };
  for (size_t closing = written().rfind(p.task.answer); closing != std::string::npos && closing > 0; ++begin) {
    const size_t bytes = tokenizer.decode({std::to_address(begin), 1}).size();
    if (bytes > closing) break;
    closing -= bytes;
  }
  return {{c.tokens.begin(), begin}, {begin, c.tokens.end()}};
}

Continuation in_plain_text(const TaskProblem& p, const Tokenizer& tokenizer) {
  return {p.ids, tokenizer.encode(" " + p.task.answer + "\n", {.parse_special = false})};
}

int64_t longest_of(const std::vector<ReferenceAnswer>& answers) {
  size_t longest = 0;
  for (const ReferenceAnswer& a : answers) longest = std::max(longest, a.text.prompt.size() + a.text.text.size());
  return int64_t(longest);
}

// A forward pass that is not followed by a backward keeps nothing of a layer that is done; as long as this lives.
struct KeepNothing {
  Model& model;
  Recompute before = model.recompute();
  explicit KeepNothing(Model& m) : model(m) { model.set_recompute({.attention = true, .ffn = true}); }
  KeepNothing(const KeepNothing&) = delete;
  KeepNothing& operator=(const KeepNothing&) = delete;
  ~KeepNothing() { model.set_recompute(before); }
};

}  // namespace

std::vector<ReferenceAnswer> reference_answers(const std::vector<TaskProblem>& problems, PromptFormat format,
                                               const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat,
                                               int64_t max_context) {
  std::vector<ReferenceAnswer> all;
  for (size_t i = 0; i < problems.size(); ++i) {
    const TaskProblem& p = problems[i];
    if (p.task.grader != GraderKind::judge) continue;
    if (parts_of(p.task.answer, Thought::begins_in_response).has_thought)
      user_error("{}: its good answer has a thought, which its bytes would not count: give the answer alone",
                 p.where());
    ReferenceAnswer a{.problem = i, .text = {}, .bytes = int64_t(p.task.answer.size())};
    try {
      a.text = is_chat(format) ? in_chat(p, tokenizer, *chat) : in_plain_text(p, tokenizer);
    } catch (const UserError& e) {
      user_error("{}: its good answer: {}", p.where(), e.what());
    }
    if (const size_t tokens = a.text.prompt.size() + a.text.text.size(); int64_t(tokens) > max_context)
      user_error(
          "{}: its prompt and its good answer have {} tokens, more than a context of {}: use a larger one, if "
          "the model has it",
          p.where(), tokens, max_context);
    all.push_back(std::move(a));
  }
  return all;
}

std::optional<std::vector<ReferenceBits>> reference_bits(const Context& ctx, Model& model,
                                                         const std::vector<ReferenceAnswer>& answers,
                                                         const std::function<bool(size_t)>& go_on) {
  const KeepNothing keep(model);
  Likelihood likelihood(ctx, model, longest_of(answers), kAtOnce);
  std::vector<ReferenceBits> all;
  while (all.size() < answers.size()) {
    std::vector<Continuation> some;
    for (size_t i = all.size(); i < std::min(answers.size(), all.size() + kBetweenLooks); ++i)
      some.push_back(answers[i].text);
    for (const LogLikelihood& l : likelihood(ctx, some)) {
      const ReferenceAnswer& a = answers[all.size()];
      all.push_back({a.problem, -l.nats / std::numbers::ln2, a.bytes});
    }
    if (go_on && !go_on(all.size())) return std::nullopt;
  }
  return all;
}

std::shared_ptr<void> hold_reference_bits(const Context& dry, Model& model,
                                          const std::vector<ReferenceAnswer>& answers) {
  const KeepNothing keep(model);
  struct Held {
    Likelihood likelihood;
    Tensor host_rows;  // of logits
  };
  const std::shared_ptr<Held> held(
      new Held{{dry, model, longest_of(answers), kAtOnce},
               {dry.backend->memory(), DType::f32, {LmHead::kHostRows, model.config().vocab_size}}});
  held->likelihood.run_longest(dry);
  return held;
}

}  // namespace minke
