// Turns, limits and ends: with a scripted engine.
#include "serve/scheduler.h"

#include <gtest/gtest.h>

#include <thread>

#include "serve/scripted_engine.h"

namespace minke {
namespace {

using test::ScriptedEngine;
using namespace std::chrono_literals;

class Schedulers : public testing::Test {
 protected:
  Schedulers() {
    engine_.answer = [](const Request& r) { return std::vector<int32_t>(8, r.prompt[0]); };
  }
  ~Schedulers() override { stop(); }
  void start(SchedulerSettings settings = {}) {
    scheduler_ = std::make_unique<Scheduler>(engine_, settings, [this](std::vector<TokenEvent> events) {
      const std::lock_guard lock(mutex_);
      for (TokenEvent& e : events) events_.push_back(std::move(e));
      ++deliveries_;
    });
  }
  void go() {
    thread_ = std::thread([this] { scheduler_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    scheduler_->stop();
    thread_.join();
  }
  std::vector<TokenEvent> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  // Of a job: its tokens and how it ended.
  std::string story(uint64_t job) {
    std::string all;
    for (const TokenEvent& e : events()) {
      if (e.job != job) continue;
      if (e.token) all += std::to_string(e.token->token) + (e.token->ending != Ending::none ? "." : " ");
      else
        all += e.end == TokenEvent::End::cancelled  ? "cancelled"
               : e.end == TokenEvent::End::too_late ? "late"
                                                    : "failed: " + e.why;
    }
    return all;
  }
  bool soon(const std::function<bool()>& what) {
    for (int i = 0; i < 6000; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  Request request(int32_t token, int64_t max_new = 3) { return {.prompt = {token}, .max_new = max_new}; }

  ScriptedEngine engine_;
  std::unique_ptr<Scheduler> scheduler_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<TokenEvent> events_;
  int deliveries_ = 0;
};

TEST_F(Schedulers, RunsAsManyAtOnceAsTheEngineTakes) {
  start();
  std::vector<uint64_t> jobs;
  for (int32_t i = 0; i < 11; ++i) jobs.push_back(*scheduler_->submit(request(i), ""));
  go();
  for (size_t i = 0; i < jobs.size(); ++i) EXPECT_TRUE(soon([&] { return story(jobs[i]).ends_with("."); })) << i;
  EXPECT_EQ(story(jobs[7]), "7 7 7.");
  EXPECT_EQ(engine_.most_running, 4);
  EXPECT_EQ(scheduler_->counts().tokens, 33u);
  EXPECT_EQ(scheduler_->counts().queued, 0);
  EXPECT_TRUE(soon([&] { return scheduler_->counts().running == 0; }));
}

// One client sends many, another one: it does not wait for all of them.
TEST_F(Schedulers, ClientsTakeTurns) {
  engine_.engine_settings.max_sequences = 1;
  start();
  for (int32_t i = 0; i < 20; ++i) scheduler_->submit(request(1, 1), "greedy");
  const uint64_t late = *scheduler_->submit(request(2, 1), "modest");
  const uint64_t other = *scheduler_->submit(request(3, 1), "another");
  go();
  ASSERT_TRUE(soon([&] { return events().size() == 22; }));
  const std::vector<TokenEvent> all = events();
  size_t of_late = 99, of_other = 99;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].job == late) of_late = i;
    if (all[i].job == other) of_other = i;
  }
  EXPECT_LT(of_late, 3u);
  EXPECT_LT(of_other, 3u);
}

TEST_F(Schedulers, RefusesWhatTheQueueDoesNotHold) {
  start({.queue = 2});
  EXPECT_TRUE(scheduler_->submit(request(1), ""));
  EXPECT_TRUE(scheduler_->submit(request(1), "x"));
  EXPECT_FALSE(scheduler_->submit(request(1), ""));
  EXPECT_EQ(scheduler_->counts().queued, 2);
}

TEST_F(Schedulers, Cancels) {
  engine_.engine_settings.max_sequences = 1;
  engine_.step_time = 1ms;
  start();
  const uint64_t runs = *scheduler_->submit(request(1, 100'000), ""), waits = *scheduler_->submit(request(2), ""),
                 then = *scheduler_->submit(request(3), "");
  go();
  ASSERT_TRUE(soon([&] { return story(runs).size() > 4; }));
  scheduler_->cancel(waits);
  scheduler_->cancel(runs);
  scheduler_->cancel(12345);
  ASSERT_TRUE(soon([&] { return story(then) == "3 3 3."; }));
  EXPECT_TRUE(story(runs).ends_with(" cancelled"));
  EXPECT_EQ(story(waits), "cancelled");
  EXPECT_EQ(engine_.cancelled, 1);
}

TEST_F(Schedulers, EndsWhatTakesTooLong) {
  engine_.engine_settings.max_sequences = 1;
  engine_.step_time = 1ms;
  start({.longest = 50ms});
  const uint64_t runs = *scheduler_->submit(request(1, 100'000'000), ""),
                 waits = *scheduler_->submit(request(2, 100'000'000), "");
  go();
  // The second one may have its turn between the ends of both, where the machine was busy between their beginnings.
  EXPECT_TRUE(soon([&] { return story(runs).ends_with("late") && story(waits).ends_with("late"); })) << story(waits);
}

TEST_F(Schedulers, SaysWhatTheEngineRefusesAndGoesOnWhenAStepFails) {
  engine_.step_time = 1ms;
  start();
  Request large = request(1);
  large.prompt.assign(5000, 1);
  const uint64_t refused = *scheduler_->submit(large, ""), first = *scheduler_->submit(request(1, 100'000), "");
  go();
  ASSERT_TRUE(soon([&] { return !story(first).empty(); }));
  EXPECT_EQ(story(refused), "failed: the prompt has 5000 tokens");
  engine_.throws = true;
  ASSERT_TRUE(soon([&] { return story(first).ends_with("failed: the model's output is not finite"); }));
  const uint64_t next = *scheduler_->submit(request(5), "");
  EXPECT_TRUE(soon([&] { return story(next) == "5 5 5."; }));
}

TEST_F(Schedulers, StopsWithAnEndForEach) {
  engine_.step_time = 1ms;
  engine_.engine_settings.max_sequences = 1;
  start();
  const uint64_t runs = *scheduler_->submit(request(1, 100'000), ""), waits = *scheduler_->submit(request(2), "");
  go();
  ASSERT_TRUE(soon([&] { return !story(runs).empty(); }));
  stop();
  EXPECT_TRUE(story(runs).ends_with("cancelled"));
  EXPECT_EQ(story(waits), "cancelled");
  EXPECT_FALSE(scheduler_->submit(request(1), ""));
}

}  // namespace
}  // namespace minke
