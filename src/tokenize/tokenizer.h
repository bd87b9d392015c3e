// Byte-level BPE tokenizers in the tokenizer.json format of the Hugging Face library (DeepSeek V1–V3, Llama-3, Qwen2/3,
// GPT-2, SmolLM, and what train_bpe makes), with the ids that library gives (docs/recipe/training.md §3). Where they
// differ:
//  - Text may be any bytes. A byte that is no valid UTF-8 is split as if it were U+FFFD, but encoded as itself, so that
//    decode(encode(x)) == x (unless the file asks for a normaliser, which changes text on purpose).
//  - A byte or character that the vocabulary lacks is a UserError (unless the file has an unk_token); there it
//  vanishes.
//  - "truncation" and "padding" of the file are not applied, as transformers does not by default, nor is "post_processor":
//  encode() gives the whole text, and the caller asks for bos and eos.
//  - decode() gives bytes, not text with U+FFFD, and an added token always decodes to its own content.
// Tested in tests/tokenize/tokenizer_test.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"
#include "tokenize/added_tokens.h"

namespace minke {

struct EncodeOptions {
  // true: as the Hugging Face library with add_special_tokens=False, where "<｜User｜>" in the text becomes that token.
  // false: for text from strangers: special tokens in it stay text (added tokens that are not special still match).
  bool parse_special = true;
  bool add_bos = false;  // in front; ignored where the tokenizer has none
  bool add_eos = false;  // at the end
};

class Tokenizer {
 public:
  // A tokenizer.json or its folder, where tokenizer_config.json names bos and eos; or a GGUF file. UserError names file and
  // field.
  static Tokenizer load(const fs::path& path);
  static Tokenizer from_json_text(std::string_view json, std::string_view where, std::string_view config_json = {});

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // All const members may be called from several threads at once.
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  // encode() of each text, on several threads.
  std::vector<std::vector<int32_t>> encode_all(std::span<const std::string_view> texts, int threads,
                                               EncodeOptions options = {}) const;
  // The bytes of the ids; may be cut within a code point at the ends. Ids without a token (the padding of an embedding
  // table, say) give nothing.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  int32_t vocab_size() const;                      // largest id + 1, added tokens included
  std::string_view token_bytes(int32_t id) const;  // empty for an id without a token
  bool has_token(int32_t id) const;
  bool is_special(int32_t id) const;
  std::optional<int32_t> id_of(std::string_view token) const;  // of an added token, by its content
  int32_t bos_id() const;                                      // −1 if there is none
  int32_t eos_id() const;
  // Whether a prompt begins with bos: where there is one, unless a GGUF file says otherwise. (In a tokenizer_config.json
  // add_bos_token is false for models that were trained with it, too: there the chat template has it.)
  bool begins_with_bos() const;
  const std::vector<AddedToken>& added_tokens() const;  // in the order of the file
  std::string_view pretokenizer_name() const;           // "deepseek_v3", … or the names of its components
  size_t num_merges() const;
  // A line for people where transformers 5 gives other ids than this file says (transformers.h), or where the file does not
  // say enough (from_gguf.h); "" otherwise.
  const std::string& note() const;
  std::string note_beside(std::string_view model_config) const;  // the same if this were the folder's config.json

  // tokenizer.json and tokenizer_config.json, as they were read (or made by train_bpe); each appears whole or not at
  // all.
  void save(const fs::path& folder) const;
  const std::string& json_text() const;

 private:
  struct Model;
  static Tokenizer load_gguf(const fs::path& path);
  explicit Tokenizer(std::unique_ptr<Model> model);
  std::unique_ptr<Model> model_;
};

// Text from ids that come one by one: what push() returns never ends within a code point. Bytes that cannot become
// valid UTF-8 are passed on as they are.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}
  std::string push(int32_t id);
  std::string finish();  // what is still held back: the beginning of a code point

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string held_;
};

}  // namespace minke
