// Fuzz target (libFuzzer's entry point): the first byte chooses between loading the rest as a tokenizer.json, as the
// tokenizer_config.json beside a good one, and a round trip of the rest as text, through the splitters and their
// regexes. Anything but a UserError is a bug.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "tokenize/pretokenizer.h"
#include "tokenize/train.h"

namespace {

using namespace minke;

struct Splitter {
  Pretokenizer fast, oracle;
};

const std::vector<Splitter>& splitters() {
  static const std::vector<Splitter> all = [] {
    std::vector<Splitter> out;
    for (std::string_view name : pretokenizer_names())
      out.push_back({Pretokenizer(pretokenizer_json(name), name), Pretokenizer(pretokenizer_json(name), name, false)});
    return out;
  }();
  return all;
}

const Tokenizer& tokenizer() {
  static const std::string_view texts[] = {
      "the whale and the other whale sing 12 123 中文 the same song again and again\n\n"};
  static const Tokenizer made = train_bpe(texts, {.vocab_size = 300});
  return made;
}

// tokenizer_config.json names added tokens and nothing else of the file beside it, so that one is as short as can be.
constexpr std::string_view kBesideConfig =
    R"({"added_tokens": [{"id": 1, "content": "<｜begin▁of▁sentence｜>"}, {"id": 2, "content": "<｜end▁of▁sentence｜>"}],
        "pre_tokenizer": {"type": "ByteLevel"}, "model": {"vocab": {"a": 0}, "merges": []}})";

void require(bool ok) {
  if (!ok) std::abort();
}

void split_both_ways(const Splitter& splitter, std::string_view text) {
  Pieces pieces;
  splitter.oracle.split(text, pieces);
  size_t at = 0;
  for (const Match& span : pieces.spans) {
    require(span.first == at);
    at = splitter.fast.fast()(unicode::tables(), text, at);
    require(span.end == at);
  }
  require(at == text.size());
}

void round_trip(std::string_view text) {
  const std::vector<int32_t> ids = tokenizer().encode(text);
  require(tokenizer().decode(ids) == text);
  require(tokenizer().decode(tokenizer().encode(text, {.parse_special = false})) == text);
  StreamDecoder stream(tokenizer());
  std::string streamed;
  for (int32_t id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  require(streamed == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'c') {
    try {
      Tokenizer::from_json_text(kBesideConfig, "fuzz", rest);
    } catch (const UserError&) {
    }
    return 0;
  }
  if (data[0] % 2 == 0) {
    try {
      const Tokenizer loaded = Tokenizer::from_json_text(rest, "fuzz");
      loaded.decode(loaded.encode(rest.substr(0, 200)));
    } catch (const UserError&) {
    }
    return 0;
  }
  round_trip(rest);
  split_both_ways(splitters()[data[0] / 2 % splitters().size()], rest);
  return 0;
}
