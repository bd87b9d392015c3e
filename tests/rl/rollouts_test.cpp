// Rollouts and the update: the same probabilities, token by token, with the experts that were chosen; and the batches between.
#include "rl/rollouts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "rl/mtp_acceptance.h"
#include "rl/policy_batches.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"
#include "train/executor.h"

namespace minke::test {
namespace {

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"abc"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 270});
  return t;
}

struct Rig {
  TestContext ctx{cpu_backend()};
  Model model;
  std::vector<std::vector<int32_t>> prompts;
  static Config config() {
    Config c = tiny_v3(1);
    c.vocab_size = tokenizer().vocab_size();
    return c;
  }
  explicit Rig(const Precision& precision) : model(ctx, config(), precision, 64) {
    model.weights().initialise(ctx, 0.3);
    for (Weight& w : model.weights().all()) w.with_gradient(ctx);
    for (int p = 0; p < 3; ++p) prompts.push_back(random_tokens(uint64_t(p) + 5, 3 + 4 * p, 200));
  }
  std::vector<Rollout> rollouts(RolloutSettings o, AttentionForm form = AttentionForm::by_role) {
    Engine engine(ctx, model,
                  {.max_context = 64,
                   .cache_tokens = 16 * 64,
                   .max_sequences = 12,
                   .max_tokens = 64,
                   .cache = model.precision().activation,
                   .form = form});
    return roll_out(ctx, engine, tokenizer(), prompts, o);
  }
};

TEST(Rollouts, AreGroupsOfDifferentAnswersThatDependOnNothingElse) {
  Rig rig(Precision::f32());
  const RolloutSettings o{.group = 4, .max_new = 20, .seed = 3, .first_sample = 100};
  const std::vector<Rollout> all = rig.rollouts(o);
  ASSERT_EQ(all.size(), 12u);
  std::set<std::vector<int32_t>> different;
  for (size_t i = 0; i < all.size(); ++i) {
    const Rollout& r = all[i];
    EXPECT_EQ(r.prompt, i / 4);
    const auto& prompt = rig.prompts[r.prompt];
    EXPECT_EQ(r.prompt_tokens, int64_t(prompt.size()));
    EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), r.tokens.begin()));
    EXPECT_EQ(int64_t(r.loss.size()), r.answer_tokens());
    EXPECT_EQ(r.experts.size(), (r.tokens.size() - 1) * 2 * 2);  // two MoE layers, two experts
    EXPECT_EQ(r.truncated, r.answer_tokens() == 20 && r.tokens.back() != tokenizer().eos_id());
    different.insert(r.tokens);
  }
  EXPECT_EQ(different.size(), 12u);
  // The third prompt alone draws the same, by the numbers of its samples.
  rig.prompts = {rig.prompts[2]};
  RolloutSettings last = o;
  last.first_sample = 108;
  const auto expect_the_last_four = [&](const std::vector<Rollout>& some) {
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(some[i].tokens, all[8 + i].tokens);
      EXPECT_EQ(some[i].loss, all[8 + i].loss);
      EXPECT_EQ(some[i].experts, all[8 + i].experts);
    }
  };
  expect_the_last_four(rig.rollouts(last));
  // Within a group only the first computes the prompt; each for itself, they draw and choose the same.
  rig.prompts = std::vector<std::vector<int32_t>>(4, rig.prompts[0]);
  last.group = 1;
  expect_the_last_four(rig.rollouts(last));
}

