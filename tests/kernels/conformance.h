// The conformance suite: any backend against the reference in f64, over shapes around the usual tile sizes, with
// bounds derived beside each test; and the reduction rule, bitwise. A backend joins with
//   INSTANTIATE_TEST_SUITE_P(Name, KernelConformance, ::testing::ValuesIn(cases), case_name);
// as reference_conformance_test.cpp does.
#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/poison.h"
#include "support/random.h"

namespace minke::test {

constexpr double kU32 = 0x1p-24;     // half a unit in the last place of f32, relative
constexpr double kBf16Out = 0x1p-8;  // of one rounding to bf16: 2^-9, doubled for a value at the edge of rounding

struct BackendCase {
  std::string name;
  std::function<Backend&()> backend;  // may throw UserError where the machine lacks the instructions: skipped
  bool poison = true;
  int threads = 2;
};
std::string case_name(const ::testing::TestParamInfo<BackendCase>& info);
inline void PrintTo(const BackendCase& c, std::ostream* out) { *out << c.name; }

// One run of an op on one of the two backends: makes its operands and collects its outputs. On the oracle every
// floating operand is f64, holding values rounded to the dtype that was asked for.
class Bed {
 public:
  Bed(const TestContext& test, bool is_oracle) : ctx(test), backend(test.backend()), oracle(is_oracle) {}
  const Context& ctx;
  Backend& backend;
  const bool oracle;

  Values random(const Indices& shape, double stddev = 1);  // the same on both runs
  Operand floats(DType dtype, const Indices& shape, const Values& values, Layout layout = Layout::contiguous);
  Operand ints(const Indices& shape, const Indices& values);
  // Not set to anything: NaN or −1 until the op writes it.
  Operand unset(DType dtype, const Indices& shape, Layout layout = Layout::contiguous);
  Operand packed(const Operand& b, DType compute);
  // Declares an operand made here an output: |tested − oracle| ≤ atol + rtol·scale + kBf16Out·|oracle| if it is bf16.
  // A scale is needed on the oracle's run only.
  void expect_near(const std::string& name, const Operand& o, Bound bound, Values scale = {});
  void expect_equal(const std::string& name, const Operand& o) { expect_near(name, o, {}); }

  struct Output {
    std::string name;
    DType declared;
    Values values, scale;
    Bound bound;
  };
  std::vector<Output> outputs() const;
  Values values_of(const Operand& o) const { return held(o).buffer.get(); }
  bool surroundings_intact() const;

 private:
  struct Held {
    Buffer buffer;
    DType declared;
  };
  struct Expected {
    std::string name;
    const Held* held;
    Bound bound;
    Values scale;
  };
  const Held& held(const Operand& o) const;
  Operand hold(DType dtype, const Indices& shape, const Values* values, Layout layout);
  std::deque<Held> held_;
  std::deque<Tensor> packed_;
  std::vector<Expected> expected_;
  uint64_t draws_ = 0;
};

class KernelConformance : public ::testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override;
  // Runs on both and compares. The label is printed on failure.
  void compare(const std::string& label, const std::function<void(Bed&)>& run);
  // The values of the first declared output, of the tested backend, with this many threads (0: the case's).
  Values run_tested(const std::function<void(Bed&)>& run, int threads = 0);
  // The same from the reference in f64, for what an op needs from another op.
  Values run_oracle(const std::function<void(Bed&)>& run);

 private:
  const TestContext& tested(int threads);
  Backend* backend_ = nullptr;
  std::unique_ptr<PoisonBackend> poison_;
  std::map<int, std::unique_ptr<TestContext>> tested_;
  std::unique_ptr<TestContext> oracle_;
};

}  // namespace minke::test
