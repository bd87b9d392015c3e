#include "bench/infer_bench.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "bench/measure.h"
#include "blocks/blocks.h"
#include "core/divided_up.h"
#include "core/error.h"
#include "spec/counts.h"

namespace minke {
namespace {

// The experts that the steps of a run chose.
class ChosenExperts {
 public:
  explicit ChosenExperts(const Model& model)
      : layers_(model.moe_layers().size()),
        experts_(size_t(model.config().n_routed_experts)),
        choices_(size_t(model.config().num_experts_per_tok)),
        is_chosen_(layers_ * experts_),
        sums_(layers_) {}

  // [tokens, layers, choices]
  void add(std::span<const int32_t> chosen) {
    for (size_t i = 0; i < chosen.size(); ++i) is_chosen_[i / choices_ % layers_ * experts_ + size_t(chosen[i])] = 1;
  }
  void end_of_step() {
    for (size_t i = 0; i < is_chosen_.size(); ++i) sums_[i / experts_] += is_chosen_[i];
    std::fill(is_chosen_.begin(), is_chosen_.end(), 0);
    ++steps_;
  }
  // In a step, mean.
  double of_layer(size_t layer) const { return steps_ > 0 ? sums_[layer] / double(steps_) : 0; }

 private:
  size_t layers_, experts_, choices_;
  std::vector<uint8_t> is_chosen_;
  std::vector<double> sums_;
  int64_t steps_ = 0;
};

struct Run {
  double seconds = 0;
  int64_t tokens = 0;
  std::vector<double> first_tokens;  // seconds from the requests on
};

class Runner {
 public:
  Runner(const Context& ctx, const Model& model, Engine& engine)
      : ctx_(ctx), model_(model), engine_(engine), ids_{ctx.rng.at("bench infer")} {}

  Run prompts(int64_t tokens, int64_t batch) {
    add(tokens, batch, 1, nullptr);
    Run run{.tokens = tokens * batch};
    const double begin = seconds_now();
    while (!engine_.idle()) {
      const size_t made = engine_.step(ctx_).size();
      run.first_tokens.insert(run.first_tokens.end(), made, seconds_now() - begin);
    }
    run.seconds = seconds_now() - begin;
    return run;
  }

  // What comes before every sequence has its first token is not counted.
  Run answers(int64_t tokens, int64_t batch, ChosenExperts* chosen) {
    add(1, batch, tokens + 1, chosen);
    for (int64_t made = 0; made < batch;) made += int64_t(engine_.step(ctx_).size());
    Run run;
    const double begin = seconds_now();
    while (!engine_.idle()) {
      run.tokens += int64_t(engine_.step(ctx_).size());
      if (chosen) chosen->end_of_step();
    }
    run.seconds = seconds_now() - begin;
    return run;
  }

 private:
  int32_t random_id() { return int32_t(ids_.below(uint64_t(model_.config().vocab_size))); }

  void add(int64_t prompt, int64_t batch, int64_t max_new, ChosenExperts* chosen) {
    for (int64_t i = 0; i < batch; ++i) {
      Request request{.max_new = max_new};
      for (int64_t t = 0; t < prompt; ++t) request.prompt.push_back(random_id());
      request.choose = [this](std::span<const float> logits, int64_t position) {
        sampler_.sample(logits, {.temperature = 0}, 0, uint64_t(position));
        return random_id();
      };
      if (chosen && !model_.moe_layers().empty())
        request.on_experts = [chosen](int64_t position, std::span<const int32_t> experts) {
          if (position > 0) chosen->add(experts);  // of the answer
        };
      engine_.add(std::move(request));
    }
  }

  const Context& ctx_;
  const Model& model_;
  Engine& engine_;
  Rng ids_;
  Sampler sampler_;
};

double bytes_per_token(const WeightBytes& bytes, const ChosenExperts& chosen, int64_t batch) {
  double step = bytes.all_tokens;
  for (size_t layer = 0; layer < bytes.one_expert.size(); ++layer)
    step += bytes.one_expert[layer] * chosen.of_layer(layer);
  return step / double(batch) + bytes.token;
}

// Of a prompt only the last token goes through the head.
double prompt_flops(const Config& config, int64_t tokens) {
  const double head = 2 * double(config.vocab_size * config.hidden_size);
  return forward_flops_per_token(config, tokens) - head * (1 - 1 / double(tokens));
}

void for_each_format(const Weight& w, const std::function<void(const char* name, double bits, int64_t elements)>& f) {
  const int64_t columns = w.storage().shape.back();
  if (!w.in_blocks()) return f(name_of(w.compute()), 8.0 * double(size_of(w.compute())), w.storage().size());
  const std::vector<RowBlocks>& parts = w.parts();
  const int64_t rows = w.storage().shape[w.storage().shape.size() - 2];
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t next = i + 1 < parts.size() && parts[i + 1].first_row > 0 ? parts[i + 1].first_row : rows;
    f(info_of(parts[i].format).name, 8 * double(parts[i].row_bytes) / double(columns),
      (next - parts[i].first_row) * columns);
  }
}

double bytes_of(const Weight& w) {
  if (!w.in_blocks()) return double(w.bytes());
  double bits = 0, scales = 0;
  for_each_format(w, [&](const char*, double each, int64_t elements) { bits += each * double(elements); });
  for (size_t i = 0; i < w.parts().size(); ++i)
    if (const Operand s = w.scales_of(i)) scales += double(s.bytes());
  return bits / 8 + scales;
}

}  // namespace

