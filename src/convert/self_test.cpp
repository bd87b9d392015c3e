#include "convert/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "blocks/blocks.h"
#include "core/error.h"
#include "kernels/dry_run.h"
#include "model/model.h"

namespace minke {
namespace {

constexpr int64_t kPiece = int64_t(1) << 20;  // elements
constexpr int64_t kTokens = 8;

// The most by which a row's root mean square may change. BF16 rounds each value by at most 2^-9 of it, F16 by 2^-11 where it
// is no subnormal. The others round by at most half a step of the block: of FP8 2^-4 of a value, and more of those that are
// small in their block; of Q8_0 amax/254, where the root mean square of 32 values is at least amax/√32: 0.022. With 4 bits
// only a row that is another one can be told from one that is badly rounded: that one is off by about 1.4.
double allowed(std::string_view from, std::string_view to) {
  const auto same = [](std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return std::tolower(x) == std::tolower(y); });
  };
  if (same(to, "f32") || (same(from, to) && (same(to, "bf16") || same(to, "f16")))) return 0;
  if (same(to, "bf16") || same(to, "f16")) return 0.004;
  if (same(to, "f8_e4m3")) return 0.1;
  return same(to, "q8_0") ? 0.03 : 0.5;
}

// kv_b_proj of a GGUF file is two tensors, each in its own format: the coarser one decides.
double allowed(const WeightInfo& from, const WeightInfo& to) {
  const auto formats = [](const WeightInfo& w) {
    std::vector<std::string_view> names{w.format};
    if (w.in_gguf && w.in_gguf->values) names.push_back(info_of(w.in_gguf->values->format).name);
    return names;
  };
  double most = 0;
  for (const std::string_view a : formats(from))
    for (const std::string_view b : formats(to)) most = std::max(most, allowed(a, b));
  return most;
}

// Squares of a tensor's rows, and of their differences.
struct Rows {
  std::vector<double> size, difference;
};

Rows rows_of(const ConvertSource& from, const ConvertSource& to, const Parameter& p, const OnBytes& on_bytes) {
  const int64_t width = columns(p.shape), count = p.size() / width, at_once = std::max<int64_t>(1, kPiece / width);
  const WeightSource a = from.weights(), b = to.weights();
  std::vector<float> x(size_t(std::min(at_once, count) * width)), y(x.size());
  Rows rows{std::vector<double>(size_t(count)), std::vector<double>(size_t(count))};
  for (int64_t first = 0; first < count; first += at_once) {
    const int64_t n = std::min(at_once, count - first);
    a.files->read_rows_as_f32(p.name, first, n, x.data(), a.block);
    b.files->read_rows_as_f32(p.name, first, n, y.data(), b.block);
    for (int64_t i = 0; i < n * width; ++i) {
      const double value = x[size_t(i)], d = y[size_t(i)] - value;
      rows.size[size_t(first + i / width)] += value * value;
      rows.difference[size_t(first + i / width)] += d * d;
    }
    on_bytes(size_t(n * width) * sizeof(float));
  }
  return rows;
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double v : values) total += v;
  return total;
}

// Logits [kTokens, V] of a model without its MTP modules.
std::vector<float> logits_of(const Context& ctx, const ConvertSource& source, const Precision& precision) {
  Config config = source.files.config;
  config.num_nextn_predict_layers = 0;
  const int64_t count = std::min(kTokens, config.max_position_embeddings);
  std::vector<int32_t> tokens, targets(size_t(count), -1);
  for (int64_t i = 0; i < count; ++i) tokens.push_back(int32_t((i * 7919 + 13) % config.vocab_size));

  Model model(ctx, config, precision, count);
  const std::vector<int64_t> num_tokens = Model::tokens_per_batch(config, 1, count, false);
  Arena arena(ctx.backend->memory(), model.saved_bytes(num_tokens, false));
  const ModelSaved saved = model.lay_out_saved(arena, num_tokens, false);
  BatchBuffers buffers(ctx, count, 0);
  if (source.files.weights.all().data()) load_weights(ctx, model, source.files.weights);
  model.forward(ctx, buffers.fill(ctx, tokens, targets, 1, count), saved);
  std::vector<float> logits(size_t(count * config.vocab_size));
  model.head().logits_to_host(ctx, saved.h, logits.data());
  return logits;
}

// What logits_of will take; its scratch in `scratch`.
double memory_of(const Context& ctx, const ConvertSource& source, const Precision& precision, size_t& scratch) {
  DryRun dry(ctx);
  ConvertSource without_weights{{source.files.config, {}, {}}, {}};
  logits_of(dry.ctx(), without_weights, precision);
  scratch = dry.scratch_bytes();
  return double(dry.counted().most_bytes()) + double(scratch);
}

