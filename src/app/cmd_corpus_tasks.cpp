// minke corpus tasks: writes tasks of a kind as lines of JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <set>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "corpus/task_json.h"

namespace minke {
namespace {

struct TaskOptions {
  std::string task, out;
  TaskSplit split = TaskSplit::train;
  uint64_t seed = 1;
  int64_t count = 10;
};

void write_tasks(const TaskOptions& o) {
  const TaskChoice choice = parse_task_choice(o.task, "--task");
  std::optional<AtomicFile> file;
  if (!o.out.empty()) {
    if (const fs::path folder = fs::path(o.out).parent_path(); !folder.empty()) fs::create_directories(folder);
    file.emplace(o.out);
  }
  for (int64_t i = 0; i < o.count; ++i) {  // the levels in turn
    const int level = choice.levels.nth(int(i % choice.levels.count()));
    const std::string line = task_line(make_task(o.seed, uint64_t(i), choice.kind, level, o.split), choice.kind, level);
    if (file) file->write(line + "\n");
    else print_out(line + "\n");
  }
  if (!file) return;
  file->commit();
  print_out(
      fmt::format("{}: {} tasks {} of the {} split (seed {})\n", o.out, o.count, o.task, name_of(o.split), o.seed));
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
  add_choice(*c, "--split", o->split, "Problems for training, or those that no training text holds");
  c->add_option("--seed", o->seed, "Seed: another seed gives other tasks")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->add_option("-n,--count", o->count, "Number of tasks; the levels take turns")
      ->check(CLI::Range(int64_t(1), int64_t(100'000'000)))
      ->capture_default_str();
  c->add_option("--out", o->out, "FILE.jsonl; default: print them");
  c->callback([o] { write_tasks(*o); });
}

}  // namespace minke
