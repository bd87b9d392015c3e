#include "corpus/needle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "corpus/genres.h"

namespace minke {
namespace {

// Few words: a small model learns for each of them by itself how it is looked up.
constexpr std::string_view kKeys[] = {"amber", "coral", "ebony", "ivory", "jade", "olive", "pearl", "ruby"};
constexpr std::string_view kValues[] = {"arrow",  "bell",   "castle",  "feather", "garden", "island",
                                        "kettle", "mirror", "orchard", "ribbon",  "spoon",  "thunder"};
constexpr size_t kNeedles = 4;

// A password of two words, asked for by its first.
struct Needle {
  std::string_view key, value;
};

std::string question(const Needle& n) { return fmt::format("The password is {}", n.key); }
std::string answer(const Needle& n) { return fmt::format(" {}", n.value); }
std::string fact(const Needle& n) { return question(n) + answer(n) + "."; }

// The first `count` of the keys in random order, each with a word of its own.
std::vector<Needle> draw_needles(Rng& rng, size_t count) {
  std::vector<std::string_view> keys(std::begin(kKeys), std::end(kKeys)),
      values(std::begin(kValues), std::end(kValues));
  std::vector<Needle> needles;
  for (size_t i = 0; i < count; ++i) {
    std::swap(keys[i], keys[i + rng.below(keys.size() - i)]);
    std::swap(values[i], values[i + rng.below(values.size() - i)]);
    needles.push_back({keys[i], values[i]});
  }
  return needles;
}

void shuffle(Rng& rng, std::vector<Needle>& needles) {
  for (size_t i = needles.size(); i > 1; --i) std::swap(needles[i - 1], needles[rng.below(i)]);
}

// The sentences of stories, at least `bytes` of them.
std::vector<std::string> sentences(Rng& rng, size_t bytes) {
  std::vector<std::string> all;
  for (size_t size = 0; size < bytes;) {
    std::string story = corpus::story_en(Rng{RngKey{rng.key.u64(rng.index++)}});
    for (size_t begin = 0; begin < story.size() && size < bytes;) {
      size_t end = story.find_first_of(".!?\n", begin);
      end = end == story.npos ? story.size() : end + 1;
      while (end < story.size() && (story[end] == '"' || story[end] == '.')) ++end;
      std::string sentence = story.substr(begin, end - begin);
      sentence.erase(0, sentence.find_first_not_of(" \n"));
      begin = end;
      if (sentence.size() < 4) continue;
      size += sentence.size() + 1;
      all.push_back(std::move(sentence));
    }
  }
  return all;
}

// The needles among the sentences; depth[i] of needle i.
std::string hide(const std::vector<std::string>& sentences, const std::vector<Needle>& needles,
                 const std::array<double, kNeedles>& depth) {
  std::string text;
  const auto put = [&](const std::string& s) { text += (text.empty() ? "" : " ") + s; };
  for (size_t s = 0; s <= sentences.size(); ++s) {
    for (size_t i = 0; i < kNeedles; ++i)
      if (size_t(std::llround(depth[i] * double(sentences.size()))) == s) put(fact(needles[i]));
    if (s < sentences.size()) put(sentences[s]);
  }
  return text;
}

}  // namespace

NeedleTask make_needle(uint64_t seed, uint64_t index, size_t bytes, double depth) {
  check(depth >= 0 && depth <= 1, "make_needle: depth is from 0 to 1");
  Rng rng{RngKey{seed}.at("needle").at(index)};
  const auto needles = draw_needles(rng, kNeedles);
  std::array<double, kNeedles> depths{depth};
  for (size_t i = 1; i < kNeedles; ++i) depths[i] = rng.uniform();
  return {hide(sentences(rng, bytes), needles, depths) + "\n" + question(needles[0]), answer(needles[0])};
}

namespace {

// Nothing but passwords, some 110 words: after the first time every second word is known to whoever has learned to look up
// what followed a word, and every word where the order stays the same: that is learned first, and leads there. Needles among
// stories ask too rarely for a small model to find it.
std::string recital(Rng& rng) {
  const size_t count = 2 + rng.below(5);
  std::vector<Needle> needles = draw_needles(rng, count);
  const bool in_order = rng.below(4) == 0;
  std::string text;
  for (size_t round = 0; round < 110 / (2 * count + 1); ++round) {
    if (!in_order) shuffle(rng, needles);
    text += round ? "\nSay" : "Say";
    for (const Needle& n : needles) text += fmt::format(" {} {}", n.key, n.value);
    text += ".";
  }
  return text;
}

}  // namespace

std::string corpus::needle_text(Rng rng) {
  if (rng.below(10) > 0) return recital(rng);
  const auto bytes = size_t(40 * std::pow(100.0, rng.uniform()));
  const std::vector<Needle> needles = draw_needles(rng, kNeedles);
  std::string text;
  const auto say = [&](const Needle& n, const char* before) { text += before + fact(n); };
  for (const std::string& sentence : sentences(rng, bytes)) {
    if (rng.below(2) == 0) say(needles[rng.below(kNeedles)], text.empty() ? "" : " ");
    text += (text.empty() ? "" : " ") + sentence;
  }
  for (int i = 0; i < 4; ++i) say(needles[rng.below(kNeedles)], "\n");
  return text;
}

}  // namespace minke
