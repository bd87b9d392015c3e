#include "pipeline/stage_kinds.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/human_numbers.h"
#include "report/run_log.h"
#include "rl/grpo_stage.h"
#include "rl/ppo_stage.h"
#include "run/pretrain_stage.h"
#include "run/reward_model_stage.h"
#include "run/sft_stage.h"

namespace minke {
namespace {

std::string steps_of(const Recipe& r) {
  if (r.train.steps == 0) return fmt::format("{:g} minutes", r.train.minutes);
  double tokens = 0;
  int64_t steps = 0;
  for (const Phase& p : plan_phases(r)) tokens += p.tokens, steps += p.steps;
  return fmt::format("{} steps, {} tokens", steps, human_count(tokens));
}

std::string epochs_or_steps(const Recipe& r, double epochs) {
  return r.train.steps == 0 && r.train.minutes == 0 ? fmt::format("{:g} epochs", epochs) : steps_of(r);
}
std::string plan_of_sft(const Recipe& r) { return epochs_or_steps(r, r.sft.epochs); }
std::string plan_of_reward_model(const Recipe& r) { return epochs_or_steps(r, r.reward_model.epochs); }

std::string plan_of_rl(const Recipe& r) {
  return fmt::format("{} steps, {} answers of at most {} tokens", r.train.steps,
                     human_count(double(r.train.steps * r.train.batch_size)), r.grpo.max_new);
}

std::string plan_of_asked(const Recipe::Asked& a) {
  std::vector<std::string> all = a.tasks;
  all.insert(all.end(), a.jsonl.begin(), a.jsonl.end());
  return fmt::format("{}, {} answers to a problem", fmt::join(all, ", "), a.samples);
}

std::string plan_of_eval(const Recipe& r) { return plan_of_asked(r.eval); }
std::string plan_of_sample(const Recipe& r) { return plan_of_asked(r.sample); }

bool has_recipe(const fs::path& folder) { return fs::exists(folder / "recipe.toml"); }

// Of the last evaluation of a run that is over.
void add_last(Json& result, const RunLog& log, const char* key, const char* name) {
  if (const double value = log.last(key); std::isfinite(value)) result[name] = value;
}

Json held_out_result(const fs::path& folder) {
  const RunLog log = read_run(folder);
  Json result{{"steps", log.step.back()}, {"train_seconds", log.minutes.back() * 60}};
  add_last(result, log, "eval_nats_per_token", "nats");
  add_last(result, log, "eval_bits_per_byte", "bits_per_byte");
  return result;
}

Json pairs_result(const fs::path& folder) {
  const RunLog log = read_run(folder);
  Json result{{"steps", log.step.back()}, {"train_seconds", log.minutes.back() * 60}};
  const Series* accuracy = log.find("eval_pair_accuracy");
  if (!accuracy || accuracy->value.size() < 2) return result;  // nothing is held out
  result["pair_accuracy_before"] = accuracy->value.front();
  result["pair_accuracy"] = accuracy->value.back();
  add_last(result, log, "eval_pairs", "pairs");
  return result;
}

Json rewards_result(const fs::path& folder) {
  const RunLog log = read_run(folder);
  Json result{{"steps", log.step.back()}, {"train_seconds", log.minutes.back() * 60}};
  for (const auto& [key, name] : {std::pair{"eval_right", "right"}, {"eval_length", "length"}}) {
    const Series* s = log.find(key);
    if (!s || s->value.size() < 2) continue;
    result[std::string(name) + "_before"] = s->value.front();
    result[name] = s->value.back();
  }
  return result;
}

Json tasks_result(const fs::path& folder) {
  const fs::path file = folder / "eval.json";
  return {{"results", parse_json(read_file(file, size_t(16) << 20), file.string()).at("results")}};
}

Json sample_result(const fs::path& folder) {
  const fs::path file = folder / "sample.json";
  return {{"sampled", parse_json(read_file(file, size_t(16) << 20), file.string()).at("all")}};
}

constexpr StageActions kActions[] = {
    {.kind = RecipeOf::pretraining,
     .check = check_pretrain_recipe,
     .plan = steps_of,
     .has_begun = has_recipe,
     .run = [](const StageTask& t) { return pretrain(t.recipe, t.folder, true, t.machine.run); },
     .result = held_out_result},
    {.kind = RecipeOf::sft,
     .check = check_sft_recipe,
     .plan = plan_of_sft,
     .has_begun = has_recipe,
     .run = [](const StageTask& t) { return sft(t.recipe, t.model, t.folder, true, t.machine.run); },
     .result = held_out_result},
    {.kind = RecipeOf::reward_model,
     .check = check_reward_model_recipe,
     .plan = plan_of_reward_model,
     .has_begun = has_recipe,
     .run = [](const StageTask& t) { return train_reward_model(t.recipe, t.model, t.folder, true, t.machine.run); },
     .result = pairs_result},
    {.kind = RecipeOf::grpo,
     .check = check_grpo_recipe,
     .plan = plan_of_rl,
     .has_begun = has_recipe,
     .run = [](const StageTask& t) { return grpo(t.recipe, t.model, t.folder, true, t.machine.run); },
     .result = rewards_result},
    {.kind = RecipeOf::ppo,
     .check = check_ppo_recipe,
     .plan = plan_of_rl,
     .has_begun = has_recipe,
     .run = [](const StageTask& t) { return ppo(t.recipe, t.model, t.folder, true, t.machine.run); },
     .result = rewards_result},
    {.kind = RecipeOf::eval,
     .check = check_eval_recipe,
     .plan = plan_of_eval,
     .has_begun = [](const fs::path&) { return false; },
     .run = evaluate,
     .result = tasks_result},
    {.kind = RecipeOf::sample,
     .check = check_sample_recipe,
     .plan = plan_of_sample,
     .has_begun = [](const fs::path&) { return false; },
     .run = sample,
     .result = sample_result},
};

}  // namespace

const StageActions& stage_actions(RecipeOf kind) {
  for (const StageActions& a : kActions)
    if (a.kind == kind) return a;
  bug("a kind of stage that the table lacks", SourceLocation::current());
}

}  // namespace minke
