#include "kernels/conformance.h"

#include <fmt/core.h>

#include <cmath>

namespace minke::test {

std::string case_name(const ::testing::TestParamInfo<BackendCase>& info) { return info.param.name; }

Values Bed::random(const Indices& shape, double stddev) {
  return normals(RngKey{2024, 0}.at(draws_++), product_of(shape), stddev);
}

Operand Bed::hold(DType dtype, const Indices& shape, const Values* values, Layout layout) {
  const bool floating = dtype != DType::i32;
  held_.push_back({Buffer(ctx, floating && oracle ? DType::f64 : dtype, shape, layout), dtype});
  if (values) held_.back().buffer.set(floating ? rounded_to(dtype, *values) : *values);
  return held_.back().buffer;
}

Operand Bed::floats(DType dtype, const Indices& shape, const Values& values, Layout layout) {
  return hold(dtype, shape, &values, layout);
}

Operand Bed::ints(const Indices& shape, const Indices& values) {
  const Values as_doubles(values.begin(), values.end());
  return hold(DType::i32, shape, &as_doubles, Layout::contiguous);
}

Operand Bed::unset(DType dtype, const Indices& shape, Layout layout) { return hold(dtype, shape, nullptr, layout); }

Operand Bed::packed(const Operand& b, DType compute) {
  const int64_t groups = b.rank == 3 ? b.shape[0] : 1, k = b.shape[b.rank - 2], n = b.shape[b.rank - 1];
  packed_.emplace_back(ctx.backend->memory(), DType::u8,
                       std::initializer_list<int64_t>{groups * int64_t(backend.packed_bytes(k, n, compute))});
  Operand o = b;
  o.data = packed_.back().operand().data;
  o.dtype = compute;
  o.packing = Packing::panels;
  backend.pack_weight(ctx, {.b = b, .packed = o, .compute = compute});
  return o;
}

const Bed::Held& Bed::held(const Operand& o) const {
  for (const Held& held : held_)
    if (held.buffer.operand().data == o.data && held.buffer.operand().shape == o.shape) return held;
  throw BugError("Bed: not an operand made here");
}

void Bed::expect_near(const std::string& name, const Operand& o, Bound bound, Values scale) {
  expected_.push_back({name, &held(o), bound, std::move(scale)});
}

std::vector<Bed::Output> Bed::outputs() const {
  std::vector<Output> result;
  for (const Expected& e : expected_)
    result.push_back({e.name, e.held->declared, e.held->buffer.get(), e.scale, e.bound});
  return result;
}

bool Bed::surroundings_intact() const {
  for (const Held& held : held_)
    if (!held.buffer.surroundings_intact()) return false;
  return true;
}

void KernelConformance::SetUp() {
  try {
    backend_ = &GetParam().backend();
  } catch (const UserError& e) {
    GTEST_SKIP() << e.what();
  }
  if (GetParam().poison) poison_ = std::make_unique<PoisonBackend>(*backend_);
  oracle_ = std::make_unique<TestContext>();
}

const TestContext& KernelConformance::tested(int threads) {
  auto& context = tested_[threads];
  if (!context)
    context =
        poison_ ? std::make_unique<TestContext>(*poison_, threads) : std::make_unique<TestContext>(*backend_, threads);
  return *context;
}

void KernelConformance::compare(const std::string& label, const std::function<void(Bed&)>& run) {
  Bed actual_bed(tested(GetParam().threads), false), expected_bed(*oracle_, true);
  run(expected_bed);
  run(actual_bed);
  EXPECT_TRUE(actual_bed.surroundings_intact()) << label << ": wrote outside its operands";
  const auto actual = actual_bed.outputs(), expected = expected_bed.outputs();
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    Values limit = expected[i].scale.empty() ? absolute(expected[i].values) : expected[i].scale;
    ASSERT_EQ(limit.size(), expected[i].values.size()) << label;
    for (size_t j = 0; j < limit.size(); ++j) {
      limit[j] *= expected[i].bound.rtol;
      if (actual[i].declared == DType::bf16) limit[j] += kBf16Out * std::abs(expected[i].values[j]);
    }
    EXPECT_TRUE(all_near(actual[i].values, expected[i].values, {expected[i].bound.atol, 1}, limit))
        << label << ": " << actual[i].name;
  }
}

Values KernelConformance::run_tested(const std::function<void(Bed&)>& run, int threads) {
  Bed bed(tested(threads ? threads : GetParam().threads), false);
  run(bed);
  return bed.outputs().at(0).values;
}

Values KernelConformance::run_oracle(const std::function<void(Bed&)>& run) {
  Bed bed(*oracle_, true);
  run(bed);
  return bed.outputs().at(0).values;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KernelConformance);

TEST_P(KernelConformance, HasAName) {
  Backend& backend = GetParam().backend();
  EXPECT_NE(backend.name(), "");
}

}  // namespace minke::test
