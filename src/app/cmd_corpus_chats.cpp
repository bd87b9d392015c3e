// minke corpus chats, minke corpus pairs: write built-in conversations, and pairs of answers, as lines of JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/corpus_lines.h"
#include "corpus/chat_source.h"

namespace minke {
namespace {

struct ChatOptions {
  std::string languages = "en,zh";
  CorpusLines lines;
};

using LineOf = std::string (*)(uint64_t seed, uint64_t index, const std::vector<Language>& languages, TaskSplit split);

void add(CLI::App& corpus, const std::string& verb, const std::string& description, const std::string& what,
         LineOf line_of) {
  auto o = std::make_shared<ChatOptions>();
  CLI::App* c = corpus.add_subcommand(verb, description);
  set_example(*c, fmt::format("minke corpus {} --language en -n 2000 --out {}.jsonl", verb, verb));
  c->add_option("--language", o->languages, "en, zh or en,zh: languages take turns")->capture_default_str();
  add_corpus_lines_flags(*c, o->lines, what);
  c->callback([o, what, line_of] {
    const std::vector<Language> languages = parse_languages(o->languages, "--language");
    write_corpus_lines(o->lines, what,
                       [&](uint64_t i) { return line_of(o->lines.seed, i, languages, o->lines.split); });
  });
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
