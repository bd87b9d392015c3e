#include "app/corpus_lines.h"

#include <fmt/format.h>

#include <optional>

#include "app/choice_flag.h"
#include "core/files.h"
#include "core/standard_output.h"

namespace minke {

void add_corpus_lines_flags(CLI::App& c, CorpusLines& o, const std::string& count) {
  add_choice(c, "--split", o.split, "Problems for training, or those that no training text holds");
  c.add_option("--seed", o.seed, "Seed: another seed gives others")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c.add_option("-n,--count", o.count, "Number of " + count)
      ->check(CLI::Range(int64_t(1), int64_t(100'000'000)))
      ->capture_default_str();
  c.add_option("--out", o.out, "FILE.jsonl; default: print them");
}

void write_corpus_lines(const CorpusLines& o, const std::string& what,
                        const std::function<std::string(uint64_t)>& line) {
  std::optional<AtomicFile> file;
  if (!o.out.empty()) {
    if (const fs::path folder = fs::path(o.out).parent_path(); !folder.empty()) fs::create_directories(folder);
    file.emplace(o.out);
  }
  for (int64_t i = 0; i < o.count; ++i) {
    const std::string text = line(uint64_t(i)) + "\n";
    if (file) file->write(text);
    else print_out(text);
  }
  if (!file) return;
  file->commit();
  print_out(fmt::format("{}: {} {} of the {} split (seed {})\n", o.out, o.count, what, name_of(o.split), o.seed));
}

}  // namespace minke
