// Cross-entropy with a teacher: what it means, and its gradient against central differences, in double.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "support/compare.h"
#include "support/gradcheck.h"
#include "support/random.h"

namespace minke::test {
namespace {

constexpr int64_t V = 7, K = 3;
const double kNothing = std::numeric_limits<double>::quiet_NaN();

struct Teacher {
  Indices token;
  Values probability;
};

class SoftCrossEntropy : public ::testing::Test {
 protected:
  const TestContext ctx;
  Backend& backend = ctx.backend();

  Buffer floats(const Indices& shape, const Values& values) const {
    Buffer buffer(ctx, DType::f64, shape);
    buffer.set(values);
    return buffer;
  }
  Buffer ints(const Indices& shape, const Indices& values) const {
    Buffer buffer(ctx, DType::i32, shape);
    buffer.set(values);
    return buffer;
  }
  struct Result {
    Values loss, logits;
  };
  Result run(const Values& logits, const Indices& target, const Teacher& t, double share, bool gradient,
             const Values& weight = {}) const {
    const int64_t n = int64_t(target.size()), k = int64_t(t.token.size()) / n;
    const Buffer in = floats({n, V}, logits), loss(ctx, DType::f64, {n}),
                 weights = floats({n}, weight.empty() ? Values(target.size(), 1) : weight);
    backend.soft_cross_entropy(ctx, {.logits = in,
                                     .target = ints({n}, target),
                                     .soft_token = ints({n, k}, t.token),
                                     .probability = floats({n, k}, t.probability),
                                     .share = share,
                                     .loss = loss,
                                     .weight = weights,
                                     .gradient = gradient,
                                     .grad_scale = 0.5});
    return {loss.get(), in.get()};
  }
  static Values softmax(const Values& x) {
    double sum = 0;
    for (double v : x) sum += std::exp(v);
    Values q;
    for (double v : x) q.push_back(std::exp(v) / sum);
    return q;
  }
};

// A target in the list and one that is not, a list with a gap, an empty one, no target, and more than 1 in all.
const Indices kTarget{2, 5, 0, 3, -1, 6};
const Teacher kTeacher{
    {2, 0, 6, 1, 2, 3, 4, -1, 0, -1, -1, -1, 0, 1, 2, 6, 1, 0},
    {0.5, 0.2, 0.1, 0.3, 0.3, 0.3, 0.9, kNothing, 0.05, kNothing, kNothing, kNothing, 0.2, 0.2, 0.2, 0.7, 0.2, 0.1001}};
const Values kWeight{0.5, 3, 1, -2, 7, 0.25};

TEST_F(SoftCrossEntropy, Gradient) {
  const Values logits = normals(RngKey{78, 0}, int64_t(kTarget.size()) * V, 2);
  for (double share : {0.0, 0.25, 1.0}) {
    const auto loss = [&](const Values& v) {
      const Values each = run(v, kTarget, kTeacher, share, false, kWeight).loss;
      double sum = 0;
      for (size_t i = 0; i < each.size(); ++i) sum += 0.5 * kWeight[i] * each[i];
      return sum;
    };
    EXPECT_TRUE(gradient_matches(loss, logits, run(logits, kTarget, kTeacher, share, true, kWeight).logits)) << share;
  }
}

// The formula, written once more, with the plain probabilities.
TEST_F(SoftCrossEntropy, IsItsDefinition) {
  const Values logits = normals(RngKey{79, 0}, int64_t(kTarget.size()) * V, 2);
  constexpr double kShare = 0.25;
  const Result r = run(logits, kTarget, kTeacher, kShare, false);
  EXPECT_EQ(r.logits, logits);
  for (size_t n = 0; n < kTarget.size(); ++n) {
    if (kTarget[n] < 0) {
      EXPECT_EQ(r.loss[n], 0);
      continue;
    }
    const Values q = softmax(Values(logits.begin() + int64_t(n) * V, logits.begin() + int64_t(n + 1) * V));
    double soft = 0, p = 0, of_list = 0;
    bool any = false;
    for (size_t k = n * K; k < (n + 1) * K; ++k) {
      if (kTeacher.token[k] < 0) continue;
      const double student = q[size_t(kTeacher.token[k])];
      soft -= kTeacher.probability[k] * std::log(student);
      p += kTeacher.probability[k], of_list += student, any = true;
    }
    if (p < 1) soft -= (1 - p) * std::log(1 - of_list);
    const double hard = -std::log(q[size_t(kTarget[n])]);
    EXPECT_NEAR(r.loss[n], any ? (1 - kShare) * hard + kShare * soft : hard, 1e-12) << n;
  }
}

// With the teacher's own probabilities, whatever the student does among the other tokens, there is nothing left to learn; and what is
// left of the loss is the entropy of the K + 1 classes.
TEST_F(SoftCrossEntropy, IsLeastForAStudentThatSaysWhatTheTeacherSays) {
  const Teacher t{{2, 0, 6}, {0.5, 0.2, 0.1}};
  const Values same{std::log(0.2),  std::log(0.02), std::log(0.5), std::log(0.08),
                    std::log(0.04), std::log(0.06), std::log(0.1)};
  EXPECT_TRUE(all_near(run(same, {3}, t, 1, true).logits, Values(size_t(V), 0.0), {1e-15, 0}));
  const double least = run(same, {3}, t, 1, false).loss[0];
  EXPECT_NEAR(least, -(0.5 * std::log(0.5) + 0.2 * std::log(0.2) + 0.1 * std::log(0.1) + 0.2 * std::log(0.2)), 1e-12);
  for (uint64_t i = 0; i < 20; ++i) {
    Values other = same;
    const Values by = normals(RngKey{80, i}, V, 0.3);
    for (size_t v = 0; v < other.size(); ++v) other[v] += by[v];
    EXPECT_GT(run(other, {3}, t, 1, false).loss[0], least);
  }
}

// A list of all tokens is the whole distribution; less of it says less, never more.
TEST_F(SoftCrossEntropy, AListOfAllTokensIsTheWholeDistribution) {
  const Values logits = normals(RngKey{81, 0}, V, 2), p{0.3, 0.05, 0.2, 0.15, 0.1, 0.12, 0.08}, q = softmax(logits);
  double cross = 0, entropy = 0;
  for (size_t v = 0; v < p.size(); ++v) cross -= p[v] * std::log(q[v]), entropy -= p[v] * std::log(p[v]);
  EXPECT_NEAR(run(logits, {0}, {{0, 1, 2, 3, 4, 5, 6}, p}, 1, false).loss[0], cross, 1e-12);
  double before = 0;
  for (size_t k = 1; k <= p.size(); ++k) {
    Teacher t;
    double rest = 1, of_classes = 0;
    for (size_t v = 0; v < k; ++v) {
      t.token.push_back(int64_t(v)), t.probability.push_back(p[v]);
      rest -= p[v], of_classes -= p[v] * std::log(p[v]);
    }
    if (k < p.size()) of_classes -= rest * std::log(rest);
    const double divergence = run(logits, {0}, t, 1, false).loss[0] - of_classes;
    EXPECT_GE(divergence, before - 1e-12) << k;
    before = divergence;
  }
  EXPECT_NEAR(before, cross - entropy, 1e-12);
}

// Without a share, or without a list, it is the cross-entropy of the target.
TEST_F(SoftCrossEntropy, WithoutATeacherItIsCrossEntropy) {
  const Values logits = normals(RngKey{82, 0}, 3 * V, 2);
  const Indices target{2, -1, 5};
  const Buffer in = floats({3, V}, logits), loss(ctx, DType::f64, {3});
  backend.cross_entropy(ctx,
                        {.logits = in, .target = ints({3}, target), .loss = loss, .gradient = true, .grad_scale = 0.5});
  const Teacher none{Indices(9, -1), Values(9, kNothing)}, some{{1, 2, 3, 1, 2, 3, 1, 2, 3}, Values(9, 0.3)};
  for (const auto& [teacher, share] : {std::pair{none, 1.0}, {none, 0.5}, {some, 0.0}}) {
    const Result r = run(logits, target, teacher, share, true);
    EXPECT_TRUE(all_near(r.loss, loss.get(), {1e-14, 0}));
    EXPECT_TRUE(all_near(r.logits, in.get(), {1e-15, 0}));
  }
}

TEST_F(SoftCrossEntropy, MistakesAreNamed) {
  const Values x(size_t(V), 0.0);
  EXPECT_THROW(run(x, {V}, {{1, 2, 3}, {0.1, 0.1, 0.1}}, 1, false), BugError);
  EXPECT_THROW(run(x, {1}, {{1, 2, V}, {0.1, 0.1, 0.1}}, 1, false), BugError);
  EXPECT_THROW(run(x, {1}, {{1, 2, 1}, {0.1, 0.1, 0.1}}, 1, false), BugError);
  EXPECT_THROW(run(x, {1}, {Indices(size_t(kMaxSoftTargets) + 1, -1), Values(size_t(kMaxSoftTargets) + 1)}, 1, false),
               BugError);
}

}  // namespace
}  // namespace minke::test
