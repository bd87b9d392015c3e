#include "recipe/distill.h"

#include <fmt/format.h>

#include "core/error.h"
#include "corpus/tasks.h"
#include "recipe/toml_text.h"

namespace minke {

Pipeline distillation(const Distillation& d, const std::vector<std::string>& overrides) {
  const std::string toml = fmt::format(
      R"([[stage]]
name = "teach"
kind = "sample"
about = "The teacher answers problems of the training split; its right answers are kept."
from = {}
[stage.sample]
tasks = {}
jsonl = {}
problems = {}
samples = {}
prompt = {}
top_logprobs = {}

[[stage]]
name = "student"
kind = "sft"
about = "The student learns to write what the teacher wrote."
from = {}
[stage.data]
train = ["{}teach"]
[stage.sft]
soft_targets = {}
)",
      toml_of(d.teacher), toml_of(d.tasks), toml_of(d.jsonl), d.problems, d.samples,
      toml_of(std::string(name_of(d.prompt))), d.top_logprobs, toml_of(d.student), kStageSource,
      toml_of(d.soft_targets));
  Pipeline pipeline = parse_pipeline(toml, "minke distill", overrides);
  const Recipe::Sample& asked = pipeline.stages[0].recipe.sample;
  for (const std::string& task : asked.tasks)
    if (grader_of(parse_task_choice(task, "--task").kind) == GraderKind::judge && asked.judge.empty())
      user_error(
          "--task {}: no rule grades answers to chats: name a reward model with --set teach.sample.judge=FOLDER, or "
          "leave this task out",
          task);
  return pipeline;
}

}  // namespace minke
