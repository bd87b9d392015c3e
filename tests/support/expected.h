// Checks against expected.json (the figures of the papers): each layer registers functions for the names it can
// compute, by pattern ("kv.*.elements_per_token"; one * stands for any text), and tests/expected/ runs them all. A
// function returns a number, list or object in the shape of "expected"; comparison is element-wise within the check's
// tolerance.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "spec/config.h"

namespace minke::testing {

struct ExpectedCheck {
  std::string name;
  Json inputs, expected;
  double tolerance = 0;
  bool relative = false;
  const Json* configs = nullptr;  // the file's "configs": name → fields

  // inputs.model as a Config, or a named one. Fields that a count does not need keep their struct defaults.
  Config model() const { return model(inputs.at("model").get<std::string>()); }
  Config model(const std::string& name) const;
  double number(const char* input) const { return inputs.at(input).get<double>(); }
};

class ExpectedChecks {
 public:
  using Function = std::function<Json(const ExpectedCheck&)>;
  void add(std::string pattern, Function function) {
    functions_.push_back({std::move(pattern), std::move(function), 0});
  }

  struct Result {
    int passed = 0;
    std::vector<std::string> failures;       // one line each: name, expected, computed
    std::vector<std::string> uncovered;      // names no function is registered for
    std::vector<std::string> idle_patterns;  // patterns that matched no name
  };
  Result run(std::string_view json_text, std::string_view where) const;

 private:
  struct Entry {
    std::string pattern;
    Function function;
    int matches = 0;
  };
  std::vector<Entry> functions_;
};

// Empty if value equals expected within tolerance, else what differs. Tested in tests/expected/expected_test.cpp.
std::string difference(const Json& expected, const Json& value, double tolerance, bool relative,
                       const std::string& at = "");
bool matches(std::string_view pattern, std::string_view name);

}  // namespace minke::testing
