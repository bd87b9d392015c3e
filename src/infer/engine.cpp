#include "infer/engine.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/clock.h"
#include "core/divided_up.h"

namespace minke {
namespace {

EngineSettings checked(EngineSettings s, const Model& model) {
  if (s.cache_tokens == 0) s.cache_tokens = s.max_context;
  check(s.max_context >= 1 && s.max_context <= model.max_positions(), "Engine: max_context");
  check(s.max_sequences >= 1 && s.max_tokens >= s.max_sequences * (1 + s.most_drafts()), "Engine: max_tokens");
  check(s.cache_tokens >= 1, "Engine: cache_tokens");
  return s;
}

}  // namespace

Engine::Engine(const Context& ctx, const Model& model, const EngineSettings& settings)
    : model_(&model),
      settings_(checked(settings, model)),
      pool_(ctx, model.config(), settings_.cache, divided_up(settings_.cache_tokens, settings_.page), settings_.page,
            settings_.most_drafts() > 0 ? 1 : 0),
      samplers_(settings_.max_sequences > 1 ? size_t(ctx.threads->count()) : 1),
      rows_(ctx, settings_),
      logits_(ctx.backend->memory(), DType::f32,
              {settings_.max_sequences * (1 + settings_.most_drafts()), model.config().vocab_size}),
      host_logits_(size_t(logits_.operand().size())) {
  prompts_.reserve(size_t(settings_.max_sequences));
  for (Sampler& s : samplers_) s.reserve(size_t(model.config().vocab_size));
  for (const Block& b : model.blocks()) moe_layers_ += b.moe() != nullptr;
  if (settings_.most_drafts() > 0)
    speculation_ = std::make_unique<Speculation>(ctx, model, settings_, pool_.layers().back());
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
  s->chosen.reserve(size_t(1 + settings_.most_drafts()));
  s->request = std::move(request);
  s->id = ++last_id_;
  waiting_.push_back(std::move(s));
  return last_id_;
}

void Engine::use_disk(DiskCache& disk, double seconds_per_step) {
  check(idle(), "Engine::use_disk: while idle");
  disk_seconds_ = seconds_per_step;
  disk_ = std::make_unique<DiskPages>(pool_, disk);
}

void Engine::weights_changed() {
  pool_.forget_all();
  disk_.reset();
  for (const auto& s : running_) s->restorable = s->learned;
}

void Engine::cancel(int64_t sequence) {
  const auto is_it = [&](const auto& s) { return s->id == sequence; };
  std::erase_if(waiting_, is_it);
  std::erase_if(running_, [&](const auto& s) {
    if (is_it(s)) give_back(*s);
    return is_it(s);
  });
}

// From its end: what is unused longest goes first, and without its beginning an end is of no use.
void Engine::give_back(Sequence& s) {
  for (size_t i = s.pages.size(); i-- > 0;) pool_.release(s.pages[i]);
  s.pages.clear();
  promised_ -= s.promised;
  s.promised = 0;
}

bool Engine::gathers_keys(bool prompt) const {
  return settings_.form == AttentionForm::by_role ? prompt : settings_.form == AttentionForm::training;
}

// The last token of the prompt is computed in any case: its logits are wanted.
std::span<const int32_t> Engine::tokens_to_find(const Sequence& s) const {
  return std::span(s.tokens).first(size_t(s.prompt() - (pool_.ahead() > 0 ? 0 : 1)));
}

// Pages of a known beginning.
Engine::Beginning Engine::known_beginning(const Sequence& s) const {
  Beginning known;
  if (!s.request.shares_beginnings()) return known;
  const std::span<const int32_t> tokens = tokens_to_find(s);
  for (;;) {
    const size_t from = known.pages.size() * size_t(settings_.page);
    known.part = pool_.find(known.pages.empty() ? -1 : known.pages.back(), tokens.subspan(from));
    if (known.part.count < settings_.page) return known;
    known.pages.push_back(known.part.page);
  }
}

// Another sequence is about to compute a page, or the end of its prompt, that this one could share. One whose own beginning was
// known, and which has the rest alone to compute, is not waited for.
bool Engine::must_wait_for_another(const Sequence& s, int64_t known) const {
  if (!s.request.shares_beginnings()) return false;
  for (const auto& r : running_) {
    if (!r->in_prompt()) continue;
    const auto mine = std::span(s.tokens).first(size_t(s.prompt() - 1)),
               other = std::span<const int32_t>(r->tokens).first(size_t(r->prompt()));
    const int64_t common = std::mismatch(mine.begin(), mine.end(), other.begin(), other.end()).first - mine.begin();
    const bool all = common == r->prompt() || common == s.prompt() - 1;
    if ((all ? common : common / settings_.page * settings_.page) > known) return true;
  }
  return false;
}

// In the order of arrival, but for those that wait for what another is about to compute: whoever comes behind goes first then.
void Engine::admit(const Context& ctx) {
  const int64_t most = 2 * settings_.max_sequences;  // that are looked at in a step, of thousands that may wait
  for (int64_t i = 0, looked = 0; i < num_waiting() && looked < most && num_running() < settings_.max_sequences;
       ++looked) {
    const auto at = waiting_.begin() + i;
    const Admission admission = admit(ctx, **at);
    if (admission == Admission::no_pages) return;
    if (admission == Admission::waits) {
      ++i;
    } else {
      running_.push_back(std::move(*at));
      waiting_.erase(at);
    }
  }
}

Engine::Admission Engine::admit(const Context& ctx, Sequence& s) {
  const Beginning known = known_beginning(s);
  const std::vector<int32_t>& held = known.pages;
  const PagePool::Match& part = known.part;
  if (must_wait_for_another(s, int64_t(held.size()) * settings_.page + part.count)) return Admission::waits;
  for (const int32_t p : held) pool_.hold(p);
  const int64_t needed = divided_up(s.limit, settings_.page) - int64_t(held.size());
  if (needed > pool_.num_free() - promised_) {
    for (size_t i = held.size(); i-- > 0;) pool_.release(held[i]);
    return Admission::no_pages;
  }
  s.followed = speculation_ && s.request.drafts && speculation_->follows_new();
  for (const int32_t p : held) s.followed = s.followed && pool_.has_modules(p);
  if (part.count > 0) s.followed = s.followed && pool_.has_modules(part.page);
  s.pages.insert(s.pages.end(), held.begin(), held.end());
  s.learned = int64_t(held.size());
  s.known_as = held.empty() ? 0 : pool_.number_of(held.back());
  s.cached = s.learned * settings_.page;
  s.promised = needed;
  promised_ += needed;
  if (disk_) disk_->find(s, s.request.shares_beginnings() ? tokens_to_find(s) : std::span<const int32_t>());
  if (part.count > 0 && s.restorable <= s.learned) {  // it will write behind them: a copy of its own
    s.pages.push_back(pool_.take());                  // which may be that page itself
    if (s.pages.back() != part.page) pool_.copy(ctx, part.page, s.pages.back(), part.count);
    --s.promised, --promised_;
    s.cached += part.count;
  }
  s.known = s.cached;
  return Admission::admitted;
}

// In turn; what one step leaves the next one goes on with.
void Engine::restore(const Context& ctx) {
  const auto begin = Clock::now();
  for (const auto& s : running_)
    while (s->learned < s->restorable) {
      take_pages(*s, s->cached + settings_.page);
      if (!disk_->restore(ctx, *s)) {
        s->restorable = s->learned;
        break;
      }
      s->cached += settings_.page;
      s->known = s->cached;
      know_whole_page(ctx, *s);
      if (seconds_since(begin) > disk_seconds_) return;
    }
}

void Engine::take_pages(Sequence& s, int64_t end) {
  while (int64_t(s.pages.size()) * settings_.page < end) {
    s.pages.push_back(pool_.take());
    --s.promised, --promised_;
  }
}

// `count` tokens of the sequence that are not in the cache yet, and drafts behind them.
void Engine::add_rows(Sequence& s, int64_t count, bool as_prompt) {
  take_pages(s, s.cached + count);
  s.first_row = rows_.count(), s.rows = count, s.as_prompt = as_prompt;
  s.sampled = std::max<int64_t>(s.cached + count - int64_t(s.tokens.size()) + 1, 0);
  rows_.add(s, s.cached, count, 0, as_prompt);
  rows_.want_last(s.sampled);
  stepped_.push_back(&s);
}

void Engine::plan() {
  rows_.clear(), stepped_.clear();
  int64_t room = settings_.max_tokens, answers = 0;
  for (const auto& s : running_) {
    s->rows = 0;
    answers += !s->in_prompt();
  }
  const bool checks = speculation_ && answers > 0 && speculation_->checks(answers);
  const auto rows_of = [&](const Sequence& s) { return 1 + (checks ? int64_t(s.drafts.size()) : 0); };
  for (const auto& s : running_)
    if (!s->in_prompt()) room -= rows_of(*s);
  // The prompt that is done soonest comes first, so that a long one does not keep the short ones waiting; but every second step
  // the oldest does, so that many short ones do not keep a long one waiting either.
  prompts_.clear();
  for (const auto& s : running_)
    if (s->in_prompt() && s->learned >= s->restorable) prompts_.push_back(s.get());
  const auto rest = [](const Sequence* s) { return std::pair(s->prompt() - s->cached, s->id); };
  const auto by_rest = [&](const Sequence* a, const Sequence* b) { return rest(a) < rest(b); };
  if (prompts_.size() > 1) {
    oldest_first_ = !oldest_first_;
    std::sort(prompts_.begin() + oldest_first_, prompts_.end(), by_rest);
  }
  for (Sequence* s : prompts_) {
    const int64_t count = std::min(room, s->prompt() - s->cached);
    const bool gathers = gathers_keys(true);
    if (count == 0 || (gathers && rows_.num_keys() + s->cached + count > settings_.most_keys())) break;
    add_rows(*s, count, gathers);
    room -= count;
  }
  for (const auto& s : running_)
    if (!s->in_prompt()) add_rows(*s, rows_of(*s), gathers_keys(false));
}

// Where the step leaves the experts that it chooses; null if nobody wants to know.
Operand Engine::asked_experts(const Context& ctx, const Step& step) {
  const bool wanted = speculation_ || std::any_of(stepped_.begin(), stepped_.end(),
                                                  [](const Sequence* s) { return bool(s->request.on_experts); });
  if (!wanted || moe_layers_ == 0) return {};
  const int64_t choices = model_->config().num_experts_per_tok, n = step.num_tokens;
  if (!d_experts_)
    d_experts_ = Tensor(ctx.backend->memory(), DType::i32, {moe_layers_ * settings_.max_tokens * choices});
  return Operand::of(d_experts_.operand().data, DType::i32, {moe_layers_, n, choices});
}

std::span<const NewToken> Engine::step(const Context& ctx) {
  check(!idle(), "Engine::step: nothing to do");
  new_tokens_.clear();
  admit(ctx);
  if (disk_) restore(ctx);
  plan();
  if (rows_.count() == 0) return new_tokens_;  // all wait for the disk
  Step& step = rows_.upload(ctx);
  step.experts = asked_experts(ctx, step);
  const auto begin = Clock::now();
  const Operand logits = logits_.operand().slice(0, 0, rows_.num_wanted());
  model_->step(ctx, step, pool_.layers(), logits, speculation_ ? speculation_->hidden(step.num_tokens) : Operand{});
  if (rows_.num_wanted() > 0) ctx.backend->download(ctx, {.device = logits, .host = host_logits_.data()});
  else ctx.backend->synchronize(ctx);
  const double seconds = seconds_since(begin);
  computed_ += step.num_tokens;
  choose_tokens(ctx);
  if (step.experts) report_experts(ctx, step.experts);
  if (speculation_) finish_speculation(ctx, seconds);
  for (Sequence* s : stepped_) {
    s->cached += s->kept;
    learn_pages(ctx, *s);
  }
  for (const NewToken& t : new_tokens_)
    if (t.ending != Ending::none) cancel(t.sequence);
  return new_tokens_;
}

// The module takes what the sequences kept.
void Engine::finish_speculation(const Context& ctx, double seconds) {
  for (Sequence* s : stepped_)  // further drafts take slots of tokens that are not there yet
    if (s->followed && s->sampled > 0 && settings_.drafts > 1)
      take_pages(*s, std::min(s->limit, int64_t(s->tokens.size()) - 1 + settings_.drafts));
  if (speculation_->finish_step(ctx, stepped_, host_experts_, seconds, samplers_.front())) return;
  for (const auto& s : running_) s->followed = false, s->drafts.clear();
}

uint64_t Engine::know_page(Sequence& s, int64_t tokens) {
  return pool_.learn(s.pages[size_t(s.learned)], s.known_as,
                     std::span(s.tokens).subspan(size_t(s.learned * settings_.page), size_t(tokens)), s.followed);
}

void Engine::know_whole_page(const Context& ctx, Sequence& s) {
  s.known_as = know_page(s, settings_.page + pool_.ahead());
  if (disk_) disk_->keep(ctx, s);
  ++s.learned;
}

// What was computed as an answer is shared with prompts where both have the same bits, or where the caller does not mind others. The
// page at the end of a prompt, or of an answer, is known as far as it is filled: it may be filled further, and be known for more.
void Engine::learn_pages(const Context& ctx, Sequence& s) {
  const int64_t page = settings_.page, ahead = pool_.ahead();
  const bool answers = settings_.form != AttentionForm::by_role || settings_.share_answers;
  const int64_t computed = answers ? s.cached : std::min(s.cached, s.prompt()), whole = (computed - ahead) / page;
  while (s.learned < whole) know_whole_page(ctx, s);
  const int64_t rest = computed - whole * page;
  const bool ends = s.cached == s.prompt() || (answers && s.ending != Ending::none);
  if (ends && rest > ahead && s.learned == whole) know_page(s, rest);
}

// All threads sample: a draw depends on neither order nor thread. Callers that choose themselves are asked one after another.
void Engine::choose_tokens(const Context& ctx) {
  size_t row = 0;
  for (Sequence* s : stepped_) {
    s->first_logits = row, s->kept = s->rows - std::max<int64_t>(s->sampled - 1, 0);
    row += size_t(s->sampled);
    s->chosen.clear();
  }
  ctx.threads->for_each(int64_t(stepped_.size()), [&](int64_t i, int thread) {
    Sequence& s = *stepped_[size_t(i)];
    if (!s.request.choose) choose_tokens(s, samplers_[size_t(thread)]);
  });
  for (Sequence* s : stepped_) {
    if (s->request.choose) choose_tokens(*s, samplers_.front());
    std::move(s->chosen.begin(), s->chosen.end(), std::back_inserter(new_tokens_));
  }
}

// The sequence's next token, and one more as long as the draft behind is the token chosen.
void Engine::choose_tokens(Sequence& s, Sampler& sampler) const {
  const size_t vocab = size_t(model_->config().vocab_size);
  for (int64_t i = 0; i < s.sampled; ++i) {
    choose_token(s, std::span(host_logits_).subspan((s.first_logits + size_t(i)) * vocab, vocab), sampler);
    if (s.ending != Ending::none || i + 1 == s.sampled || s.tokens.back() != s.drafts[size_t(i)]) break;
    ++s.kept;
  }
}

void Engine::choose_token(Sequence& s, std::span<const float> logits, Sampler& sampler) const {
  const Request& r = s.request;
  const int64_t position = int64_t(s.tokens.size());
  NewToken t{.sequence = s.id, .known = s.known};
  if (r.choose) {
    t.token = r.choose(logits, position);
  } else {
    const std::span<const int32_t> answer = std::span<const int32_t>(s.tokens).subspan(r.prompt.size());
    std::span<const float> allowed = logits;
    if (r.constrain) {
      const std::span<float> changed = sampler.copy(logits);
      r.constrain(answer, changed);
      allowed = changed;
    }
    t.token = sampler.sample(allowed, r.sampling, r.sample_index, uint64_t(position), r.prompt, answer);
    t.log_probability = sampler.log_probability_of_last();
  }
  check(t.token >= 0 && t.token < model_->config().vocab_size, "Engine: a token that the model has");
  s.tokens.push_back(t.token);
  if (r.top_log_probabilities >= 0) t.log_probabilities = log_probabilities(logits, t.token, r.top_log_probabilities);
  const int64_t made = position + 1 - s.prompt();
  if (std::find(r.stop_tokens.begin(), r.stop_tokens.end(), t.token) != r.stop_tokens.end())
    s.ending = Ending::stop_token;
  else if (made == r.max_new) s.ending = Ending::max_new;
  else if (position + 1 == s.limit) s.ending = Ending::context_full;
  t.ending = s.ending;
  s.chosen.push_back(std::move(t));
}

// Of the tokens that the sequences keep.
void Engine::report_experts(const Context& ctx, const Operand& e) {  // [layers, N, K]
  const int64_t layers = e.shape[0], n = e.shape[1], k = e.shape[2];
  host_experts_.resize(size_t(e.size()));
  ctx.backend->download(ctx, {.device = e, .host = host_experts_.data()});
  for (const Sequence* s : stepped_) {
    if (!s->request.on_experts) continue;
    sequence_experts_.clear();
    for (int64_t row = s->first_row; row < s->first_row + s->kept; ++row)
      for (int64_t l = 0; l < layers; ++l) {
        const auto chosen = host_experts_.begin() + (l * n + row) * k;
        sequence_experts_.insert(sequence_experts_.end(), chosen, chosen + k);
      }
    s->request.on_experts(s->cached, sequence_experts_);
  }
}

double Engine::host_bytes() const {
  return 4.0 * double(host_logits_.size()) * (speculation_ ? 1 + 1.0 / double(1 + settings_.drafts) : 1) +
         double(samplers_.size() * Sampler::bytes(size_t(model_->config().vocab_size)));
}

void Engine::run_largest(const Context& ctx) {
  // A prompt that fills the context, then as many answers as may run, each with a context that is full, then both; short prompts
  // that fill a step.
  const int64_t context = settings_.max_context, per_answer = 1 + settings_.most_drafts();
  const auto full = [&](int64_t cached) {
    Sequence s;
    s.tokens.assign(size_t(context + 1), 0);
    s.request.prompt.assign(1, 0);
    s.limit = 2 * context;
    s.cached = cached;
    s.pages.assign(size_t(divided_up(context + per_answer, settings_.page)), 0);
    s.followed = bool(speculation_);
    s.drafts.reserve(size_t(per_answer));
    return s;
  };
  // The rows of each prompt that begins the step: its first ones, or those at the end of a context.
  const auto run = [&](bool at_end, std::span<const int64_t> prompts, int64_t answers) {
    plan();
    Sequence prompt = full(0), answer = full(std::max<int64_t>(context - per_answer, 0));
    const auto add = [&](Sequence& s, int64_t rows, int64_t sampled, bool as_prompt) {
      s.first_row = rows_.count();
      s.rows = s.kept = rows;
      s.sampled = std::min(sampled, s.rows);
      s.as_prompt = as_prompt;
      rows_.add(s, s.cached, s.rows, 0, as_prompt);
      rows_.want_last(s.sampled);
      stepped_.push_back(&s);
    };
    for (const int64_t& rows : prompts) {
      prompt.cached = at_end ? context - rows : 0;
      add(prompt, rows, &rows == prompts.data() || answers == 0, gathers_keys(true));
    }
    for (int64_t i = 0; i < answers; ++i) add(answer, context - answer.cached, per_answer, gathers_keys(false));
    Step& step = rows_.upload(ctx);
    step.experts = asked_experts(ctx, step);
    model_->step(ctx, step, pool_.layers(), logits_.operand().slice(0, 0, rows_.num_wanted()),
                 speculation_ ? speculation_->hidden(step.num_tokens) : Operand{});
    if (step.experts) host_experts_.assign(size_t(step.experts.size()), 0);
    if (speculation_) speculation_->finish_step(ctx, stepped_, host_experts_, 0, samplers_.front());
  };
  const int64_t most = std::min(settings_.max_tokens, context), answers = settings_.max_sequences;
  const auto prompt = [&](int64_t rows, int64_t others) { run(true, std::array{rows}, others); };
  prompt(most, 0);
  run(false, {}, answers);
  const int64_t others = (answers - 1) * per_answer;
  if (most > others && answers > 1) prompt(most - others, answers - 1);
  if (answers > 1 && settings_.max_tokens > context) {
    const auto prompts = [&](int64_t tokens) {
      std::vector<int64_t> rows(size_t(tokens / context), context);
      if (tokens % context > 0) rows.push_back(tokens % context);
      return rows;
    };
    std::vector<int64_t> rows = prompts(settings_.max_tokens);
    if (int64_t(rows.size()) > answers) rows.resize(size_t(answers));
    run(false, rows, 0);
    if (settings_.form == AttentionForm::by_role && settings_.max_tokens > others)
      run(false, prompts(settings_.max_tokens - others), answers - 1);
    if (settings_.form == AttentionForm::training) {  // all keys of all, and as many rows as there can be
      std::vector<int64_t> ends(size_t(answers), std::min(context, settings_.max_tokens / answers));
      for (int64_t i = 0; i < settings_.max_tokens % answers && ends[size_t(i)] < context; ++i) ++ends[size_t(i)];
      run(true, ends, 0);
    }
  }
  plan();
}

void Engine::assume_known(const Context& ctx, std::span<const int32_t> tokens) {
  check(idle(), "Engine::assume_known: while idle");
  const size_t page = size_t(settings_.page), known = page + size_t(pool_.ahead());  // tokens that a page is known by
  if (tokens.size() < known) return;
  const auto is_known = [&](const PagePool::Match& m) { return m.count == settings_.page; };
  if (!is_known(pool_.find(-1, tokens.first(known)))) {
    std::vector<int32_t> prompt(tokens.begin(), tokens.begin() + ptrdiff_t(known));
    prompt.push_back(tokens[0]);
    generate(ctx, *this, {.prompt = std::move(prompt)}, [](const NewToken&) { return true; });
  }
  std::vector<int32_t> held;
  for (; tokens.size() >= known; tokens = tokens.subspan(page)) {
    const int32_t before = held.empty() ? -1 : held.back();
    if (const PagePool::Match m = pool_.find(before, tokens.first(known)); is_known(m)) {
      pool_.hold(m.page);
      held.push_back(m.page);
    } else {
      held.push_back(pool_.take());
      pool_.copy(ctx, held.front(), held.back(), settings_.page);
      pool_.learn(held.back(), pool_.number_of(before), tokens.first(known), pool_.ahead() > 0);
    }
  }
  ctx.backend->synchronize(ctx);
  for (const int32_t p : held) pool_.release(p);
}

std::vector<int32_t> generate(const Context& ctx, Engine& engine, Request request,
                              const std::function<bool(const NewToken&)>& f) {
  std::vector<int32_t> made;
  const int64_t id = engine.add(std::move(request));
  try {
    for (bool going = true; going;)
      for (const NewToken& t : engine.step(ctx)) {
        if (t.sequence != id || !going) continue;
        made.push_back(t.token);
        going = f(t) && t.ending == Ending::none;
        if (!going) engine.cancel(id);
      }
  } catch (...) {
    engine.cancel(id);  // or it would go on with the next request
    throw;
  }
  return made;
}

}  // namespace minke