// The answers of a group share its prompt: it is computed once, and of the others only its last token.
TEST(Rollouts, AGroupComputesItsPromptOnce) {
  Rig rig(Precision::f32());
  rig.prompts = {random_tokens(1, 40, 200), random_tokens(2, 21, 200)};
  for (const bool with_experts : {true, false}) {
    Engine engine(
        rig.ctx, rig.model,
        {.max_context = 64, .cache_tokens = 8 * 64, .max_sequences = 8, .max_tokens = 64, .cache = DType::f32});
    const auto all = roll_out(rig.ctx, engine, tokenizer(), rig.prompts,
                              {.group = 4, .max_new = 6, .seed = 3, .with_experts = with_experts});
    int64_t tokens = 0;
    for (const Rollout& r : all) tokens += r.answer_tokens() - 1;  // the last one is not looked behind
    for (const auto& p : rig.prompts) tokens += int64_t(p.size()) + 3;
    EXPECT_EQ(engine.tokens_computed(), tokens) << with_experts;
  }
}

TEST(Rollouts, EndWithAStopText) {
  Rig rig(Precision::f32());
  const std::vector<Rollout> free = rig.rollouts({.group = 2, .max_new = 20, .seed = 3});
  const std::string stop(tokenizer().token_bytes(free[0].tokens[size_t(free[0].prompt_tokens + 5)]));
  const std::vector<Rollout> stopped = rig.rollouts({.group = 2, .max_new = 20, .seed = 3, .stop_texts = {stop}});
  bool some = false;
  for (size_t i = 0; i < stopped.size(); ++i) {
    const size_t end = free[i].text.find(stop);
    if (end == std::string::npos) continue;
    some = true;
    EXPECT_EQ(stopped[i].text, free[i].text.substr(0, end + stop.size()));
    EXPECT_FALSE(stopped[i].truncated);
    EXPECT_EQ(stopped[i].experts.size(), (stopped[i].tokens.size() - 1) * 4);
  }
  EXPECT_TRUE(some);
}

