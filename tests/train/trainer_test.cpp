// Training steps of a tiny model: the loss falls, the bias balances, stop and resume give the same bits, and the result
// does not depend on the number of threads or on how the batch is cut (to rounding).
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

// A learnable rule: the next token is a function of the last two.
TokenBatch rule_batch(uint64_t seed, int64_t b, int64_t t, int64_t vocab) {
  TokenBatch batch{.num_sequences = b, .sequence_length = t};
  const auto start = random_tokens(seed, 2 * b, vocab);
  for (int64_t s = 0; s < b; ++s) {
    std::vector<int32_t> row{start[2 * s], start[2 * s + 1]};
    while (int64_t(row.size()) <= t)
      row.push_back(int32_t((row[row.size() - 1] + 2 * row[row.size() - 2] + 1) % vocab));
    batch.tokens.insert(batch.tokens.end(), row.begin(), row.begin() + t);
    batch.targets.insert(batch.targets.end(), row.begin() + 1, row.begin() + t + 1);
  }
  return batch;
}

TrainSettings settings() {
  TrainSettings s;
  s.lr = {.peak = 2e-2, .warmup_steps = 5, .decay_begin = 1e9, .decay_end = 1e9, .low = 1e-3, .last_begin = 1e9};
  s.adamw.weight_decay = 0.01;
  s.bias_speed = 0.01;
  return s;
}

struct TinyRun {
  TestContext ctx;
  Model model;
  Trainer trainer;
  TinyRun(Backend& backend, int threads, const Precision& precision)
      : ctx(backend, threads),
        model(ctx, tiny_v3(1), precision, 64),
        trainer((model.weights().initialise(ctx, 0.1), ctx.context()), model, settings(),
                std::make_unique<PlainExecutor>(ctx.context(), model, 4, 12)) {}
  TinyRun& with_dropout() {
    TrainSettings s = settings();
    s.dropout = 0.2;
    trainer.set_settings(s);
    return *this;
  }
  StepReport step(int64_t i) {
    const TokenBatch batch = rule_batch(uint64_t(i) % 8, 4, 12, 23);
    return trainer.step(ctx, {&batch, 1});
  }
  std::vector<float> all_weights() {
    std::vector<float> all;
    for (const auto& [name, o] : trainer.state()) {
      std::vector<float> host(size_t(o.size()));
      ctx.backend().download(ctx, {.device = o, .host = host.data()});
      all.insert(all.end(), host.begin(), host.end());
    }
    return all;
  }
};

TEST(Trainer, LossFallsAndExpertsBalance) {
  TinyRun run(cpu_backend(), 1, Precision::f32());
  const double first = run.step(0).loss;
  StepReport last;
  for (int i = 1; i < 400; ++i) last = run.step(i);
  EXPECT_GT(first, 3.0);  // about ln 23 = 3.14
  EXPECT_LT(last.loss, 1.2);
  ASSERT_EQ(last.mtp_loss.size(), 1u);
  EXPECT_LT(last.mtp_loss[0], 2.0);
  EXPECT_EQ(last.load.size(), 3u);  // two MoE layers and the module's
  for (const LayerLoad& l : last.load) {
    int64_t sum = 0;
    for (int32_t t : l.tokens) sum += t;
    EXPECT_EQ(sum, (l.layer == 3 ? 44 : 48) * 2);
    EXPECT_LT(l.max_over_mean(), 2.5);
  }
  EXPECT_EQ(last.step, 400);
  EXPECT_GT(last.grad_norm, 0);
}

