#include "infer/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace minke {
namespace {

// Probabilities 0.5, 0.25, 0.125, 0.125 of tokens 2, 0, 1, 3.
const std::vector<float> kLogits{std::log(0.25f), std::log(0.125f), std::log(0.5f), std::log(0.125f)};

std::vector<TokenProbability> candidates(const std::vector<float>& logits, const SamplingSettings& s,
                                         std::vector<int32_t> prompt = {}, std::vector<int32_t> answer = {}) {
  Sampler sampler;
  const auto all = sampler.candidates(logits, s, prompt, answer);
  return {all.begin(), all.end()};
}
int32_t sample(const std::vector<float>& logits, const SamplingSettings& s, uint64_t position, uint64_t index = 0) {
  return Sampler().sample(logits, s, index, position);
}

std::vector<int32_t> kept(const SamplingSettings& s) {
  std::vector<int32_t> tokens;
  double sum = 0;
  for (const auto& [token, p] : candidates(kLogits, s)) tokens.push_back(token), sum += p;
  EXPECT_NEAR(sum, 1, 1e-12);
  return tokens;
}

TEST(Sampler, FiltersKeepTheRightTokens) {
  EXPECT_EQ(kept({}), (std::vector<int32_t>{2, 0, 1, 3}));
  EXPECT_EQ(kept({.temperature = 0}), (std::vector<int32_t>{2}));
  EXPECT_EQ(kept({.top_k = 2}), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(kept({.top_p = 0.5}), (std::vector<int32_t>{2}));
  EXPECT_EQ(kept({.top_p = 0.7}), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(kept({.min_p = 0.4}), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(kept({.top_k = 3, .top_p = 0.86}),
            (std::vector<int32_t>{2, 0, 1}));  // two are 0.857 of the three that top-k leaves
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  std::vector<int> count(4);
  const int n = 20000;
  for (int i = 0; i < n; ++i) count[size_t(sample(kLogits, {.seed = 9}, uint64_t(i)))]++;
  const double p[4] = {0.25, 0.125, 0.5, 0.125};
  // Five standard deviations of a binomial count.
  for (int t = 0; t < 4; ++t) EXPECT_NEAR(count[t], n * p[t], 5 * std::sqrt(n * p[t] * (1 - p[t]))) << t;
}

// A draw sorts only as far as it goes: over more tokens than are sorted at once, from one that is nearly certain to all alike.
TEST(Sampler, DrawsAreThoseOfAllProbabilitiesInOrder) {
  std::vector<float> logits(3000);
  const RngKey key{.seed = 5};
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::floor(8 * float(key.normal(i))) / 8;  // many ties
  for (const SamplingSettings& s : {SamplingSettings{.temperature = 0.1},
                                    {.temperature = 1},
                                    {.temperature = 50},
                                    {.top_k = 100},
                                    {.top_p = 0.9},
                                    {.min_p = 0.05}}) {
    const auto all = candidates(logits, s);
    for (size_t i = 1; i < all.size(); ++i) {
      const TokenProbability &a = all[i - 1], &b = all[i];
      ASSERT_TRUE(a.probability > b.probability || (a.probability == b.probability && a.token < b.token)) << i;
    }
    for (uint64_t position = 0; position < 50; ++position) {
      double u = RngKey{.seed = s.seed}.at("sample").at(0).uniform(position);
      size_t i = 0;
      for (; i + 1 < all.size() && u >= all[i].probability; ++i) u -= all[i].probability;
      EXPECT_EQ(sample(logits, s, position), all[i].token) << s.temperature << " " << position;
    }
  }
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const size_t n : {1u, 15u, 16u, 17u, 100u})
    for (size_t at = 0; at < n; ++at) {
      std::vector<float> logits(n, -2);
      for (size_t i = 0; i < n; i += 3) logits[i] = nan;
      for (size_t i = 1; i < n; i += 5) logits[i] = -inf;
      if (n > 20) logits[20] = inf;  // as little a choice as NaN
      logits[at] = -1;
      for (size_t i = at + 1; i < n; i += 7) logits[i] = -1;
      EXPECT_EQ(sample(logits, {.temperature = 0}, 0), int32_t(at)) << n;
      EXPECT_EQ(sample(logits, {.temperature = 0, .logit_bias = {{int32_t(at), 1}}}, 0), int32_t(at)) << n;
    }
  EXPECT_THROW(sample({nan, -inf, inf}, {.temperature = 0}, 0), UserError);
}

TEST(Sampler, SamplesOfOnePromptDiffer) {
  int same = 0;
  for (uint64_t position = 0; position < 200; ++position)
    same += sample(kLogits, {.seed = 9}, position, 0) == sample(kLogits, {.seed = 9}, position, 1);
  EXPECT_GT(same, 40);  // Σp² = 0.34 of 200 is 69 ± 7
  EXPECT_LT(same, 100);
}

// By hand, on logits that are easy to divide and take from.
TEST(Sampler, PenaltiesAndBias) {
  const std::vector<float> logits{2, -2, 1, 0};
  // The logits that the probabilities stand for, relative to token 3, which nothing changes.
  const auto changed = [&](const SamplingSettings& s, std::vector<int32_t> prompt, std::vector<int32_t> answer) {
    std::vector<double> x(4);
    double zero = 0;
    for (const auto& [token, p] : candidates(logits, s, prompt, answer)) {
      x[size_t(token)] = std::log(p);
      if (token == 3) zero = std::log(p);
    }
    for (double& v : x) v = std::round((v - zero) * 1e6) / 1e6;
    return x;
  };
  using X = std::vector<double>;
  EXPECT_EQ(changed({}, {0, 1}, {2}), (X{2, -2, 1, 0}));
  EXPECT_EQ(changed({.repetition_penalty = 2}, {0, 0}, {1}), (X{1, -4, 1, 0}));         // once, however often
  EXPECT_EQ(changed({.presence_penalty = 0.5}, {1}, {0, 0, 2}), (X{1.5, -2, 0.5, 0}));  // of the answer only
  EXPECT_EQ(changed({.frequency_penalty = 0.5}, {1}, {0, 0, 2}), (X{1, -2, 0.5, 0}));
  EXPECT_EQ(changed({.presence_penalty = 1, .frequency_penalty = 0.25}, {}, {1, 1}), (X{2, -3.5, 1, 0}));
  EXPECT_EQ(changed({.logit_bias = {{2, 3}, {0, -1}}}, {}, {}), (X{1, -2, 4, 0}));
  EXPECT_EQ(changed({.repetition_penalty = 2, .presence_penalty = 1}, {}, {0}), (X{0, -2, 1, 0}));
  EXPECT_EQ(changed({.repetition_penalty = 2, .logit_bias = {{0, 5}}}, {99, 4, -1}, {0}), (X{6, -2, 1, 0}));
  EXPECT_EQ(candidates(logits, {.temperature = 0, .logit_bias = {{1, 100}}})[0].token, 1);
}

TEST(Sampler, LogProbabilitiesAreTheModels) {
  const LogProbabilities l = log_probabilities(kLogits, 0, 3);
  EXPECT_NEAR(l.chosen, std::log(0.25), 1e-7);
  ASSERT_EQ(l.top.size(), 3u);
  EXPECT_EQ(l.top[0].first, 2);
  EXPECT_NEAR(l.top[0].second, std::log(0.5), 1e-7);
  EXPECT_EQ(l.top[1].first, 0);
  EXPECT_EQ(l.top[2].first, 1);  // of two alike, the lower
  EXPECT_TRUE(log_probabilities(kLogits, 0, 0).top.empty());
  EXPECT_EQ(log_probabilities(kLogits, 3, 99).top.size(), 4u);
}

TEST(Sampler, TemperatureSharpens) {
  EXPECT_GT(candidates(kLogits, {.temperature = 0.5})[0].probability, 0.7);  // 0.25/(0.25+0.0625+2·0.015625) = 0.727
  EXPECT_LT(candidates(kLogits, {.temperature = 2})[0].probability, 0.4);
}

TEST(Sampler, NanIsNeverChosenAndAllNanIsSaid) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(sample(std::vector<float>{nan, 1, nan}, {}, 0), 1);
  EXPECT_THROW(sample(std::vector<float>{nan, nan}, {}, 0), UserError);
}

TEST(Sampler, BadSettingsAreNamed) {
  EXPECT_THROW(validate({.temperature = -1}), UserError);
  EXPECT_THROW(validate({.temperature = std::nan("")}), UserError);
  EXPECT_THROW(validate({.top_p = 0}), UserError);
  EXPECT_THROW(validate({.min_p = 1.5}), UserError);
  EXPECT_THROW(validate({.top_k = -2}), UserError);
  EXPECT_THROW(validate({.repetition_penalty = 0}), UserError);
  EXPECT_THROW(validate({.presence_penalty = std::nan("")}), UserError);
  EXPECT_THROW(validate({.frequency_penalty = 1e9}), UserError);
  EXPECT_THROW(validate({.logit_bias = {{-1, 1}}}), UserError);
  EXPECT_NO_THROW(validate({.logit_bias = {{0, 1}}}));
}

TEST(Sampler, ProbabilityOfWhatWasDrawn) {
  const std::vector<float> logits{0.5f, -1, 2, 0, 1.5f};
  Sampler sampler;
  for (const double temperature : {1.0, 0.6, 1.7})
    for (uint64_t i = 0; i < 20; ++i) {
      const int32_t token = sampler.sample(logits, {.temperature = temperature}, 0, i);
      double sum = 0;
      for (const float x : logits) sum += std::exp(x / temperature);
      EXPECT_NEAR(sampler.log_probability_of_last(), logits[size_t(token)] / temperature - std::log(sum), 1e-12);
    }
  EXPECT_EQ(sampler.sample(logits, {.temperature = 0}, 0, 0), 2);
  EXPECT_EQ(sampler.log_probability_of_last(), 0);
}

// Each setting up to its bounds, and a step beyond them.
TEST(Sampler, BoundsOfSettings) {
  const double more = std::nextafter(100.0, 101.0), one = std::nextafter(1.0, 2.0);
  for (const double ok : {0.0, 0.5, 100.0}) EXPECT_NO_THROW(validate({.temperature = ok})) << ok;
  for (const double bad : {-1e-300, more}) EXPECT_THROW(validate({.temperature = bad}), UserError) << bad;
  for (const int64_t ok : {0, 1}) EXPECT_NO_THROW(validate({.top_k = ok})) << ok;
  EXPECT_THROW(validate({.top_k = -1}), UserError);
  for (const double ok : {1e-300, 1.0}) EXPECT_NO_THROW(validate({.top_p = ok})) << ok;
  for (const double bad : {0.0, one, double(NAN)}) EXPECT_THROW(validate({.top_p = bad}), UserError) << bad;
  for (const double ok : {0.0, 1.0}) EXPECT_NO_THROW(validate({.min_p = ok})) << ok;
  for (const double bad : {-1e-300, one, double(NAN)}) EXPECT_THROW(validate({.min_p = bad}), UserError) << bad;
  for (const double ok : {1e-300, 100.0}) EXPECT_NO_THROW(validate({.repetition_penalty = ok})) << ok;
  for (const double bad : {0.0, more, double(NAN)}) EXPECT_THROW(validate({.repetition_penalty = bad}), UserError);
  for (const double ok : {-100.0, 0.0, 100.0}) {
    EXPECT_NO_THROW(validate({.presence_penalty = ok})) << ok;
    EXPECT_NO_THROW(validate({.frequency_penalty = ok})) << ok;
  }
  for (const double bad : {-more, more, double(NAN)}) {
    EXPECT_THROW(validate({.presence_penalty = bad}), UserError) << bad;
    EXPECT_THROW(validate({.frequency_penalty = bad}), UserError) << bad;
  }
  EXPECT_NO_THROW(validate({.logit_bias = {{0, -INFINITY}, {7, 1e9}}}));
  EXPECT_THROW(validate({.logit_bias = {{0, 1}, {3, NAN}}}), UserError);
}

// Where a share is met exactly: min-p keeps it, top-p needs no more; top-k of as many as there are, or of more, drops none.
TEST(Sampler, FiltersAtTheirBounds) {
  const auto kept_of = [](const std::vector<float>& logits, const SamplingSettings& s) {
    std::vector<int32_t> tokens;
    for (const auto& [token, p] : candidates(logits, s)) tokens.push_back(token);
    return tokens;
  };
  using T = std::vector<int32_t>;
  EXPECT_EQ(kept_of({0, 3, 1, 3}, {.min_p = 1}), (T{1, 3}));
  EXPECT_EQ(kept_of({3, 3}, {.top_p = 0.5}), (T{0}));
  EXPECT_EQ(kept_of({3, 3, 3, 3}, {.top_p = 0.75}), (T{0, 1, 2}));
  EXPECT_EQ(kept_of({3, 3, 3, 3}, {.top_p = 1e-9}), (T{0}));
  for (const int64_t k : {3, 4}) EXPECT_EQ(kept_of({1, 3, 2}, {.top_k = k}), (T{1, 2, 0}));
  EXPECT_EQ(kept_of({1, 3, 2}, {.top_k = 1}), (T{1}));
  // What the filters leave has all of the probability, and the draw's own is of that.
  Sampler sampler;
  const std::vector<float> logits{0, std::log(2.0f), std::log(5.0f)};
  for (const SamplingSettings& s :
       {SamplingSettings{.top_k = 2}, SamplingSettings{.top_p = 0.8}, SamplingSettings{.min_p = 0.3}})
    for (uint64_t i = 0; i < 20; ++i) {
      const int32_t token = sampler.sample(logits, s, 0, i);
      EXPECT_NEAR(sampler.log_probability_of_last(), std::log(token == 2 ? 5.0 / 7 : 2.0 / 7), 1e-7);
    }
}

// The same sampler, one request after another: nothing of an answer is left for the next.
TEST(Sampler, KeepsNothingBetweenCalls) {
  Sampler used;
  const std::vector<float> wide{3, 2, 1, 0, 3, 2}, narrow{1, 2, 0};
  const std::vector<int32_t> prompt{0, 5, 5}, answer{1, 1, 2};
  const SamplingSettings all{.top_k = 4, .repetition_penalty = 1.5, .presence_penalty = 0.5, .frequency_penalty = 0.25};
  for (uint64_t i = 0; i < 30; ++i)
    for (const std::vector<float>& logits : {wide, narrow})
      for (const SamplingSettings& s :
           {all, SamplingSettings{}, SamplingSettings{.temperature = 0, .presence_penalty = 9}}) {
        Sampler fresh;
        EXPECT_EQ(used.sample(logits, s, 3, i, prompt, answer), fresh.sample(logits, s, 3, i, prompt, answer));
        EXPECT_EQ(used.log_probability_of_last(), fresh.log_probability_of_last());
      }
}

TEST(Sampler, LogProbabilitiesOfWhatIsNoNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits{nan, 1, nan, 1, -1e30f};
  const LogProbabilities l = log_probabilities(logits, 3, 2);
  EXPECT_NEAR(l.chosen, -std::log(2.0), 1e-12);
  EXPECT_EQ(l.top[0].first, 1);
  EXPECT_EQ(l.top[1].first, 3);
  EXPECT_NEAR(l.top[1].second, -std::log(2.0), 1e-12);
  EXPECT_EQ(log_probabilities(logits, 0, -1).chosen, -INFINITY);
  EXPECT_TRUE(log_probabilities(logits, 1, -1).top.empty());
  EXPECT_EQ(log_probabilities(logits, 1, 1).top.size(), 1u);
}

// A logit in double, a token with its probability, and two counters.
TEST(Sampler, SaysWhatItTakes) {
  EXPECT_EQ(Sampler::bytes(1000), 1000u * (8 + 16 + 4 + 4 + 4));
  EXPECT_FALSE(SamplingSettings{}.changes_logits());
  EXPECT_TRUE(SamplingSettings{.repetition_penalty = 1.1}.changes_logits());
  EXPECT_TRUE(SamplingSettings{.presence_penalty = -0.1}.changes_logits());
  EXPECT_TRUE(SamplingSettings{.frequency_penalty = 0.1}.changes_logits());
  EXPECT_TRUE((SamplingSettings{.logit_bias = {{1, 0.0}}}).changes_logits());
}

}  // namespace
}  // namespace minke
