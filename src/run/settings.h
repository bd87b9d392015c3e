// The options of each layer for a recipe: pure functions, one per layer. Test: tests/run/phases_test.cpp.
#pragma once
#include <span>
#include <string_view>

#include "data/documents.h"
#include "data/packing.h"
#include "infer/engine.h"
#include "model/block.h"
#include "run/phases.h"
#include "tokenize/tokenizer.h"
#include "train/trainer.h"

namespace minke {

DocumentOptions document_options(const Recipe& recipe);
HeldOutOptions held_out_options(const Recipe& recipe);
// Of documents that end with a token of their own, without fill-in-the-middle.
PackingOptions packing_options(const Recipe& recipe, const Phase& phase);
// eos: the token that ends a document in the shards, −1 for none.
PackingOptions packing_options(const Recipe& recipe, const Phase& phase, const Tokenizer& tokenizer, int32_t eos);
Precision precision(FloatFormat format);
Precision precision(const Recipe& recipe);
Recompute recompute(const Recipe& recipe);
// Of the engine that writes samples while the model trains.
EngineSettings sample_settings(const Model& model);
TrainSettings train_settings(const Recipe& recipe, const Phase& phase);
// UserError if a key is set (to anything but its default) that `verb` does not read: one of these, or in one of these sections
// ("model.").
void refuse_unread_keys(const Recipe& recipe, std::string_view verb, std::span<const std::string_view> unread);

}  // namespace minke