TEST(Trainer, StopAndResumeGiveTheSameBits) {
  TinyRun whole(cpu_backend(), 1, Precision::bf16());
  whole.with_dropout();
  for (int i = 0; i < 6; ++i) whole.step(i);

  TinyRun first(cpu_backend(), 1, Precision::bf16());
  first.with_dropout();
  for (int i = 0; i < 3; ++i) first.step(i);
  TinyRun second(cpu_backend(), 1, Precision::bf16());
  second.with_dropout().step(5);  // leaves traces that loading must remove
  auto from = first.trainer.state(), to = second.trainer.state();
  ASSERT_EQ(from.size(), to.size());
  for (size_t i = 0; i < from.size(); ++i)
    first.ctx.backend().copy(first.ctx, {.src = from[i].second, .dst = to[i].second});
  second.trainer.resumed_at(first.trainer.steps_done(), first.trainer.tokens_done());
  for (int i = 3; i < 6; ++i) second.step(i);
  EXPECT_EQ(second.all_weights(), whole.all_weights());
}

TEST(Trainer, SameBitsForAnyNumberOfThreads) {
  TinyRun one(cpu_backend(), 1, Precision::bf16()), three(cpu_backend(), 3, Precision::bf16());
  one.with_dropout(), three.with_dropout();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(one.step(i).loss, three.step(i).loss);
  EXPECT_EQ(one.all_weights(), three.all_weights());
}

// Device memory cannot be read outside kernels: had trainer, executor or optimizer dereferenced a tensor, this would crash.
TEST(Trainer, RunsOnThePoisonBackend) {
  PoisonBackend poison(cpu_backend());
  TinyRun plain(cpu_backend(), 2, Precision::bf16()), poisoned(poison, 2, Precision::bf16());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(plain.step(i).loss, poisoned.step(i).loss);
  EXPECT_EQ(plain.all_weights(), poisoned.all_weights());
}

// And what is done beside the steps: dropping, the average, norms, evaluation, timing.
TEST(Trainer, AllButTheStepRunsOnThePoisonBackendToo) {
  const auto results = [](Backend& backend) {
    TinyRun run(backend, 2, Precision::bf16());
    TrainSettings s = settings();
    s.ema_decay = 0.5;
    s.drop = {.capacity = 1.0, .num_devices = 3, .protected_fraction = 0.3};
    Trainer trainer(run.ctx, run.model, s, std::make_unique<PlainExecutor>(run.ctx.context(), run.model, 4, 12));
    std::vector<double> all;
    std::vector<TokenBatch> batches{rule_batch(1, 4, 12, 23), rule_batch(2, 4, 12, 23)};
    for (TokenBatch& b : batches) b.document_start.assign(48, 0);
    for (int i = 0; i < 2; ++i) all.push_back(trainer.step(run.ctx, batches).loss);
    trainer.time_step(run.ctx, batches);
    for (const auto& n : trainer.norms(run.ctx)) all.push_back(n.weight);
    const auto evaluate = [&] { all.push_back(trainer.losses(run.ctx, batches[0], true).mean()); };
    evaluate();
    trainer.with_average(run.ctx, evaluate);
    evaluate();
    return all;
  };
  PoisonBackend poison(cpu_backend());
  const std::vector<double> poisoned = results(poison);
  EXPECT_EQ(poisoned, results(cpu_backend()));
  EXPECT_NE(poisoned[poisoned.size() - 2], poisoned.back());
  EXPECT_EQ(poisoned[poisoned.size() - 3], poisoned.back());
}

// Two micro-batches of two sequences weigh every token as one of four does, and drop the same.
TEST(Trainer, MicroBatchesAddUp) {
  TinyRun whole(reference_backend(), 1, Precision::f32()), cut(reference_backend(), 1, Precision::f32());
  whole.with_dropout(), cut.with_dropout();
  const TokenBatch all = rule_batch(3, 4, 12, 23);
  std::vector<TokenBatch> halves(2, {.num_sequences = 2, .sequence_length = 12});
  for (size_t h = 0; h < 2; ++h) {
    halves[h].tokens.assign(all.tokens.begin() + long(h) * 24, all.tokens.begin() + long(h + 1) * 24);
    halves[h].targets.assign(all.targets.begin() + long(h) * 24, all.targets.begin() + long(h + 1) * 24);
  }
  const StepReport a = whole.trainer.step(whole.ctx, {&all, 1}), b = cut.trainer.step(cut.ctx, halves);
  // f32 sums in another order: a few ulps of values of order 1.
  EXPECT_NEAR(a.loss, b.loss, 1e-6);
  EXPECT_NEAR(a.grad_norm, b.grad_norm, 1e-5 * a.grad_norm);
  EXPECT_NEAR(a.balance_loss, b.balance_loss, 1e-9);
  for (size_t l = 0; l < a.load.size(); ++l) EXPECT_EQ(a.load[l].tokens, b.load[l].tokens);
}

