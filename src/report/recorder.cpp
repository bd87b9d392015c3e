#include "report/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace minke {

std::vector<std::pair<std::string, double>> tensorboard_scalars(const Json& record) {
  static const std::map<std::string, std::string, std::less<>> names{
      {"loss", "loss/train"},
      {"eval_nats_per_token", "loss/held_out"},
      {"balance_loss", "loss/balance"},
      {"eval_bits_per_byte", "bits_per_byte/held_out"},
      {"reward", "rewards/all/mean"},
      {"reward_std", "rewards/all/std"},
      {"frac_reward_zero_std", "rewards/frac_zero_std"},
      {"entropy", "policy/entropy"},
      {"clip_ratio", "policy/clip_ratio"},
      {"ratio/mean", "policy/ratio"},
      {"kl", "policy/kl"},
      {"rollout_seconds", "speed/rollout_seconds"},
      {"lr", "optimizer/lr"},
      {"grad_norm", "optimizer/grad_norm"},
      {"epochs", "data/epochs"},
      {"dropped", "balance/dropped"},
      {"rolled_back_from", "optimizer/rolled_back_from"},
      {"eval_average_nats_per_token", "loss/held_out_average"},
      {"eval_average_bits_per_byte", "bits_per_byte/held_out_average"},
  };
  // Coordinates and constants, and what is made from them below.
  static const std::vector<std::string> not_curves{"step",          "tokens",      "seconds",
                                                   "train_seconds", "eval_tokens", "unix_time"};
  std::vector<std::pair<std::string, double>> out;
  for (const auto& [key, value] : record.items()) {
    if (std::find(not_curves.begin(), not_curves.end(), key) != not_curves.end()) continue;
    if (key == "mtp_loss" && value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i)
        out.emplace_back(fmt::format("loss/mtp_{}", i + 1), value[i].get<double>());
    } else if (key == "max_vio" && value.is_object()) {
      double sum = 0;
      for (const auto& [layer, v] : value.items()) {
        out.emplace_back(fmt::format("balance/max_vio/layer_{:0>2}", layer), v.get<double>());
        sum += v.get<double>();
      }
      out.emplace_back("balance/load_max_over_mean", 1 + sum / double(std::max<size_t>(value.size(), 1)));
    } else if (key == "max_vio_100" && value.is_object()) {
      for (const auto& [what, v] : value.items()) out.emplace_back("balance/max_vio_100/" + what, v.get<double>());
    } else if (value.is_number()) {
      const auto name = names.find(key);
      const bool eval = key.starts_with("eval_");  // "eval/choices", "eval/needle_4096"
      out.emplace_back(name != names.end()         ? name->second
                       : eval                      ? "eval/" + key.substr(5)
                       : key.find('/') != key.npos ? key  // "rewards/accuracy/mean", as others have it
                                                   : "other/" + key,
                       value.get<double>());
    }
  }
  if (record.contains("tokens") && record.value("seconds", 0.0) > 0)
    out.emplace_back("speed/tokens_per_second", record.at("tokens").get<double>() / record.at("seconds").get<double>());
  return out;
}

namespace {

// What a run makes at a step that it has done, and makes again when it is resumed there. "final" alone is the end of a
// run without held-out text.
bool follows_the_step(const Json& record) {
  for (const auto& [key, value] : record.items())
    if (key.starts_with("eval_") || key == "sample" || key == "final") return true;
  return false;
}

bool is_kept(const Json& record, int64_t steps) {
  const auto step = record.find("step");
  if (step == record.end()) return true;
  return step->is_number() && (*step < steps || (*step == steps && !follows_the_step(record)));
}

}  // namespace

Recorder::Recorder(const std::filesystem::path& folder, int64_t keep_steps)
    : log_(folder / "log.jsonl", [=](const Json& record) { return is_kept(record, keep_steps); }),
      events_(folder, keep_steps > 0 ? keep_steps + 1 : 0) {}

void Recorder::write(const Json& record) {
  log_.write(record);
  const int64_t step = record.value("step", int64_t(0));
  if (record.contains("sample")) {
    samples_ = step == sample_step_ ? samples_ + 1 : 1;
    sample_step_ = step;
    events_.text(step, fmt::format("samples/{}", samples_),
                 record.value("prompt", std::string()) + "▶" + record.at("sample").get<std::string>());
  } else {
    events_.scalars(step, tensorboard_scalars(record));
  }
}

}  // namespace minke
