// What is scored of a good answer, behind which prompt; and its bits, against the softmax worked out in doubles.
#include "eval/reference_answers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/conversations.h"
#include "kernels/dry_run.h"
#include "model/checkpoint.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"

namespace minke::test {
namespace {

constexpr const char* kEnd = "<｜end▁of▁sentence｜>";

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"The whale sings, and the sea is blue. The sea is wide."};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 300});
  return t;
}
ChatTemplate own(bool thinking) {
  return ChatTemplate({{"default", own_chat_template(thinking)}}, "test",
                      {{"bos_token", "<｜begin▁of▁sentence｜>"}, {"eos_token", kEnd}});
}

TaskProblem chat(std::string question, std::string answer) {
  TaskProblem p{.group = "chat", .level = 1};
  p.task.question = std::move(question), p.task.answer = std::move(answer), p.task.grader = GraderKind::judge;
  return p;
}
// A sum between two chats.
std::vector<TaskProblem> problems() {
  TaskProblem sum{.group = "chain", .level = 2, .index = 1};
  sum.task.question = "1 + 2?", sum.task.answer = "3";
  return {chat("How is the sea?", "It is blue."), sum, chat("鲸鱼呢？", "鲸鱼在唱歌。")};
}

std::vector<ReferenceAnswer> put(std::vector<TaskProblem> all, PromptFormat format,
                                 const std::optional<ChatTemplate>& t, int64_t context = 4096) {
  make_prompts(all, format, tokenizer(), t, 4096, false);
  return reference_answers(all, format, tokenizer(), t, context);
}
std::string text_of(const std::vector<int32_t>& ids) { return tokenizer().decode(ids); }

TEST(ReferenceAnswers, OfChatsAloneAndTheirBytes) {
  for (const PromptFormat format : {PromptFormat::brief, PromptFormat::chat_plain}) {
    const auto all = put(problems(), format, own(false));
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].problem, 0u);
    EXPECT_EQ(all[1].problem, 2u);
    EXPECT_EQ(all[0].bytes, 11);
    EXPECT_EQ(all[1].bytes, 18);  // six signs of three
  }
}

TEST(ReferenceAnswers, InPlainTextAsPreTrainingHasThem) {
  const ReferenceAnswer brief = put(problems(), PromptFormat::brief, {})[0];
  EXPECT_EQ(text_of(brief.text.prompt), "<｜begin▁of▁sentence｜>User: How is the sea?\nAssistant:");
  EXPECT_EQ(text_of(brief.text.text), " It is blue.\n");
  const ReferenceAnswer r1 = put(problems(), PromptFormat::r1_zero, {})[0];
  EXPECT_TRUE(text_of(r1.text.prompt).ends_with("User: How is the sea?. Assistant:")) << text_of(r1.text.prompt);
  EXPECT_EQ(text_of(r1.text.text), " It is blue.\n");
  // Together they are the tokens of that text.
  std::vector<int32_t> both = brief.text.prompt;
  both.insert(both.end(), brief.text.text.begin(), brief.text.text.end());
  EXPECT_EQ(both, tokenizer().encode("User: How is the sea?\nAssistant: It is blue.\n", {.add_bos = true}));
}

TEST(ReferenceAnswers, ByATemplateAsFineTuningLearnsThem) {
  for (const bool thinking : {false, true})
    for (const PromptFormat format : {PromptFormat::chat, PromptFormat::chat_plain}) {
      const ChatTemplate t = own(thinking);
      const ReferenceAnswer a = put(problems(), format, t)[0];
      // That a thought is closed at once is no part of what is scored.
      EXPECT_EQ(text_of(a.text.text), std::string("It is blue.") + kEnd);
      EXPECT_EQ(text_of(a.text.prompt).ends_with("<think>\n\n</think>\n\n"), thinking) << text_of(a.text.prompt);
      const auto learned = ConversationEncoder(tokenizer(), t)
                               .encode({{"messages",
                                         {{{"role", "user"}, {"content", "How is the sea?"}},
                                          {{"role", "assistant"}, {"content", "It is blue."}}}}},
                                       "test");
      std::vector<int32_t> both = a.text.prompt;
      both.insert(both.end(), a.text.text.begin(), a.text.text.end());
      ASSERT_EQ(learned.size(), 1u);
      EXPECT_EQ(both, learned[0].tokens);
      const size_t closing = thinking ? tokenizer().encode("\n</think>\n\n").size() : 0;
      for (size_t i = 0; i < both.size(); ++i)
        EXPECT_EQ(bool(learned[0].is_target[i]), i + closing >= a.text.prompt.size());
    }
}