// Every step draws anew, from the seed of the run; evaluations drop nothing.
TEST(Trainer, DropoutIsOfTheStep) {
  const TokenBatch batch = rule_batch(3, 4, 12, 23);
  TinyRun run(reference_backend(), 1, Precision::f32()), plain(reference_backend(), 1, Precision::f32());
  TrainSettings s = settings();
  s.lr = {};  // the weights stay, so only the mask can move the loss
  s.bias_speed = 0;
  plain.trainer.set_settings(s);
  s.dropout = 0.2;
  run.trainer.set_settings(s);
  const double evaluated = run.trainer.losses(run.ctx, batch, true).mean(1);
  EXPECT_EQ(evaluated, plain.trainer.losses(plain.ctx, batch, true).mean(1));
  const StepReport first = run.trainer.step(run.ctx, {&batch, 1}), second = run.trainer.step(run.ctx, {&batch, 1}),
                   none = plain.trainer.step(plain.ctx, {&batch, 1});
  EXPECT_NE(first.loss, none.loss);
  EXPECT_NE(first.loss, second.loss);
  EXPECT_NE(first.mtp_loss[0], none.mtp_loss[0]);
  EXPECT_EQ(run.trainer.losses(run.ctx, batch, true).mean(1), evaluated);
  Context other_seed = run.ctx;
  other_seed.rng = RngKey{77};
  run.trainer.resumed_at(0, 0);
  EXPECT_NE(run.trainer.step(other_seed, {&batch, 1}).loss, first.loss);
  run.trainer.resumed_at(0, 0);
  EXPECT_EQ(run.trainer.step(run.ctx, {&batch, 1}).loss, first.loss);
}

// The balance losses too: per sequence it does not matter where the batch is cut.
TEST(Trainer, BalanceOfMicroBatchesAddsUp) {
  TinyRun whole(reference_backend(), 1, Precision::f32()), cut(reference_backend(), 1, Precision::f32());
  TrainSettings s = settings();
  s.balance.terms = {.alpha_expert = 3};
  whole.trainer.set_settings(s), cut.trainer.set_settings(s);
  const TokenBatch all = rule_batch(3, 4, 12, 23);
  std::vector<TokenBatch> quarters(4, {.num_sequences = 1, .sequence_length = 12});
  for (size_t q = 0; q < 4; ++q) {
    quarters[q].tokens.assign(all.tokens.begin() + long(q) * 12, all.tokens.begin() + long(q + 1) * 12);
    quarters[q].targets.assign(all.targets.begin() + long(q) * 12, all.targets.begin() + long(q + 1) * 12);
  }
  const StepReport a = whole.trainer.step(whole.ctx, {&all, 1}), b = cut.trainer.step(cut.ctx, quarters);
  EXPECT_NEAR(a.balance_loss, b.balance_loss, 1e-5);  // of order 10
  EXPECT_GT(a.balance_loss, 3);
  EXPECT_NEAR(a.grad_norm, b.grad_norm, 1e-5 * a.grad_norm);
  const std::vector<float> x = whole.all_weights(), y = cut.all_weights();
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(x[i], y[i], 1e-4) << i;  // Adam's first step is ±lr where g is not tiny
}