// With the module's drafts an answer is the same, to its end in the middle of a step; how many are right is counted.
TEST(Rollouts, AreTheSameWithDrafts) {
  Rig rig(Precision::f32());
  // Every token is as likely, by the model and by its module: with the same random numbers every draft is right.
  Weight& head = *rig.model.weights().find("lm_head");
  rig.ctx.backend().fill(rig.ctx, {.dst = head.master(), .value = 0});
  head.changed();
  RolloutSettings o{.group = 1, .max_new = 30, .seed = 3, .with_experts = false};
  const std::vector<Rollout> plain = rig.rollouts(o);
  EngineSettings engine{
      .max_context = 64, .cache_tokens = 256, .max_sequences = 3, .max_tokens = 64, .cache = DType::f32};
  int64_t accepted = 0;
  size_t shorter = 0;
  std::set<std::string> stops;  // every token that is drawn: behind some of them a right draft follows
  for (const Rollout& r : plain)
    for (size_t at = size_t(r.prompt_tokens); at < r.tokens.size(); ++at)
      stops.insert(std::string(tokenizer().token_bytes(r.tokens[at])));
  for (const std::string& stop : stops) {
    o.stop_texts = {stop};
    o.drafts = false;
    const std::vector<Rollout> stopped = rig.rollouts(o);
    const auto counts = mtp_acceptance(rig.ctx, rig.model, tokenizer(), rig.prompts, o, engine);
    ASSERT_TRUE(counts);
    EngineSettings speculating = engine;
    speculating.speculation = SpeculationMode::mtp;
    Engine drafting(rig.ctx, rig.model, speculating);
    o.drafts = true;
    const std::vector<Rollout> drafted = roll_out(rig.ctx, drafting, tokenizer(), rig.prompts, o);
    for (size_t i = 0; i < drafted.size(); ++i) {
      ASSERT_EQ(drafted[i].tokens, stopped[i].tokens) << stop;
      ASSERT_EQ(drafted[i].loss, stopped[i].loss);
      ASSERT_EQ(drafted[i].text, stopped[i].text);
      shorter += stopped[i].tokens.size() < plain[i].tokens.size();
    }
    EXPECT_EQ(counts->accepted, drafting.speculation()->counts().accepted);
    accepted += counts->accepted;
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(shorter, 0u);
}

// What the update computes of each token is what it was drawn with, to rounding: in BF16 that of each activation, which the
// logits of a model as wild as this make large. At another temperature too.
TEST(Rollouts, TheUpdateSeesTheSameProbabilities) {
  for (const bool in_bf16 : {false, true})
    for (const double temperature : {1.0, 1.3}) {
      Rig rig(in_bf16 ? Precision::bf16() : Precision::f32());
      const std::vector<Rollout> all = rig.rollouts({.group = 4, .max_new = 30, .temperature = temperature, .seed = 3});
      std::vector<PolicySample> samples;
      for (const Rollout& r : all) samples.push_back({&r, std::vector<float>(r.loss.size(), 1), 0.01});
      const PolicyBatches made = policy_batches(samples, 3 * 48, 48, 2, 2);
      EXPECT_GT(made.batches.size(), 2u);
      PlainExecutor executor(rig.ctx, rig.model, 3, 48, true);
      TokenLosses tokens;
      executor.gradients(rig.ctx, made.batches,
                         {.objective = {.inverse_temperature = 1 / temperature, .policy = PolicyTerms{}}}, &tokens);
      ASSERT_EQ(tokens.loss.size(), made.places.size());
      TokenLosses again;  // without a gradient: the same
      for (const TokenBatch& b : made.batches)
        executor.losses(rig.ctx, b, false, {.inverse_temperature = 1 / temperature}, &again);
      EXPECT_EQ(again.loss, tokens.loss);
      EXPECT_EQ(again.entropy, tokens.entropy);
      EXPECT_EQ(again.flips, tokens.flips);
      ASSERT_EQ(tokens.flips.size(), made.places.size());
      const double flips = std::accumulate(tokens.flips.begin(), tokens.flips.end(), 0.0);
      if (in_bf16) EXPECT_LT(flips, 0.05 * 4 * double(made.places.size()));
      else EXPECT_EQ(flips, 0);
      double moved = 0, n = 0;
      std::vector<std::vector<bool>> seen;
      for (const Rollout& r : all) seen.emplace_back(size_t(r.answer_tokens()), false);
      for (size_t i = 0; i < made.places.size(); ++i) {
        const auto [sample, token] = made.places[i];
        if (sample < 0) {
          EXPECT_EQ(tokens.loss[i], 0);
          continue;
        }
        EXPECT_FALSE(seen[size_t(sample)][size_t(token)]);
        seen[size_t(sample)][size_t(token)] = true;
        const double drawn = all[size_t(sample)].loss[size_t(token)];
        ASSERT_NEAR(tokens.loss[i], drawn, in_bf16 ? 0.2 : 1e-4) << sample << " " << token;
        moved += std::abs(tokens.loss[i] - drawn), ++n;
      }
      for (const auto& s : seen)
        for (bool token : s) EXPECT_TRUE(token);
      EXPECT_LT(moved / n, in_bf16 ? 0.02 : 1e-5);
    }
}

// In the form of training the same logits, in BF16, too, and so the same experts; what is left is the sum over a vocabulary's
// exponentials, here in double and there in float: 270 roundings of 2^-24.
TEST(Rollouts, InTrainingsFormTheUpdateSeesTheVeryProbabilities) {
  for (const bool in_bf16 : {false, true}) {
    Rig rig(in_bf16 ? Precision::bf16() : Precision::f32());
    const std::vector<Rollout> all = rig.rollouts({.group = 4, .max_new = 30, .seed = 3}, AttentionForm::training);
    std::vector<PolicySample> samples;
    for (const Rollout& r : all) samples.push_back({&r, std::vector<float>(r.loss.size(), 1), 0.01});
    const PolicyBatches made = policy_batches(samples, 3 * 48, 48, 0, 0);  // the update chooses experts itself
    PlainExecutor executor(rig.ctx, rig.model, 3, 48, false);
    TokenLosses tokens;
    executor.gradients(rig.ctx, made.batches, {.objective = {.policy = PolicyTerms{}}}, &tokens);
    int64_t compared = 0;
    for (size_t i = 0; i < made.places.size(); ++i) {
      const auto [sample, token] = made.places[i];
      if (sample < 0) continue;
      ASSERT_NEAR(tokens.loss[i], all[size_t(sample)].loss[size_t(token)], 270 * 0x1p-24) << sample << " " << token;
      ++compared;
    }
    EXPECT_GT(compared, 200);
  }
}

// A sample of 17 tokens has 16 that are followed by one: a batch of 16 positions, and none more.
TEST(PolicyBatches, AreAsLongAsTheirLongestSample) {
  for (const auto& [tokens, length] : {std::pair<size_t, int64_t>{17, 16}, {18, 32}, {16, 16}}) {
    Rollout r{.prompt_tokens = 5};
    r.tokens.resize(tokens, 1), r.loss.resize(tokens - 5, 1.0f);
    const std::vector<PolicySample> samples{{&r, std::vector<float>(r.loss.size(), 1), 0.01}};
    const PolicyBatches made = policy_batches(samples, 256, 64, 0, 0);
    ASSERT_EQ(made.batches.size(), 1u);
    EXPECT_EQ(made.batches[0].sequence_length, length) << tokens;
  }
}

TEST(PolicyBatches, HoldEachSampleOnce) {
  std::vector<Rollout> rollouts(5);
  for (size_t i = 0; i < 5; ++i) {
    Rollout& r = rollouts[i];
    r.prompt_tokens = 2;
    for (size_t t = 0; t < 4 + 9 * i; ++t) r.tokens.push_back(int32_t(10 * i + t % 10));
    for (int64_t t = 0; t < r.answer_tokens(); ++t) r.loss.push_back(float(i) + 0.5f);
  }
  std::vector<PolicySample> samples;
  for (size_t i = 0; i < 5; ++i) {
    PolicySample& s = samples.emplace_back(PolicySample{&rollouts[i], {}, 0.25});
    for (size_t t = 0; t < rollouts[i].loss.size(); ++t) s.advantages.push_back(float(i) - 2 + 0.01f * float(t));
  }
  const PolicyBatches made = policy_batches(samples, 64, 64, 2, 2);
  size_t at = 0, targets = 0, tokens = 0;
  for (const Rollout& r : rollouts) tokens += size_t(r.answer_tokens());
  for (const TokenBatch& b : made.batches) {
    EXPECT_LE(b.num_sequences * b.sequence_length, 64);
    EXPECT_TRUE(b.experts.empty());
    for (int64_t row = 0; row < b.num_sequences; ++row) {  // all that follows the last target is padding
      const auto first = b.targets.begin() + row * b.sequence_length;
      int64_t last = b.sequence_length - 1;
      while (first[last] < 0) --last;
      EXPECT_EQ(b.num_valid[size_t(row)], last + 1);
    }
    for (int64_t i = 0; i < b.num_sequences * b.sequence_length; ++i, ++at) {
      const auto [sample, token] = made.places[at];
      EXPECT_EQ(sample >= 0, b.targets[size_t(i)] >= 0);
      if (sample < 0) continue;
      ++targets;
      const Rollout& r = rollouts[size_t(sample)];
      EXPECT_EQ(b.targets[size_t(i)], r.tokens[size_t(r.prompt_tokens + token)]);
      EXPECT_EQ(b.tokens[size_t(i)], r.tokens[size_t(r.prompt_tokens + token - 1)]);
      EXPECT_EQ(b.old_loss[size_t(i)], r.loss[size_t(token)]);
      EXPECT_EQ(b.advantage[size_t(i)], float(sample) - 2 + 0.01f * float(token));
      EXPECT_EQ(b.weight[size_t(i)], 0.25f);
      EXPECT_LT(i % b.sequence_length, b.num_valid[size_t(i / b.sequence_length)]);
    }
  }
  EXPECT_EQ(targets, tokens);
  EXPECT_EQ(at, made.places.size());
  // Lengths are rounded up, but not above that of a sequence.
  for (const TokenBatch& b : policy_batches(samples, 2 * 41, 41, 2, 2).batches) EXPECT_LE(b.sequence_length, 41);
}

// An answer may end with the tokenizer's end: that token is kept, but is no text; and who waits is told how many have ended.
TEST(Rollouts, EndWithTheTokenizersEnd) {
  Rig rig(Precision::f32());
  Weight& head = *rig.model.weights().find("lm_head");  // every token is as likely
  rig.ctx.backend().fill(rig.ctx, {.dst = head.master(), .value = 0});
  head.changed();
  const int64_t eos = tokenizer().eos_id();
  ASSERT_GE(eos, 0);
  Engine engine(
      rig.ctx, rig.model,
      {.max_context = 64, .cache_tokens = 64 * 64, .max_sequences = 40, .max_tokens = 64, .cache = DType::f32});
  std::vector<int64_t> progress;
  const std::vector<Rollout> all =
      roll_out(rig.ctx, engine, tokenizer(), rig.prompts, {.group = 40, .max_new = 30, .seed = 3},
               [&](int64_t ended) { progress.push_back(ended); });
  int64_t ended = 0;
  for (const Rollout& r : all) {
    std::string text;
    bool end = false;
    for (size_t i = size_t(r.prompt_tokens); i < r.tokens.size(); ++i) {
      EXPECT_FALSE(end);
      end = r.tokens[i] == eos;
      if (!end) text += tokenizer().token_bytes(r.tokens[i]);
    }
    EXPECT_EQ(r.text, text);
    EXPECT_EQ(r.truncated, !end);
    EXPECT_TRUE(end || r.answer_tokens() == 30);
    ended += end;
  }
  EXPECT_GT(ended, 3);  // of 120 answers with up to 30 of 270 tokens, 13
  ASSERT_FALSE(progress.empty());
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_LT(progress.front(), 120);
  EXPECT_EQ(progress.back(), 120);
}

// Nothing is measured without a module or without prompts; otherwise one answer to each, whatever the run's group is.
TEST(Rollouts, TheModuleIsMeasuredByOneAnswerToEach) {
  Rig rig(Precision::f32());
  const EngineSettings engine{
      .max_context = 64, .cache_tokens = 256, .max_sequences = 3, .max_tokens = 64, .cache = DType::f32};
  const RolloutSettings one{.group = 1, .max_new = 30, .seed = 3}, four{.group = 4, .max_new = 30, .seed = 3};
  const auto counts = mtp_acceptance(rig.ctx, rig.model, tokenizer(), rig.prompts, four, engine);
  ASSERT_TRUE(counts);
  EXPECT_GT(counts->drafted, 30);
  EXPECT_EQ(counts->drafted, mtp_acceptance(rig.ctx, rig.model, tokenizer(), rig.prompts, one, engine)->drafted);
  EXPECT_FALSE(mtp_acceptance(rig.ctx, rig.model, tokenizer(), {}, one, engine));
  Config without = Rig::config();
  without.num_nextn_predict_layers = 0;
  Model plain(rig.ctx, without, Precision::f32(), 64);
  EXPECT_FALSE(mtp_acceptance(rig.ctx, plain, tokenizer(), rig.prompts, one, engine));
}

TEST(PolicyBatches, ARandomOrderHasEveryOrderAsOften) {
  const RngKey key{3};
  EXPECT_TRUE(random_order(0, key).empty());
  EXPECT_EQ(random_order(1, key), std::vector<size_t>{0});
  std::map<std::vector<size_t>, int> count;
  constexpr int kTries = 6000;
  for (uint64_t i = 0; i < kTries; ++i) ++count[random_order(3, key.at(i))];
  ASSERT_EQ(count.size(), 6u);
  const double sigma = std::sqrt(kTries / 6.0 * 5 / 6);
  for (const auto& [order, n] : count) {
    std::vector<size_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, (std::vector<size_t>{0, 1, 2}));
    EXPECT_NEAR(n, kTries / 6.0, 5 * sigma);
  }
  EXPECT_EQ(random_order(50, key), random_order(50, key));
}

