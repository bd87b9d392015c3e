#include "tokenize/transformers.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace minke {
namespace {

// The string under a key, or "". What is no JSON is reported by whoever needs the file.
std::string text_at(std::string_view json, const char* key) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) return "";
  const auto found = parsed.find(key);
  return found != parsed.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string transformers_note(const TokenizerFolder& folder) {
  const std::string model = text_at(folder.model_config, "model_type");
  std::string declared = text_at(folder.tokenizer_config, "tokenizer_class");
  if (declared.empty()) declared = text_at(folder.model_config, "tokenizer_class");
  if (declared.ends_with("Fast")) declared.resize(declared.size() - 4);
  const bool remote = folder.tokenizer_config.find("\"auto_map\"") != std::string_view::npos;
  // A model of qwen2 gets Qwen2Tokenizer whatever the file declares; others what is declared.
  const bool qwen2 = model == "qwen2" || declared == "Qwen2Tokenizer" || (model == "qwen3" && declared.empty());
  const bool gpt2 = !qwen2 && declared == "GPT2Tokenizer";
  if ((!qwen2 && !gpt2) || remote) return "";
  const std::string_view splitter = qwen2 ? "qwen2" : "gpt2", normalizer = qwen2 ? "NFC" : "";
  if (folder.pretokenizer == splitter && folder.normalizer == normalizer) return "";
  const std::string why = qwen2 && model == "qwen2" ? "model_type is \"qwen2\""
                          : declared.empty()        ? "model_type is \"qwen3\""
                                                    : fmt::format("tokenizer_class is \"{}\"", declared);
  return fmt::format(
      "note: transformers 5 gives other ids than {}, which minke follows: because {}, it splits text by the rule of "
      "\"{}\"{}, not by the one in the file ({}{})",
      folder.file, why, splitter, qwen2 ? " after NFC" : "", folder.pretokenizer,
      folder.normalizer.empty() ? "" : fmt::format(" after {}", folder.normalizer));
}

}  // namespace minke
