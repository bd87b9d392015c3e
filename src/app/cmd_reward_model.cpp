// minke reward-model: flags → recipe → run/reward_model_stage.h; with --score: rl/reward_model.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/run_command.h"
#include "core/error.h"
#include "core/human_numbers.h"
#include "core/machine_memory.h"
#include "core/standard_output.h"
#include "data/json_lines.h"
#include "data/pairs.h"
#include "kernels/dry_run.h"
#include "rl/reward_model.h"
#include "run/reward_model_stage.h"

namespace minke {
namespace {

struct RewardModelOptions {
  std::string recipe, model, score;
  std::vector<std::string> data;
  FloatFormat dtype = FloatFormat::bf16;
  RunFlags run;
};

void train(RewardModelOptions& o) {
  const Recipe recipe = recipe_or_data(o.recipe, o.data, o.run, RecipeOf::reward_model, "pairs");
  start_run(recipe, RecipeOf::reward_model, o.run, stem_of(o.recipe, RecipeOf::reward_model),
            [&](const fs::path& out, const RunMachine& machine) {
              return train_reward_model(recipe, o.model, out, o.run.resume, machine);
            });
}

// Lines of answers, or of pairs, each with its scores.
class LineScorer {
 public:
  LineScorer(const Context& ctx, RewardModel& model) : ctx_(ctx), model_(model) {}

  void add(const Json& line, const std::string& where) {
    const bool is_pair = line.contains("chosen") || line.contains("rejected");
    lines_.push_back({line, is_pair});
    if (is_pair) add_text(line, "chosen", where), add_text(line, "rejected", where);
    else add_text(line, "response", where);
    if (texts_.size() >= kTextsAtOnce) flush();
  }
  void flush() {
    const std::vector<float> scores = model_.scores(ctx_, std::span<const std::vector<int32_t>>(texts_));
    size_t next = 0;
    const auto put = [&](Json& line, const char* key) {
      const float score = scores[next++];
      line[key] = std::isnan(score) ? Json() : Json(score);
      ++scored_;
      too_long_ += std::isnan(score);
      return score;
    };
    for (auto& [line, is_pair] : lines_) {
      if (is_pair) {
        const float chosen = put(line, "chosen_score"), rejected = put(line, "rejected_score");
        if (!std::isnan(chosen) && !std::isnan(rejected)) ++pairs_, right_ += won(double(chosen) - double(rejected));
      } else {
        put(line, "score");
      }
      text_ += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    lines_.clear(), texts_.clear();
  }
  const std::string& text() const { return text_; }
  std::string summary() const {
    std::string line = fmt::format("scored      {} answers", scored_);
    if (too_long_ > 0)
      line += fmt::format("; {} of more than {} tokens have no score (null)", too_long_, model_.longest());
    if (pairs_ > 0) line += fmt::format("\npairs       {:.1f} % of {} right", 100 * right_ / double(pairs_), pairs_);
    return line + "\n";
  }

 private:
  static constexpr size_t kTextsAtOnce = 512;

  void add_text(const Json& line, const char* key, const std::string& where) {
    Json messages = prompt_messages(line, where);
    const auto answer = line.find(key);
    if (answer == line.end() || !answer->is_string())
      user_error(
          "{}: a line has \"prompt\" and \"response\", or \"prompt\", \"chosen\" and \"rejected\": \"{}\" must be "
          "a text",
          where, key);
    messages.push_back({{"role", "assistant"}, {"content", *answer}});
    try {
      texts_.push_back(model_.encode(messages));
    } catch (const UserError& e) {
      user_error("{}: {}", where, e.what());
    }
  }

  const Context& ctx_;
  RewardModel& model_;
  std::vector<std::pair<Json, bool>> lines_;
  std::vector<std::vector<int32_t>> texts_;
  std::string text_;
  size_t scored_ = 0, too_long_ = 0, pairs_ = 0;
  double right_ = 0;
};

void score(RewardModelOptions& o) {
  if (!o.recipe.empty()) user_error("--score scores the answers of one file: leave out {}", o.recipe);
  if (o.run.out.empty()) throw CLI::RequiredError("--out");
  refuse_own_input(o.run.out, o.score);
  refuse_model_file(o.run.out, o.model);
  Runtime runtime(o.run.runtime);
  print_note(runtime.description() + "\n");
  const RewardModelSettings settings{.dtype = o.dtype};
  DryRun dry(runtime.ctx());
  {
    const auto made = RewardModel::dry(dry.ctx(), o.model, settings);
    const double needed = double(dry.counted().bytes() + dry.scratch_bytes()), available = double(free_memory());
    print_note(fmt::format("memory      {} of weights, activations and scratch\n", human_bytes(needed)));
    if (needed > available)
      user_error("{} needs {} of memory to score, but only {} are free", o.model, human_bytes(needed),
                 human_bytes(available));
  }
  runtime.reserve_scratch(dry.scratch_bytes());
  RewardModel model(runtime.ctx(), o.model, settings);
  LineScorer scorer(runtime.ctx(), model);
  read_json_lines(o.score, {}, [&](const Json& line, const std::string& where) { scorer.add(line, where); });
  scorer.flush();
  if (scorer.text().empty())
    user_error("--score {} holds no lines: give a file of {{\"prompt\", \"response\"}} or of pairs, a line each",
               o.score);
  if (is_standard_output(o.run.out)) print_note(scorer.summary());
  else print_out(scorer.summary());
  write_file_atomic(o.run.out, scorer.text());
}

}  // namespace

void add_reward_model_command(CLI::App& program) {
  auto o = std::make_shared<RewardModelOptions>();
  CLI::App* c = program.add_subcommand("reward-model", "Train a reward model on pairs of answers, or score with one");
  set_example(*c, "minke reward-model pairs.jsonl -m runs/out/quickstart/latest --out my-reward-model");
  c->add_option("recipe", o->recipe, "Recipe file (TOML); minke pretrain --help-recipe lists its keys");
  c->add_option("data", o->data,
                "JSON Lines with \"prompt\", \"chosen\" and \"rejected\" instead of the recipe's data.train");
  c->add_option("-m,--model", o->model, "Checkpoint to begin with: a Hugging Face folder or a GGUF file")->required();
  add_run_flags(*c, o->run);
  CLI::Option* score_flag = c->add_option(
      "--score", o->score,
      "Train nothing: score the answers of this file, lines with \"prompt\" and \"response\" or pairs, by the reward "
      "model -m, into the file --out");
  score_flag->excludes(c->get_option("--set"))->excludes(c->get_option("--resume"));
  add_choice(*c, "--dtype", o->dtype, "With --score: number format of the computation");
  c->get_option("--dtype")->needs(score_flag);
  c->callback([o] { o->score.empty() ? train(*o) : score(*o); });
}

}  // namespace minke
