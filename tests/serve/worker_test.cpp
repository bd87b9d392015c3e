// Clients take turns.
#include "serve/worker.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace minke {
namespace {

TEST(Workers, ClientsTakeTurns) {
  std::promise<void> all_are_there, done;
  std::vector<std::string> order;
  {
    Worker worker;
    worker.add("z", [&] { all_are_there.get_future().wait(); });
    for (const char* name : {"a1", "a2", "a3", "a4"}) worker.add("a", [&order, name] { order.emplace_back(name); });
    for (const char* name : {"b1", "b2"}) worker.add("b", [&order, name] { order.emplace_back(name); });
    worker.add("a", [&] { done.set_value(); });
    all_are_there.set_value();
    done.get_future().wait();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a1", "b1", "a2", "b2", "a3", "a4"}));
}

}  // namespace
}  // namespace minke
