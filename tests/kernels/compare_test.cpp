// The comparer and the gradient checker against planted faults: each must be seen.
#include "support/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/gradcheck.h"
#include "support/random.h"

namespace minke::test {
namespace {

constexpr int64_t kRows = 64, kColumns = 32;
constexpr Bound kBound{1e-6, 1e-5};

struct Fault {
  const char* name;
  void (*plant)(Values&);
};
const Fault kFaults[] = {
    {"wrong sign",
     [](Values& v) {
       for (double& x : v) x = -x;
     }},
    {"one wrong sign", [](Values& v) { v[77] = -v[77]; }},
    {"one wrong element", [](Values& v) { v[1234] += 0.01; }},
    {"two swapped rows",
     [](Values& v) { std::swap_ranges(v.begin(), v.begin() + kColumns, v.begin() + 5 * kColumns); }},
    {"all zeros", [](Values& v) { std::fill(v.begin(), v.end(), 0); }},
    {"one row of zeros", [](Values& v) { std::fill_n(v.begin() + 9 * kColumns, kColumns, 0); }},
    {"scale of 1.01",
     [](Values& v) {
       for (double& x : v) x *= 1.01;
     }},
    {"a NaN", [](Values& v) { v[3] = std::nan(""); }},
    {"all NaN", [](Values& v) { std::fill(v.begin(), v.end(), std::nan("")); }},
    {"an infinity", [](Values& v) { v[0] = std::numeric_limits<double>::infinity(); }},
    {"one element missing", [](Values& v) { v.pop_back(); }},
};

Values expected() { return normals(RngKey{3, 0}, kRows * kColumns); }

TEST(Compare, PassesWhatIsWithinTheBound) {
  Values actual = expected();
  for (double& x : actual) x *= 1 + 9e-6;
  EXPECT_TRUE(all_near(actual, expected(), kBound));
  EXPECT_TRUE(all_near(Values{}, Values{}, kBound));
  EXPECT_TRUE(all_identical(expected(), expected()));
  EXPECT_NEAR(relative_frobenius(actual, expected()), 9e-6, 1e-8);
  EXPECT_EQ(relative_frobenius(Values(4), Values(4)), 0);
}

TEST(Compare, SeesEveryPlantedFaultOnEitherSide) {
  for (const Fault& fault : kFaults) {
    Values faulty = expected();
    fault.plant(faulty);
    EXPECT_FALSE(all_near(faulty, expected(), kBound)) << fault.name;
    EXPECT_FALSE(all_near(expected(), faulty, kBound)) << fault.name;
    EXPECT_FALSE(all_identical(faulty, expected())) << fault.name;
    EXPECT_FALSE(relative_frobenius(faulty, expected()) <= 1e-4) << fault.name;
    EXPECT_FALSE(relative_frobenius(expected(), faulty) <= 1e-4) << fault.name;
  }
}

TEST(Compare, NaNInScaleOrBoundFails) {
  const Values v = expected();
  Values scale(v.size(), 1.0);
  EXPECT_TRUE(all_near(v, v, kBound, scale));
  scale[10] = std::nan("");
  EXPECT_FALSE(all_near(v, v, kBound, scale));
  EXPECT_FALSE(all_near(v, v, {std::nan(""), 0}));
  EXPECT_FALSE(all_near(v, v, {std::numeric_limits<double>::infinity(), 0}));
  EXPECT_FALSE(all_near(Values(3, std::nan("")), Values(3, std::nan("")), kBound));
}

TEST(Compare, ScaleIsPerElementAndTheWorstIsReported) {
  const Values zero(4), small{1e-6, 1e-6, 1e-6, 3e-6};
  EXPECT_TRUE(all_near(small, zero, {0, 1e-6}, Values{1, 1, 1, 3}));
  const auto result = all_near(small, zero, {0, 1e-6}, Values{1, 1, 1, 1});
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("1 of 4 elements out of bounds; worst [3]"), std::string::npos)
      << result.message();
}

TEST(GradCheck, AcceptsTheGradientAndSeesFaults) {
  const Values weight = normals(RngKey{4, 0}, 20), x = normals(RngKey{5, 0}, 20);
  const Loss loss = [&](const Values& v) {
    double sum = 0;
    for (size_t i = 0; i < v.size(); ++i) sum += weight[i] * std::sin(v[i]) * std::exp(0.3 * v[(i + 1) % v.size()]);
    return sum;
  };
  Values gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t next = (i + 1) % x.size();
    gradient[i] += weight[i] * std::cos(x[i]) * std::exp(0.3 * x[next]);
    gradient[next] += 0.3 * weight[i] * std::sin(x[i]) * std::exp(0.3 * x[next]);
  }
  EXPECT_TRUE(gradient_matches(loss, x, gradient));
  const auto fails_with = [&](auto plant) {
    Values faulty = gradient;
    plant(faulty);
    EXPECT_FALSE(gradient_matches(loss, x, faulty));
    EXPECT_FALSE(gradient_matches(loss, x, faulty, {.max_elements = 0}));  // directions alone see it too
  };
  fails_with([](Values& g) { g[7] = -g[7]; });
  fails_with([](Values& g) { g[7] += 1e-6; });
  fails_with([](Values& g) {
    for (double& v : g) v *= 1.01;
  });
  fails_with([](Values& g) {
    for (double& v : g) v = 0;
  });
  fails_with([](Values& g) { g[0] = std::nan(""); });
  fails_with([](Values& g) { g.pop_back(); });
}

}  // namespace
}  // namespace minke::test
