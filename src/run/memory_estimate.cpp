#include "run/memory_estimate.h"

#include "kernels/backend.h"
#include "run/settings.h"

namespace minke {
namespace {

// Of a [out,in] or [E,out,in] matrix as the right-hand side [in,out] of its products.
double form_bytes(const Storage& s, const Precision& p, const Backend& backend) {
  const size_t rank = s.shape.size();
  const DType compute = s.part == Part::router ? p.high : p.compute;
  return double(rank == 3 ? s.shape[0] : 1) *
         double(backend.packed_bytes(s.shape[rank - 1], s.shape[rank - 2], compute));
}

}  // namespace

WeightBytes weight_bytes(const Config& config, const Recipe& r, const Backend* backend) {
  WeightBytes b;
  for (const Storage& s : storages(config)) {
    const double n = double(s.size());
    const bool only_looked_up = s.part == Part::embedding && !config.tie_word_embeddings;
    b.masters += 4 * n;
    if (s.trainable) b.gradients += 4 * n, b.moments += (r.train.moments == "bf16" ? 4 : 8) * n;
    if (backend && s.shape.size() >= 2 && !only_looked_up) b.forms += form_bytes(s, precision(r), *backend);
    if (r.train.ema_decay > 0) b.average += 4 * n;
  }
  return b;
}

}  // namespace minke