EngineSettings engine_settings(const InferBenchOptions& o) {
  EngineSettings s;
  s.max_sequences = *std::max_element(o.batches.begin(), o.batches.end());
  s.max_tokens = std::max(s.max_tokens, s.max_sequences);
  const int64_t longest = std::max(o.prompt + 1, o.answer + 2);
  s.max_context = std::max(longest, s.max_sequences);  // all prompts of one token in one step
  s.cache_tokens = s.max_sequences * divided_up(longest, s.page) * s.page;
  return s;
}

InferCeilings infer_ceilings(const Context& ctx, const Model& model, double seconds) {
  bool has_8_bits = false;
  for (const Weight& w : model.weights().all())
    for_each_format(w, [&](const char*, double bits, int64_t) { has_8_bits = has_8_bits || bits < 16; });
  InferCeilings ceilings{.read = read_ceiling(ctx, seconds / 4), .products = {}};
  std::vector<DType> formats{DType::f32};
  if (model.precision().compute != DType::f32) formats.push_back(DType::bf16);
  if (has_8_bits) formats.push_back(DType::u8);
  for (const DType format : formats)
    for (Ceiling::Try t : product_ceiling(ctx, format, seconds).tries) {
      t.how = fmt::format("{}, {}", format == DType::u8 ? "int8" : name_of(format), t.how);
      ceilings.products.tries.push_back(std::move(t));
    }
  return ceilings;
}

WeightBytes weight_bytes(const Model& model) {
  WeightBytes bytes;
  const Config& config = model.config();
  for (const auto& [layer, moe] : model.moe_layers()) {
    const std::string experts = layer_prefix(layer) + "experts.";
    double all = 0;
    for (const char* name : {"gate_up", "down"}) all += bytes_of(*model.weights().get(experts + name));
    bytes.one_expert.push_back(all / double(config.n_routed_experts));
    bytes.sum += all;
  }
  for (const Weight& w : model.weights().all()) {
    const Storage& s = w.storage();
    if (s.part == Part::routed_expert) continue;
    const double all = bytes_of(w);
    bytes.sum += all;
    if (s.part == Part::embedding && !config.tie_word_embeddings) bytes.token += all / double(s.shape[0]);
    else bytes.all_tokens += all;
  }
  return bytes;
}

std::string weight_format(const Model& model) {
  std::map<std::string, int64_t> elements;
  for (const Weight& w : model.weights().all())
    if (w.storage().shape.size() > 1)
      for_each_format(w, [&](const char* name, double, int64_t n) { elements[name] += n; });
  return std::max_element(elements.begin(), elements.end(), [](auto& a, auto& b) { return a.second < b.second; })
      ->first;
}

double InferRow::median_rate() const { return median(tokens_per_second); }

void infer_bench(const Context& ctx, const Model& model, Engine& engine, const InferBenchOptions& o,
                 const InferCeilings& ceilings, const std::function<void(const InferRow&)>& show) {
  check(o.repetitions > 0 && engine.idle(), "infer_bench: repetitions of an idle engine");
  const WeightBytes bytes = weight_bytes(model);
  Runner runner(ctx, model, engine);
  const auto measured = [&](InferRow row, const std::function<Run()>& once) {
    std::vector<double> first;
    for (int64_t i = 0; i < o.repetitions; ++i) {
      const Run run = once();
      row.tokens_per_second.push_back(double(run.tokens) / run.seconds);
      first.insert(first.end(), run.first_tokens.begin(), run.first_tokens.end());
    }
    if (!first.empty()) row.first_token_seconds = median(first);
    row.read_ceiling = ceilings.read.best().rate;
    row.product_ceiling = ceilings.products.best().rate;
    show(row);
  };
  for (const int64_t batch : o.batches) {
    if (o.prompt > 0) {
      runner.prompts(o.prompt, 1);
      measured({.test = fmt::format("pp{}", o.prompt),
                .batch = batch,
                .flops_per_token = prompt_flops(model.config(), o.prompt)},
               [&] { return runner.prompts(o.prompt, batch); });
    }
    if (o.answer > 0) {
      ChosenExperts chosen(model);
      runner.answers(o.answer, batch, &chosen);
      measured({.test = fmt::format("tg{}", o.answer),
                .batch = batch,
                .flops_per_token = forward_flops_per_token(model.config(), o.answer),
                .bytes_per_token = bytes_per_token(bytes, chosen, batch)},
               [&] { return runner.answers(o.answer, batch, nullptr); });
    }
  }
}

}  // namespace minke
