// How often levels were right, and how often they are asked then.
#include "rl/level_rates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "corpus/tasks.h"

namespace minke {
namespace {

// Their levels, as Questions has them.
std::vector<std::vector<int>> choices(const std::vector<std::string>& names) {
  std::vector<std::vector<int>> all;
  for (const std::string& name : names) {
    const TaskChoice c = parse_task_choice(name, "test");
    all.emplace_back();
    for (int i = 0; i < c.levels.count(); ++i) all.back().push_back(c.levels.nth(i));
  }
  return all;
}

// The share of each level in many picks at even steps.
std::map<int, double> shares(const LevelRates& rates, size_t choice) {
  std::map<int, double> all;
  constexpr int kPicks = 10000;
  for (int i = 0; i < kPicks; ++i) all[rates.pick(choice, (i + 0.5) / kPicks)] += 1.0 / kPicks;
  return all;
}

TEST(LevelRates, MoveTowardsWhatIsSeen) {
  LevelRates rates(choices({"chains:2-4", "countdown:3"}));
  EXPECT_EQ(rates.rate(0, 3), 0.5);
  rates.add(0, 3, 1);
  EXPECT_DOUBLE_EQ(rates.rate(0, 3), 0.75);  // by a half
  rates.add(0, 3, 0);
  EXPECT_DOUBLE_EQ(rates.rate(0, 3), 0.5);  // by a third
  EXPECT_EQ(rates.rate(0, 2), 0.5);
  EXPECT_EQ(rates.rate(1, 3), 0.5);
  for (int i = 0; i < 20; ++i) rates.add(1, 3, 0);
  const double before = rates.rate(1, 3);
  EXPECT_LT(before, 0.02);
  rates.add(1, 3, 1);
  EXPECT_DOUBLE_EQ(rates.rate(1, 3), before + 0.1 * (1 - before));
}

TEST(LevelRates, LevelsAtTheEdgeAreAskedMost) {
  LevelRates rates(choices({"chains:2-4"}));
  for (const auto& [level, share] : shares(rates, 0)) EXPECT_NEAR(share, 1.0 / 3, 1e-3) << level;
  for (int i = 0; i < 200; ++i) rates.add(0, 2, 1), rates.add(0, 4, 0);
  // p = 1, 0.5, 0: weights 0.05, 0.3, 0.05.
  const auto now = shares(rates, 0);
  EXPECT_NEAR(now.at(2), 0.125, 1e-3);
  EXPECT_NEAR(now.at(3), 0.75, 1e-3);
  EXPECT_NEAR(now.at(4), 0.125, 1e-3);
  EXPECT_EQ(rates.pick(0, 0), 2);
  EXPECT_EQ(rates.pick(0, std::nextafter(1.0, 0.0)), 4);
}

TEST(LevelRates, AreSavedToTheLastBit) {
  LevelRates rates(choices({"chains:2-4", "countdown:3-4"}));
  for (int i = 0; i < 30; ++i) rates.add(size_t(i % 2), 3, i % 7 / 6.0);
  LevelRates other(choices({"chains:2-4", "countdown:3-4"}));
  other.restore(Json::parse(rates.to_json().dump(2)));
  EXPECT_EQ(other.rate(0, 3), rates.rate(0, 3));
  EXPECT_EQ(other.rate(1, 3), rates.rate(1, 3));
  rates.add(0, 3, 1), other.add(0, 3, 1);
  EXPECT_EQ(other.rate(0, 3), rates.rate(0, 3));
  for (const char* damaged :
       {R"(7)", R"([])", R"([[],[]])", R"([[{"level":2},{},{}],[{},{}]])",
        R"([[{"level":2,"rate":2,"questions":1},{},{}],[{},{}]])",
        R"([[{"level":5,"rate":1,"questions":1},{},{}],[{},{}]])",
        R"([[{"level":2,"rate":"x","questions":1},{},{}],[{},{}]])", R"({"a":[1,2,3],"b":[1,2]})"})
    EXPECT_THROW(other.restore(Json::parse(damaged)), UserError) << damaged;
}

// Each field of what was saved, wrong alone.
TEST(LevelRates, AnotherStateIsRefused) {
  LevelRates rates(choices({"chains:2-4", "countdown:3-4"}));
  const Json good = rates.to_json();
  const auto message = [&](const std::function<void(Json&)>& edit) -> std::string {
    Json state = good;
    edit(state);
    try {
      rates.restore(state);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const std::string tasks = "\"levels\" is of other tasks", levels = "\"levels\" is of other levels",
                    share = "\"levels\" has no share of right answers",
                    field = "\"levels\" lacks a field, or it has the wrong type";
  EXPECT_EQ(message([](Json& s) { s[0][2]["rate"] = 1, s[1][0]["rate"] = 0, s[1][1]["questions"] = 0; }), "");
  EXPECT_EQ(rates.rate(0, 4), 1);
  EXPECT_EQ(rates.rate(1, 3), 0);
  EXPECT_EQ(message([](Json& s) { s.push_back(s[0]); }), tasks);
  EXPECT_EQ(message([](Json& s) { s.erase(1); }), tasks);
  EXPECT_EQ(message([](Json& s) { s[1].push_back(s[1][0]); }), tasks);
  EXPECT_EQ(message([](Json& s) { s[1].erase(1); }), tasks);
  EXPECT_EQ(message([](Json& s) { std::swap(s[1][0], s[1][1]); }), levels);
  EXPECT_EQ(message([](Json& s) { s[1][1]["rate"] = std::nextafter(1.0, 2.0); }), share);
  EXPECT_EQ(message([](Json& s) { s[1][1]["rate"] = -1e-300; }), share);
  EXPECT_EQ(message([](Json& s) { s[1][1]["questions"] = -1; }), share);
  EXPECT_EQ(message([](Json& s) { s[1][1]["rate"] = "a"; }), field);
  EXPECT_EQ(message([](Json& s) { s[1][1].erase("questions"); }), field);
}

// By a half, a third … a tenth from the ninth question on.
TEST(LevelRates, TheFirstQuestionsCountMore) {
  LevelRates rates(choices({"chains:2"}));
  double expected = 0.5;
  for (int i = 0; i < 30; ++i) {
    const double share = i % 3 / 2.0;
    expected += (i < 8 ? 1.0 / (i + 2) : 0.1) * (share - expected);
    rates.add(0, 2, share);
    EXPECT_DOUBLE_EQ(rates.rate(0, 2), expected) << i;
  }
  EXPECT_EQ(rates.to_json()[0][0].at("questions"), 30);
}

}  // namespace
}  // namespace minke
