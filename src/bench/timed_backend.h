// A backend that passes each operation to another backend and adds its seconds to a kind of work, to show how the time of a
// step is spent. Results are those of the other backend, bit by bit. Test: tests/bench/timed_backend_test.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <unordered_map>

#include "kernels/backend.h"

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
  routing,  // the router with its products, and moving tokens to their experts and back
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

class TimedBackend final : public WrappingBackend {
 public:
  // Products are recognised by their sizes: one side equal to the vocabulary is the head, one equal to the number of experts
  // the router; 0 = there is none.
  struct Sizes {
    int64_t vocabulary = 0, experts = 0;
  };
  TimedBackend(Backend& inner, Sizes sizes) : WrappingBackend(inner.name(), inner), sizes_(sizes) {}

  const Bookings& bookings() const { return bookings_; }
  void clear() { bookings_ = {}; }

#define MINKE_DECLARE_OP(op, Args) void op(const Context& ctx, const Args& args) override;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP

 private:
  template <class Args, class Op> void timed(const Context& ctx, const Args& args, Op op);
  Work work_of_product(const GemmArgs& args) const;

  Sizes sizes_;
  Bookings bookings_{};
  std::unordered_map<const void*, bool> form_is_forward_;  // by its address: of Wᵀ, or of W
};

}  // namespace minke
