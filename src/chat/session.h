// One conversation with a model: a question in, an answer out. The prompt is the whole conversation as the model's template
// writes it; what the engine's cache still knows of it is not computed again. Test: tests/chat/session_test.cpp.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "chat/conversation.h"
#include "chat/model_source.h"
#include "chat/thoughts.h"
#include "infer/engine.h"

namespace minke {

struct ChatSettings {
  SamplingSettings sampling;
  int64_t max_new = 0;           // tokens of an answer; 0 = as many as the context holds
  bool trim = false;             // the oldest questions go when the context is full; else that is an error
  std::optional<bool> thinking;  // what the template is told, if it asks
};

struct AnswerStats {
  int64_t prompt_tokens = 0, known_tokens = 0;  // of the prompt; of these in the cache already
  int64_t new_tokens = 0, context_used = 0;
  int64_t trimmed = 0;            // questions that went
  double first_s = 0, all_s = 0;  // until the first token; until the last one
  double thought_s = 0;
  SpeculationCounts drafts = {};  // with speculation
  Ending ending = Ending::none;
  bool stopped = false;  // by the caller
};

class ChatSession {
 public:
  // source, model and engine must outlive it. UserError if the model has no chat template.
  ChatSession(const Context& ctx, const ModelSource& source, Engine& engine, ChatSettings settings);

  // Asks, and gives the answer piece by piece; f returns false to end it there. The answer as far as it came is part of the
  // conversation then. UserError if the conversation does not fit the context, or what f throws: then the question is no
  // part of it.
  const AnswerStats& ask(std::string_view question, const std::function<bool(const ThoughtSplitter::Piece&)>& f);

  Conversation& conversation() { return conversation_; }
  ChatSettings& settings() { return settings_; }
  const AnswerStats& stats() const { return stats_; }  // of the last answer
  const std::string& last_thought() const { return thought_; }
  int64_t context() const { return engine_->settings().max_context; }

 private:
  void answer(const std::function<bool(const ThoughtSplitter::Piece&)>& f);
  struct Prompt {
    std::vector<int32_t> tokens;
    bool opens_thought = false;
  };
  Prompt prompt() const;
  Prompt fitting_prompt();

  const Context* ctx_;
  const ModelSource* source_;
  Engine* engine_;
  ChatSettings settings_;
  Conversation conversation_;
  AnswerStats stats_;
  std::string thought_;
  uint64_t answers_ = 0;
};

// The settings that the model's makers recommend, or R1's 0.6 and 0.95 (R1 §3, "Evaluation Setup").
SamplingSettings chat_sampling(const GenerationDefaults& defaults);

}  // namespace minke
