// The choice of the BF16 path: known processors are never measured, unknown ones get the path that is faster by much.
#include "kernels/cpu/product_path.h"

#include <gtest/gtest.h>

#include <map>

namespace minke {
namespace {

using Isas = std::vector<std::string>;
const Isas kAvx2 = {"baseline", "avx2"}, kAvx512 = {"baseline", "avx2", "avx512"},
           kBytes = {"baseline", "avx2", "avx512", "avx512_vnni"},
           kPairs = {"baseline", "avx2", "avx512", "avx512_vnni", "avx512_bf16"},
           kTiles = {"baseline", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16"};

const Processor kZen3{"AuthenticAMD", 25, 1}, kZen4{"AuthenticAMD", 25, 17}, kZen4c{"AuthenticAMD", 25, 160},
    kEmerald{"GenuineIntel", 6, 207}, kSapphire{"GenuineIntel", 6, 143}, kUnknown{"GenuineIntel", 6, 9999};

PathChoice chosen(const Processor& p, const Isas& isas) {
  return choose_bf16_path(p, isas, [](const Isas&) -> std::vector<double> {
    ADD_FAILURE() << "measured";
    return {1, 1, 1};
  });
}

// GFLOP/s of widened, pairs, tiles.
PathChoice measured(const Isas& isas, std::map<std::string, double> rates) {
  int calls = 0;
  const PathChoice choice = choose_bf16_path(kUnknown, isas, [&](const Isas& paths) {
    ++calls;
    std::vector<double> all;
    for (const std::string& p : paths) all.push_back(rates.at(p) * 1e9);
    return all;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(choice.reason, PathChoice::Reason::measured);
  return choice;
}

TEST(ProductPath, KnownProcessorsAreNotMeasured) {
  EXPECT_EQ(chosen(kZen4, kPairs).isa, "avx512_bf16");
  EXPECT_EQ(chosen(kZen4c, kPairs).isa, "avx512_bf16");
  EXPECT_EQ(chosen(kEmerald, kPairs).isa, "avx512_vnni");  // tiles hidden by a virtual machine: VDPBF16PS at half rate
  EXPECT_EQ(chosen(kEmerald, kTiles).isa, "amx_bf16");
  EXPECT_EQ(chosen(kSapphire, kPairs).isa, "avx512_vnni");
  EXPECT_EQ(chosen(kSapphire, kTiles).isa, "amx_bf16");
  for (const auto& [processor, isas] : {std::pair{kZen4, kPairs}, {kEmerald, kPairs}, {kEmerald, kTiles}})
    EXPECT_EQ(chosen(processor, isas).reason, PathChoice::Reason::known);
}

// A neighbour of a known processor in vendor, family or model is not known.
TEST(ProductPath, NeighboursAreMeasured) {
  for (const Processor& p :
       {Processor{"AuthenticAMD", 6, 207}, Processor{"GenuineIntel", 25, 17}, Processor{"GenuineIntel", 15, 207},
        Processor{"GenuineIntel", 6, 208}, Processor{"GenuineIntel", 6, 142}, Processor{"AuthenticAMD", 26, 17},
        Processor{"AuthenticAMD", 25, 15}, Processor{"AuthenticAMD", 25, 32}, Processor{"AuthenticAMD", 25, 95},
        Processor{"AuthenticAMD", 25, 176}}) {
    const auto alike = [](const Isas& paths) { return std::vector<double>(paths.size(), 1e9); };
    const PathChoice choice = choose_bf16_path(p, kTiles, alike);
    EXPECT_EQ(choice.reason, PathChoice::Reason::measured) << p.description();
    EXPECT_EQ(choice.isa, "avx512_vnni") << p.description();
  }
}

TEST(ProductPath, OneWayIsNoChoice) {
  EXPECT_EQ(chosen(kZen3, kAvx2).isa, "avx2");
  EXPECT_EQ(chosen(kUnknown, kAvx2).isa, "avx2");
  EXPECT_EQ(chosen(kUnknown, kAvx512).isa, "avx512");
  EXPECT_EQ(chosen(kUnknown, kBytes).isa, "avx512_vnni");
  EXPECT_EQ(chosen(kEmerald, {"baseline"}).isa, "baseline");
  EXPECT_EQ(chosen(kUnknown, kAvx512).reason, PathChoice::Reason::only);
}

TEST(ProductPath, UnknownProcessorsAreMeasured) {
  const double fma = 230;
  EXPECT_EQ(measured(kPairs, {{"avx512_vnni", fma}, {"avx512_bf16", 2 * fma}}).isa, "avx512_bf16");  // as Zen 4
  EXPECT_EQ(measured(kPairs, {{"avx512_vnni", fma}, {"avx512_bf16", fma / 2}}).isa,
            "avx512_vnni");  // as Emerald Rapids
  EXPECT_EQ(measured(kTiles, {{"avx512_vnni", fma}, {"avx512_bf16", fma / 2}, {"amx_bf16", 16 * fma}}).isa, "amx_bf16");
  EXPECT_EQ(measured(kTiles, {{"avx512_vnni", fma}, {"avx512_bf16", 2 * fma}, {"amx_bf16", 8 * fma}}).isa, "amx_bf16");
  EXPECT_EQ(measured(kTiles, {{"avx512_vnni", fma}, {"avx512_bf16", 2 * fma}, {"amx_bf16", fma}}).isa, "avx512_bf16");
  EXPECT_EQ(measured(kTiles, {{"avx512_vnni", fma}, {"avx512_bf16", fma / 2}, {"amx_bf16", 0}}).isa, "avx512_vnni");
}

// What is as fast stays with the plainest path, and what is twice as fast stays chosen, with 15 % of noise on each rate.
TEST(ProductPath, NoiseChangesNothing) {
  for (const double a : {0.85, 1.0, 1.15})
    for (const double b : {0.85, 1.0, 1.15}) {
      EXPECT_EQ(measured(kPairs, {{"avx512_vnni", 230 * a}, {"avx512_bf16", 230 * b}}).isa, "avx512_vnni") << a << b;
      EXPECT_EQ(measured(kPairs, {{"avx512_vnni", 230 * a}, {"avx512_bf16", 460 * b}}).isa, "avx512_bf16") << a << b;
    }
}

TEST(ProductPath, AResumedRunKeepsItsPathWhereItCan) {
  const ResumedPath same = resumed_path("amx_bf16", "", "amx_bf16", kTiles);
  EXPECT_EQ(same.isa, "amx_bf16");
  EXPECT_EQ(same.note, "");
  const ResumedPath kept = resumed_path("avx512", "", "amx_bf16", kTiles);
  EXPECT_EQ(kept.isa, "avx512");
  EXPECT_NE(kept.note.find("avx512, as it began"), std::string::npos) << kept.note;
  EXPECT_NE(kept.note.find("amx_bf16"), std::string::npos) << kept.note;
  const ResumedPath lacks = resumed_path("amx_bf16", "", "avx512", kPairs);
  EXPECT_EQ(lacks.isa, "avx512");
  EXPECT_NE(lacks.note.find("amx_bf16 so far, which this machine lacks"), std::string::npos) << lacks.note;
  const ResumedPath forced = resumed_path("avx512", "avx2", "avx512", kPairs);
  EXPECT_EQ(forced.isa, "avx2");
  EXPECT_NE(forced.note.find("MINKE_ISA names another"), std::string::npos) << forced.note;
  EXPECT_EQ(resumed_path("avx512", "avx512", "amx_bf16", kTiles).note, "");
  EXPECT_EQ(resumed_path("avx512", "avx512", "amx_bf16", kTiles).isa, "avx512");
}

TEST(ProductPath, SaysWhy) {
  EXPECT_EQ(chosen(kEmerald, kTiles).description(), "known processor");
  EXPECT_EQ(chosen(kZen3, kAvx2).description(), "the only way here");
  EXPECT_EQ(measured(kPairs, {{"avx512_vnni", 230}, {"avx512_bf16", 115}}).description(),
            "measured: avx512_vnni 230, avx512_bf16 115 GFLOP/s");
  EXPECT_EQ(kEmerald.description(), "GenuineIntel family 6 model 207");
}

}  // namespace
}  // namespace minke
