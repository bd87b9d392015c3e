// minke corpus: prints the built-in corpus, or writes it as JSONL or text.
#include <fmt/format.h>
#include <strings.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "corpus/corpus.h"

namespace minke {
namespace {

struct CorpusOptions {
  std::string bytes = "100k", out, kinds, languages;
  uint64_t seed = 1;
};

// "5M", "300k", "1G" or a plain number; k = 1,000.
uint64_t parse_bytes(const std::string& text) {
  uint64_t value = 0;
  size_t i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && value < uint64_t(1) << 40; ++i)
    value = value * 10 + uint64_t(text[i] - '0');
  const std::string unit = text.substr(i);
  uint64_t factor = 0;
  if (unit.empty()) factor = 1;
  else if (unit == "k" || unit == "K" || unit == "kB") factor = 1000;
  else if (unit == "M" || unit == "MB") factor = 1000000;
  else if (unit == "G" || unit == "GB") factor = 1000000000;
  if (i == 0 || factor == 0 || value == 0 || value > uint64_t(1000000000000) / factor)
    user_error("--bytes {}: give a number of bytes up to 1000G, such as 300k, 5M or 1G", text);
  return value * factor;
}

void run(const CorpusOptions& options) {
  const uint64_t bytes = parse_bytes(options.bytes);
  const CorpusMix mix = corpus_mix(options.kinds, options.languages);
  const auto ends_with = [&](std::string_view ending) {  // in capitals, too
    const std::string own = fs::path(options.out).extension();
    return own.size() == ending.size() && ::strncasecmp(own.data(), ending.data(), ending.size()) == 0;
  };
  const bool jsonl = ends_with(".jsonl");
  std::error_code ignored;
  const bool special = fs::is_other(options.out, ignored);  // a device or a pipe may have any name
  if (!options.out.empty() && !special && !jsonl && !ends_with(".txt"))
    user_error(
        "--out {}: the name must end with .jsonl (one {{\"text\": …}} per line) or .txt (documents with blank lines "
        "between)",
        options.out);
  std::optional<AtomicFile> file;
  if (!options.out.empty()) {
    if (const fs::path folder = fs::path(options.out).parent_path(); !folder.empty()) fs::create_directories(folder);
    file.emplace(options.out);
  }
  uint64_t written = 0, documents = 0;
  corpus_stream(options.seed, mix, [&](const Document& document) {
    std::string record;
    if (jsonl)
      record =
          nlohmann::ordered_json{
              {"text", document.text}, {"kind", name_of(document.kind)}, {"language", name_of(document.language)}}
              .dump() +
          "\n";
    else record = (documents ? "\n" : "") + document.text + "\n";
    if (file) file->write(record);
    else print_out(record);
    ++documents;
    written += document.text.size();
    return written < bytes;
  });
  if (file) {
    file->commit();
    fmt::print("{}: {} documents, {} bytes of text (seed {})\n", options.out, documents, written, options.seed);
  }
}

}  // namespace

void add_corpus_command(CLI::App& program) {
  auto options = std::make_shared<CorpusOptions>();
  CLI::App* command =
      program.add_subcommand("corpus", "Print or write the built-in text (stories, dialogues, problems, code)");
  set_example(*command, "minke corpus --bytes 1M --out corpus.jsonl");
  command->add_option("--bytes", options->bytes, "Bytes of text, such as 300k, 5M, 1G")->capture_default_str();
  command->add_option("--seed", options->seed, "Seed: another seed gives other text")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--out", options->out, "FILE.jsonl or FILE.txt; default: print the text");
  command->add_option("--kind", options->kinds,
                      "Only these kinds, with commas between: " + names_of<DocumentKind>(" ") +
                          " math (word_problem and arithmetic) r1_zero (text of a base for R1-Zero). Levels, or a "
                          "language, and a weight "
                          "may follow: countdown:3-4*0.5, chat:en");
  command->add_option("--language", options->languages, "Only these languages: en,zh");
  add_corpus_tasks(*command);
  add_corpus_chats(*command);
  command->callback([options, command] {
    if (command->get_subcommands().empty()) return run(*options);
    for (const CLI::Option* option : command->get_options())
      if (option->count() > 0)
        user_error("{} comes before {}, but flags come after it", option->get_name(),
                   command->get_subcommands()[0]->get_name());
  });
}

}  // namespace minke
