// Counter-based randomness: Philox4x32-10 (Salmon et al. 2011). A draw is a pure function of (seed, stream, index), so
// any number of threads or ranks draw the same numbers, and a resumed run needs no generator state. The key is (seed,
// purpose, step, layer …), the index is that of the global element. Known-answer test in tests/core/rng_test.cpp.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace minke {

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * counter[0], p1 = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(p1 >> 32) ^ counter[1] ^ key[0], uint32_t(p1), uint32_t(p0 >> 32) ^ counter[3] ^ key[1],
               uint32_t(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// Names one stream of random numbers, by the seed of the run and the purpose of the numbers.
struct RngKey {
  uint64_t seed = 0;
  uint64_t stream = 0;
  // A key for a part of this one: key.at("init").at(layer).at(step) …
  constexpr RngKey at(uint64_t part) const {
    uint64_t z = stream * 0x9E3779B97F4A7C15ull + part + 0x632BE59BD9B4E019ull;  // splitmix64 finaliser
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return {seed, z ^ (z >> 31)};
  }
  constexpr RngKey at(std::string_view part) const {
    uint64_t h = 0xcbf29ce484222325ull;
    for (char c : part) h = (h ^ uint8_t(c)) * 0x100000001b3ull;
    return at(h);
  }
  std::array<uint32_t, 4> bits(uint64_t index) const {
    return philox4x32({uint32_t(index), uint32_t(index >> 32), uint32_t(stream), uint32_t(stream >> 32)},
                      {uint32_t(seed), uint32_t(seed >> 32)});
  }
  uint64_t u64(uint64_t index) const {
    const auto b = bits(index);
    return uint64_t(b[1]) << 32 | b[0];
  }
  // Uniform in [0, 1), 53 bits.
  double uniform(uint64_t index) const { return double(u64(index) >> 11) * 0x1p-53; }
  // Uniform integer in [0, n), n > 0; bias < n / 2^64.
  uint64_t below(uint64_t index, uint64_t n) const { return uint64_t((unsigned __int128)(u64(index)) * n >> 64); }
  // Standard normal (Box–Muller on one block).
  double normal(uint64_t index) const {
    const auto b = bits(index);
    const double u1 = (double(uint64_t(b[1]) << 21 ^ b[0] >> 11) + 1) * 0x1p-53;  // (0, 1]
    const double u2 = double(uint64_t(b[3]) << 21 ^ b[2] >> 11) * 0x1p-53;
    return std::sqrt(-2 * std::log(u1)) * std::cos(2 * std::numbers::pi * u2);
  }
};

// A key with a running index, for sequential code (text generation, sampling).
struct Rng {
  RngKey key;
  uint64_t index = 0;
  uint64_t below(uint64_t n) { return key.below(index++, n); }
  double uniform() { return key.uniform(index++); }
  double normal() { return key.normal(index++); }
};

}  // namespace minke
