#include "core/threads.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/error.h"

namespace minke {
namespace {

TEST(Threads, RunsEveryTaskOnce) {
  for (int count : {1, 2, 3, 8}) {
    Threads threads(count);
    EXPECT_EQ(threads.count(), count);
    for (int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> done(size_t(n) + 1);
      std::atomic<bool> in_range{true};
      threads.for_each(n, [&](int64_t task, int thread) {
        ++done[size_t(task)];
        if (thread < 0 || thread >= count) in_range = false;
      });
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(done[size_t(i)], 1) << count << " " << n << " " << i;
      EXPECT_EQ(done[size_t(n)], 0);
      EXPECT_TRUE(in_range);
    }
  }
}

TEST(Threads, ManyShortJobsAndSleepsBetween) {
  Threads threads(4);
  int64_t sum = 0;
  for (int job = 0; job < 5000; ++job) {
    std::atomic<int64_t> total{0};
    threads.for_each(5, [&](int64_t task, int) { total += task; });
    sum += total;
    if (job % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // workers fall asleep
  }
  EXPECT_EQ(sum, 5000 * 10);
}

// Jobs follow each other so closely that threads still look for work of the last one; also more threads than cores.
TEST(Threads, NoTaskOfAJobIsLostOrDoneTwice) {
  for (int count : {2, 3, 8}) {
    Threads threads(count);
    for (int64_t job = 0; job < 3000; ++job) {
      const int64_t n = 2 + job % 11;
      std::array<std::atomic<int64_t>, 12> done{};
      threads.for_each(n, [&](int64_t task, int) { done[size_t(task)] += job + 1; });
      for (int64_t i = 0; i < 12; ++i)
        ASSERT_EQ(done[size_t(i)], i < n ? job + 1 : 0) << count << " " << job << " " << i;
    }
  }
}

// One by one: no task waits behind another that takes long.
TEST(Threads, ATaskMayWaitForAllOthers) {
  Threads threads(2);
  std::atomic<int64_t> others{0};
  threads.for_each(100, [&](int64_t task, int) {
    if (task > 0) ++others;
    else
      while (others < 99) std::this_thread::yield();
  });
  EXPECT_EQ(others, 99);
}

TEST(Threads, TheFirstExceptionComesBackAndThePoolLives) {
  for (int count : {1, 4}) {
    Threads threads(count);
    std::atomic<int64_t> started{0};
    for (int round = 0; round < 100; ++round) {
      try {
        threads.for_each(100000, [&](int64_t task, int) {
          ++started;
          if (task == 5) throw std::runtime_error("task 5");
        });
        FAIL();
      } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "task 5");
      }
    }
    // Jobs end early. In one of them the thrower may lose its core while the others do all the work; not in all hundred.
    if (count == 1) EXPECT_EQ(started, 100 * 6);
    else EXPECT_LT(started, 100 * 100000);
    std::atomic<int> after{0};
    threads.for_each(10, [&](int64_t, int) { ++after; });
    EXPECT_EQ(after, 10);
  }
}

TEST(Threads, EachBeginsOnItsOwn) {
  std::array<std::atomic<int>, 3> begun{};
  std::array<std::thread::id, 3> ids;
  {
    Threads threads(3, [&](int thread) { ++begun[size_t(thread)], ids[size_t(thread)] = std::this_thread::get_id(); });
  }
  for (const auto& b : begun) EXPECT_EQ(b, 1);
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_TRUE(ids[1] != ids[0] && ids[2] != ids[0] && ids[1] != ids[2]);
}

TEST(Threads, NeedsAtLeastOne) {
  EXPECT_THROW(Threads(0), BugError);
  EXPECT_GE(hardware_threads(), 1);
}

}  // namespace
}  // namespace minke
