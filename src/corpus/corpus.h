// The built-in corpus: text that the program makes itself, so that the main job needs no download. English and Chinese
// stories, dialogues, word problems, arithmetic, small Python programs. Document i is a pure function of (seed, i,
// mix): any part can be made anywhere, in parallel, again. Tested in tests/corpus/corpus_test.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// A needle document (corpus/needle.h) is made only where it is asked for.
enum class DocumentKind : uint8_t { story, dialogue, word_problem, arithmetic, code, needle };
inline constexpr size_t kDocumentKinds = 6;
enum class Language : uint8_t { english, chinese };

std::string_view name_of(DocumentKind kind);
std::string_view name_of(Language language);  // "en", "zh"

struct Document {
  std::string text;  // UTF-8, no blank line inside except in dialogues and code, no newline at the end
  DocumentKind kind;
  Language language;
};

// Counts up whenever the text of a document changes: prepared data sets made of the older text are made again.
inline constexpr int kCorpusVersion = 1;

// Shares of the documents, relative to each other; a zero leaves a genre out.
struct CorpusMix {
  // [kind][language]; arithmetic, code and needle have no Chinese form.
  std::array<std::array<double, 2>, kDocumentKinds> weight = {
      {{0.30, 0.15}, {0.12, 0.06}, {0.14, 0.07}, {0.08, 0.0}, {0.08, 0.0}, {0.0, 0.0}}};
};

// "stories,math" → a mix with only these kinds (story, dialogue, math = word problems + arithmetic, word_problem,
// arithmetic, code, needle; plurals allowed); `languages` likewise ("en,zh"). Empty strings mean all. UserError on other words.
CorpusMix corpus_mix(std::string_view kinds, std::string_view languages);

Document make_document(uint64_t seed, uint64_t index, const CorpusMix& mix = {});

// Documents 0, 1, 2 … until their texts have at least `bytes` bytes; made by `threads` threads (0 = all), with the
// same result for any number.
std::vector<std::string> make_corpus(uint64_t seed, uint64_t bytes, const CorpusMix& mix = {}, int threads = 0);

// The same without holding it in memory: calls sink for every document in order until it returns false.
void corpus_stream(uint64_t seed, const CorpusMix& mix, const std::function<bool(const Document&)>& sink);

}  // namespace minke
