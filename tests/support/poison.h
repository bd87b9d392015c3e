// The poison backend: a host backend behind the manners of a GPU. Its memory cannot be touched by the host outside
// kernels (PROT_NONE). Its ops are only queued on their stream; they run when the host waits for that stream (synchronize,
// download), what its events ask for first, and other streams not at all. What a GPU would punish at random is named:
//   - an operand outside of memory that is live (a tensor used after its release)
//   - two streams at the same memory, one of them writing, and no event between
//   - a tensor released while something queued uses it (ends the process: release may not throw)
//   - a host argument of an upload that changed between the call and the wait (lifetimes: kernels/ops.h)
//   - a wait for an event that was never recorded
// Code that passes on it never dereferences a tensor, and waits where it must. Tested in tests/kernels/poison_test.cpp.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "core/memory.h"
#include "kernels/backend.h"

namespace minke::test {

// One reserved range of addresses, so that opening and closing is one mprotect however many tensors there are.
class PoisonMemory final : public Memory {
 public:
  PoisonMemory();
  ~PoisonMemory() override;
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) noexcept override;
  bool is_live(const std::byte* begin, const std::byte* end) const;
  std::function<void(const std::byte*, const std::byte*)> on_release;

  // Readable and writable while one lives; may be nested (an op that calls ops).
  class Open {
   public:
    explicit Open(PoisonMemory& memory) : memory_(memory) { memory_.change_depth(+1); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    ~Open() { memory_.change_depth(-1); }

   private:
    PoisonMemory& memory_;
  };

 private:
  void change_depth(int by);
  std::byte* base_ = nullptr;
  size_t used_ = 0;  // bytes of the range ever handed out since it was last empty
  int depth_ = 0;
  std::multimap<size_t, void*> free_;                  // released blocks by their size, for reuse
  std::map<const std::byte*, const std::byte*> live_;  // begin → end
};

class PoisonBackend final : public WrappingBackend {
 public:
  explicit PoisonBackend(Backend& inner);
  ~PoisonBackend() override;
  Memory& memory() override { return memory_; }
#define MINKE_DECLARE_OP(op, Args) void op(const Context& ctx, const Args& args) override;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP
  void record(const Context& ctx, Event& event) override;
  void wait(const Context& ctx, const Event& event) override;
  void synchronize(const Context& ctx) override;

 private:
  struct Range {
    const std::byte *begin, *end;
    bool written;
    std::string name;  // "y of add"
  };
  // Of every stream, how many of its ops are surely done before: by stream number.
  using Clock = std::map<int, uint64_t>;
  struct Queued {
    std::function<void()> run;  // empty: only waits
    int awaited_stream = 0;     // up to awaited_count of its ops first
    uint64_t awaited_count = 0;
    std::vector<Range> ranges;
  };
  struct StreamState {
    std::deque<Queued> queue;
    uint64_t given = 0, done = 0;
    Clock known;  // what everything given from now on comes after
  };
  struct Recorded {
    int stream;
    uint64_t count;
    Clock known;
  };
  struct Access {
    int stream;
    uint64_t number;
    Range range;
  };

  template <class Args, class Run> void queue(const Context& ctx, const Args& args, Run run);
  void check_ranges(int stream, const std::vector<Range>& ranges);
  void run_until(int stream, uint64_t count);
  void refuse_release(const std::byte* begin, const std::byte* end) const;
  static void join(Clock& into, const Clock& other);

  PoisonMemory memory_;
  std::map<int, StreamState> streams_;
  std::vector<Recorded> events_;
  Clock host_;  // what the host has waited for
  std::vector<Access> accesses_;
};

}  // namespace minke::test
