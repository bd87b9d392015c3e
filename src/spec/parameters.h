// The one table of a model's parameters: name in published checkpoints, symbol in the papers, shape, initialisation,
// weight decay, and place in minke's fused storage. Loading, saving, initialising, the optimizer and `minke inspect` all
// use it. Source: docs/recipe/architecture.md §2.1, §3.1, §4, §6. Test: tests/spec/parameters_test.cpp.
//
// Storage names: the published name without "model.", "self_attn.", "mlp." and ".weight" (layers.3.q_a_proj,
// layers.3.gate, layers.3.gate.e_score_correction_bias, layers.3.q_proj.bias, embed_tokens, norm, lm_head,
// layers.61.shared_head.norm), except that
//   gate_proj and up_proj become one  [2F,D]  "layers.N.gate_up", "layers.N.shared_experts.gate_up": gate rows, then up
//   rows; down_proj becomes                 [D,F]   "layers.N.down",    "layers.N.shared_experts.down"; routed experts
//   are stacked:    [E,2Fe,D]  "layers.N.experts.gate_up" and [E,D,Fe] "layers.N.experts.down".
// So every published tensor is one contiguous run of its storage.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "spec/config.h"

namespace minke {

enum class Init : uint8_t { normal, ones, zeros };  // normal: mean 0, standard deviation Config::initializer_range
enum class Part : uint8_t {
  embedding,
  head,
  norm,       // the two of a block, the final one, MTP's enorm, hnorm, shared_head.norm
  attention,  // with its inner norms and biases
  dense_ffn,
  router,  // with its bias
  routed_expert,
  shared_expert,
  mtp_projection,
};
const char* name_of(Part part);  // in words, for tables

struct Parameter {
  std::string name;    // model.layers.3.mlp.experts.5.gate_proj.weight
  std::string symbol;  // as in the papers: W_DQ, W_UK;W_UV, e_i …
  std::vector<int64_t> shape;
  std::string fields;  // of config.json that make the shape, for messages: "[vocab_size, hidden_size]"
  Init init = Init::normal;
  bool weight_decay = false;  // matrices yes; norms and biases no
  bool trainable = true;      // by gradient: not e_score_correction_bias
  std::string storage;        // name of the Storage it is a part of
  int64_t group = -1;         // expert index in a 3-D storage, else -1
  int64_t row_begin = 0;      // first row in the storage (or in the storage's group)
  // MTP's copies of embedding and head (`storage` names the original): written on save, ignored on load.
  bool optional_duplicate = false;
  Part part = Part::norm;
  int64_t layer = -1;  // num_hidden_layers + k in MTP module k; -1 outside the blocks
  bool mtp = false;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
};

struct Storage {
  std::string name;
  std::vector<int64_t> shape;  // [n], [rows, columns] or [experts, rows, columns]
  Init init = Init::normal;
  bool weight_decay = false, trainable = true;
  Part part = Part::norm;
  int64_t layer = -1;
  bool mtp = false;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
};

// Both in forward order: embedding, blocks, final norm, head, MTP modules. The config must be valid.
std::vector<Parameter> parameters(const Config& config);
std::vector<Storage> storages(const Config& config);
// Index of a parameter's first element inside its storage.
int64_t element_offset(const Parameter& parameter, const Storage& storage);

}  // namespace minke