// Every router's bias moves by γ towards the experts that had too few tokens, the MTP module's too (V3 §2.1.2); the counters
// begin anew.
TEST(Trainer, EveryBiasFollowsTheLoad) {
  TinyRun run(reference_backend(), 1, Precision::f32());
  const auto biases = [&] {
    std::vector<std::vector<float>> all;
    for (const auto& [layer, moe] : run.model.moe_layers()) {
      const Operand bias = moe->router().bias()->master();
      all.emplace_back(size_t(bias.size()));
      run.ctx.backend().download(run.ctx, {.device = bias, .host = all.back().data()});
    }
    return all;
  };
  for (int step = 0; step < 3; ++step) {
    const auto before = biases();
    const StepReport report = run.step(step);
    const auto after = biases();
    ASSERT_EQ(report.load.size(), 3u);
    EXPECT_EQ(report.load[2].layer, 3);  // the module's
    for (size_t l = 0; l < 3; ++l) {
      const std::vector<int32_t>& load = report.load[l].tokens;
      const double mean = double(std::accumulate(load.begin(), load.end(), 0)) / double(load.size());
      for (size_t e = 0; e < load.size(); ++e) {
        const double sign = load[e] < mean ? 1 : load[e] > mean ? -1 : 0;
        EXPECT_FLOAT_EQ(after[l][e], float(before[l][e] + 0.01 * sign)) << "layer " << l << " expert " << e;
      }
    }
  }
}

// The rate by steps while it warms up and then by tokens; the MTP weight drops where the decay begins, and the biases are
// frozen where it ends.
TEST(Trainer, TheScheduleFollowsStepsAndTokens) {
  TinyRun run(reference_backend(), 1, Precision::f32());
  TrainSettings s = settings();
  s.lr = {.peak = 0.01,
          .warmup_steps = 2,
          .decay_begin = 3 * 48,
          .decay_end = 5 * 48,
          .low = 0.002,
          .last_begin = 6 * 48,
          .last = 0.001};
  s.mtp = {.early = 0.3, .late = 0};
  run.trainer.set_settings(s);
  const double expected[] = {0.005, 0.01, 0.01, 0.01, 0.006, 0.002, 0.001, 0.001};
  for (int step = 0; step < 8; ++step) {
    const Operand o = run.model.moe_layers()[0].second->router().bias()->master();
    std::vector<float> before(size_t(o.size())), after = before;
    run.ctx.backend().download(run.ctx, {.device = o, .host = before.data()});
    const StepReport report = run.step(step);
    run.ctx.backend().download(run.ctx, {.device = o, .host = after.data()});
    EXPECT_NEAR(report.lr, expected[step], 1e-12) << step;
    EXPECT_EQ(report.mtp_loss.size(), step < 3 ? 1u : 0u) << step;  // without weight it is not computed
    EXPECT_EQ(report.load.size(), 3u);
    EXPECT_EQ(before == after, step >= 5) << step;
    EXPECT_EQ(report.tokens, 48);
    EXPECT_EQ(run.trainer.tokens_done(), 48 * (step + 1));
    EXPECT_EQ(run.trainer.steps_done(), step + 1);
  }
}

// A gradient that is not finite changes nothing but the step counter.
TEST(Trainer, SkipsAStepWithoutAFiniteGradient) {
  TinyRun run(reference_backend(), 1, Precision::f32());
  run.step(0);
  Weight* head = run.model.weights().get("lm_head");
  run.ctx.backend().fill(run.ctx, {.dst = head->master(), .value = std::nan("")});
  head->changed();
  const auto embedding = run.model.weights().get("embed_tokens")->master();
  std::vector<float> before(size_t(embedding.size())), after = before;
  run.ctx.backend().download(run.ctx, {.device = embedding, .host = before.data()});
  std::vector<Trainer::TensorNorms> norms;
  run.trainer.on_skip = [&](const StepReport&) { norms = run.trainer.norms(run.ctx); };
  const StepReport report = run.step(1);
  EXPECT_EQ(report.skipped, "the loss is not finite");
  ASSERT_FALSE(norms.empty());
  for (const auto& n : norms) {
    const bool head = n.name == "lm_head";
    EXPECT_EQ(std::isfinite(n.weight), !head) << n.name << ", whose gradient has norm " << n.gradient;
  }
  run.ctx.backend().download(run.ctx, {.device = embedding, .host = after.data()});
  EXPECT_EQ(before, after);
}

