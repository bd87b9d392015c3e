#include "rl/level_rates.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

constexpr double kLeast = 0.05, kSlowest = 0.1;

double weight(double p) { return p * (1 - p) + kLeast; }

}  // namespace

LevelRates::LevelRates(const std::vector<std::vector<int>>& all) {
  for (const std::vector<int>& levels : all) {
    check(!levels.empty(), "level rates: a source has levels");
    auto& source = sources_.emplace_back();
    for (const int level : levels) source.push_back({.level = level});
  }
}

size_t LevelRates::index(size_t source, int level) const {
  const auto& levels = sources_[source];
  const auto found = std::find_if(levels.begin(), levels.end(), [&](const Level& l) { return l.level == level; });
  check(found != levels.end(), "level rates: a level of the task");
  return size_t(found - levels.begin());
}

void LevelRates::add(size_t source, int level, double share) {
  Level& l = sources_[source][index(source, level)];
  l.rate += std::max(kSlowest, 1 / double(l.questions + 2)) * (share - l.rate);
  ++l.questions;
}

int LevelRates::pick(size_t source, double uniform) const {
  const auto& levels = sources_[source];
  double all = 0;
  for (const Level& l : levels) all += weight(l.rate);
  double left = uniform * all;
  for (const Level& l : levels)
    if ((left -= weight(l.rate)) < 0) return l.level;
  return levels.back().level;
}

Json LevelRates::to_json() const {
  Json all = Json::array();
  for (const auto& levels : sources_) {
    Json& source = all.emplace_back(Json::array());
    for (const Level& l : levels) source.push_back({{"level", l.level}, {"rate", l.rate}, {"questions", l.questions}});
  }
  return all;
}

void LevelRates::restore(const Json& saved) {
  try {
    if (saved.size() != sources_.size()) user_error("\"levels\" is of other tasks");
    for (size_t c = 0; c < sources_.size(); ++c) {
      if (saved[c].size() != sources_[c].size()) user_error("\"levels\" is of other tasks");
      for (size_t i = 0; i < sources_[c].size(); ++i) {
        Level& l = sources_[c][i];
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
