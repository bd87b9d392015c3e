// minke corpus tasks: writes tasks of a kind as lines of JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/corpus_lines.h"
#include "corpus/task_json.h"

namespace minke {
namespace {

struct TaskOptions {
  std::string task;
  CorpusLines lines;
};

void write_tasks(const TaskOptions& o) {
  const TaskChoice choice = parse_task_choice(o.task, "--task");
  write_corpus_lines(o.lines, "tasks " + o.task, [&](uint64_t i) {  // the levels in turn
    const int level = choice.levels.nth(int(i % uint64_t(choice.levels.count())));
    return task_line(make_task(o.lines.seed, i, choice.kind, level, o.lines.split), name_of(choice.kind), level);
  });
}

}  // namespace

void add_corpus_tasks(CLI::App& corpus) {
  auto o = std::make_shared<TaskOptions>();
  CLI::App* c = corpus.add_subcommand("tasks", "Write questions with answers that can be checked, as JSON Lines");
  set_example(*c, "minke corpus tasks --task countdown:3-4 --split test -n 100 --out countdown.jsonl");
  std::string levels;
  for (const auto& [kind, name] : EnumNames<TaskKind>::all) {
    const LevelRange range = task_levels(kind);
    const std::string numbers =
        range.first == range.last ? fmt::to_string(range.first) : fmt::format("{}-{}", range.first, range.last);
    levels += fmt::format("{}{} ({})", levels.empty() ? "" : ", ", name, numbers);
  }
  c->add_option("--task", o->task,
                "NAME or NAME:LEVELS, such as countdown:3-4 or chain:2,4. Names and levels: " + levels)
      ->required();
  add_corpus_lines_flags(*c, o->lines, "tasks; the levels take turns");
  c->callback([o] { write_tasks(*o); });
}

}  // namespace minke
