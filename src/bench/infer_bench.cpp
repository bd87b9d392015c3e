#include "bench/infer_bench.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "bench/measure.h"
#include "core/divided_up.h"
#include "core/error.h"
#include "spec/counts.h"

namespace minke {
namespace {

// The experts that the steps of a run chose.
class ChosenExperts {
 public:
  explicit ChosenExperts(const Model& model)
      : layers_(weight_bytes(model).one_expert.size()),
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
  double rate() const { return double(tokens) / seconds; }
};

class Runner {
 public:
  Runner(const Context& ctx, const Model& model, Engine& engine, int64_t depth)
      : ctx_(ctx), model_(model), engine_(engine), depth_(depth), ids_{ctx.rng.at("bench infer")} {}

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
    until_all_have_begun(batch);
    Run run;
    const double begin = seconds_now();
    while (!engine_.idle()) {
      run.tokens += int64_t(engine_.step(ctx_).size());
      if (chosen) chosen->end_of_step();
    }
    run.seconds = seconds_now() - begin;
    return run;
  }

  // The most likely tokens, each answer after the next piece of the text; with drafts, or the same again without.
  Run text_answers(int64_t tokens, int64_t batch, const InferBenchOptions& o, bool drafts) {
    if (!drafts) text_position_ -= batch * o.beginning;
    begin(batch);
    for (int64_t i = 0; i < batch; ++i) {
      Request request{
          .prompt = beginnings_[size_t(i)], .max_new = tokens + 1, .sampling = {.temperature = 0}, .drafts = drafts};
      for (int64_t t = 0; t < o.beginning; ++t)
        request.prompt.push_back(o.text.empty() ? random_id() : o.text[size_t(text_position_++) % o.text.size()]);
      engine_.add(std::move(request));
    }
    until_all_have_begun(batch);
    Run run;
    const double begin = seconds_now();
    while (!engine_.idle()) run.tokens += int64_t(engine_.step(ctx_).size());
    run.seconds = seconds_now() - begin;
    return run;
  }

 private:
  void until_all_have_begun(int64_t batch) {
    std::set<int64_t> begun;
    while (int64_t(begun.size()) < batch)
      for (const NewToken& t : engine_.step(ctx_)) begun.insert(t.sequence);
  }

  int32_t random_id() { return int32_t(ids_.below(uint64_t(model_.config().vocab_size))); }

  // Sequences have random tokens in the cache already, each others, the same in every run.
  void begin(int64_t batch) {
    while (int64_t(beginnings_.size()) < batch) {
      std::vector<int32_t>& tokens = beginnings_.emplace_back();
      for (int64_t t = 0; t < depth_; ++t) tokens.push_back(random_id());
      for (int64_t t = 0; depth_ > 0 && t < engine_.pool().ahead(); ++t) tokens.push_back(random_id());
    }
    for (int64_t i = 0; i < batch; ++i) engine_.assume_known(ctx_, beginnings_[size_t(i)]);
  }

