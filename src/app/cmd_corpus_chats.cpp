// minke corpus chats, minke corpus pairs: write built-in conversations, and pairs of answers, as lines of JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "corpus/chat_source.h"

namespace minke {
namespace {

struct ChatOptions {
  std::string languages = "en,zh", out;
  TaskSplit split = TaskSplit::train;
  uint64_t seed = 1;
  int64_t count = 10;
};

using LineOf = std::string (*)(uint64_t seed, uint64_t index, const std::vector<Language>& languages, TaskSplit split);

void write_lines(const ChatOptions& o, std::string_view what, LineOf line_of) {
  const std::vector<Language> languages = parse_languages(o.languages, "--language");
  std::optional<AtomicFile> file;
  if (!o.out.empty()) {
    if (const fs::path folder = fs::path(o.out).parent_path(); !folder.empty()) fs::create_directories(folder);
    file.emplace(o.out);
  }
  for (int64_t i = 0; i < o.count; ++i) {
    const std::string line = line_of(o.seed, uint64_t(i), languages, o.split) + "\n";
    if (file) file->write(line);
    else print_out(line);
  }
  if (!file) return;
  file->commit();
  print_out(fmt::format("{}: {} {} of the {} split (seed {})\n", o.out, o.count, what, name_of(o.split), o.seed));
}

void add(CLI::App& corpus, const std::string& verb, const std::string& description, const std::string& what,
         LineOf line_of) {
  auto o = std::make_shared<ChatOptions>();
  CLI::App* c = corpus.add_subcommand(verb, description);
  set_example(*c, fmt::format("minke corpus {} --language en -n 2000 --out {}.jsonl", verb, verb));
  c->add_option("--language", o->languages, "en, zh or en,zh: languages take turns")->capture_default_str();
  add_choice(*c, "--split", o->split, "Questions for training, or such as no training text holds");
  c->add_option("--seed", o->seed, "Seed: another seed gives others")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->add_option("-n,--count", o->count, fmt::format("Number of {}", what))
      ->check(CLI::Range(int64_t(1), int64_t(100'000'000)))
      ->capture_default_str();
  c->add_option("--out", o->out, "FILE.jsonl; default: print them");
  c->callback([o, what, line_of] { write_lines(*o, what, line_of); });
}

}  // namespace

void add_corpus_chats(CLI::App& corpus) {
  add(corpus, "chats", "Write conversations (questions with short answers), as minke sft reads them", "conversations",
      [](uint64_t seed, uint64_t i, const std::vector<Language>& languages, TaskSplit split) {
        return chat_line(chat_of(seed, i, languages, split));
      });
  add(corpus, "pairs", "Write pairs of a good answer and one with a fault, for a reward model", "pairs",
      [](uint64_t seed, uint64_t i, const std::vector<Language>& languages, TaskSplit split) {
        return pair_line(pair_of(seed, i, languages, split));
      });
}

}  // namespace minke
