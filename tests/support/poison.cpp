#include "support/poison.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "core/row_blocks.h"

namespace minke::test {
namespace {

constexpr size_t kRange = size_t(16) << 30;  // addresses, not memory
constexpr size_t kPage = 4096;

size_t pages(size_t bytes) { return (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage; }

const std::byte* begin_of(const Operand& o) { return static_cast<const std::byte*>(o.data); }
// Bytes from the first element to behind the last.
size_t extent(const Operand& o, const Backend& backend) {
  if (o.size() == 0) return 0;
  if (o.packing == Packing::panels)
    return size_t(o.rank == 3 ? o.shape[0] : 1) *
           backend.packed_bytes(o.shape[size_t(o.rank) - 2], o.shape[size_t(o.rank) - 1], o.dtype);
  if (o.packing == Packing::blocks) return size_t(o.rank == 3 ? o.shape[0] : 1) * size_t(o.parts) * sizeof(RowBlocks);
  int64_t last = 0;
  for (int d = 0; d < o.rank; ++d) last += (o.shape[size_t(d)] - 1) * o.stride[size_t(d)];
  return size_t(last + 1) * size_of(o.dtype);
}

size_t hash_of(const void* data, size_t bytes) {
  return std::hash<std::string_view>()({static_cast<const char*>(data), bytes});
}

// The arguments of a queued op with the host arrays that are copied at the call (kernels/ops.h).
template <class Args> struct Kept {
  Args args;
  explicit Kept(const Args& a) : args(a) {}
};
struct Sequences {
  std::vector<int64_t> offsets;
  Sequences(const int64_t* from, int64_t n) : offsets(from, from ? from + n + 1 : from) {}
};
template <class Args> struct KeptSequences {
  Sequences sequences;
  Args args;
  explicit KeptSequences(const Args& a) : sequences(a.sequence_offsets, a.num_sequences), args(a) {
    args.sequence_offsets = sequences.offsets.data();
  }
};
template <> struct Kept<AttentionArgs> : KeptSequences<AttentionArgs> {
  Sequences keys;
  explicit Kept(const AttentionArgs& a) : KeptSequences(a), keys(a.key_offsets, a.num_sequences) {
    if (a.key_offsets) args.key_offsets = keys.offsets.data();
  }
};
template <> struct Kept<BalanceArgs> : KeptSequences<BalanceArgs> { using KeptSequences::KeptSequences; };
template <> struct Kept<AttentionBackwardArgs> {
  Sequences sequences;
  AttentionBackwardArgs args;
  explicit Kept(const AttentionBackwardArgs& a)
      : sequences(a.forward.sequence_offsets, a.forward.num_sequences), args(a) {
    args.forward.sequence_offsets = sequences.offsets.data();
  }
};
template <> struct Kept<DropTokensArgs> : KeptSequences<DropTokensArgs> {
  std::vector<uint8_t> is_protected;
  explicit Kept(const DropTokensArgs& a)
      : KeptSequences(a),
        is_protected(a.is_protected, a.is_protected ? a.is_protected + a.num_sequences : a.is_protected) {
    args.is_protected = is_protected.data();
  }
};
template <class Args, class Tensor> struct KeptTensors {
  std::vector<Tensor> tensors;
  Args args;
  explicit KeptTensors(const Args& a) : tensors(a.tensors, a.tensors + a.num_tensors), args(a) {
    args.tensors = tensors.data();
  }
};
template <> struct Kept<AdamWArgs> : KeptTensors<AdamWArgs, AdamTensor> { using KeptTensors::KeptTensors; };
template <> struct Kept<SumSquaresArgs> : KeptTensors<SumSquaresArgs, Operand> { using KeptTensors::KeptTensors; };

}  // namespace

// ---- memory ---------------------------------------------------------------------------------------------------------

PoisonMemory::PoisonMemory() {
  void* range = ::mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(range != MAP_FAILED, "poison backend: no address range");
  base_ = static_cast<std::byte*>(range);
}

PoisonMemory::~PoisonMemory() { ::munmap(base_, kRange); }

void* PoisonMemory::allocate(size_t bytes) {
  const size_t size = pages(bytes);
  std::byte* data = nullptr;
  if (const auto block = free_.find(size); block != free_.end()) {
    data = static_cast<std::byte*>(block->second);
    free_.erase(block);
  } else {
    check(size <= kRange - used_, "poison backend: address range is full");
    data = base_ + used_;
    used_ += size;
    if (depth_ > 0) check(::mprotect(data, size, PROT_READ | PROT_WRITE) == 0, "poison backend: mprotect");
  }
  live_.emplace(data, data + std::max<size_t>(bytes, 1));
  return data;
}

void PoisonMemory::release(void* data, size_t bytes) noexcept {
  const auto* begin = static_cast<const std::byte*>(data);
  if (on_release) on_release(begin, begin + bytes);
  ::madvise(data, pages(bytes), MADV_DONTNEED);  // the next owner finds zeros
  free_.emplace(pages(bytes), data);
  live_.erase(begin);
  if (live_.empty() && depth_ == 0) free_.clear(), used_ = 0;
}

bool PoisonMemory::is_live(const std::byte* begin, const std::byte* end) const {
  auto block = live_.upper_bound(begin);
  return block != live_.begin() && end <= (--block)->second;
}

void PoisonMemory::change_depth(int by) {
  const bool was_open = depth_ > 0;
  depth_ += by;
  if (was_open == (depth_ > 0) || used_ == 0) return;
  check(::mprotect(base_, used_, depth_ > 0 ? PROT_READ | PROT_WRITE : PROT_NONE) == 0, "poison backend: mprotect");
}

// ---- queues ---------------------------------------------------------------------------------------------------------

PoisonBackend::PoisonBackend(Backend& inner) : WrappingBackend("poison over " + inner.name(), inner) {
  memory_.on_release = [this](const std::byte* begin, const std::byte* end) { refuse_release(begin, end); };
}

PoisonBackend::~PoisonBackend() { memory_.on_release = nullptr; }

void PoisonBackend::join(Clock& into, const Clock& other) {
  for (const auto& [stream, count] : other) into[stream] = std::max(into[stream], count);
}

void PoisonBackend::check_ranges(int stream, const std::vector<Range>& ranges) {
  const Clock& known = streams_[stream].known;
  for (const Range& r : ranges) {
    if (!memory_.is_live(r.begin, r.end))
      throw BugError("poison backend: " + r.name + " is not in memory that is live: released too early?");
    if (streams_.size() == 1) continue;
    for (const Access& a :
         accesses_) {  // strided operands count as the whole range from their first byte to their last
      if (a.stream == stream || !(a.range.written || r.written)) continue;
      if (r.end <= a.range.begin || a.range.end <= r.begin) continue;
      const auto at = known.find(a.stream);
      if (at == known.end() || at->second < a.number)
        throw BugError(
            fmt::format("poison backend: {} on stream {} and {} on stream {} are at the same memory, and no "
                        "event comes between: a wait is missing",
                        r.name, stream, a.range.name, a.stream));
    }
  }
}

template <class Args, class Run> void PoisonBackend::queue(const Context& ctx, const Args& args, Run run) {
  const int id = ctx.stream.id;
  StreamState& stream = streams_[id];
  join(stream.known, host_);
  Queued item;
  for_each_operand(args, [&](const Operand& o, const OperandRule& rule) {
    const size_t bytes = extent(o, *this);
    if (bytes == 0) return;
    item.ranges.push_back({begin_of(o), begin_of(o) + bytes, rule.access != minke::Access::reads,
                           fmt::format("{} of {}", rule.name, name_of_op(args))});
  });
  check_ranges(id, item.ranges);
  ++stream.given;
  stream.known[id] = stream.given;
  for (const Range& r : item.ranges) accesses_.push_back({id, stream.given, r});
  Context inner = ctx;
  inner.backend = &inner_;
  size_t host_hash = 0;
  if constexpr (std::is_same_v<Args, UploadArgs>) host_hash = hash_of(args.host, args.device.bytes());
  item.run = [this, inner, run, host_hash, kept = std::make_shared<Kept<Args>>(args)]() mutable {
    static_cast<void>(host_hash);  // of uploads only
    if constexpr (std::is_same_v<Args, UploadArgs>)
      if (hash_of(kept->args.host, kept->args.device.bytes()) != host_hash)
        throw BugError("poison backend: the host memory of an upload changed before anybody waited for it");
    // The caller's arena has moved on. Of exactly the size that the inner backend says the op takes.
    Arena scratch(host_memory(), inner_.scratch_of(kept->args, inner.threads->count()));
    inner.scratch = &scratch;
    const PoisonMemory::Open open(memory_);
    run(inner, kept->args);
  };
  stream.queue.push_back(std::move(item));
}

void PoisonBackend::run_until(int id, uint64_t count) {
  StreamState& stream = streams_[id];
  while (stream.done < count) {
    Queued item = std::move(stream.queue.front());
    stream.queue.pop_front();
    ++stream.done;
    if (item.awaited_count > 0) run_until(item.awaited_stream, item.awaited_count);
    if (item.run) item.run();
  }
}

void PoisonBackend::refuse_release(const std::byte* begin, const std::byte* end) const {
  for (const auto& [id, stream] : streams_)
    for (const Queued& item : stream.queue)
      for (const Range& r : item.ranges)
        if (r.begin < end && begin < r.end) {
          std::fprintf(stderr, "poison backend: memory is released while %s waits on stream %d: wait for it first\n",
                       r.name.c_str(), id);
          std::abort();
        }
}

void PoisonBackend::record(const Context& ctx, Event& event) {
  const StreamState& stream = streams_[ctx.stream.id];
  events_.push_back({ctx.stream.id, stream.given, stream.known});
  event.ticket = events_.size();
}

void PoisonBackend::wait(const Context& ctx, const Event& event) {
  check(0 < event.ticket && event.ticket <= events_.size(),
        "poison backend: a wait for an event that was never recorded");
  const Recorded& recorded = events_[event.ticket - 1];
  StreamState& stream = streams_[ctx.stream.id];
  join(stream.known, recorded.known);
  ++stream.given;
  stream.queue.push_back({.run = {}, .awaited_stream = recorded.stream, .awaited_count = recorded.count, .ranges = {}});
}

void PoisonBackend::synchronize(const Context& ctx) {
  StreamState& stream = streams_[ctx.stream.id];
  run_until(ctx.stream.id, stream.given);
  join(host_, stream.known);
  host_[ctx.stream.id] = stream.given;
  std::erase_if(accesses_, [&](const Access& a) { return a.number <= host_[a.stream]; });
}

#define MINKE_QUEUE_OP(op, Args)                                                                    \
  void PoisonBackend::op(const Context& ctx, const Args& args) {                                    \
    queue(ctx, args, [this](const Context& inner, const Args& given) { inner_.op(inner, given); }); \
    if constexpr (std::is_same_v<Args, DownloadArgs>) synchronize(ctx);                             \
  }
MINKE_OPS(MINKE_QUEUE_OP)
#undef MINKE_QUEUE_OP

}  // namespace minke::test
