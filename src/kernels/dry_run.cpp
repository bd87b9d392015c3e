#include "kernels/dry_run.h"

#include <cstring>

namespace minke {
namespace {

template <class Args> [[noreturn]] void refuse(const Backend& backend, const Args& args, const std::string& what) {
  user_error(
      "the backend {} cannot compute {} with {}: choose another train.precision or --dtype, or another MINKE_BACKEND",
      backend.name(), name_of_op(args), what);
}

std::string text_of(const Operand& o) {
  std::string shape;
  for (int d = 0; d < o.rank; ++d) shape += fmt::format("{}{}", d ? "," : "", o.shape[size_t(d)]);
  return fmt::format("{} [{}]", name_of(o.dtype), shape);
}

}  // namespace

void* CountingMemory::allocate(size_t bytes) {
  void* data = reinterpret_cast<void*>(next_);
  next_ += (bytes + kAlignment) / kAlignment * kAlignment;
  bytes_ += host_footprint(bytes);
  most_bytes_ = std::max(most_bytes_, bytes_);
  return data;
}

void CountingMemory::release(void*, size_t bytes) noexcept { bytes_ -= host_footprint(bytes); }

DryRun::DryRun(const Context& real) : WrappingBackend(real.backend->name(), *real.backend), ctx_(real) {
  ctx_.backend = this;
  ctx_.scratch = &scratch_;
}

template <class Args> void DryRun::plan(const Context& ctx, const Args& args) {
  if (const auto compute = compute_of(args); compute && !inner_.computes_in(op_of(args), *compute))
    refuse(inner_, args, fmt::format("products in {}", name_of(*compute)));
  for_each_operand(args, [&](const Operand& o, const OperandRule& rule) {
    if (!inner_.supports(op_of(args), rule, o)) refuse(inner_, args, fmt::format("{} as {}", rule.name, text_of(o)));
  });
  if constexpr (std::is_same_v<Args, DownloadArgs>) std::memset(args.host, 0, args.device.bytes());
  const ArenaScope scope(*ctx.scratch);
  ctx.scratch->take_bytes(inner_.scratch_of(args, ctx.threads->count()));
}

#define MINKE_PLAN_OP(op, Args) \
  void DryRun::op(const Context& ctx, const Args& args) { plan(ctx, args); }
MINKE_OPS(MINKE_PLAN_OP)
#undef MINKE_PLAN_OP

}  // namespace minke
