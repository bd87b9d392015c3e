#include "infer/engine.h"

#include <algorithm>

#include "core/divided_up.h"

namespace minke {
namespace {

EngineSettings checked(EngineSettings s, const Model& model) {
  if (s.cache_tokens == 0) s.cache_tokens = s.max_context;
  check(s.max_context >= 1 && s.max_context <= model.max_positions(), "Engine: max_context");
  check(s.max_sequences >= 1 && s.max_tokens >= s.max_sequences, "Engine: max_tokens");
  check(s.cache_tokens >= 1, "Engine: cache_tokens");
  return s;
}

Tensor indices(const Context& ctx, int64_t count) {
  return Tensor(ctx.backend->memory(), DType::i32, {std::max<int64_t>(count, 1)});
}

// The whole host array, in the memory of a tensor that is large enough.
Operand uploaded(const Context& ctx, const Tensor& memory, const std::vector<int32_t>& host,
                 std::initializer_list<int64_t> shape) {
  const Operand o = Operand::of(memory.operand().data, DType::i32, shape);
  if (o.size() > 0) ctx.backend->upload(ctx, {.host = host.data(), .device = o});
  return o;
}

}  // namespace

Engine::Engine(const Context& ctx, const Model& model, const EngineSettings& settings)
    : model_(&model),
      settings_(checked(settings, model)),
      pool_(ctx, model.config(), settings_.cache, divided_up(settings_.cache_tokens, settings_.page), settings_.page),
      d_tokens_(indices(ctx, settings_.max_tokens)),
      d_positions_(indices(ctx, settings_.max_tokens)),
      d_slots_(indices(ctx, settings_.max_tokens)),
      d_key_slots_(indices(ctx, settings_.max_context)),
      d_row_offsets_(indices(ctx, settings_.max_sequences + 1)),
      d_lengths_(indices(ctx, settings_.max_sequences)),
      d_table_(indices(ctx, settings_.max_sequences * divided_up(settings_.max_context, settings_.page))),
      d_sampled_(indices(ctx, settings_.max_sequences)),
      logits_(ctx.backend->memory(), DType::f32, {settings_.max_sequences, model.config().vocab_size}),
      host_logits_(size_t(settings_.max_sequences * model.config().vocab_size)) {
  step_.page = settings_.page;
  for (auto* rows : {&tokens_, &positions_, &slots_}) rows->reserve(size_t(settings_.max_tokens));
  key_slots_.reserve(size_t(settings_.max_context));
  table_.reserve(size_t(d_table_.operand().size()));
}

int64_t Engine::add(Request request) {
  validate(request.sampling);
  const int64_t prompt = int64_t(request.prompt.size()), vocab = model_->config().vocab_size;
  if (prompt == 0) user_error("the prompt is empty: give at least one token");
  for (int32_t t : request.prompt)
    if (t < 0 || t >= vocab) user_error("token {} in the prompt: the model has tokens 0 to {}", t, vocab - 1);
  check(request.max_new >= 1, "Engine::add: max_new");
  if (prompt >= settings_.max_context)
    user_error(
        "the prompt has {} tokens, but the context holds only {}, answer included: shorten it or use a larger "
        "--ctx-size",
        prompt, settings_.max_context);
  auto s = std::make_unique<Sequence>();
  s->limit = prompt + std::min(request.max_new, settings_.max_context - prompt);
  if (divided_up(s->limit, settings_.page) > pool_.num_pages())
    user_error(
        "a prompt of {} tokens with an answer of up to {} needs {} tokens of cache, but there are only {}: ask for "
        "fewer new tokens or make the cache larger",
        prompt, s->limit - prompt, s->limit, pool_.num_pages() * settings_.page);
  s->tokens.reserve(size_t(s->limit));
  s->tokens = request.prompt;
  s->pages.reserve(size_t(divided_up(s->limit, settings_.page)));
  s->request = std::move(request);
  s->id = ++last_id_;
  waiting_.push_back(std::move(s));
  return last_id_;
}

void Engine::cancel(int64_t sequence) {
  const auto is_it = [&](const auto& s) { return s->id == sequence; };
  std::erase_if(waiting_, is_it);
  std::erase_if(running_, [&](const auto& s) {
    if (is_it(s)) give_back(*s);
    return is_it(s);
  });
}

void Engine::give_back(Sequence& s) {
  for (int32_t p : s.pages) pool_.release(p);
  s.pages.clear();
  promised_ -= s.promised;
  s.promised = 0;
}

// Another sequence is about to compute the same beginning: when it has, this one can share it.
bool Engine::must_wait_for_another(const Sequence& s) const {
  for (const auto& r : running_) {
    if (!r->in_prompt()) continue;
    const int64_t most = std::min({settings_.page, r->prompt(), s.prompt() - 1});
    if (most > 0 && std::equal(s.tokens.begin(), s.tokens.begin() + most, r->tokens.begin())) return true;
  }
  return false;
}

void Engine::admit(const Context& ctx) {
  while (!waiting_.empty() && num_running() < settings_.max_sequences) {
    Sequence& s = *waiting_.front();
    if (!s.request.on_experts && must_wait_for_another(s)) return;
    // Pages of a known beginning. The last token of the prompt is computed in any case: its logits are wanted.
    std::vector<int32_t> held;
    PagePool::Match part;
    const std::span<const int32_t> known(s.tokens.data(), size_t(s.prompt() - 1));
    while (!s.request.on_experts) {
      part = pool_.find(held.empty() ? -1 : held.back(), known.subspan(held.size() * size_t(settings_.page)));
      if (part.count < settings_.page) break;
      pool_.hold(part.page);
      held.push_back(part.page);
    }
    const int64_t needed = divided_up(s.limit, settings_.page) - int64_t(held.size());
    if (needed > pool_.num_free() - promised_) {
      for (int32_t p : held) pool_.release(p);
      return;
    }
    s.pages.insert(s.pages.end(), held.begin(), held.end());
    s.learned = int64_t(held.size());
    s.cached = s.learned * settings_.page;
    s.promised = needed;
    promised_ += needed;
    if (part.count > 0) {               // it will write behind them: a copy of its own
      s.pages.push_back(pool_.take());  // which may be that page itself
      if (s.pages.back() != part.page) pool_.copy(ctx, part.page, s.pages.back(), part.count);
      --s.promised, --promised_;
      s.cached += part.count;
    }
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

// `count` tokens of the sequence that are not in the cache yet.
void Engine::add_rows(Sequence& s, int64_t count, bool as_prompt) {
  const int64_t page = settings_.page, end = s.cached + count;
  while (int64_t(s.pages.size()) * page < end) {
    s.pages.push_back(pool_.take());
    --s.promised, --promised_;
  }
  const auto slot = [&](int64_t t) { return int32_t(s.pages[size_t(t / page)] * page + t % page); };
  s.first_row = int64_t(tokens_.size()), s.rows = count;
  for (int64_t t = s.cached; t < end; ++t) {
    tokens_.push_back(s.tokens[size_t(t)]);
    positions_.push_back(int32_t(t));
    slots_.push_back(slot(t));
  }
  if (as_prompt) {
    for (int64_t t = 0; t < end; ++t) key_slots_.push_back(slot(t));
    step_.query_offsets.push_back(int64_t(tokens_.size()));
    step_.key_offsets.push_back(int64_t(key_slots_.size()));
  } else {
    answering_.push_back(&s);
    row_offsets_.push_back(row_offsets_.back() + int32_t(count));
    lengths_.push_back(int32_t(end));
    step_.max_length = std::max(step_.max_length, end);
  }
  if (end == int64_t(s.tokens.size())) {
    sampled_.push_back(int32_t(tokens_.size()) - 1);
    sampling_.push_back(&s);
  }
}

void Engine::plan() {
  for (auto* v : {&tokens_, &positions_, &slots_, &key_slots_, &lengths_, &table_, &sampled_}) v->clear();
  answering_.clear(), sampling_.clear();
  row_offsets_.assign(1, 0);
  step_.query_offsets.assign(1, 0), step_.key_offsets.assign(1, 0);
  step_.max_length = 0;
  int64_t room = settings_.max_tokens;
  for (const auto& s : running_) {
    s->rows = 0;
    if (!s->in_prompt()) --room;
  }
  for (const auto& s : running_) {
    if (!s->in_prompt()) continue;
    const int64_t count = std::min(room, s->prompt() - s->cached);
    // The keys of all prompts of a step are held at once: no more than those of the longest.
    if (count == 0 || (!settings_.strict && int64_t(key_slots_.size()) + s->cached + count > settings_.max_context))
      break;
    add_rows(*s, count, !settings_.strict);
    room -= count;
  }
  step_.num_prompt_tokens = settings_.strict ? 0 : int64_t(tokens_.size());
  for (const auto& s : running_)
    if (!s->in_prompt()) add_rows(*s, 1, false);
  step_.num_tokens = int64_t(tokens_.size());
}

void Engine::upload(const Context& ctx) {
  const int64_t n = step_.num_tokens, sequences = int64_t(answering_.size()),
                pages = divided_up(step_.max_length, settings_.page);
  for (const Sequence* s : answering_) {
    table_.insert(table_.end(), s->pages.begin(), s->pages.begin() + std::min(pages, int64_t(s->pages.size())));
    table_.resize(size_t(divided_up(int64_t(table_.size()), std::max<int64_t>(pages, 1)) * pages), 0);
  }
  step_.tokens = uploaded(ctx, d_tokens_, tokens_, {n});
  step_.positions = uploaded(ctx, d_positions_, positions_, {n});
  step_.slots = uploaded(ctx, d_slots_, slots_, {n});
  step_.key_slots = uploaded(ctx, d_key_slots_, key_slots_, {int64_t(key_slots_.size())});
  step_.row_offsets = uploaded(ctx, d_row_offsets_, row_offsets_, {sequences + 1});
  step_.length = uploaded(ctx, d_lengths_, lengths_, {sequences});
  step_.block_table = uploaded(ctx, d_table_, table_, {sequences, pages});
  step_.sampled = uploaded(ctx, d_sampled_, sampled_, {int64_t(sampled_.size())});
  step_.experts = {};
  const bool wanted = std::any_of(running_.begin(), running_.end(),
                                  [](const auto& s) { return s->rows > 0 && bool(s->request.on_experts); });
  if (!wanted) return;
  const int64_t layers = int64_t(model_->moe_layers().size()), choices = model_->config().num_experts_per_tok;
  if (layers == 0) return;
  if (!d_experts_) d_experts_ = indices(ctx, layers * settings_.max_tokens * choices);
  step_.experts = Operand::of(d_experts_.operand().data, DType::i32, {layers, n, choices});
}

std::span<const NewToken> Engine::step(const Context& ctx) {
  check(!idle(), "Engine::step: nothing to do");
  new_tokens_.clear();
  admit(ctx);
  plan();
  upload(ctx);
  const int64_t vocab = model_->config().vocab_size, samples = int64_t(sampled_.size());
  const Operand logits = logits_.operand().slice(0, 0, samples);
  model_->step(ctx, step_, pool_.layers(), logits);
  if (samples > 0) ctx.backend->download(ctx, {.device = logits, .host = host_logits_.data()});
  else ctx.backend->synchronize(ctx);
  computed_ += step_.num_tokens;
  if (step_.experts) report_experts(ctx);
  for (const auto& s : running_) {
    s->cached += s->rows;
    learn_pages(*s);
  }
  for (int64_t i = 0; i < samples; ++i)
    choose_token(*sampling_[size_t(i)], std::span(host_logits_).subspan(size_t(i * vocab), size_t(vocab)));
  for (const NewToken& t : new_tokens_)
    if (t.ending != Ending::none) cancel(t.sequence);
  return new_tokens_;
}

// Only what was computed as a prompt may be shared with prompts, so that a shared beginning has the bits of one computed.
void Engine::learn_pages(Sequence& s) {
  const int64_t page = settings_.page, computed = settings_.strict ? s.cached : std::min(s.cached, s.prompt()),
                whole = computed / page;
  for (; s.learned < whole; ++s.learned)
    pool_.learn(s.pages[size_t(s.learned)], s.learned ? s.pages[size_t(s.learned - 1)] : -1,
                std::span(s.tokens).subspan(size_t(s.learned * page), size_t(page)));
  if (s.cached == s.prompt() && s.cached % page != 0 && s.learned == whole) {
    pool_.learn(s.pages[size_t(whole)], whole ? s.pages[size_t(whole - 1)] : -1,
                std::span(s.tokens).subspan(size_t(whole * page), size_t(s.cached % page)));
    ++s.learned;
  }
}

void Engine::choose_token(Sequence& s, std::span<const float> logits) {
  const Request& r = s.request;
  const int64_t position = int64_t(s.tokens.size());
  const std::span<const int32_t> all(s.tokens);
  const int32_t token = r.choose ? r.choose(logits, position)
                                 : sampler_.sample(logits, r.sampling, r.sample_index, uint64_t(position), r.prompt,
                                                   all.subspan(r.prompt.size()));
  check(token >= 0 && token < model_->config().vocab_size, "Engine: a token that the model has");
  s.tokens.push_back(token);
  NewToken t{.sequence = s.id, .token = token};
  if (r.top_log_probabilities >= 0) t.log_probabilities = log_probabilities(logits, token, r.top_log_probabilities);
  const int64_t made = position + 1 - s.prompt();
  if (std::find(r.stop_tokens.begin(), r.stop_tokens.end(), token) != r.stop_tokens.end())
    t.ending = Ending::stop_token;
  else if (made == r.max_new) t.ending = Ending::max_new;
  else if (position + 1 == s.limit) t.ending = Ending::context_full;
  new_tokens_.push_back(std::move(t));
}

void Engine::report_experts(const Context& ctx) {
  const Operand& e = step_.experts;  // [layers, N, K]
  const int64_t layers = e.shape[0], n = e.shape[1], k = e.shape[2];
  host_experts_.resize(size_t(e.size()));
  ctx.backend->download(ctx, {.device = e, .host = host_experts_.data()});
  for (const auto& s : running_) {
    if (s->rows == 0 || !s->request.on_experts) continue;
    sequence_experts_.clear();
    for (int64_t row = s->first_row; row < s->first_row + s->rows; ++row)
      for (int64_t l = 0; l < layers; ++l) {
        const auto chosen = host_experts_.begin() + (l * n + row) * k;
        sequence_experts_.insert(sequence_experts_.end(), chosen, chosen + k);
      }
    s->request.on_experts(s->cached, sequence_experts_);
  }
}

void Engine::run_largest(const Context& ctx) {
  // A prompt that fills the context, then as many answers as may run, each with a context that is full.
  const auto run = [&](int64_t prompt_tokens, int64_t answers) {
    plan();
    Sequence s;
    s.tokens.assign(size_t(settings_.max_context), 0);
    s.request.prompt = s.tokens;
    s.pages.assign(size_t(divided_up(settings_.max_context, settings_.page)), 0);
    if (prompt_tokens > 0) {
      s.cached = settings_.max_context - prompt_tokens;
      add_rows(s, prompt_tokens, !settings_.strict);
    }
    step_.num_prompt_tokens = settings_.strict ? 0 : int64_t(tokens_.size());
    s.cached = settings_.max_context - 1;
    for (int64_t i = 0; i < answers; ++i) add_rows(s, 1, false);
    step_.num_tokens = int64_t(tokens_.size());
    sampled_.resize(size_t(std::min<int64_t>(int64_t(sampled_.size()), settings_.max_sequences)));
    upload(ctx);
    model_->step(ctx, step_, pool_.layers(), logits_.operand().slice(0, 0, int64_t(sampled_.size())));
  };
  const int64_t most = std::min(settings_.max_tokens, settings_.max_context), answers = settings_.max_sequences;
  run(most, 0);
  run(0, answers);
  if (most > answers - 1 && answers > 1) run(most - (answers - 1), answers - 1);
  plan();
}

std::vector<int32_t> generate(const Context& ctx, Engine& engine, Request request,
                              const std::function<bool(const NewToken&)>& f) {
  std::vector<int32_t> made;
  const int64_t id = engine.add(std::move(request));
  try {
    for (bool going = true; going;)
      for (const NewToken& t : engine.step(ctx)) {
        if (t.sequence != id) continue;
        made.push_back(t.token);
        going = t.ending == Ending::none;
        if (f(t) || !going) continue;
        engine.cancel(id);
        going = false;
      }
  } catch (...) {
    engine.cancel(id);  // or it would go on with the next request
    throw;
  }
  return made;
}

}  // namespace minke
