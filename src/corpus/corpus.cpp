#include "corpus/corpus.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "corpus/genres.h"
#include "corpus/needle.h"

namespace minke {
namespace {

constexpr double kNeedleWeight = 0.30;  // where it is asked for
constexpr size_t kBlock = 256;          // documents that one thread makes at a time

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string word(list.substr(0, comma));
    if (word == "stories") word = "story";
    else if (word.size() > 1 && word.back() == 's') word.pop_back();
    words.push_back(std::move(word));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return words;
}

std::string make_text(DocumentKind kind, Language language, Rng rng) {
  const bool chinese = language == Language::chinese;
  switch (kind) {
    case DocumentKind::story: return chinese ? corpus::story_zh(rng) : corpus::story_en(rng);
    case DocumentKind::dialogue: return chinese ? corpus::dialogue_zh(rng) : corpus::dialogue_en(rng);
    case DocumentKind::word_problem: return corpus::word_problems_text(rng, chinese);
    case DocumentKind::arithmetic: return corpus::arithmetic_text(rng);
    case DocumentKind::code: return corpus::code_text(rng);
    case DocumentKind::needle: return corpus::needle_text(rng);
  }
  return {};
}

}  // namespace

CorpusMix corpus_mix(std::string_view kinds, std::string_view languages) {
  CorpusMix mix;
  std::array<bool, kDocumentKinds> keep_kind{};
  std::array<bool, 2> keep_language{};
  for (const std::string& word : words_of(kinds)) {
    bool known = word == "math";
    if (known) keep_kind[size_t(DocumentKind::word_problem)] = keep_kind[size_t(DocumentKind::arithmetic)] = true;
    if (const auto kind = find_named<DocumentKind>(word)) known = keep_kind[size_t(*kind)] = true;
    if (!known)
      user_error(
          "corpus kind \"{}\" is unknown. Use some of story, dialogue, math, word_problem, arithmetic, code, needle, "
          "separated by commas",
          word);
  }
  for (const std::string& word : words_of(languages)) {
    const auto language = find_named<Language>(word);
    if (!language) user_error("corpus language \"{}\" is unknown. Use en, zh or en,zh", word);
    keep_language[size_t(*language)] = true;
  }
  if (keep_kind[size_t(DocumentKind::needle)]) mix.weight[size_t(DocumentKind::needle)][0] = kNeedleWeight;
  if (kinds.empty()) keep_kind.fill(true);
  if (languages.empty()) keep_language.fill(true);
  double total = 0;
  for (size_t k = 0; k < kDocumentKinds; ++k)
    for (size_t l = 0; l < 2; ++l) {
      if (!keep_kind[k] || !keep_language[l]) mix.weight[k][l] = 0;
      total += mix.weight[k][l];
    }
  if (total == 0) user_error("arithmetic, code and needle have no Chinese form; add another kind, or the language en");
  return mix;
}

Document make_document(uint64_t seed, uint64_t index, const CorpusMix& mix) {
  Rng rng{RngKey{seed}.at("corpus").at(index)};
  double total = 0;
  for (const auto& row : mix.weight) total += row[0] + row[1];
  check(total > 0, "corpus mix has a positive weight");
  double x = rng.uniform() * total;
  DocumentKind kind = DocumentKind::story;
  Language language = Language::english;
  bool found = false;
  for (const auto& [k, kind_name] : EnumNames<DocumentKind>::all) {
    for (const auto& [l, language_name] : EnumNames<Language>::all) {
      const double w = mix.weight[size_t(k)][size_t(l)];
      if (found || w <= 0) continue;
      kind = k, language = l;  // the last positive entry also takes what rounding leaves over
      found = x < w;
      x -= w;
    }
  }
  return {make_text(kind, language, rng), kind, language};
}

void corpus_stream(uint64_t seed, const CorpusMix& mix, const std::function<bool(const Document&)>& sink) {
  for (uint64_t i = 0; sink(make_document(seed, i, mix)); ++i) {
  }
}

std::vector<std::string> make_corpus(uint64_t seed, uint64_t bytes, const CorpusMix& mix, int threads) {
  const size_t workers = threads > 0 ? size_t(threads) : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::string> documents;
  uint64_t have = 0;
  while (have < bytes) {
    // Blocks are made side by side and appended in order until the bytes are reached.
    std::vector<std::vector<std::string>> blocks(std::min<uint64_t>(workers * 4, 1 + (bytes - have) / (kBlock * 1000)));
    std::atomic<size_t> next{0};
    const uint64_t first = documents.size();
    std::exception_ptr failure;
    std::mutex failure_mutex;
    const auto work = [&] {
      try {
        for (size_t b; (b = next++) < blocks.size();) {
          for (uint64_t i = 0; i < kBlock; ++i)
            blocks[b].push_back(make_document(seed, first + b * kBlock + i, mix).text);
        }
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        failure = std::current_exception();
      }
    };
    std::vector<std::thread> pool;
    for (size_t t = 1; t < workers; ++t) pool.emplace_back(work);
    work();
    for (std::thread& thread : pool) thread.join();
    if (failure) std::rethrow_exception(failure);
    for (auto& block : blocks) {
      for (std::string& text : block) {
        if (have >= bytes) break;
        have += text.size();
        documents.push_back(std::move(text));
      }
    }
  }
  return documents;
}

}  // namespace minke