// As many samples of one length as the tokens allow, the longest first; of each token its experts stand layer by layer.
TEST(PolicyBatches, AreFullAndKeepTheExperts) {
  constexpr int64_t kLayers = 3, kChoices = 2;
  std::vector<Rollout> rollouts(7);
  std::vector<PolicySample> samples;
  const std::vector<int64_t> tokens{10, 40, 12, 33, 17, 16, 18};  // rounded: 16, 48, 16, 32, 16, 16, 32
  for (size_t i = 0; i < 7; ++i) {
    Rollout& r = rollouts[i];
    r.prompt_tokens = 4, r.tokens.assign(size_t(tokens[i]), int32_t(i + 1));
    r.loss.assign(size_t(tokens[i] - 4), 1);
    for (int64_t t = 0; t + 1 < tokens[i]; ++t)
      for (int64_t l = 0; l < kLayers * kChoices; ++l) r.experts.push_back(int32_t(1000 * i) + int32_t(10 * t + l));
    samples.push_back({&r, std::vector<float>(r.loss.size(), float(i)), 0.5});
  }
  const PolicyBatches made = policy_batches(samples, 64, 64, kLayers, kChoices);
  // 48; 32 and 32; four of 16: each as many as 64 tokens hold.
  const std::vector<std::vector<size_t>> expected{{1}, {3, 6}, {0, 2, 4, 5}};
  ASSERT_EQ(made.batches.size(), expected.size());
  size_t before = 0;
  for (size_t b = 0; b < expected.size(); ++b) {
    const TokenBatch& batch = made.batches[b];
    const int64_t t = batch.sequence_length, n = batch.num_sequences * t;
    ASSERT_EQ(batch.num_sequences, int64_t(expected[b].size()));
    EXPECT_EQ(t, std::vector<int64_t>({48, 32, 16})[b]);
    ASSERT_EQ(int64_t(batch.experts.size()), n * kLayers * kChoices);
    for (int64_t row = 0; row < batch.num_sequences; ++row) {
      const size_t which = expected[b][size_t(row)];
      EXPECT_EQ(batch.num_valid[size_t(row)], tokens[which] - 1);
      for (int64_t i = 0; i < t; ++i) {
        const bool real = i + 1 < tokens[which];
        const size_t at = size_t(row * t + i);
        EXPECT_EQ(batch.tokens[at], real ? int32_t(which + 1) : 0);
        EXPECT_EQ(batch.targets[at], real && i >= 3 ? int32_t(which + 1) : -1);
        EXPECT_EQ(batch.weight[at], real && i >= 3 ? 0.5f : 0);
        EXPECT_EQ(batch.advantage[at], real && i >= 3 ? float(which) : 0);
        EXPECT_EQ(batch.old_loss[at], real && i >= 3 ? 1 : 0);
        EXPECT_EQ(made.places[before + at].sample, real && i >= 3 ? int32_t(which) : -1);
        EXPECT_EQ(made.places[before + at].token, real && i >= 3 ? int32_t(i - 3) : -1);
        for (int64_t l = 0; l < kLayers; ++l)
          for (int64_t k = 0; k < kChoices; ++k)
            EXPECT_EQ(batch.experts[size_t((l * n + row * t + i) * kChoices + k)],
                      real ? int32_t(1000 * which) + int32_t(10 * i + l * kChoices + k) : -1);
      }
    }
    before += size_t(n);
  }
  EXPECT_EQ(made.places.size(), before);
  for (Rollout& r : rollouts) r.experts.clear();
  for (const TokenBatch& batch : policy_batches(samples, 64, 64, kLayers, kChoices).batches)
    EXPECT_TRUE(batch.experts.empty());
}

}  // namespace
}  // namespace minke::test
