// Schedules and the load metric of src/train.
#include "expected/checks.h"
#include "recipe/scaling_law.h"
#include "support/expected.h"
#include "train/balance.h"
#include "train/schedule.h"

namespace minke::testing {
namespace {

constexpr int64_t kLate = 1000000;  // a step long after every warm-up
constexpr double kTrillion = 1e12;

double tokens(const ExpectedCheck& c) { return c.number("tokens_T") * kTrillion; }

}  // namespace

void add_train_checks(ExpectedChecks& checks) {
  checks.add("scaling.llm7b_lr", [](const ExpectedCheck& c) -> Json { return suggested_lr(c.number("compute_flop")); });
  checks.add("scaling.llm7b_batch_tokens",
             [](const ExpectedCheck& c) -> Json { return suggested_batch_tokens(c.number("compute_flop")); });
  checks.add("balance.maxvio_*", [](const ExpectedCheck& c) -> Json {
    return LayerLoad{0, c.inputs.at("loads").get<std::vector<int32_t>>()}.max_violation();
  });
  checks.add("schedule.v3_ramp_steps_linear", [](const ExpectedCheck& c) -> Json {
    const double until = c.number("ramp_B") * 1e9;
    return steps_for({.first = int64_t(c.number("from")), .last = int64_t(c.number("to")), .until = until},
                     int64_t(c.number("seq")), until);
  });
  checks.add("schedule.v3_steps_after_ramp", [](const ExpectedCheck& c) -> Json {
    return steps_for({.last = int64_t(c.number("batch"))}, int64_t(c.number("seq")),
                     c.number("total_T") * kTrillion - c.number("ramp_B") * 1e9);
  });
  checks.add("schedule.v3_lr_at_*",
             [](const ExpectedCheck& c) -> Json { return learning_rate(v3_schedule(), kLate, tokens(c)); });
  // The rate of the 1000th update, which 999 finished ones precede.
  checks.add("schedule.v3_lr_warmup_*", [](const ExpectedCheck& c) -> Json {
    return learning_rate(v3_schedule(), c.inputs.at("step").get<int64_t>() - 1, 0);
  });
  checks.add("schedule.v2_lr_at_*", [](const ExpectedCheck& c) -> Json {
    LrSchedule s{.peak = c.number("peak")};
    for (double at : c.inputs.at("at").get<std::vector<double>>())
      s.drops.push_back({at * c.number("total_T") * kTrillion, c.number("decay")});
    return learning_rate(s, kLate, tokens(c));
  });
  checks.add("schedule.v3_mtp_lambda_at_*",
             [](const ExpectedCheck& c) -> Json { return mtp_weight({}, v3_schedule(), tokens(c)); });
  checks.add("schedule.v3_bias_gamma_at_*",
             [](const ExpectedCheck& c) -> Json { return bias_speed(0.001, v3_schedule(), tokens(c)); });
}

}  // namespace minke::testing
