// The estimate of the weights' memory against what a step takes: the estimate is what a run is refused by.
#include "run/memory_estimate.h"

#include <gtest/gtest.h>

#include <map>

#include "support/random.h"
#include "support/tiny.h"
#include "train/trainer.h"

namespace minke {
namespace {

using namespace test;

std::map<const void*, size_t> packed;  // bytes of every packed form that was made, by its address

// The inner backend's ops; its packing is noted in `packed`.
class Noting final : public HostBackend {
 public:
  explicit Noting(Backend& inner) : HostBackend("noting"), inner_(inner) {}
#define MINKE_FORWARD_OP(op, Args)                         \
  void op(const Context& ctx, const Args& args) override { \
    note(args);                                            \
    inner_.op(ctx, args);                                  \
  }
  MINKE_OPS(MINKE_FORWARD_OP)
#undef MINKE_FORWARD_OP
  size_t packed_bytes(int64_t k, int64_t n, DType compute) const override { return inner_.packed_bytes(k, n, compute); }

 private:
  template <class Args> void note(const Args&) {}
  void note(const PackWeightArgs& args) {
    const Operand& b = args.b;
    packed[args.packed.data] =
        size_t(b.rank == 3 ? b.shape[0] : 1) * packed_bytes(b.shape[b.rank - 2], b.shape[b.rank - 1], args.compute);
  }
  Backend& inner_;
};

void compare(Backend& inner, const Config& config, const char* precision) {
  Noting backend(inner);
  SCOPED_TRACE(config.model_type + " in " + precision);
  Recipe recipe;
  recipe.train.precision = precision;
  recipe.train.moments = "bf16";
  recipe.train.ema_decay = 0.9;
  const Precision p = recipe.train.precision == "bf16" ? Precision::bf16() : Precision::f32();
  const WeightBytes expected = weight_bytes(config, recipe, &backend);

  packed.clear();
  TestContext ctx(backend);
  Model model(ctx, config, p, 16);
  model.weights().initialise(ctx, 0.1);
  TrainSettings settings;
  settings.adamw.moments = DType::bf16;
  settings.ema_decay = 0.9;
  Trainer trainer(ctx, model, settings, std::make_unique<PlainExecutor>(ctx, model, 2, 8));
  TokenBatch batch{.num_sequences = 2, .sequence_length = 8};
  batch.tokens = batch.targets = random_tokens(3, 16, config.vocab_size);
  trainer.step(ctx, {&batch, 1});

  double forms = 0, masters = 0, gradients = 0, moments = 0, average = 0;
  for (const auto& [data, bytes] : packed) forms += double(bytes);
  for (const Weight& w : model.weights().all()) gradients += w.grad() ? double(w.grad().bytes()) : 0;
  for (const auto& [name, o] : trainer.state())
    (name[0] == 'w' ? masters : name[0] == 'e' ? average : moments) += double(o.bytes());
  EXPECT_EQ(expected.forms, forms);
  EXPECT_EQ(expected.masters, masters);
  EXPECT_EQ(expected.gradients, gradients);
  EXPECT_EQ(expected.moments, moments);
  EXPECT_EQ(expected.average, average);
  EXPECT_EQ(expected.all(), forms + masters + gradients + moments + average);
}

TEST(WeightBytes, AreWhatAStepTakes) {
  for (const char* precision : {"bf16", "f32"}) {
    compare(reference_backend(), tiny_v3(1), precision);
    compare(cpu_backend(), tiny_v3(1), precision);
    compare(cpu_backend(), tiny_v3(0, false), precision);
    compare(cpu_backend(), tiny_llama(), precision);  // tied: the embedding is multiplied with, too
  }
}

TEST(WeightBytes, FormsNeedABackend) { EXPECT_EQ(weight_bytes(tiny_v3(), Recipe()).forms, 0); }

}  // namespace
}  // namespace minke
