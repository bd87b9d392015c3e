// Preferences: {"prompt", "chosen", "rejected"}, two answers to a prompt of which one is better → ids, as a reward model sees them:
// the prompt by the chat template, the answer, and the token that ends it, as conversations.h makes a trained turn. A prompt is the
// text of a user, or the list of messages that the answers follow (R1 §2.3.4; docs/recipe/post-training.md §2).
// Test: tests/data/pairs_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "data/conversations.h"

namespace minke {

struct PreferencePair {
  std::vector<int32_t> chosen, rejected;  // each with the prompt before it and its end token at the end
};

// UserError, with `where`, for what is no pair.
PreferencePair encode_pair(const ConversationEncoder& encoder, const Json& line, std::string_view where);
// The messages of a prompt, as a text or as a list. UserError, with `where`.
Json prompt_messages(const Json& line, std::string_view where);

// Pairs in token shards: documents 2i and 2i + 1 are the chosen and the rejected text of pair i.
struct PairSet {
  TokenSet texts;
  uint64_t size() const { return texts.num_documents() / 2; }
  PreferencePair pair(uint64_t i) const;
};
struct PairData {
  PairSet train, held_out;
};
struct PairCounts {
  uint64_t pairs = 0, held_out = 0;  // that are used; held_out: of them
  uint64_t too_long = 0, same = 0;   // left out: a text is too long; both answers are the same
  uint64_t tokens = 0, most = 0;     // of the texts that are used; of the longest of all
};

// UserError for a source that holds no pairs: built-in text, or a file that is not there. `where`: the key that names it.
void check_pairs(const std::string& source, std::string_view where);

// sequence_length: of a whole text, its end token included.
using PairOptions = ConversationOptions;
// Into `folder`, which appears complete or not at all. All answers to a question are trained on, or all are held out. UserError if
// nothing is left to train on.
PairCounts tokenize_pairs(const PairOptions& options, const ConversationEncoder& encoder, const fs::path& folder,
                          const std::function<void(const PairCounts&)>& progress = {});
PairData open_pairs(const fs::path& folder);

}  // namespace minke
