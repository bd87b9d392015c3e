// What comes out of a stream is the decoded text up to the first stop string, whatever the cuts between tokens.
#include "chat/text_stream.h"

#include <gtest/gtest.h>

#include "core/begun_at_end.h"
#include "core/rng.h"
#include "tokenize/train.h"

namespace minke {
namespace {

const Tokenizer& letters() {
  static const std::string_view text[] = {"abcabdab é"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 300, .special_tokens = {"<bos>", "<eos>", "<x>"}});
  return t;
}

std::string all_of(TextStream& stream, std::string_view text) {
  std::string out;
  for (const int32_t id : letters().encode(text)) out += stream.push(id);
  return out + stream.finish();
}

TEST(TextStream, EndsBeforeTheFirstStopString) {
  Rng rng{{4, 0}};
  for (int i = 0; i < 2000; ++i) {
    const auto random = [&](int64_t longest) {
      std::string s;
      for (int64_t n = int64_t(rng.below(uint64_t(longest))) + 1; n > 0; --n) s += char('a' + rng.below(2));
      return s;
    };
    const std::string text = random(20);
    const std::vector<std::string> stops{random(4), random(4), ""};
    TextStream stream(letters(), stops);
    size_t end = text.npos;  // where the stop string begins that ends first
    for (size_t last = 1; last <= text.size() && end == text.npos; ++last)
      for (const std::string& s : {stops[0], stops[1]})
        if (std::string_view(text).substr(0, last).ends_with(s)) end = std::min(end, last - s.size());
    EXPECT_EQ(all_of(stream, text), text.substr(0, end)) << text << " without " << stops[0] << ", " << stops[1];
    EXPECT_EQ(stream.stopped(), end != text.npos);
    if (stream.stopped()) {
      EXPECT_EQ(stream.push(letters().encode("c")[0]), "");
    }
  }
}

TEST(TextStream, NothingIsHeldBackLongerThanNeeded) {
  TextStream stream(letters(), {"ab!"});
  EXPECT_EQ(stream.push(letters().encode("c")[0]), "c");
  std::string out;
  for (const int32_t id : letters().encode("ab")) out += stream.push(id);
  EXPECT_EQ(out, "");
  EXPECT_EQ(stream.push(letters().encode("c")[0]), "abc");
}

TEST(TextStream, SpecialTokensButThoughtsAreLeftOut) {
  static const std::string_view text[] = {"abc"};
  const Tokenizer t =
      train_bpe(text, {.vocab_size = 300, .special_tokens = {"<bos>", "<eos>", "<think>", "</think>", "<x>"}});
  const std::vector<int32_t> ids = t.encode("<think>a</think>b<x>c<eos>");
  const auto shown = [&](bool special) {
    TextStream stream(t, {}, special);
    std::string out;
    for (const int32_t id : ids) out += stream.push(id);
    return out + stream.finish();
  };
  EXPECT_EQ(shown(false), "<think>a</think>bc");
  EXPECT_EQ(shown(true), "<think>a</think>b<x>c<eos>");
}

TEST(TextStream, BegunAtEnd) {
  EXPECT_EQ(begun_at_end("xab", "abc"), 2u);
  EXPECT_EQ(begun_at_end("xabc", "abc"), 0u);
  EXPECT_EQ(begun_at_end("aa", "aaa"), 2u);
  EXPECT_EQ(begun_at_end("", "abc"), 0u);
  EXPECT_EQ(begun_at_end("abc", ""), 0u);
}

}  // namespace
}  // namespace minke
