// A kernels table that runs another one's ops, looks at the clock, and books the seconds by kind of work: where the time
// of a step goes. What it computes is the other one's, to the bit. Test: tests/bench/timed_table_test.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <unordered_map>

#include "kernels/ops.h"

namespace minke {

// dx, dw: gradients of a product's input and of its weight.
enum class Work : uint8_t {
  experts_forward,
  experts_dx,
  experts_dw,
  projections_forward,  // of attention and of dense and shared feed-forwards
  projections_dx,
  projections_dw,
  head_forward,
  head_dx,
  head_dw,
  attention_forward,
  attention_backward,
  packing,
  norms,
  rope,
  swiglu,
  routing,  // the gate, its products, and the way of tokens to their experts and back
  cross_entropy,
  elementwise,  // add, copy, fill, biases
  embedding,    // its gradient; its forward is a gather like those of routing
  optimizer,
  other,
};
constexpr int kNumWorks = int(Work::other) + 1;
const char* name_of(Work work);

struct Booking {
  double seconds = 0;
  double flops = 0;  // of products and attention (documents that see less than their sequence are not allowed for)
  int64_t calls = 0;
};
using Bookings = std::array<Booking, kNumWorks>;

// Function pointers carry no state, so the ops find it through Context::memory, as the tests' poison backend does.
class TimedTable final : public Memory {
 public:
  // What products are told apart by: one with a side of the vocabulary is the head's, one of the number of experts the
  // gate's; 0 = there is none.
  struct Sizes {
    int64_t vocabulary = 0, experts = 0;
  };
  TimedTable(const Context& inner, Sizes sizes);

  // The inner one, with this table in the place of its. Tensors of its memory must not outlive this.
  const Context& ctx() const { return ctx_; }
  const Bookings& bookings() const { return bookings_; }
  void clear() { bookings_ = {}; }

  void* allocate(size_t bytes) override { return inner_.memory->allocate(bytes); }
  void release(void* data, size_t bytes) noexcept override { inner_.memory->release(data, bytes); }

 private:
  static TimedTable& of(const Context& ctx);
  Context inner_context(const Context& ctx) const;
  template <class Args>
  void timed(const Context& ctx, const Args& args, void (*Kernels::*op)(const Context&, const Args&));
  Work work_of_product(const GemmArgs& args) const;

  Context inner_, ctx_;
  Sizes sizes_;
  Kernels kernels_;
  Bookings bookings_{};
  std::unordered_map<const void*, bool> form_is_forward_;  // by its address: of Wᵀ, or of W
};

}  // namespace minke
