// Which instructions multiply BF16: the newest a processor has are not always its fastest. On an Intel of family 6, model
// 207, VDPBF16PS runs at half the rate of FP32's FMA, on a Zen 4 at twice that rate; where there are tiles (AMX), they are
// sixteen times as fast as FP32. So the choice is a table of known processors, and for all others a measurement.
// A path is named by the instruction set whose kernels take it: "avx512" widens BF16 to FP32, "avx512_bf16" multiplies pairs,
// "amx_bf16" tiles. Products in 8 bits need no choice: the newest instructions are the fastest, and sums of integers have no
// order. So "avx512_vnni" is "avx512" with these, and stands in its place where a machine has it.
// Pure: the processor, its instruction sets and the measurement are handed in. Test: tests/kernels/product_path_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace minke {

struct Processor {
  std::string vendor;  // CPUID leaf 0: "GenuineIntel", "AuthenticAMD"
  int family = 0, model = 0;
  std::string description() const;  // "GenuineIntel family 6 model 207"
};

struct PathRate {
  std::string isa;
  double rate = 0;  // operations per second
};

struct PathChoice {
  enum class Reason { only, known, measured };
  std::string isa;
  Reason reason = Reason::only;
  std::vector<PathRate> rates;      // what was measured; empty otherwise
  std::string description() const;  // "known processor", "measured: avx512 180, avx512_bf16 90 GFLOP/s", …
};

// isas: what the machine has, in the order of cpu/backend.h. measure(paths) gives the rate of BF16 multiply-adds on registers
// of each of these, and is asked only about a processor that is not known. A later path must be faster by much
// (kClearlyFaster), because it stands for another order of additions: noise must not change the bits of a run.
PathChoice choose_bf16_path(const Processor& processor, const std::vector<std::string>& isas,
                            const std::function<std::vector<double>(const std::vector<std::string>& paths)>& measure);

// The instruction set of a run that goes on: the one it was `stored` with, where the machine has it, because another one adds
// in another order and gives other bits; but first the one that is `asked` for, "" if none is. `own` is the machine's default.
struct ResumedPath {
  std::string isa;
  std::string note;  // what people should know; "" where everything is as it was
};
ResumedPath resumed_path(const std::string& stored, const std::string& asked, const std::string& own,
                         const std::vector<std::string>& isas);

// A newer path is as fast as an older one, or 2, 4, 8 … times as fast. It counts as faster from
// a factor of 1.4 on, midway between 1 and 2.
constexpr double kClearlyFaster = 1.4;

}  // namespace minke
