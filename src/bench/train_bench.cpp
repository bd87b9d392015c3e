#include "bench/train_bench.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <numeric>

#include "bench/ceilings.h"
#include "bench/measure.h"
#include "core/machine_memory.h"
#include "data/loader.h"
#include "recipe/model_config.h"
#include "run/settings.h"
#include "train/micro_batches.h"

namespace minke {
namespace {

// Made-up documents; low ids are frequent, as in text.
TokenSet made_up_tokens(const fs::path& folder, int64_t vocabulary, int64_t tokens) {
  constexpr uint64_t kLongest = 512;
  const RngKey key = RngKey{.seed = 1}.at("bench tokens");
  ShardWriter writer(0, int32_t(vocabulary));
  uint64_t drawn = 0;
  while (int64_t(writer.num_tokens()) < tokens) {
    std::vector<int32_t> document(1 + key.below(drawn++, kLongest));
    for (int32_t& id : document) {
      const double u = key.uniform(drawn++);
      id = int32_t(double(vocabulary) * u * u * u);
    }
    writer.add(document, document.size());
  }
  const fs::path file = folder / fmt::format("minke-bench-{}.tokens", ::getpid());
  writer.write(file);
  TokenSet set({file});
  fs::remove(file);  // stays mapped
  return set;
}

// As many steps as are run, none skipped, all of the full batch.
Recipe timed_recipe(const TrainBenchOptions& options) {
  Recipe r = options.recipe;
  r.train.steps = options.warmup_steps + options.steps;
  r.train.minutes = 0;
  r.train.batch_start = 0;
  r.train.spike_jump = 0;
  r.long_context.clear();
  r.log.sample_tokens = 0;
  return r;
}

// One step; the seconds of its loading.
double step(const Context& ctx, Trainer& trainer, const Loader& loader, LoaderPosition& position, const Recipe& r,
            TrainBenchResult& result) {
  const double begin = seconds_now();
  const SequenceBatch batch = loader.batch(position, r.train.batch_size);
  const int64_t micro = r.train.micro_batch_size > 0 ? r.train.micro_batch_size : r.train.batch_size;
  const std::vector<TokenBatch> micro_batches = minke::micro_batches(batch, micro, r.data.mask_documents);
  position = loader.advance(position, uint64_t(r.train.batch_size));
  const double loading = seconds_now() - begin;
  const StepReport report = trainer.step(ctx, micro_batches);
  if (!report.skipped.empty())
    user_error("bench train: step {} did not update the weights ({}), so its time is meaningless: lower train.lr {}",
               report.step, report.skipped, r.train.lr);
  result.loss = report.loss;
  return loading;
}

}  // namespace

double TrainBenchResult::tokens_per_second() const { return double(tokens_per_step) / median(step_seconds); }
double TrainBenchResult::slowest() const {
  return double(tokens_per_step) / *std::max_element(step_seconds.begin(), step_seconds.end());
}
double TrainBenchResult::fastest() const {
  return double(tokens_per_step) / *std::min_element(step_seconds.begin(), step_seconds.end());
}

TrainBenchResult train_bench(const Context& outer, const TrainBenchOptions& options) {
  check(options.steps > 0 && options.warmup_steps >= 0, "train_bench: steps");
  const Recipe r = timed_recipe(options);
  const Config config = model_config(r, r.tokenizer.vocab_size, -1, -1);
  const Phase phase = plan_phases(r).front();
  const int64_t t = phase.sequence_length;
  TrainBenchResult result;
  const Counts counts = count_parameters(config);
  result.parameters = counts.total + counts.mtp_unique;
  result.tokens_per_step = r.train.batch_size * t;
  result.flops = training_flops(config, t);
  result.memory = training_memory(outer, config, r, phase, phase.micro_batch_size);
  result.memory.process = double(process_memory().now);
  if (const double need = result.memory.all(); need > options.available_bytes)
    user_error(
        "bench train: {} parameters and {} × {} tokens at once need {:.1f} GiB, but only {:.1f} are available: lower "
        "train.micro_batch_size or make the model smaller",
        result.parameters, phase.micro_batch_size, t, need / (1 << 30), options.available_bytes / (1 << 30));

  TimedBackend timed(*outer.backend, {.vocabulary = config.vocab_size, .experts = config.n_routed_experts});
  Arena scratch(outer.backend->memory(), size_t(result.memory.scratch));
  Context ctx = outer;
  ctx.backend = &timed;
  ctx.scratch = &scratch;
  Model model(ctx, config, precision(r), t);
  model.set_recompute(recompute(r));
  const Ceiling peak = product_ceiling(outer, precision(r).compute, options.ceiling_seconds);
  result.peak_flops = peak.best().rate, result.peak_how = peak.best().how;
  result.peak_flops_per_core = peak.rate_per_core();

  model.weights().initialise(ctx, config.initializer_range);
  Trainer trainer(ctx, model, train_settings(r, phase),
                  std::make_unique<PlainExecutor>(ctx, model, phase.micro_batch_size, t));
  const TokenSet tokens = made_up_tokens(options.folder, config.vocab_size, r.train.steps * result.tokens_per_step + t);
  const Loader loader({{&tokens}}, packing_options(r, phase), 0);
  LoaderPosition position;
  for (int64_t i = 0; i < options.warmup_steps; ++i) step(ctx, trainer, loader, position, r, result);
  timed.clear();
  double loading = 0;
  const std::clock_t core_begin = std::clock();
  for (int64_t i = 0; i < options.steps; ++i) {
    const double begin = seconds_now();
    loading += step(ctx, trainer, loader, position, r, result);
    result.step_seconds.push_back(seconds_now() - begin);
  }
  const double n = double(options.steps);
  result.core_seconds = double(std::clock() - core_begin) / CLOCKS_PER_SEC / n;
  result.peak_rss_bytes = double(process_memory().most);

  double rest = std::accumulate(result.step_seconds.begin(), result.step_seconds.end(), 0.0) - loading;
  for (int i = 0; i < kNumWorks; ++i) {
    const Booking& b = timed.bookings()[size_t(i)];
    if (b.calls > 0) result.parts.push_back({name_of(Work(i)), b.seconds / n, b.flops / n});
    rest -= b.seconds;
  }
  result.parts.push_back({"data_loading", loading / n, 0});
  result.parts.push_back({"between_ops", rest / n, 0});
  return result;
}

}  // namespace minke