int64_t top(std::span<const float> logits) { return std::max_element(logits.begin(), logits.end()) - logits.begin(); }

}  // namespace

std::string SelfTest::text() const {
  const std::string weights = exact ? "every tensor has the same values"
                                    : fmt::format("tensors differ by at most {:.2g} ({})", weight_error, worst_tensor);
  if (tokens == 0) return weights + "; their logits were not compared: a whole model does not fit into memory";
  if (exact) return fmt::format("{}, and the logits of {} tokens are the same", weights, tokens);
  return fmt::format("{}, logits by {:.2g}; {} of {} tokens have the same most likely next one", weights, logit_error,
                     same_top, tokens);
}

SelfTest compare_weights(const ConvertSource& from, const ConvertSource& to, const OnBytes& on_bytes) {
  SelfTest result;
  const std::string path = to.files.weights.path().string();
  if (from.tensors.size() != to.tensors.size())
    user_error("the self-test fails: {} has {} tensors instead of {}", path, to.tensors.size(), from.tensors.size());
  for (const Parameter& p : from.tensors) {
    const WeightInfo& written = to.files.weights.at(p.name);
    if (!std::equal(p.shape.begin(), p.shape.end(), written.shape.begin(), written.shape.end()))
      user_error("the self-test fails: {}: tensor {} has another shape", path, p.name);
    const Rows rows = rows_of(from, to, p, on_bytes);
    const double size = sum(rows.size), difference = sum(rows.difference);
    // A row that is small beside the others may be rounded by their steps.
    const double mean = size / double(std::max<size_t>(rows.size.size(), 1));
    const double limit = allowed(from.info(p.name), written);
    for (size_t r = 0; r < rows.size.size(); ++r) {
      if (!std::isfinite(rows.size[r]))
        user_error("{}: row {} of tensor {} has numbers that are not finite: it is damaged, or training has diverged",
                   from.files.weights.path().string(), r, p.name);
      if (!(rows.difference[r] <= limit * limit * (rows.size[r] + mean)))
        user_error("the self-test fails: {}: row {} of tensor {} is off by {:.3g} of its size; as {} it may be by {}",
                   path, r, p.name, std::sqrt(rows.difference[r] / rows.size[r]), written.format, limit);
    }
    const double error = difference == 0 ? 0 : std::sqrt(difference / size);
    if (difference != 0) result.exact = false;
    if (error > result.weight_error) result.weight_error = error, result.worst_tensor = p.name;
  }
  return result;
}

void compare_logits(const Context& ctx, const ConvertSource& from, const ConvertSource& to, double available,
                    SelfTest& result) {
  Precision precision = Precision::f32().for_inference();
  size_t scratch = 0;
  if (!(memory_of(ctx, from, precision, scratch) <= available)) {
    precision = Precision::bf16().for_inference();
    if (!(memory_of(ctx, from, precision, scratch) <= available)) return;
  }
  Arena arena(ctx.backend->memory(), scratch);
  Context own = ctx;
  own.scratch = &arena;
  const std::vector<float> a = logits_of(own, from, precision), b = logits_of(own, to, precision);
  const size_t vocab = size_t(from.files.config.vocab_size);
  check_equal(a.size(), b.size(), "compare_logits: models of one shape");
  double size = 0, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    size += double(a[i]) * a[i];
    difference += (double(b[i]) - a[i]) * (double(b[i]) - a[i]);
  }
  result.tokens = int64_t(a.size() / vocab);
  result.logit_error = difference == 0 ? 0 : std::sqrt(difference / size);
  for (int64_t i = 0; i < result.tokens; ++i)
    result.same_top +=
        top(std::span(a).subspan(size_t(i) * vocab, vocab)) == top(std::span(b).subspan(size_t(i) * vocab, vocab));
  // The same values give the same bits. Rounded ones change what each of a layer's products gives by weight_error, each
  // apart from the others, so that squares add: eight products a layer, with twice that as a margin; and an expert that is
  // chosen otherwise may change a token's logits by as much as they are.
  const double layers = double(from.files.config.num_hidden_layers) + 1;
  const bool experts = from.files.config.n_routed_experts > 0;
  const double limit =
      result.exact ? 0 : std::min(2 * result.weight_error * std::sqrt(8 * layers) + (experts ? 1 : 0), 1.4);
  if (!(result.logit_error <= limit))
    user_error("the self-test fails: the logits of {} differ by {:.3g} from those of {}; at most {:.3g} is expected",
               to.files.weights.path().string(), result.logit_error, from.files.weights.path().string(), limit);
}

}  // namespace minke
