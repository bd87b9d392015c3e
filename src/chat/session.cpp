#include "chat/session.h"

#include "chat/text_stream.h"
#include "core/clock.h"

namespace minke {

SamplingSettings chat_sampling(const GenerationDefaults& d) {
  SamplingSettings s{.temperature = d.temperature.value_or(0.6),
                     .top_k = d.top_k.value_or(0),
                     .top_p = d.top_p.value_or(0.95),
                     .min_p = d.min_p.value_or(0),
                     .repetition_penalty = d.repetition_penalty.value_or(1)};
  return s;
}

ChatSession::ChatSession(const Context& ctx, const ModelSource& source, Engine& engine, ChatSettings settings)
    : ctx_(&ctx), source_(&source), engine_(&engine), settings_(std::move(settings)) {
  if (!source.chat_template)
    user_error(
        "{} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): it was not "
        "trained on conversations; minke generate continues a text with it",
        source.path.string());
}

ChatSession::Prompt ChatSession::prompt() const {
  ChatInputs inputs{.messages = conversation_.messages(), .add_generation_prompt = true};
  if (settings_.thinking)  // the names that Qwen3's and DeepSeek V3.1's templates ask for
    inputs.variables = {{"enable_thinking", *settings_.thinking}, {"thinking", *settings_.thinking}};
  const std::string text = source_->chat_template->render(inputs);
  return {source_->tokenizer.encode(text), opens_thought(text)};
}

ChatSession::Prompt ChatSession::fitting_prompt() {
  for (;;) {
    Prompt fitting = prompt();
    const int64_t tokens = int64_t(fitting.tokens.size());
    // Trimming leaves room for an answer, or the next question would find the context full again.
    const int64_t room = settings_.trim ? std::max<int64_t>(context() / 4, 1) : 1;
    if (tokens + room <= context()) return fitting;
    if (settings_.trim && conversation_.trim()) {
      ++stats_.trimmed;
      continue;
    }
    if (tokens < context()) return fitting;
    if (settings_.trim)
      user_error("this question alone takes {} tokens, but the context holds {}: --ctx-size makes it larger", tokens,
                 context());
    user_error(
        "the conversation has {} tokens with this question, but the context holds {}: /trim takes away the oldest "
        "question, /reset all of them, and --ctx-size makes the context larger",
        tokens, context());
  }
}

const AnswerStats& ChatSession::ask(std::string_view question,
                                    const std::function<bool(const ThoughtSplitter::Piece&)>& f) {
  stats_ = {};
  const Conversation before = conversation_;
  conversation_.add("user", question);
  try {
    answer(f);
  } catch (...) {
    conversation_ = before;  // trimmed questions, too
    throw;
  }
  return stats_;
}

void ChatSession::answer(const std::function<bool(const ThoughtSplitter::Piece&)>& f) {
  Prompt prompt = fitting_prompt();
  Request request{.prompt = std::move(prompt.tokens),
                  .sampling = settings_.sampling,
                  .sample_index = answers_,
                  .stop_tokens = source_->stop_tokens};
  ++answers_;
  stats_.prompt_tokens = int64_t(request.prompt.size());
  request.max_new = context() - stats_.prompt_tokens;
  if (settings_.max_new > 0) request.max_new = std::min(request.max_new, settings_.max_new);

  TextStream stream(source_->tokenizer, {}, false);
  ThoughtSplitter splitter(prompt.opens_thought);
  std::string content = prompt.opens_thought ? "<think>\n" : "";
  thought_.clear();
  const auto begin = Clock::now();
  const int64_t computed = engine_->tokens_computed();
  const auto counts = [&] { return engine_->speculation() ? engine_->speculation()->counts() : SpeculationCounts{}; };
  const SpeculationCounts before = counts();
  const auto give = [&](const std::string& text, bool last) {
    content += text;
    ThoughtSplitter::Piece piece = splitter.push(text);
    if (last) {
      ThoughtSplitter::Piece rest = splitter.finish();
      piece.thought += rest.thought, piece.answer += rest.answer;
    }
    thought_ += piece.thought;
    if (!piece.answer.empty() && stats_.thought_s == 0 && splitter.has_thought())
      stats_.thought_s = seconds_since(begin);
    return f(piece);
  };
  generate(*ctx_, *engine_, std::move(request), [&](const NewToken& t) {
    if (stats_.new_tokens++ == 0) {
      stats_.first_s = seconds_since(begin);
      stats_.known_tokens = stats_.prompt_tokens - (engine_->tokens_computed() - computed);
    }
    stats_.ending = t.ending;
    if (t.ending == Ending::stop_token) return true;
    stats_.stopped = !give(stream.push(t.token), false);
    return !stats_.stopped;
  });
  give(stream.finish(), true);
  stats_.all_s = seconds_since(begin);
  stats_.drafts = counts().since(before);
  if (stats_.thought_s == 0 && splitter.has_thought()) stats_.thought_s = stats_.all_s;
  stats_.context_used = stats_.prompt_tokens + stats_.new_tokens;
  conversation_.add("assistant", content);
}

}  // namespace minke
