// The poison backend: kernels can read its memory, the host cannot; ops wait until somebody waits for them; and every
// mistake that a GPU would punish at random is planted here and must be named.
#include "support/poison.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <deque>
#include <numeric>

#include "support/random.h"

namespace minke::test {
namespace {

class Poison : public ::testing::Test {
 protected:
  Poison() { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
  ~Poison() override {
    for (int stream = 0; stream < 3; ++stream) poison.synchronize(on(stream));
  }
  Context on(int stream) const {
    Context c = test;
    c.stream.id = stream;
    return c;
  }
  // Lives as long as the test.
  const Operand& tensor(int64_t n, DType dtype = DType::f32) {
    return tensors_.emplace_back(poison.memory(), dtype, std::initializer_list<int64_t>{n}).operand();
  }
  std::vector<float> values(const Operand& o, int stream = 0) {
    std::vector<float> host(size_t(o.size()), -1.0f);
    poison.download(on(stream), {o, host.data()});
    return host;
  }
  // The message of the BugError that f throws.
  template <class F> static std::string mistake(F f) {
    try {
      f();
    } catch (const BugError& e) {
      return e.what();
    }
    return "no mistake was found";
  }
#define EXPECT_MISTAKE(words, ...) EXPECT_NE(mistake([&] { __VA_ARGS__; }).find(words), std::string::npos)

  PoisonBackend poison{reference_backend()};
  const TestContext test{poison};

 private:
  std::deque<Tensor> tensors_;
};

TEST_F(Poison, OpsWork) {
  const Operand x = tensor(1000), y = tensor(1000);
  std::vector<float> from(1000);
  std::iota(from.begin(), from.end(), 0.0f);
  poison.upload(test, {from.data(), x});
  poison.fill(test, {y, 1.0});
  poison.add(test, {x, y});
  const auto result = values(y);
  for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(result[i], float(i) + 1);
}

TEST_F(Poison, ReleasedMemoryComesBackAsZeros) {
  for (int round = 0; round < 3; ++round) {
    const Tensor x(poison.memory(), DType::f32, {5000});
    for (float v : values(x)) ASSERT_EQ(v, 0);
    poison.fill(test, {x, 7.0});
    poison.synchronize(test);
  }
}

TEST_F(Poison, MemoryStaysOpenUntilTheOutermostOpEnds) {
  PoisonMemory memory;
  auto* word = static_cast<int*>(memory.allocate(sizeof(int)));
  const PoisonMemory::Open outer(memory);
  {
    const PoisonMemory::Open inner(memory);
    *word = 1;
  }
  *word += 1;
  auto* late = static_cast<int*>(memory.allocate(sizeof(int)));  // allocated by an op
  *late = 3;
  EXPECT_EQ(*word + *late, 5);
}

TEST_F(Poison, OpsOfAStreamRunWhenSomebodyWaitsForIt) {
  const Operand x = tensor(1), y = tensor(1);
  poison.fill(on(1), {x, 1.0});
  poison.fill(on(2), {y, 2.0});
  const auto unread = mistake([&] { throw BugError(std::to_string(values(y, 2)[0])); });  // waits for stream 2 alone
  EXPECT_EQ(unread, "2.000000");
  // Issued first, but nobody has waited for it: in memory there is still the zero.
  const PoisonMemory::Open open(static_cast<PoisonMemory&>(poison.memory()));
  EXPECT_EQ(*static_cast<float*>(x.data), 0);
  poison.synchronize(on(1));
  EXPECT_EQ(*static_cast<float*>(x.data), 1);
}

TEST_F(Poison, AnEventOrdersTwoStreams) {
  const Operand x = tensor(4), y = tensor(4);
  Event filled;
  poison.fill(on(1), {x, 3.0});
  poison.record(on(1), filled);
  poison.fill(on(1), {y, 5.0});
  poison.wait(on(2), filled);
  poison.add(on(2), {x, x});  // x += x: after the fill
  EXPECT_EQ(values(x, 2)[3], 6);
  EXPECT_EQ(values(y, 1)[3], 5);
}

TEST_F(Poison, AMissingWaitBetweenStreamsIsNamed) {
  const Operand x = tensor(4), y = tensor(4);
  poison.fill(on(1), {x, 3.0});
  EXPECT_MISTAKE("x of add on stream 2 and dst of fill on stream 1", poison.add(on(2), {x, y}));
  Event early;
  poison.record(on(1), early);
  poison.fill(on(1), {x, 4.0});  // after the event
  poison.wait(on(2), early);
  EXPECT_MISTAKE("a wait is missing", poison.add(on(2), {x, y}));
  poison.synchronize(on(1));  // the host has waited, so all that it gives out now comes after
  poison.add(on(2), {x, y});
  EXPECT_EQ(values(y, 2)[0], 4);
}

TEST_F(Poison, ReadingOnTwoStreamsNeedsNoWait) {
  const Operand x = tensor(4), y = tensor(4), z = tensor(4);
  poison.fill(test, {x, 3.0});
  poison.synchronize(test);
  poison.add(on(1), {x, y});
  poison.add(on(2), {x, z});
  EXPECT_EQ(values(y, 1), values(z, 2));
}

TEST_F(Poison, EarlyReuseByAnotherStreamIsNamed) {
  const Operand x = tensor(4), y = tensor(4);
  poison.add(on(1), {x, y});
  EXPECT_MISTAKE("dst of fill on stream 2 and x of add on stream 1", poison.fill(on(2), {x, 1.0}));
  // Scratch that was given back while another stream still uses it.
  Operand first, second;
  {
    const ArenaScope scope(*test.context().scratch);
    first = test.context().scratch->take(DType::f32, {4});
    poison.fill(on(1), {first, 1.0});
  }
  const ArenaScope scope(*test.context().scratch);
  second = test.context().scratch->take(DType::f32, {4});
  EXPECT_MISTAKE("a wait is missing", poison.fill(on(2), {second, 1.0}));
}

TEST_F(Poison, AnEarlyReleaseEndsTheProcess) {
  EXPECT_DEATH(
      {
        const Tensor x(poison.memory(), DType::f32, {4});
        poison.fill(test, {x, 1.0});
      },
      "memory is released while dst of fill waits on stream 0");
}

TEST_F(Poison, AReleasedOperandIsNamed) {
  Operand gone;
  {
    const Tensor x(poison.memory(), DType::f32, {4});
    gone = x;
  }
  EXPECT_MISTAKE("dst of fill is not in memory that is live", poison.fill(test, {gone, 1.0}));
  const Operand x = tensor(4);
  Operand longer = Operand::of(x.data, DType::f32, {5});
  EXPECT_MISTAKE("not in memory that is live", poison.fill(test, {longer, 1.0}));
}

TEST_F(Poison, ADeadHostArgumentIsNamed) {
  const Operand x = tensor(4);
  std::vector<float> host{1, 2, 3, 4};
  poison.upload(test, {host.data(), x});
  host[2] = 0;  // the buffer is used for something else
  EXPECT_MISTAKE("the host memory of an upload changed", poison.synchronize(test));
  EXPECT_DEATH(
      {
        void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        poison.upload(test, {page, x});
        ::munmap(page, 4096);
        poison.synchronize(test);
      },
      "");
}

TEST_F(Poison, HostArraysAreCopiedAtTheCall) {
  const Operand x = tensor(3), y = tensor(2), sums = tensor(2, DType::f64);
  poison.fill(test, {x, 2.0}), poison.fill(test, {y, 3.0});
  {
    std::vector<Operand> tensors{x, y};
    poison.sum_squares(test, {.tensors = tensors.data(), .num_tensors = 2, .out = sums});
    std::fill(tensors.begin(), tensors.end(), Operand{});
  }
  std::vector<double> host(2);
  poison.download(test, {sums, host.data()});
  EXPECT_EQ(host, (std::vector<double>{12, 18}));
}

TEST_F(Poison, AnEventThatWasNeverRecordedIsNamed) { EXPECT_MISTAKE("never recorded", poison.wait(test, Event{})); }

TEST_F(Poison, ClosesAfterAnOpThatThrows) {
  const Operand x = tensor(4), y = tensor(5);
  poison.add(test, {x, y});
  EXPECT_THROW(poison.synchronize(test), BugError);
  EXPECT_DEATH(fmt::print("{}", *static_cast<volatile float*>(x.data)), "");
}

TEST_F(Poison, HostReadsAndWritesFault) {
  const Operand x = tensor(4);
  poison.fill(test, {x, 1.0});
  poison.synchronize(test);
  volatile float* data = static_cast<float*>(x.data);
  EXPECT_DEATH(fmt::print("{}", float(data[0])), "");
  EXPECT_DEATH(data[0] = 2, "");
  Operand slice = test.context().scratch->take(DType::f32, {16});  // scratch is device memory too
  EXPECT_DEATH(*static_cast<volatile float*>(slice.data) = 2, "");
}

}  // namespace
}  // namespace minke::test