// Neither decay nor the moments of earlier steps move the weights; schedules go on.
TEST(Trainer, AStepThatTeachesNothingChangesNothing) {
  TinyRun run(reference_backend(), 1, Precision::f32());
  run.step(0);
  const std::vector<float> before = run.all_weights();
  const StepReport& report = run.trainer.step(run.ctx, {}, nullptr, 100);
  EXPECT_EQ(report.step, 2);
  EXPECT_EQ(report.skipped, "");
  EXPECT_EQ(run.all_weights(), before);
  EXPECT_EQ(run.trainer.tokens_done(), 148);
}

// A batch whose loss jumps is skipped, and the run goes on as if it had not been there (but for the counters).
TEST(Trainer, SkipsASpike) {
  TinyRun run(reference_backend(), 1, Precision::f32());
  TrainSettings s = settings();
  s.spike_jump = 2;
  Trainer trainer(run.ctx, run.model, s, std::make_unique<PlainExecutor>(run.ctx.context(), run.model, 4, 12));
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(trainer.step(run.ctx, std::array{rule_batch(uint64_t(i) % 8, 4, 12, 23)}).skipped, "");
  TokenBatch bad = rule_batch(3, 4, 12, 23);
  for (int32_t& t : bad.targets) t = (t + 11) % 23;
  const std::vector<float> before = run.all_weights();
  EXPECT_EQ(trainer.step(run.ctx, {&bad, 1}).skipped, "the loss jumped up");
  EXPECT_EQ(run.all_weights(), before);
  EXPECT_EQ(trainer.steps_done(), 301);
  EXPECT_EQ(trainer.tokens_done(), 301 * 48);
  EXPECT_EQ(trainer.step(run.ctx, std::array{rule_batch(5, 4, 12, 23)}).skipped, "");  // it goes on
  EXPECT_NE(run.all_weights(), before);
}

// average = Σ of what the parameters were, with decays 1/10, 2/11, 3/12, 4/13 and then the 0.32 asked for; swapped in for
// an evaluation and back without a trace. A run resumed in the middle of the ramp goes on with the same bits.
TEST(Trainer, AverageOfTheParameters) {
  TinyRun run(reference_backend(), 1, Precision::f32());
  TrainSettings s = settings();
  s.ema_decay = 0.32;
  Trainer trainer(run.ctx, run.model, s, std::make_unique<PlainExecutor>(run.ctx.context(), run.model, 4, 12));
  const Weight* head = run.model.weights().get("lm_head");
  const auto values = [&](const Operand& o) {
    std::vector<float> host(size_t(o.size()));
    run.ctx.backend().download(run.ctx, {.device = o, .host = host.data()});
    return host;
  };
  TinyRun second(reference_backend(), 1, Precision::f32());
  Trainer resumed(second.ctx, second.model, s,
                  std::make_unique<PlainExecutor>(second.ctx.context(), second.model, 4, 12));
  std::vector<float> expected = values(head->master());
  const float decays[] = {1 / 10.f, 2 / 11.f, 3 / 12.f, 4 / 13.f, 0.32f, 0.32f};
  for (int i = 0; i < 6; ++i) {
    if (i == 2) {
      for (size_t k = 0; k < trainer.state().size(); ++k)
        second.ctx.backend().copy(second.ctx, {.src = trainer.state()[k].second, .dst = resumed.state()[k].second});
      resumed.resumed_at(trainer.steps_done(), trainer.tokens_done());
    }
    const TokenBatch batch = rule_batch(uint64_t(i), 4, 12, 23);
    trainer.step(run.ctx, {&batch, 1});
    if (i >= 2) resumed.step(second.ctx, {&batch, 1});
    const auto now = values(head->master());
    for (size_t k = 0; k < now.size(); ++k) expected[k] = decays[i] * expected[k] + (1 - decays[i]) * now[k];
  }
  for (size_t k = 0; k < trainer.state().size(); ++k)
    EXPECT_EQ(values(resumed.state()[k].second), values(trainer.state()[k].second)) << trainer.state()[k].first;
  const auto weights = run.all_weights();
  const auto now = values(head->master());
  trainer.with_average(run.ctx, [&] {
    const auto average = values(head->master());
    for (size_t k = 0; k < average.size(); ++k)
      EXPECT_NEAR(average[k], expected[k], 1e-6 * (1 + std::abs(expected[k])));
    EXPECT_NE(average, now);
  });
  EXPECT_EQ(run.all_weights(), weights);
  bool saved = false;
  for (const auto& [name, o] : trainer.state()) saved |= name == "e.lm_head";
  EXPECT_TRUE(saved);
}

