#include "tokenize/tokenizer_json.h"

#include <fmt/format.h>

namespace minke {

std::string tokenizer_json(const TokenizerParts& parts) {
  using Json = nlohmann::ordered_json;
  Json added = Json::array();
  for (const AddedToken& token : parts.added)
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  // Written by hand around the two long lists: an ordered_json object of 100,000 keys takes quadratic time.
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  out += fmt::format("  \"added_tokens\": {},\n  \"normalizer\": {},\n  \"pre_tokenizer\": {},\n", added.dump(),
                     parts.normalizer.dump(), parts.pretokenizer.dump());
  out += fmt::format("  \"post_processor\": null,\n  \"decoder\": {},\n", byte_level.dump());
  out += fmt::format(
      "  \"model\": {{\n    \"type\": \"BPE\", \"dropout\": null, \"unk_token\": null,\n"
      "    \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false,\n"
      "    \"byte_fallback\": false, \"ignore_merges\": {},\n    \"vocab\": {{",
      parts.ignore_merges);
  const auto quoted = [](std::string_view text) { return Json(text).dump(); };
  for (size_t i = 0; i < parts.vocabulary.size(); ++i)
    out += fmt::format("{}\n      {}: {}", i ? "," : "", quoted(parts.vocabulary[i].first), parts.vocabulary[i].second);
  out += "\n    },\n    \"merges\": [";
  for (size_t i = 0; i < parts.merges.size(); ++i)
    out +=
        fmt::format("{}\n      [{}, {}]", i ? "," : "", quoted(parts.merges[i].first), quoted(parts.merges[i].second));
  return out + "\n    ]\n  }\n}\n";
}

}  // namespace minke
