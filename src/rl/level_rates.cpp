#include "rl/level_rates.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

constexpr double kLeast = 0.05, kSlowest = 0.1;

double weight(double p) { return p * (1 - p) + kLeast; }

}  // namespace

LevelRates::LevelRates(const std::vector<TaskChoice>& choices) {
  for (const TaskChoice& c : choices) {
    auto& levels = choices_.emplace_back();
    for (int i = 0; i < c.levels.count(); ++i) levels.push_back({.level = c.levels.nth(i)});
  }
}

size_t LevelRates::index(size_t choice, int level) const {
  const auto& levels = choices_[choice];
  const auto found = std::find_if(levels.begin(), levels.end(), [&](const Level& l) { return l.level == level; });
  check(found != levels.end(), "level rates: a level of the task");
  return size_t(found - levels.begin());
}

void LevelRates::add(size_t choice, int level, double share) {
  Level& l = choices_[choice][index(choice, level)];
  l.rate += std::max(kSlowest, 1 / double(l.questions + 2)) * (share - l.rate);
  ++l.questions;
}

int LevelRates::pick(size_t choice, double uniform) const {
  const auto& levels = choices_[choice];
  double all = 0;
  for (const Level& l : levels) all += weight(l.rate);
  double left = uniform * all;
  for (const Level& l : levels)
    if ((left -= weight(l.rate)) < 0) return l.level;
  return levels.back().level;
}

Json LevelRates::to_json() const {
  Json all = Json::array();
  for (const auto& levels : choices_) {
    Json& choice = all.emplace_back(Json::array());
    for (const Level& l : levels) choice.push_back({{"level", l.level}, {"rate", l.rate}, {"questions", l.questions}});
  }
  return all;
}

void LevelRates::restore(const Json& saved) {
  try {
    if (saved.size() != choices_.size()) user_error("\"levels\" is of other tasks");
    for (size_t c = 0; c < choices_.size(); ++c) {
      if (saved[c].size() != choices_[c].size()) user_error("\"levels\" is of other tasks");
      for (size_t i = 0; i < choices_[c].size(); ++i) {
        Level& l = choices_[c][i];
        if (saved[c][i].at("level").get<int>() != l.level) user_error("\"levels\" is of other levels");
        l.rate = saved[c][i].at("rate").get<double>(), l.questions = saved[c][i].at("questions").get<int64_t>();
        if (!(l.rate >= 0 && l.rate <= 1 && l.questions >= 0)) user_error("\"levels\" has no share of right answers");
      }
    }
  } catch (const nlohmann::json::exception&) {
    user_error("\"levels\" lacks a field, or it has the wrong type");
  }
}

}  // namespace minke