// Only matrices decay: with zero gradients they shrink by lr·wd, norms stay (docs/recipe/training.md §1, our choice).
TEST(AdamW, DecaysMatricesOnly) {
  const TestContext ctx;
  Model model(ctx, tiny_v3(), Precision::f32(), 16);
  model.weights().initialise(ctx, 0.1);
  AdamW adamw(ctx, model.weights(), {.weight_decay = 0.5});
  const auto value = [&](const char* name) {
    std::vector<float> host(size_t(model.weights().get(name)->master().size()));
    ctx.backend().download(ctx, {.device = model.weights().get(name)->master(), .host = host.data()});
    return host;
  };
  const auto matrix = value("layers.0.gate_up"), norm = value("norm");
  EXPECT_EQ(adamw.gradient_norm(ctx), 0);
  adamw.step(ctx, 0.1, 1, 0);
  const auto matrix_after = value("layers.0.gate_up");
  for (size_t i = 0; i < matrix.size(); ++i) EXPECT_FLOAT_EQ(matrix_after[i], matrix[i] * 0.95f);
  EXPECT_EQ(value("norm"), norm);
}

// docs/recipe/training.md §4.5.
TEST(Balance, MaxViolation) {
  EXPECT_DOUBLE_EQ((LayerLoad{0, {10, 10, 10, 10}}).max_violation(), 0);
  EXPECT_DOUBLE_EQ((LayerLoad{0, {40, 0, 0, 0}}).max_violation(), 3);
  EXPECT_DOUBLE_EQ((LayerLoad{0, {12, 8}}).max_over_mean(), 1.2);
}

TEST(Balance, WindowIsTheMeanOfTheLastHundredBatches) {
  LoadWindow window;
  EXPECT_EQ(window.mean(), 0);
  for (int i = 0; i < 50; ++i) window.add({{1, {40, 0, 0, 0}}, {2, {10, 10, 10, 10}}});  // all but 20 leave the window
  for (int i = 0; i < 80; ++i) window.add({{1, {10, 10, 10, 10}}, {2, {12, 8, 10, 10}}});
  ASSERT_EQ(window.num_batches(), LoadWindow::kBatches);
  EXPECT_NEAR(window.layers()[0].max_violation, 3 * 20 / 100.0, 1e-12);
  EXPECT_NEAR(window.layers()[1].max_violation, 0.2 * 80 / 100.0, 1e-12);
  EXPECT_NEAR(window.mean(), (0.6 + 0.16) / 2, 1e-12);
  EXPECT_EQ(window.worst().layer, 1);
  LoadWindow other;
  other.restore(window.layer_numbers(), window.batches());
  other.add({{1, {10, 10}}, {2, {10, 10}}});
  window.add({{1, {10, 10}}, {2, {10, 10}}});
  EXPECT_EQ(other.mean(), window.mean());
}