  void add(int64_t prompt, int64_t batch, int64_t max_new, ChosenExperts* chosen) {
    if (!chosen) begin(batch);  // the experts are counted without a beginning: the engine would compute all of it
    for (int64_t i = 0; i < batch; ++i) {
      Request request{.max_new = max_new, .drafts = false};
      if (!chosen) request.prompt = beginnings_[size_t(i)];
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
  int64_t depth_;
  std::vector<std::vector<int32_t>> beginnings_;
  Rng ids_;
  Sampler sampler_;
  int64_t text_position_ = 0;
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

// Attention of a token to keys that were there before it: those of an answer read latents as they lie.
double flops_at_depth(const Config& config, int64_t depth, bool of_answer) {
  const AttentionPairFlops pair = attention_pair_flops(config);
  return double(of_answer && pair.absorbed > 0 ? pair.absorbed : pair.naive) *
         double(depth * config.num_attention_heads * config.num_hidden_layers);
}

}  // namespace

EngineSettings engine_settings(const InferBenchOptions& o) {
  EngineSettings s;
  s.max_sequences = *std::max_element(o.batches.begin(), o.batches.end());
  s.speculation = o.speculation, s.drafts = o.drafts;
  s.max_tokens = std::max(s.max_tokens, s.max_sequences * (1 + s.most_drafts()));
  const int64_t beginning = s.most_drafts() > 0 ? o.beginning : 1;
  check(o.depth % s.page == 0, "infer_bench: depth of whole pages");
  const int64_t longest = o.depth + s.most_drafts() + std::max(o.prompt + 1, beginning + o.answer + 1);
  s.max_context = std::max(longest, s.max_sequences);  // all prompts of one token in one step
  int64_t pages = divided_up(longest, s.page);
  if (o.depth > 0) pages += divided_up(longest - o.depth, s.page) + 1;  // so that no run takes those of a beginning
  s.cache_tokens = s.max_sequences * pages * s.page;
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
  const DType cache = engine.settings().cache;
  const int64_t kv = kv_bytes_per_token(model.config(), cache);
  // Of a sequence, in a step; the module's is read for each draft.
  const double cached = double(o.depth * kv),
               module_cached = double(o.depth * engine.settings().most_drafts() *
                                      (kv_bytes_per_token(model.config(), cache, true) - kv));
  Runner runner(ctx, model, engine, o.depth);
  const auto measured = [&](InferRow row, const std::function<Run()>& once,
                            const std::function<void(InferRow&, int64_t tokens)>& finish = {}) {
    std::vector<double> first;
    int64_t tokens = 0;
    for (int64_t i = 0; i < o.repetitions; ++i) {
      const Run run = once();
      row.tokens_per_second.push_back(run.rate());
      tokens += run.tokens;
      first.insert(first.end(), run.first_tokens.begin(), run.first_tokens.end());
    }
    if (!first.empty()) row.first_token_seconds = median(first);
    if (finish) finish(row, tokens);
    row.read_ceiling = ceilings.read.best().rate;
    row.product_ceiling = ceilings.products.best().rate;
    show(row);
  };
  // Turn by turn with the same answers without drafts, as the speed of a machine varies.
  const auto measure_drafts = [&](const InferRow& plain, int64_t batch) {
    InferRow row = plain;
    row.test += " spec";
    runner.text_answers(o.answer, batch, o, true);
    const SpeculationCounts before = engine.speculation()->counts();
    std::vector<double> gains;
    const auto once = [&] {
      const Run run = runner.text_answers(o.answer, batch, o, true);
      gains.push_back(run.rate() / runner.text_answers(o.answer, batch, o, false).rate());
      return run;
    };
    measured(row, once, [&](InferRow& r, int64_t tokens) {
      r.drafts = engine.speculation()->counts().since(before);
      r.gain = median(gains);
      const double without = double(std::max<int64_t>(tokens - r.drafts.tokens, 0));  // --spec auto
      const double bytes = r.drafts.bytes + double(r.drafts.steps) * (cached + module_cached);
      r.bytes_per_token = (bytes + without * plain.bytes_per_token) / (double(r.drafts.tokens) + without);
    });
  };
  for (const int64_t batch : o.batches) {
    if (o.prompt > 0) {
      runner.prompts(o.prompt, 1);
      measured(
          {.test = fmt::format("pp{}", o.prompt),
           .batch = batch,
           .depth = o.depth,
           .flops_per_token = prompt_flops(model.config(), o.prompt) + flops_at_depth(model.config(), o.depth, false)},
          [&] { return runner.prompts(o.prompt, batch); });
    }
    if (o.answer > 0) {
      ChosenExperts chosen(model);
      runner.answers(o.answer, batch, &chosen);
      InferRow row{.test = fmt::format("tg{}", o.answer),
                   .batch = batch,
                   .depth = o.depth,
                   .flops_per_token = forward_flops_per_token(model.config(), o.answer) +
                                      flops_at_depth(model.config(), o.depth, true),
                   .bytes_per_token = bytes_per_token(bytes, chosen, batch) + cached};
      measured(row, [&] { return runner.answers(o.answer, batch, nullptr); });
      if (engine.speculation()) measure_drafts(row, batch);
    }
  }
}

}  // namespace minke
