// Runs every check of expected.json (docs/recipe/README.md) that some layer has code for, prints the names that none has,
// and holds the line: their number may only fall.
#include <gtest/gtest.h>

#include <cmath>

#include "core/files.h"
#include "expected/checks.h"
#include "support/expected.h"
#include "support/shared_files.h"

namespace minke::testing {
namespace {

constexpr size_t kUncovered = 124;  // lower it when a layer registers more

ExpectedChecks all_checks() {
  ExpectedChecks checks;
  add_spec_checks(checks);
  add_kernels_checks(checks);
  add_train_checks(checks);
  add_run_checks(checks);
  return checks;
}

TEST(Expected, EveryCheckWeHaveCodeForHolds) {
  const fs::path file = test::source_file("tests/expected/expected.json");
  const ExpectedChecks::Result result = all_checks().run(read_file(file), file.string());
  for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
  for (const std::string& pattern : result.idle_patterns) ADD_FAILURE() << "no check is named " << pattern;
  std::printf("%d checks of expected.json hold; %zu are not covered yet:\n", result.passed, result.uncovered.size());
  std::string line;
  for (const std::string& name : result.uncovered) {
    if (line.size() + name.size() > 118) std::printf("%s\n", line.c_str()), line.clear();
    line += " " + name;
  }
  std::printf("%s\n", line.c_str());
  EXPECT_LE(result.uncovered.size(), kUncovered) << "checks that were covered are not any more";
  if (result.uncovered.size() < kUncovered) std::printf("kUncovered can be lowered to %zu\n", result.uncovered.size());
}

TEST(Expected, ComparisonSeesPlantedFaults) {
  const auto differs = [](const char* expected, const Json& value, double tolerance, bool relative) {
    return !difference(parse_json(expected, "expected"), value, tolerance, relative).empty();
  };
  EXPECT_FALSE(differs("5", 5, 0, false));
  EXPECT_FALSE(differs("100", 100.9, 0.01, true));
  EXPECT_TRUE(differs("100", 101.1, 0.01, true));
  EXPECT_TRUE(differs("5", 6, 0, false));
  EXPECT_TRUE(differs("5", -5, 0, false));
  EXPECT_TRUE(differs("5", std::nan(""), 1e9, false));
  EXPECT_TRUE(differs("5", "5", 0, false));
  EXPECT_TRUE(differs("[1, 2]", Json::array({2, 1}), 0, false));
  EXPECT_TRUE(differs("[1, 2]", Json::array({1}), 0, false));
  EXPECT_TRUE(differs("[1, 2]", 1, 0, false));
  EXPECT_TRUE(differs(R"({"a": 1})", Json{{"b", 1}}, 0, false));
  EXPECT_FALSE(differs(R"({"a": [1, 2]})", Json{{"a", {1, 2}}}, 0, false));
  EXPECT_TRUE(matches("kv.*.bytes", "kv.v3.bytes") && matches("a", "a"));
  EXPECT_FALSE(matches("kv.*.bytes", "kv.bytes") || matches("a", "ab") || matches("kv.*", "params.kv."));
}

}  // namespace
}  // namespace minke::testing
