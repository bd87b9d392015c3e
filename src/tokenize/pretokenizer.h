// Pre-tokenization: cuts text into pieces for BPE, as described by the "pre_tokenizer" of a tokenizer.json (Split, Digits,
// ByteLevel, Sequence; only byte-level vocabularies). For the sequences of DeepSeek, Llama-3, Qwen2/3, GPT-2 and SmolLM
// hand-written splitters are used. Tested in tests/tokenize/pretokenizer_test.cpp.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenize/fast_split.h"
#include "tokenize/regex.h"

namespace minke {

// Pieces of `text`, which is the caller's, or `rewritten` where a prefix space had to be put in.
struct Pieces {
  std::string_view text;
  std::string rewritten;
  std::vector<Match> spans;
  std::vector<Match> next, matches;  // working space of split()
};

class Pretokenizer {
 public:
  // allow_fast = false runs the regexes themselves, so that tests can compare the hand-written splitters with them.
  Pretokenizer(const nlohmann::json& description, std::string_view where, bool allow_fast = true);

  // The hand-written splitter that does all of the work, or nullptr: then split() must be called (it works always).
  NextPiece fast() const { return fast_; }
  std::string_view name() const { return name_; }  // "deepseek_v3", …, or the components: "Split, Digits, ByteLevel"
  void split(std::string_view text, Pieces& out) const;

 private:
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  struct Digits {};
  struct Uncompiled {  // only while the description is read
    std::string pattern, where;
  };
  struct Split {
    std::variant<Uncompiled, Regex, std::string, Digits> pattern;
    Behavior behavior;
    bool invert;
  };
  struct PrefixSpace {};
  using Stage = std::variant<Split, PrefixSpace>;

  Pretokenizer() = default;
  void read(const nlohmann::json& description, std::string_view where);
  void add(const nlohmann::json& description, const std::string& where, int depth);
  void add_split(const nlohmann::json& description, const std::string& where);
  static void apply(const Split& stage, Pieces& pieces);
  static void apply(PrefixSpace stage, Pieces& pieces);

  std::vector<Stage> stages_;  // none where a hand-written splitter does the work
  std::string signature_;      // what the fast splitters are recognised by
  std::string name_;
  NextPiece fast_ = nullptr;
  bool byte_level_ = false;
};

// The "pre_tokenizer" object of a known kind: deepseek_v3, deepseek_llm (also of V2), deepseek_coder, llama3, qwen2, gpt2,
// smollm, single_signs (minke's own, for arithmetic: digits, signs and newlines each alone), characters.
// UserError for any other name.
nlohmann::json pretokenizer_json(std::string_view name);
std::vector<std::string_view> pretokenizer_names();

}  // namespace minke