TEST(ReferenceAnswers, MistakesNameTheChat) {
  const auto complaint = [](std::vector<TaskProblem> all, int64_t context) -> std::string {
    try {
      put(std::move(all), PromptFormat::brief, {}, context);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const ReferenceAnswer a = put(problems(), PromptFormat::brief, {})[1];
  const int64_t tokens = int64_t(a.text.prompt.size() + a.text.text.size());
  EXPECT_EQ(complaint(problems(), tokens), "");
  EXPECT_NE(complaint(problems(), tokens - 1).find("chat:1, problem 0: its prompt and its good answer have"),
            std::string::npos)
      << complaint(problems(), tokens - 1);
  EXPECT_NE(complaint({chat("Well?", "<think>hm</think>Well.")}, 4096).find("has a thought"), std::string::npos);
  std::vector<TaskProblem> all = problems();
  EXPECT_THROW(make_prompts(all, PromptFormat::brief, tokenizer(), {}, 4096), UserError);  // to be answered
}

struct Rig {
  TestContext ctx{cpu_backend()};
  std::vector<ReferenceAnswer> answers = put(problems(), PromptFormat::chat_plain, own(true));
  Model model;
  static Config config() {
    Config c = tiny_v3();
    c.vocab_size = tokenizer().vocab_size();
    return c;
  }
  Rig() : model(ctx, config(), Precision::f32(), 64) {
    model.weights().initialise(ctx, 0.25);
    for (int i = 0; i < 9; ++i) answers.push_back(answers[size_t(i) % 2]);  // more than go at once
  }
  // −log2 p of the text behind the prompt: the sequence alone, its logits, and softmax in doubles.
  double by_hand(const Continuation& c) {
    std::vector<int32_t> ids = c.prompt;
    ids.insert(ids.end(), c.text.begin(), c.text.end());
    const int64_t n = int64_t(ids.size()), vocab = model.config().vocab_size;
    BatchBuffers buffers(ctx, n, 0);
    const auto& batches = buffers.fill(ctx, ids, std::vector<int32_t>(ids.size(), -1), 1, n);
    const std::vector<int64_t> tokens{n};
    Arena arena(ctx.context().backend->memory(), model.saved_bytes(tokens, false));
    const ModelSaved saved = model.lay_out_saved(arena, tokens, false);
    model.forward(ctx, batches, saved);
    std::vector<float> logits(size_t(n * vocab));
    model.head().logits_to_host(ctx, saved.h.slice(0, 0, n), logits.data());
    double bits = 0;
    for (size_t i = c.prompt.size(); i < ids.size(); ++i) {
      const float* row = logits.data() + int64_t(i - 1) * vocab;
      double sum = 0;
      for (int64_t v = 0; v < vocab; ++v) sum += std::exp(double(row[v]));
      bits += std::log2(sum) - double(row[ids[i]]) * std::log2(std::exp(1.0));
    }
    return bits;
  }
};

// f32 logits of about 1 in another batch: each of at most 40 tokens is off by some 1e-6.
TEST(ReferenceBits, AreThoseOfTheSoftmax) {
  Rig rig;
  const Recompute before = rig.model.recompute();
  const auto bits = reference_bits(rig.ctx, rig.model, rig.answers);
  ASSERT_TRUE(bits);
  ASSERT_EQ(bits->size(), 11u);
  for (size_t i = 0; i < bits->size(); ++i) {
    const double want = rig.by_hand(rig.answers[i].text);
    EXPECT_GT(want, 10);
    EXPECT_NEAR((*bits)[i].bits, want, 1e-4) << i;
    EXPECT_EQ((*bits)[i].problem, rig.answers[i].problem);
    EXPECT_EQ((*bits)[i].bytes, rig.answers[i].bytes);
  }
  EXPECT_EQ(rig.model.recompute().attention, before.attention);
  size_t asked = 0;
  EXPECT_FALSE(reference_bits(rig.ctx, rig.model, rig.answers, [&](size_t done) {
    asked = done;
    return false;
  }));
  EXPECT_EQ(asked, 11u);
}

// What it takes is what was said before.
TEST(ReferenceBits, TakesWhatTheDryRunSays) {
  const Rig rig;
  DryRun said(rig.ctx), taken(rig.ctx);
  Model model(said.ctx(), Rig::config(), Precision::f32(), 64), other(taken.ctx(), Rig::config(), Precision::f32(), 64);
  load_nothing(said.ctx(), model), load_nothing(taken.ctx(), other);
  const size_t before = said.counted().bytes();
  ASSERT_EQ(taken.counted().bytes(), before);
  const auto held = hold_reference_bits(said.ctx(), model, rig.answers);
  reference_bits(taken.ctx(), other, rig.answers);
  const size_t host = sizeof(float) * LmHead::kHostRows * size_t(tokenizer().vocab_size());
  EXPECT_GT(taken.counted().most_bytes(), before);
  EXPECT_NEAR(double(said.counted().bytes()), double(taken.counted().most_bytes() + host), 4096);  // pages
  EXPECT_EQ(said.scratch_bytes(), taken.scratch_bytes());
}

}  // namespace
}  // namespace minke::test