// What V2's losses and dropping are told and what comes back; the formulas have their own tests in tests/kernels.
TEST(Balance, EveryLossTrains) {
  const TokenBatch batch = rule_batch(3, 4, 12, 23);
  const auto run = [&](BalanceSettings balance, DropTerms drop) {
    TinyRun r(reference_backend(), 1, Precision::f32());
    TrainSettings s = settings();
    s.balance = balance;
    s.drop = drop;
    r.trainer.set_settings(s);
    return r.trainer.step(r.ctx, {&batch, 1});
  };
  const StepReport none = run({}, {}), sequence = run({.terms = {.alpha_expert = 0.1}}, {}),
                   whole = run({.terms = {.alpha_expert = 0.1}, .whole_batch = true}, {}),
                   device = run({.terms = {.alpha_device = 0.1, .num_devices = 3, .count_unbiased = false}}, {}),
                   comm = run(
                       {.terms = {.alpha_comm = 0.1, .num_devices = 3, .top_devices = 2, .count_unbiased = false}}, {});
  EXPECT_EQ(none.balance_loss, 0);
  EXPECT_EQ(none.dropped_share(), 0);
  // f·P ≥ 1 per layer on the whole batch would be perfect balance = α; sequences on their own are never better balanced.
  EXPECT_GT(whole.balance_loss, 3 * 0.1 * 0.99);
  EXPECT_GT(sequence.balance_loss, whole.balance_loss);
  EXPECT_GT(device.balance_loss, 0);
  EXPECT_GT(comm.balance_loss, 0);
  EXPECT_NE(device.balance_loss, comm.balance_loss);
  for (const StepReport* r : {&sequence, &whole, &device, &comm}) {
    EXPECT_EQ(r->loss, none.loss);
    EXPECT_NE(r->grad_norm, none.grad_norm);
  }
}

// Padding is no token: with every balance loss, with dropping and the bias's update, a step is bit by bit the same
// whatever stands there, the experts' load is that of the tokens alone, at each MTP depth, and without padding nothing changes.
TEST(Balance, PaddingIsNoToken) {
  constexpr int32_t kValid[] = {12, 7, 1, 11};
  TokenBatch batch = rule_batch(3, 4, 12, 23);
  for (int64_t s = 0; s < 4; ++s)  // the last token of a sequence has no target either, but is one
    for (int64_t i = kValid[s] - 1; i < 12; ++i) batch.targets[s * 12 + i] = -1;
  TokenBatch padded = batch, other = batch;
  for (TokenBatch* b : {&padded, &other}) b->num_valid.assign(std::begin(kValid), std::end(kValid));
  for (int64_t s = 0; s < 4; ++s)
    for (int64_t i = kValid[s]; i < 12; ++i) other.tokens[s * 12 + i] = int32_t(i);
  const BalanceSettings losses[] = {
      {.terms = {.alpha_expert = 0.1}},
      {.terms = {.alpha_expert = 0.1}, .whole_batch = true},
      {.terms = {
           .alpha_expert = 0.1, .alpha_device = 0.2, .alpha_comm = 0.3, .num_devices = 3, .count_unbiased = false}}};
  Backend* const backends[] = {&reference_backend(), &cpu_backend()};
  for (Backend* backend : backends)
    for (const BalanceSettings& balance : losses)
      for (double capacity : {0.0, 0.8}) {
        const auto run = [&](const TokenBatch& tokens) {
          TinyRun r(*backend, 1, Precision::f32());
          TrainSettings s = settings();
          s.balance = balance;
          s.drop = {.capacity = capacity, .num_devices = 3, .protected_fraction = 0};
          r.trainer.set_settings(s);
          const StepReport report = r.trainer.step(r.ctx, {&tokens, 1});
          return std::pair(report, r.all_weights());
        };
        const auto [report, weights] = run(padded);
        const auto [same, same_weights] = run(other);
        EXPECT_EQ(weights, same_weights);
        EXPECT_EQ(report.balance_loss, same.balance_loss);
        ASSERT_EQ(report.load.size(), 3u);
        for (size_t l = 0; l < 3; ++l) {
          const LayerLoad& load = report.load[l];
          const int64_t depth = l == 2;  // the last is the MTP module's
          int64_t tokens = 0;
          for (int32_t n : kValid) tokens += std::max<int64_t>(0, n - depth);
          EXPECT_EQ(std::accumulate(load.tokens.begin(), load.tokens.end(), int64_t(0)), 2 * tokens);
          EXPECT_EQ(load.tokens, same.load[l].tokens);
          if (capacity > 0) {
            const auto room = int64_t(capacity * double(2 * tokens) / 3);
            int64_t excess = 0;
            for (size_t d = 0; d < load.tokens.size(); d += load.tokens.size() / 3)
              excess += std::max<int64_t>(
                  0, std::accumulate(&load.tokens[d], &load.tokens[d] + load.tokens.size() / 3, int64_t(0)) - room);
            EXPECT_EQ(load.dropped, excess);
            EXPECT_GT(excess, 0) << "this batch proves nothing";
          }
        }
        EXPECT_NE(run(batch).first.balance_loss, report.balance_loss);
        TokenBatch full = rule_batch(3, 4, 12, 23);
        const auto without = run(full);
        full.num_valid.assign(4, 12);
        EXPECT_EQ(run(full).second, without.second);
      }
}

