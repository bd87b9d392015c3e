#include "model/weight_bytes.h"

#include "blocks/blocks.h"

namespace minke {
namespace {

double bytes_of(const Weight& w) {
  if (!w.in_blocks()) return double(w.master().bytes());  // though packed in several forms, a token reads one
  double bits = 0, scales = 0;
  for_each_format(w, [&](const char*, double each, int64_t elements) { bits += each * double(elements); });
  for (size_t i = 0; i < w.parts().size(); ++i)
    if (const Operand s = w.scales_of(i)) scales += double(s.bytes());
  return bits / 8 + scales;
}

}  // namespace

void for_each_format(const Weight& w, const std::function<void(const char* name, double bits, int64_t elements)>& f) {
  const int64_t columns = w.storage().shape.back();
  if (!w.in_blocks()) return f(name_of(w.compute()), 8.0 * double(size_of(w.compute())), w.storage().size());
  const std::vector<RowBlocks>& parts = w.parts();
  const int64_t rows = w.storage().shape[w.storage().shape.size() - 2];
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t next = i + 1 < parts.size() && parts[i + 1].first_row > 0 ? parts[i + 1].first_row : rows;
    f(info_of(parts[i].format).name, 8 * double(parts[i].row_bytes) / double(columns),
      (next - parts[i].first_row) * columns);
  }
}

WeightBytes weight_bytes(const Model& model) {
  WeightBytes bytes;
  const Config& config = model.config();
  const double experts = double(config.n_routed_experts);
  int64_t moe_layer = -1;
  for (const Weight& w : model.weights().all()) {  // layer by layer
    const Storage& s = w.storage();
    const double all = bytes_of(w);
    bytes.sum += all;
    if (s.part == Part::head || (s.part == Part::embedding && config.tie_word_embeddings)) bytes.head = all;
    if (s.mtp) {
      if (s.layer > config.num_hidden_layers) continue;
      if (s.part == Part::routed_expert) bytes.mtp_expert += all / experts;
      else bytes.mtp += all;
    } else if (s.part == Part::routed_expert) {
      if (moe_layer != s.layer) bytes.one_expert.push_back(0);
      moe_layer = s.layer;
      bytes.one_expert.back() += all / experts;
    } else if (s.part == Part::embedding && !config.tie_word_embeddings) {
      bytes.token += all / double(s.shape[0]);
    } else {
      bytes.all_tokens += all;
    }
  }
  return bytes;
}

}  // namespace minke
