#include "serve/scheduler.h"

#include "core/clock.h"
#include "core/error.h"

namespace minke {

Scheduler::Scheduler(TokenEngine& engine, SchedulerSettings settings,
                     std::function<void(std::vector<TokenEvent>)> deliver)
    : engine_(engine), settings_(settings), deliver_(std::move(deliver)) {
  counts_.engine = engine.load();
}

std::optional<uint64_t> Scheduler::submit(Request request, std::string_view client) {
  const std::lock_guard lock(mutex_);
  if (queued_ >= settings_.queue || stopping_) return std::nullopt;
  queues_[std::string(client)].push_back({.number = ++last_job_, .request = std::move(request), .since = Clock::now()});
  counts_.queued = int64_t(++queued_);
  work_.notify_one();
  return last_job_;
}

void Scheduler::cancel(uint64_t job) {
  const std::lock_guard lock(mutex_);
  cancelled_.push_back(job);
  work_.notify_one();
}

SchedulerCounts Scheduler::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Scheduler::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  work_.notify_one();
}

void Scheduler::run() {
  while (wait_for_work()) {
    std::vector<TokenEvent> events;
    drop_late(events);
    admit(events);
    if (!engine_.idle()) step(events);
    if (!events.empty()) deliver_(std::move(events));
  }
}

// With the lock.
template <class Which>
void Scheduler::drop_queued(Which&& which, TokenEvent::End how, std::vector<TokenEvent>& events) {
  for (auto of = queues_.begin(); of != queues_.end();) {
    queued_ -= std::erase_if(of->second, [&](const Job& j) {
      const bool dropped = which(j);
      if (dropped) events.push_back({.job = j.number, .end = how});
      return dropped;
    });
    of = of->second.empty() ? queues_.erase(of) : std::next(of);
  }
}

// Takes what was cancelled; false when it is to end.
bool Scheduler::wait_for_work() {
  std::vector<TokenEvent> events;
  bool goes_on = true;
  {
    std::unique_lock lock(mutex_);
    work_.wait(lock, [&] { return stopping_ || queued_ > 0 || !cancelled_.empty() || !engine_.idle(); });
    if (stopping_) {
      for (const auto& [client, jobs] : queues_)
        for (const Job& job : jobs) cancelled_.push_back(job.number);
      for (const auto& [sequence, job] : running_) cancelled_.push_back(job.number);
    }
    for (const uint64_t number : cancelled_) {
      drop_queued([&](const Job& j) { return j.number == number; }, TokenEvent::End::cancelled, events);
      if (const auto at = sequence_of_.find(number); at != sequence_of_.end())
        end(at->second, TokenEvent::End::cancelled, events);
    }
    cancelled_.clear();
    goes_on = !stopping_;
    counts_.queued = int64_t(queued_), counts_.running = int64_t(running_.size());
    counts_.engine = engine_.load();
  }
  if (!events.empty()) deliver_(std::move(events));
  return goes_on;
}

// Of the client after the last one, in the order of their names; with the lock.
std::optional<Scheduler::Job> Scheduler::next_in_turn() {
  if (queues_.empty()) return std::nullopt;
  auto of = queues_.upper_bound(last_client_);
  if (of == queues_.end()) of = queues_.begin();
  last_client_ = of->first;
  Job job = std::move(of->second.front());
  of->second.pop_front();
  if (of->second.empty()) queues_.erase(of);
  counts_.queued = int64_t(--queued_);
  return job;
}

void Scheduler::admit(std::vector<TokenEvent>& events) {
  // No more than can run at once, so that turns stay turns.
  while (int64_t(running_.size()) < engine_.settings().max_sequences) {
    std::optional<Job> job;
    {
      const std::lock_guard lock(mutex_);
      job = next_in_turn();
    }
    if (!job) return;
    try {
      job->admitted = Clock::now();
      const int64_t sequence = engine_.add(std::move(job->request));
      sequence_of_[job->number] = sequence;
      running_.emplace(sequence, std::move(*job));
    } catch (const std::exception& e) {
      events.push_back({.job = job->number, .end = TokenEvent::End::failed, .why = e.what()});
    }
  }
}

void Scheduler::forget(int64_t sequence) {
  const auto at = running_.find(sequence);
  sequence_of_.erase(at->second.number);
  running_.erase(at);
}

// Of one that runs, before its own end.
void Scheduler::end(int64_t sequence, TokenEvent::End how, std::vector<TokenEvent>& events, const std::string& why) {
  events.push_back({.job = running_.at(sequence).number, .end = how, .why = why});
  engine_.cancel(sequence);
  forget(sequence);
}

void Scheduler::drop_late(std::vector<TokenEvent>& events) {
  const auto is_late = [latest = Clock::now() - settings_.longest](const Job& job) { return job.since < latest; };
  std::vector<int64_t> late;
  for (const auto& [sequence, job] : running_)
    if (is_late(job)) late.push_back(sequence);
  for (const int64_t sequence : late) end(sequence, TokenEvent::End::too_late, events);
  const std::lock_guard lock(mutex_);
  drop_queued(is_late, TokenEvent::End::too_late, events);
}

void Scheduler::step(std::vector<TokenEvent>& events) {
  const auto begin = Clock::now();
  size_t made = 0;
  try {
    for (const NewToken& t : engine_.step()) {
      Job& job = running_.at(t.sequence);
      TokenEvent& event = events.emplace_back(TokenEvent{.job = job.number, .token = t});
      if (!job.has_token) event.queued_s = std::chrono::duration<double>(job.admitted - job.since).count();
      job.has_token = true, ++made;
      if (t.ending != Ending::none) forget(t.sequence);
    }
  } catch (const std::exception& e) {  // a model that is not finite, say: of whom is not known
    while (!running_.empty()) end(running_.begin()->first, TokenEvent::End::failed, events, e.what());
  }
  const std::lock_guard lock(mutex_);
  counts_.steps += 1, counts_.tokens += made, counts_.step_seconds += seconds_since(begin);
  counts_.running = int64_t(running_.size()), counts_.engine = engine_.load();
}

}  // namespace minke
