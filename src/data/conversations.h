// Conversations as fine-tuning sees them: {"messages": [{"role", "content"}, …]} → ids, and which of them are targets: what the
// assistant wrote, its thoughts included, and the token that ends it (V3 §5.1; docs/recipe/post-training.md §1). A trained turn
// is what the model will have to write after the template's generation prompt, never what the template leaves of an old turn
// (R1's templates cut the thoughts of those). Thoughts come as <think>…</think> at the beginning of the content, or as
// "reasoning_content". A message with "weight": 0 is no target. Test: tests/data/conversations_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/documents.h"
#include "data/shards.h"
#include "data/soft_targets.h"
#include "tokenize/chat_template.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct TrainedConversation {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> is_target;  // of each token: 1 if it is learned
};

class ConversationEncoder {
 public:
  // Both outlive the encoder.
  ConversationEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat_template)
      : tokenizer_(tokenizer), template_(chat_template) {}

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool opens_thoughts() const;  // whether the template's prompt begins one

  // One sequence, or several where the template shows a turn another past than the one before was trained with. UserError, with
  // `where`, for what is no conversation or has no target.
  std::vector<TrainedConversation> encode(const Json& line, std::string_view where) const;
  // The last of the messages as an answer to those before it, whatever it says, with the token that ends it. Each message has a
  // string "role" and "content". UserError if nothing ends an answer, or the template refuses the messages.
  TrainedConversation answer(const Json& messages) const;

 private:
  struct Answer {
    std::vector<int32_t> prompt, text;  // ids
  };
  Answer answer_of(const Json& messages, size_t turn) const;

  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
};

// Whether a conversation is held out: by its first message of a user, so that all answers to a question go the same way, whatever the
// system prompt (V3 §5.1 has each problem twice).
bool is_held_out(const Json& messages, const HeldOutOptions& options);
// UserError, with `where`, for a token that a model of so many has not.
void check_vocabulary(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens, int32_t vocab_size,
                      std::string_view where);

// With its targets marked: ⟦…⟧ around them.
std::string marked_text(const Tokenizer& tokenizer, const TrainedConversation& conversation);

// Token shards of conversations: tokens, and of each whether it is a target, cut into documents in the same places, so that
// the same plan packs both (packing.h).
struct ConversationSet {
  TokenSet tokens, is_target;
  SoftSet soft;  // with ConversationOptions::soft_targets
  TrainedConversation conversation(uint64_t document) const;
};
struct ConversationData {
  ConversationSet train, held_out;
};
struct ConversationCounts {
  uint64_t conversations = 0, held_out = 0;  // held_out: of them
  uint64_t sequences = 0, too_long = 0;      // too_long: left out
  uint64_t tokens = 0, targets = 0;
  uint64_t soft_targets = 0,
           otherwise = 0;  // targets with a teacher's probabilities; answers that are other tokens than the teacher's
};

// UserError for a source that holds no conversations: built-in text, or a file that is not there. Problems with their solutions are some, too
// (data/worked_tasks.h): files with "question" and "answer", as GSM8K's, and "builtin:tasks" (corpus/task_source.h). `where`: the key that names it.
// soft_targets: nor may it be what is built in, which no teacher has written.
void check_conversations(const std::string& source, std::string_view where, bool soft_targets = false);

struct ConversationOptions {
  std::vector<std::string> sources;  // files, folders, globs of JSON Lines; "builtin:chats", "builtin:tasks"
  uint64_t builtin_seed = 1;
  HeldOutOptions held_out;
  int64_t sequence_length = 0;  // longer ones are left out: a model must not learn from an answer without its end
  uint64_t tokenizer_hash = 0;
  int32_t vocab_size = 0;     // of the model
  bool soft_targets = false;  // with the teacher's log-probabilities that each line has (top_log_probabilities.h)
};
// Into `folder`, which appears complete or not at all. UserError if nothing is left to train on; with soft_targets, also for a line
// without a teacher's log-probabilities, for those of another vocabulary, and if no answer is of the teacher's tokens.
ConversationCounts tokenize_conversations(const ConversationOptions& options, const ConversationEncoder& encoder,
                                          const fs::path& folder,
                                          const std::function<void(const ConversationCounts&)>& progress = {});
ConversationData open_conversations(const fs::path& folder);

}  // namespace minke
