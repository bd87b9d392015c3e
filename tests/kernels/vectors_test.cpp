// Values known from elsewhere: worked vectors of docs/recipe/architecture.md §3.3 and training.md §4, and small hand
// calculations.
#include <gtest/gtest.h>

#include <cmath>

#include "support/compare.h"
#include "support/random.h"

namespace minke::test {
namespace {

class Vectors : public ::testing::Test {
 protected:
  const TestContext ctx;
  Backend& backend = ctx.backend();
  Buffer floats(const Indices& shape, const Values& values, DType dtype = DType::f64) const {
    Buffer buffer(ctx, dtype, shape);
    buffer.set(values);
    return buffer;
  }
  Buffer ints(const Indices& shape, const Indices& values) const {
    Buffer buffer(ctx, DType::i32, shape);
    buffer.set(values);
    return buffer;
  }
};

const Values kAffinity{.90, .10, .60, .55, .30, .80, .70, .05};

class RouteVectors : public Vectors {
 protected:
  struct Result {
    Values expert, weight;
  };
  // Logits whose sigmoid is kAffinity; 4 groups of 2, M = 2, K = 3.
  Result route(GroupAffinity group_affinity, bool normalise, double scale, const Values& bias,
               DType dtype = DType::f64) const {
    Values logits;
    for (double s : kAffinity) logits.push_back(std::log(s / (1 - s)));
    const Buffer in = floats({1, 8}, logits, dtype), affinity(ctx, dtype, {1, 8}), expert(ctx, DType::i32, {1, 3}),
                 weight(ctx, dtype, {1, 3}), b = floats({8}, bias.empty() ? Values(8, 0.0) : bias, dtype);
    backend.route(ctx, {.logits = in,
                        .bias = bias.empty() ? Operand{} : b,
                        .affinity = affinity,
                        .expert = expert,
                        .weight = weight,
                        .affinity_func = AffinityFunc::sigmoid,
                        .group_affinity = group_affinity,
                        .num_groups = 4,
                        .top_groups = 2,
                        .normalise = normalise,
                        .scale = scale});
    EXPECT_TRUE(all_near(affinity.get(), kAffinity, {dtype == DType::f64 ? 1e-15 : 1e-6, 0}));
    return {expert.get(), weight.get()};
  }
};

TEST_F(RouteVectors, MaxRule) {
  const Result r = route(GroupAffinity::max, false, 1, {});
  EXPECT_EQ(r.expert, (Values{0, 5, 4}));
  EXPECT_TRUE(all_near(r.weight, Values{.90, .80, .30}, {1e-12, 0}));
}

TEST_F(RouteVectors, SumOfTheTopTwo) {
  for (DType dtype : {DType::f64, DType::f32}) {
    const Result r = route(GroupAffinity::top2_sum, true, 2.5, {}, dtype);
    EXPECT_EQ(r.expert, (Values{5, 2, 3}));
    EXPECT_TRUE(all_near(r.weight, Values{1.025641, .769231, .705128}, {1e-6, 0}));
    EXPECT_NEAR(r.weight[0] + r.weight[1] + r.weight[2], 2.5, 1e-6);
  }
}

TEST_F(RouteVectors, BiasSelectsButDoesNotWeigh) {
  const Result r = route(GroupAffinity::top2_sum, true, 2.5, {0, 0, 0, 0, .2, 0, 0, .5});
  EXPECT_EQ(r.expert, (Values{5, 6, 7}));
  EXPECT_TRUE(all_near(r.weight, Values{1.290323, 1.129032, .080645}, {1e-6, 0}));
}

TEST_F(RouteVectors, TheSameBiasForAllChangesNothing) {
  const Result plain = route(GroupAffinity::top2_sum, true, 2.5, {}),
               shifted = route(GroupAffinity::top2_sum, true, 2.5, Values(8, -3.0));
  EXPECT_EQ(plain.expert,
            shifted.expert);  // with all candidates negative, a mask of 0 in place of −inf would show here
  EXPECT_TRUE(all_identical(plain.weight, shifted.weight));
}

TEST_F(RouteVectors, GreedyIgnoresGroups) {
  EXPECT_EQ(route(GroupAffinity::none, false, 1, {}).expert, (Values{0, 5, 6}));
}

TEST_F(Vectors, TiesGoToTheLowerIndex) {
  for (AffinityFunc affinity_func : {AffinityFunc::softmax, AffinityFunc::sigmoid}) {
    const Buffer in = floats({1, 6}, {1, 2, 2, 1, 2, 1}), affinity(ctx, DType::f64, {1, 6}),
                 expert(ctx, DType::i32, {1, 4}), weight(ctx, DType::f64, {1, 4});
    backend.route(
        ctx, {.logits = in, .affinity = affinity, .expert = expert, .weight = weight, .affinity_func = affinity_func});
    EXPECT_EQ(expert.get(), (Values{1, 2, 4, 0}));
  }
}

TEST_F(Vectors, DroppedAssignmentHasNoWeight) {
  const Buffer in = floats({1, 4}, {0, 0, 0, 0}), affinity(ctx, DType::f64, {1, 4}), expert = ints({1, 3}, {2, -1, 0}),
               weight(ctx, DType::f64, {1, 3});
  backend.route(
      ctx, {.logits = in, .affinity = affinity, .expert = expert, .weight = weight, .normalise = true, .replay = true});
  EXPECT_TRUE(all_near(weight.get(), Values{.5, 0, .5}, {1e-12, 0}));
}

// Of three tokens' experts {0,2}, {2,3} and those of padding the first has one that its router would choose now, {0,1}.
TEST_F(Vectors, FlipsAreReplayedExpertsThatWouldNotBeChosenNow) {
  const Buffer in = floats({4, 4}, {2, 1, 0, -1, -1, 0, 1, 2, 2, 1, 0, -1, 2, 1, 0, -1}),
               affinity(ctx, DType::f64, {4, 4}), expert = ints({4, 2}, {0, 2, 2, 3, 2, 3, 3, -1}),
               weight(ctx, DType::f64, {4, 2}), valid = ints({4}, {1, 1, 0, 1}), flips = ints({4}, {10, 20, 30, 40});
  backend.route(ctx, {.logits = in,
                      .affinity = affinity,
                      .expert = expert,
                      .weight = weight,
                      .normalise = true,
                      .replay = true,
                      .flips = flips,
                      .valid = valid});
  EXPECT_EQ(flips.get(), (Values{11, 20, 30, 41}));
  EXPECT_EQ(expert.get(), (Values{0, 2, 2, 3, -1, -1, 3, -1}));
}

// Nor has padding, and it is sent to nobody, whether the experts are chosen or replayed.
TEST_F(Vectors, PaddingIsRoutedNowhere) {
  for (bool replay : {false, true}) {
    const Buffer in = floats({3, 2}, {0, 1, 0, 1, 1, 0}), affinity(ctx, DType::f64, {3, 2}),
                 expert = ints({3, 1}, {1, 1, 0}), weight(ctx, DType::f64, {3, 1}), valid = ints({3}, {1, 0, 1});
    backend.route(ctx, {.logits = in,
                        .affinity = affinity,
                        .expert = expert,
                        .weight = weight,
                        .normalise = true,
                        .replay = replay,
                        .valid = valid});
    EXPECT_EQ(expert.get(), (Values{1, -1, 0}));
    EXPECT_TRUE(all_near(weight.get(), Values{1, 0, 1}, {1e-12, 0}));
  }
}

// At perfect balance Σ f P = 1, so each loss is its α (training.md §4.1): every expert once, equal affinities.
TEST_F(Vectors, BalanceLossAtPerfectBalanceIsAlpha) {
  constexpr int64_t E = 8, K = 2, N = 4;
  const Buffer expert = ints({N, K}, {0, 4, 1, 5, 2, 6, 3, 7});
  const Indices offsets{0, N};
  // 4 devices of 2 experts, each token sent to M = 2 of them.
  for (auto [expert_alpha, device_alpha, comm_alpha] :
       {std::array{.003, .0, .0}, {.0, .05, .0}, {.0, .0, .02}, {.003, .05, .02}})
    for (bool normalise : {false, true}) {
      const Buffer affinity = floats({N, E}, Values(N * E, normalise ? 0.6 : 1.0 / E)), loss = floats({1}, {0.0});
      backend.balance(ctx, {.affinity = affinity,
                            .expert = expert,
                            .loss = loss,
                            .sequence_offsets = offsets.data(),
                            .num_sequences = 1,
                            .terms = {.alpha_expert = expert_alpha,
                                      .alpha_device = device_alpha,
                                      .alpha_comm = comm_alpha,
                                      .num_devices = 4,
                                      .top_devices = 2,
                                      .normalise_affinity = normalise,
                                      .count_unbiased = false}});
      EXPECT_NEAR(loss.get()[0], expert_alpha + device_alpha + comm_alpha, 1e-12);
    }
}

TEST_F(Vectors, BalanceLossOfASmallCase) {
  // One sequence of 2 tokens, E = 2, K = 1, both choose expert 0: f = (2, 0), P = (.7, .3): L = α·1.4.
  const Buffer affinity = floats({2, 2}, {.8, .2, .6, .4}), expert = ints({2, 1}, {0, 0}), loss = floats({1}, {1.0}),
               d_affinity = floats({2, 2}, Values(4, 10.0));
  const Indices offsets{0, 2};
  backend.balance(ctx, {.affinity = affinity,
                        .expert = expert,
                        .d_affinity = d_affinity,
                        .loss = loss,
                        .sequence_offsets = offsets.data(),
                        .num_sequences = 1,
                        .terms = {.alpha_expert = .1, .normalise_affinity = false, .count_unbiased = false},
                        .grad_scale = 5});
  EXPECT_NEAR(loss.get()[0], 1 + .14, 1e-12);                                       // added to
  EXPECT_TRUE(all_near(d_affinity.get(), Values{10.5, 10, 10.5, 10}, {1e-12, 0}));  // 5 · α f_0 / T = 0.5
}

// Two sequences of 3, the first with one token of padding, the second all padding: what is left of the loss is half of the
// small case above, and padding has no gradient. So has V2's loss, which counts `expert`, with devices of one expert each.
TEST_F(Vectors, BalanceLossLeavesPaddingOut) {
  const Buffer affinity = floats({6, 2}, {.8, .2, .1, .9, .6, .4, .3, .7, .3, .7, .3, .7}),
               expert = ints({6, 1}, {0, -1, 0, -1, -1, -1}), valid = ints({6}, {1, 0, 1, 0, 0, 0});
  const Indices offsets{0, 3, 6};
  for (bool unbiased : {false, true}) {
    const Buffer loss = floats({1}, {1.0}), d_affinity = floats({6, 2}, Values(12, 10.0));
    backend.balance(ctx, {.affinity = affinity,
                          .expert = expert,
                          .d_affinity = d_affinity,
                          .loss = loss,
                          .valid = valid,
                          .sequence_offsets = offsets.data(),
                          .num_sequences = 2,
                          .terms = {.alpha_expert = .1,
                                    .alpha_device = .2,
                                    .alpha_comm = .4,
                                    .num_devices = 2,
                                    .normalise_affinity = false,
                                    .count_unbiased = unbiased},
                          .grad_scale = 5});
    // f = f' = f'' = (2, 0), P = (.7, .3): L = (.1 + .2 + .4)·1.4/2; 5 · .7 · 2 / 2 tokens / 2 sequences = 1.75
    EXPECT_NEAR(loss.get()[0], 1 + .49, 1e-12);
    EXPECT_TRUE(all_near(d_affinity.get(), Values{11.75, 10, 10, 10, 11.75, 10, 10, 10, 10, 10, 10, 10}, {1e-12, 0}));
  }
}

// Two devices of two experts, three tokens with two choices: ⌊6/2⌋ = 3 a device. Device 0 has four; its lowest affinity is
// token 1's 0.1, or, when the sequence of token 1 is protected, the later of the equal 0.3.
TEST_F(Vectors, DropTokensTakesTheLowestAffinitiesOfACrowdedDevice) {
  const Buffer affinity = floats({3, 4}, {.3, .6, .2, .4, .1, .9, .5, .9, .8, .3, .7, .6}),
               expert = ints({3, 2}, {1, 0, 3, 0, 1, 2});
  const Indices offsets{0, 1, 2, 3};
  const auto kept = [&](std::vector<uint8_t> is_protected, double capacity) {
    const Buffer out(ctx, DType::i32, {3, 2}), load = ints({4}, {0, 0, 0, 5}), dropped = ints({1}, {0});
    backend.drop_tokens(ctx, {.affinity = affinity,
                              .expert = expert,
                              .kept = out,
                              .load = load,
                              .dropped = dropped,
                              .sequence_offsets = offsets.data(),
                              .is_protected = is_protected.data(),
                              .num_sequences = 3,
                              .capacity = capacity,
                              .num_devices = 2});
    EXPECT_EQ(load.get(), (Values{2, 2, 1, 6}));
    Values all = out.get();
    all.push_back(dropped.get()[0]);
    return all;
  };
  EXPECT_EQ(kept({0, 0, 0}, 1), (Values{1, 0, 3, -1, 1, 2, 1}));
  EXPECT_EQ(kept({0, 1, 0}, 1), (Values{1, 0, 3, 0, -1, 2, 1}));
  EXPECT_EQ(kept({1, 1, 1}, 1), (Values{1, 0, 3, 0, 1, 2, 0}));
  EXPECT_EQ(kept({0, 0, 0}, 2), (Values{1, 0, 3, 0, 1, 2, 0}));
  EXPECT_EQ(kept({0, 0, 0}, .34), (Values{1, -1, 3, -1, -1, -1, 4}));  // one assignment a device
}

// The same three tokens with one of padding in between: it takes no room and is no load, and capacity is still 3.
TEST_F(Vectors, DropTokensLeavesPaddingOut) {
  const Buffer affinity = floats({4, 4}, {.3, .6, .2, .4, 0, 0, 0, 0, .1, .9, .5, .9, .8, .3, .7, .6}),
               expert = ints({4, 2}, {1, 0, -1, -1, 3, 0, 1, 2}), out(ctx, DType::i32, {4, 2}),
               load = ints({4}, {0, 0, 0, 5}), dropped = ints({1}, {0});
  const Indices offsets{0, 2, 4};
  const std::vector<uint8_t> is_protected{0, 0};
  backend.drop_tokens(ctx, {.affinity = affinity,
                            .expert = expert,
                            .kept = out,
                            .load = load,
                            .dropped = dropped,
                            .sequence_offsets = offsets.data(),
                            .is_protected = is_protected.data(),
                            .num_sequences = 2,
                            .capacity = 1,
                            .num_devices = 2});
  EXPECT_EQ(out.get(), (Values{1, 0, -1, -1, 3, -1, 1, 2}));
  EXPECT_EQ(load.get(), (Values{2, 2, 1, 6}));
  EXPECT_EQ(dropped.get(), (Values{1}));
}

TEST_F(Vectors, EmaKeepsTheShareOfItsDecay) {
  const Buffer average = floats({2}, {1, -2}), value = floats({2}, {5, 2});
  backend.ema(ctx, {.average = average, .value = value, .decay = 0.75});
  EXPECT_TRUE(all_near(average.get(), Values{2, -1}, {1e-15, 0}));
}

// Rows 1 and 2 of width 5 are the elements 5 … 14: pieces 5–7 of block 0 and 0–6 of block 1, low half of a word first.
TEST_F(Vectors, DropoutTakesItsBitsFromTheKey) {
  const RngKey key{12, 34};
  std::vector<uint32_t> pieces;
  for (uint64_t block : {0, 1})
    for (uint32_t word : key.bits(block)) pieces.push_back(word & 0xffff), pieces.push_back(word >> 16);
  const Buffer x = floats({2, 5}, Values(10, 3.0));
  backend.dropout(ctx, {.x = x, .key = key, .first_row = 1, .rate = 0.5});
  Values expected;
  for (size_t i = 5; i < 15; ++i) expected.push_back(pieces[i] < 32768 ? 0 : 6);
  EXPECT_EQ(x.get(), expected);
  EXPECT_EQ(std::count(expected.begin(), expected.end(), 0.0), 4) << "this key proves nothing";
}

// The share dropped is the rate and the mean stays: 5 standard deviations of 160,000 draws are 0.005. Neighbours, rows and
// keys are independent: both of a pair are dropped as often as the rate squared says.
TEST_F(Vectors, DropoutKeepsTheMean) {
  constexpr int64_t N = 400, D = 400;
  constexpr double kRate = 0.2;
  const auto mask = [&](RngKey key) {
    const Buffer x = floats({N, D}, Values(N * D, 1.0));
    backend.dropout(ctx, {.x = x, .key = key, .rate = kRate});
    return x.get();
  };
  const Values a = mask(RngKey{1, 2}), b = mask(RngKey{1, 3}), c = mask(RngKey{2, 2});
  const auto both = [&](const Values& x, const Values& y, size_t shift) {
    double count = 0;
    for (size_t i = 0; i + shift < x.size(); ++i) count += x[i + shift] == 0 && y[i] == 0;
    return count / double(x.size());
  };
  EXPECT_NEAR(both(a, a, 0), kRate, 0.005);
  double sum = 0;
  for (double v : a) sum += v;
  EXPECT_NEAR(sum / (N * D), 1, 0.005 / (1 - kRate));
  EXPECT_NEAR(*std::max_element(a.begin(), a.end()), 1 / (1 - kRate), 1e-4);
  for (size_t shift : {1, 2, 8, int(D)}) EXPECT_NEAR(both(a, a, shift), kRate * kRate, 0.003) << shift;
  EXPECT_NEAR(both(a, b, 0), kRate * kRate, 0.003);
  EXPECT_NEAR(both(a, c, 0), kRate * kRate, 0.003);
}

TEST_F(Vectors, BiasUpdateFollowsTheSign) {  // mean 4: over, under, exactly
  const Buffer bias = floats({3}, {.5, .5, .5});
  backend.bias_update(ctx, {.bias = bias, .load = ints({3}, {7, 1, 4}), .speed = .001});
  EXPECT_TRUE(all_near(bias.get(), Values{.499, .501, .5}, {1e-15, 0}));
}

TEST_F(Vectors, PermutePlanIsStableAndSkipsDropped) {
  const Buffer expert = ints({3, 2}, {2, 0, -1, 2, 0, 2}), offsets(ctx, DType::i32, {4}),
               row_of_slot(ctx, DType::i32, {6}), slot_of_row = ints({6}, Indices(6, -9)), load = ints({3}, {1, 1, 1});
  backend.permute_plan(
      ctx,
      {.expert = expert, .offsets = offsets, .row_of_slot = row_of_slot, .slot_of_row = slot_of_row, .load = load});
  EXPECT_EQ(offsets.get(), (Values{0, 2, 2, 5}));
  EXPECT_EQ(row_of_slot.get(), (Values{2, 0, -1, 3, 1, 4}));
  EXPECT_EQ(slot_of_row.get(), (Values{1, 4, 0, 3, 5, -9}));
  EXPECT_EQ(load.get(), (Values{3, 1, 4}));
}

TEST_F(Vectors, RotaryPairsOfBothLayouts) {  // a quarter turn of the first pair, none of the second
  const Buffer table = floats({1, 4}, {0, 1, 1, 0}), positions = ints({1}, {0});
  const auto turned = [&](bool interleaved) {
    const Buffer x = floats({1, 1, 4}, {1, 2, 3, 4});
    backend.rope(ctx, {.x = x, .positions = positions, .table = table, .interleaved = interleaved});
    return x.get();
  };
  EXPECT_EQ(turned(true), (Values{-2, 1, 3, 4}));
  EXPECT_EQ(turned(false), (Values{-3, 2, 1, 4}));
}

TEST_F(Vectors, AttentionOfEqualScoresIsTheMean) {
  const Buffer q = floats({3, 1, 2}, Values(6, 0.0)), k = floats({3, 1, 2}, {1, 2, 3, 4, 5, 6}),
               v = floats({3, 1, 1}, {3, 6, 12}), out(ctx, DType::f64, {3, 1, 1}), lse(ctx, DType::f64, {3, 1});
  const Indices offsets{0, 3};
  backend.attention(ctx, {.q = q,
                          .k = k,
                          .v = v,
                          .out = out,
                          .lse = lse,
                          .sequence_offsets = offsets.data(),
                          .num_sequences = 1,
                          .compute = DType::f64});
  EXPECT_TRUE(all_near(out.get(), Values{3, 4.5, 7}, {1e-14, 0}));
  EXPECT_TRUE(all_near(lse.get(), Values{0, std::log(2), std::log(3)}, {1e-14, 0}));
}

// Decode over the cache agrees with training over the whole sequence (in exact arithmetic they are the same).
TEST_F(Vectors, CachedAttentionAgreesWithAttention) {
  constexpr int64_t T = 9, H = 4, Hkv = 2, dk = 5, dv = 3;
  const RngKey key{9, 9};
  const Buffer q = floats({T, H, dk}, normals(key.at(1), T * H * dk)),
               k = floats({T, Hkv, dk}, normals(key.at(2), T * Hkv * dk)),
               v = floats({T, Hkv, dv}, normals(key.at(3), T * Hkv * dv));
  const Buffer out(ctx, DType::f64, {T, H, dv}), cached(ctx, DType::f64, {4, H, dv});
  const Indices offsets{0, T};
  backend.attention(ctx, {.q = q,
                          .k = k,
                          .v = v,
                          .out = out,
                          .scale = .6,
                          .sequence_offsets = offsets.data(),
                          .num_sequences = 1,
                          .compute = DType::f64});
  backend.cached_attention(ctx, {.q = q.operand().slice(0, 4, 8),
                                 .k = k,
                                 .v = v,
                                 .out = cached,
                                 .row_offsets = ints({2}, {0, 4}),
                                 .length = ints({1}, {8}),
                                 .block_table = ints({1, 4}, {0, 1, 2, 3}),
                                 .page = 2,
                                 .max_length = 8,
                                 .scale = .6,
                                 .compute = DType::f64});
  const Values whole = out.get();
  EXPECT_TRUE(all_near(cached.get(), Values(whole.begin() + 4 * H * dv, whole.begin() + 8 * H * dv), {1e-14, 0}));
}

TEST_F(Vectors, CrossEntropyOfUniformAndOfLargeLogits) {
  const Buffer logits = floats({4, 4}, {7, 7, 7, 7, 1e4, 0, 0, 0, -1e4, 0, 0, 0, -1e4, -1e4, -1e4, -1e4}, DType::f32),
               loss(ctx, DType::f32, {4});
  backend.cross_entropy(
      ctx, {.logits = logits, .target = ints({4}, {2, 0, 0, 1}), .loss = loss, .gradient = true, .grad_scale = 1});
  EXPECT_TRUE(all_near(loss.get(), Values{std::log(4), 0, 1e4 + std::log(3), std::log(4)}, {0, 1e-7}));
  EXPECT_TRUE(all_near(logits.get(),
                       Values{.25, .25, -.75, .25, 0, 0, 0, 0, -1, 1. / 3, 1. / 3, 1. / 3, .25, -.75, .25, .25},
                       {1e-7, 0}));
}

TEST_F(Vectors, AdamWFirstStep) {
  // m̂ = g and √v̂ = |g| on the first step: p moves by lr·sign(g), and by lr·wd·p.
  const Buffer p = floats({2}, {1, -2}), g = floats({2}, {3, -.5}), m = floats({2}, {0, 0}), v = floats({2}, {0, 0});
  const AdamTensor tensor{.param = p, .grad = g, .m = m, .v = v, .weight_decay = .1};
  backend.adamw(ctx, {.tensors = &tensor, .num_tensors = 1, .lr = .01, .step = 1, .grad_scale = .5});
  EXPECT_TRUE(all_near(p.get(), Values{1 - .01 - .001, -2 + .01 + .002}, {1e-9, 0}));
  EXPECT_TRUE(all_near(m.get(), Values{.15, -.025}, {1e-15, 0}));
  EXPECT_TRUE(all_near(v.get(), Values{.05 * 2.25, .05 * .0625}, {1e-15, 0}));
}

TEST_F(Vectors, BadIndicesAreNamedNotFollowed) {
  const Buffer src = floats({3, 2}, Values(6, 1.0)), dst(ctx, DType::f64, {1, 2}), logits = floats({1, 3}, {1, 2, 3}),
               loss(ctx, DType::f64, {1});
  EXPECT_THROW(backend.gather(ctx, {.src = src, .index = ints({1}, {3}), .dst = dst}), BugError);
  EXPECT_THROW(backend.scatter_add(ctx, {.src = dst, .index = ints({1}, {3}), .dst = src}), BugError);
  EXPECT_THROW(backend.cross_entropy(ctx, {.logits = logits, .target = ints({1}, {3}), .loss = loss}), BugError);
  EXPECT_THROW(
      backend.rope(ctx,
                   {.x = floats({1, 1, 2}, {1, 2}), .positions = ints({1}, {-1}), .table = floats({1, 2}, {1, 0})}),
      BugError);
}

}  // namespace
}  // namespace minke::test
