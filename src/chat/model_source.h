// What -m names, opened: nothing of the weights is in memory yet. Test: tests/chat/model_source_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "infer/sampler.h"
#include "model/checkpoint.h"
#include "tokenize/chat_template.h"
#include "tokenize/tokenizer.h"

namespace minke {

// generation_config.json of the published layout: how its makers sample from a model. Absent keys are absent here.
struct GenerationDefaults {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  std::vector<int32_t> stop_tokens;  // eos_token_id
};
// UserError for a value that has the wrong type.
GenerationDefaults generation_defaults(std::string_view json, std::string_view where);

// The tokenizer of a model. UserError if it has ids that the model does not have: they do not belong together.
Tokenizer open_tokenizer(const fs::path& model, const Config& config);
// What both have to say to people.
std::vector<std::string> notes_of(const CheckpointFiles& files, const Tokenizer& tokenizer);

struct ModelSource {
  fs::path path;
  CheckpointFiles files;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  GenerationDefaults defaults;
  std::vector<std::string> notes;    // lines for people: notes_of()
  std::vector<int32_t> stop_tokens;  // that end an answer: of the configuration, the defaults and the tokenizer
};

// Of a Hugging Face folder or a GGUF file. MTP modules beyond so many are left out: plain generation needs none.
ModelSource open_model(const fs::path& model, int64_t mtp_modules = 0);

}  // namespace minke
