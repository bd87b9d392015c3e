// Distillation (R1 §2.4): a student is fine-tuned on what a teacher answers, right answers alone, and no reinforcement learning. It is a
// pipeline of two stages: "teach" (rejection sampling of the teacher) and "student" (SFT). Test: tests/app/distill_test.sh.
#pragma once
#include <string>
#include <vector>

#include "recipe/pipeline.h"

namespace minke {

struct Distillation {
  std::string student, teacher;           // paths of models
  std::vector<std::string> tasks, jsonl;  // what the teacher is asked, as [sample] has it
  int64_t problems = 0, samples = 4;      // of each level and file, 0: 100, and all of a file; answers to each
  PromptFormat prompt = PromptFormat::chat;
  int64_t top_logprobs = 0;  // sample.top_logprobs of the teacher
  double soft_targets = 0;   // sft.soft_targets of the student
};
// UserErrors as of parse_pipeline. Overrides are "teach.sample.max_new=300", "student.train.lr=1e-4".
Pipeline distillation(const Distillation& settings, const std::vector<std::string>& overrides);

}  // namespace minke
