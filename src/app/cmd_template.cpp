// minke template render: chat templates with given variables, to compare with Jinja2: flags → src/tokenize.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/standard_output.h"
#include "data/json_lines.h"
#include "tokenize/jinja/template.h"

namespace minke {
namespace {

struct Flags {
  std::string templates, jsonl, out, now;
};

// A template that cannot be read is an answer as well: its error.
struct Loaded {
  std::unique_ptr<JinjaTemplate> jinja;
  std::string error;
};

Loaded load(const fs::path& path, const std::string& name) {
  const std::string source = read_file(path, size_t(64) << 20);
  try {
    return {std::make_unique<JinjaTemplate>(source, name), ""};
  } catch (const UserError& e) {
    return {nullptr, e.what()};
  }
}

void render(const Flags& f) {
  refuse_own_input(f.out, f.jsonl);
  const std::tm now = f.now.empty() ? local_time() : parse_time(f.now);
  std::map<std::string, Loaded> loaded;
  size_t rendered = 0, refused = 0;
  AtomicFile out{fs::path(f.out)};
  read_json_lines(f.jsonl, {}, [&](const Json& line, const std::string& where) {
    const auto name = line.find("template"), inputs = line.find("inputs");
    if (name == line.end() || !name->is_string()) user_error("{}: \"template\" must be the name of a file", where);
    if (inputs == line.end() || !inputs->is_object()) user_error("{}: \"inputs\" must be an object", where);
    const std::string file = name->get<std::string>();
    if (file.empty() || file.find('/') != file.npos)
      user_error("{}: template: \"{}\" must be the name of a file in {}", where, printable(file), f.templates);
    auto at = loaded.find(file);
    if (at == loaded.end()) at = loaded.emplace(file, load(fs::path(f.templates) / file, file)).first;
    Json answer = Json::object();
    try {
      if (!at->second.jinja) user_error("{}", at->second.error);
      answer["text"] = at->second.jinja->render(*inputs, now);
      ++rendered;
    } catch (const UserError& e) {
      answer["error"] = e.what();
      ++refused;
    }
    out.write(answer.dump() + "\n");
  });
  out.commit();
  print_note(fmt::format("{}: {} conversations rendered, {} refused by their template", f.out, rendered, refused));
}

}  // namespace

void add_template_command(CLI::App& program) {
  CLI::App* command = program.add_subcommand("template", "Render chat templates");
  set_example(*command, "minke template render --templates templates --jsonl conversations.jsonl --out texts.jsonl");
  command->require_subcommand(1);
  const auto flags = std::make_shared<Flags>();
  CLI::App* verb = command->add_subcommand(
      "render", "Render each line's conversation: {\"template\", \"inputs\"} in, {\"text\"} or {\"error\"} out");
  set_example(*verb, "minke template render --templates templates --jsonl conversations.jsonl --out texts.jsonl");
  verb->add_option("--templates", flags->templates, "Folder with the templates")->required();
  verb->add_option("--jsonl", flags->jsonl,
                   "JSON Lines: \"template\" is a file of that folder, \"inputs\" its variables (\"messages\" …)")
      ->required();
  verb->add_option("--out", flags->out, "File for the texts, one JSON object a line")->required();
  verb->add_option("--now", flags->now, "What strftime_now shows, as 2025-01-20T12:00:00 (default: the clock)");
  verb->callback([flags] { render(*flags); });
}

}  // namespace minke