TEST(Balance, DroppingKeepsDevicesWithinCapacity) {
  const TokenBatch batch = rule_batch(3, 4, 12, 23);
  const auto run = [&](Backend& backend, int threads, double capacity, double protected_fraction) {
    TinyRun r(backend, threads, Precision::f32());
    TrainSettings s = settings();
    s.drop = {.capacity = capacity, .num_devices = 3, .protected_fraction = protected_fraction};
    r.trainer.set_settings(s);
    return r.trainer.step(r.ctx, {&batch, 1});
  };
  const StepReport dropped = run(reference_backend(), 1, 1.0, 0);
  for (const LayerLoad& l : dropped.load) {
    // Loads are those before dropping, so what every device has above ⌊mean⌋ is what went.
    const int64_t experts = int64_t(l.tokens.size()),
                  all = std::accumulate(l.tokens.begin(), l.tokens.end(), int64_t(0));
    int64_t excess = 0;
    for (int64_t d = 0; d < 3; ++d) {
      int64_t of_device = 0;
      for (int64_t e = d * experts / 3; e < (d + 1) * experts / 3; ++e) of_device += l.tokens[size_t(e)];
      excess += std::max<int64_t>(0, of_device - all / 3);
    }
    EXPECT_EQ(l.dropped, excess);
    EXPECT_GT(excess, 0) << "this batch proves nothing";
  }
  EXPECT_GT(dropped.dropped_share(), 0);
  EXPECT_EQ(run(reference_backend(), 1, 100, 0).dropped_share(), 0);
  EXPECT_EQ(run(reference_backend(), 1, 1.0, 1).dropped_share(), 0);  // every sequence is protected
  EXPECT_NE(dropped.loss, run(reference_backend(), 1, 100, 0).loss);
  EXPECT_EQ(run(cpu_backend(), 1, 1.0, 0.3).grad_norm, run(cpu_backend(), 3, 1.0, 0.3).grad_norm);
  // Evaluation drops nothing: the loss is that of a run without dropping.
  TinyRun with(reference_backend(), 1, Precision::f32()), without(reference_backend(), 1, Precision::f32());
  TrainSettings s = settings();
  s.drop = {.capacity = 0.5, .num_devices = 3};
  with.trainer.set_settings(s);
  EXPECT_EQ(with.trainer.losses(with.ctx, batch, false).mean(),
            without.trainer.losses(without.ctx, batch, false).mean());
}

}  // namespace
}  // namespace minke
