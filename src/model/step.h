// Inference: tokens of many sequences that go through the model together in one step, and the pool of cache pages that they
// share. The engine (infer/engine.h) plans steps; the layers only follow them.
//
// A token has a role. Those of a prompt attend in the form of training: their sequence's cached keys are gathered from
// the pages, for MLA expanded (naive form), and visited in tiles. Those of an answer attend to the pages as they lie, for
// MLA in the absorbed form. Which form computes a token depends on its role alone, never on what else is in the step, and
// no sum depends on other rows (kernels/ops.h): so a sequence has the same bits in any batch and with any cut of its
// prompt into steps. With one role for all tokens (EngineSettings::form) an answer also has the bits of a prompt. Several
// tokens of an answer in one step have the bits of one step each: so drafts can be checked (infer/speculation.h).
#pragma once
#include <vector>

#include "core/operand.h"

namespace minke {

// The pool of one layer: a slot holds the key and value of one token. MLA stores the normalised latent and the rotated
// shared key, kv_lora_rank + qk_rope_head_dim values (V2 §2.1.4; docs/recipe/architecture.md §2.4), GQA keys and values.
struct LayerCache {
  Operand latent;  // MLA: [slots, kv_lora_rank + qk_rope_head_dim], or u8 [slots, bytes]: FP8 (core/latent_row.h)
  Operand k, v;    // GQA: [slots, Hkv, dh]
};

// Rows: first the tokens of prompts, then those of answers; those of one sequence are next to each other, in order.
struct Step {
  int64_t num_tokens = 0, num_prompt_tokens = 0;
  Operand tokens, positions, slots;  // i32 [N]; the slot is where the token's key goes
  // Prompts, on the host: tokens and keys of sequence i. Its keys lie in the slots key_slots[key_offsets[i] …).
  std::vector<int64_t> query_offsets, key_offsets;
  Operand key_slots;  // i32 [keys]
  // Answers, as CachedAttentionArgs has them.
  Operand row_offsets, length, block_table;
  int64_t page = 0, max_length = 0;

  Operand sampled;       // i32 [S]: rows whose logits are wanted
  Operand previous_row;  // MTP only: i32 [N], the row of the same position one depth up
  Operand experts;       // i32 [MoE layers, N, K], optional: filled with the experts chosen
};

}  // namespace minke
