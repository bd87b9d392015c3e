#include "corpus/corpus.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "corpus/chains.h"
#include "corpus/genres.h"
#include "corpus/needle.h"

namespace minke {
namespace {

constexpr size_t kBlock = 256;  // documents that one thread makes at a time

std::string make_text(DocumentKind kind, Language language, Rng rng, Levels levels, corpus::Problems& problems) {
  const bool chinese = language == Language::chinese;
  const Levels or_all = levels.empty() ? Levels::range(document_levels(kind)) : levels;
  switch (kind) {
    case DocumentKind::story: return chinese ? corpus::story_zh(rng) : corpus::story_en(rng);
    case DocumentKind::dialogue: return chinese ? corpus::dialogue_zh(rng) : corpus::dialogue_en(rng);
    case DocumentKind::word_problem: return corpus::word_problems_text(rng, chinese, or_all, problems);
    case DocumentKind::arithmetic: return corpus::arithmetic_text(rng, or_all, problems);
    case DocumentKind::code: return corpus::code_text(rng);
    case DocumentKind::needle: return corpus::needle_text(rng);
    case DocumentKind::fact: return corpus::fact_text(rng);
    case DocumentKind::questions: return corpus::questions_text(rng, levels, problems);
    case DocumentKind::chain: return corpus::chain_text(rng, levels, problems);
    case DocumentKind::attempt: return corpus::attempt_text(rng, levels, problems);
    case DocumentKind::check: return corpus::check_text(rng, levels, problems);
    case DocumentKind::countdown: return corpus::countdown_text(rng, levels, problems);
    case DocumentKind::logic: return corpus::puzzle_text(rng, or_all, problems);
    case DocumentKind::exercise: return corpus::exercise_text(rng, or_all, problems);
    case DocumentKind::chat: return corpus::chat_text(rng, chinese, problems);
    case DocumentKind::worked: return corpus::worked_text(rng, chinese, or_all, problems);
  }
  return {};
}

}  // namespace

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
  const auto make = [&](Rng draw) {
    Document document{"", kind, language, {}};
    document.text = make_text(kind, language, draw, mix.levels[size_t(kind)], document.problems);
    return document;
  };
  // Its questions stand beside each other, and one may by chance go on with what another ends with; the other genres look
  // at themselves.
  const auto fits = [&](const Document& d) {
    return kind != DocumentKind::arithmetic || !corpus::shows_test_problem(d.text);
  };
  return corpus::first_that_fits(rng, make, fits);
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
