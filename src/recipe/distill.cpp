#include "recipe/distill.h"

#include <fmt/format.h>

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

[[stage]]
name = "student"
kind = "sft"
about = "The student learns to write what the teacher wrote."
from = {}
[stage.data]
train = ["{}teach"]
)",
      toml_of(d.teacher), toml_of(d.tasks), toml_of(d.jsonl), d.problems, d.samples,
      toml_of(std::string(name_of(d.prompt))), toml_of(d.student), kStageSource);
  return parse_pipeline(toml, "minke distill", overrides);
}

}  // namespace minke
