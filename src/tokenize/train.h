// Trains a byte-level BPE vocabulary (Sennrich et al. 2016): the most frequent adjacent pair is merged, again and
// again; among equals the pair of smaller ids. The same merges as the Hugging Face trainer, for any number of threads.
// Tested in tests/tokenize/train_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenize/tokenizer.h"

namespace minke {

// DeepSeek-V3's spellings, beginning of sentence (id 0) and end of sentence (id 1) first.
std::vector<std::string> default_special_tokens();

struct TrainOptions {
  // Ids in all: special tokens, 256 bytes, merges. Fewer come out where the text has no pair left that occurs
  // min_frequency times. With "characters", the most that are allowed (0: as many as there are).
  int32_t vocab_size = 4096;
  // A name of pretokenizer_json (qwen2 with NFC before it, as Qwen's own have it), or
  // characters: each distinct code point of the text is one token.
  std::string pretokenizer = "deepseek_v3";
  std::vector<std::string> special_tokens = default_special_tokens();  // ids 0, 1, …; the first two are bos and eos
  // More tokens that are never split or merged, such as "<answer>": ids after the special ones. They are a part of the
  // text, which a decoder does not leave out, as <think> and </think> are, too.
  std::vector<std::string> tags;
  int64_t min_frequency = 2;
  int threads = 1;
};

// UserError where the options contradict themselves or, with "characters", a text is no valid UTF-8.
Tokenizer train_bpe(std::span<const std::string_view> texts, const TrainOptions& options);

}  // namespace minke
