#include "run/chosen_template.h"

#include "core/error.h"
#include "core/files.h"

namespace minke {

std::string chosen_template(const std::string& key, const std::string& chosen, const std::filesystem::path& model) {
  if (chosen == "r1" || chosen == "v3") return own_chat_template(chosen == "r1");
  if (chosen != "model") {
    if (!chosen.ends_with(".jinja"))
      user_error("{} = \"{}\": it is \"model\", \"r1\", \"v3\" or a file that ends in .jinja", key, chosen);
    return read_file(chosen, size_t(1) << 20);
  }
  const std::optional<ChatTemplate> own = ChatTemplate::load(model);
  if (!own)
    user_error("{} has no chat template: choose one with --set {}=r1 (thoughts) or =v3 (none)", model.string(), key);
  for (const auto& [name, text] : own->sources())
    if (name == "default") return text;
  return own->sources().front().second;
}

ChatTemplate template_of(const std::string& jinja, const Tokenizer& tokenizer) {
  const auto text = [&](int32_t id) { return id < 0 ? std::string() : std::string(tokenizer.token_bytes(id)); };
  return ChatTemplate({{"default", jinja}}, kTemplateFile,
                      {{"bos_token", text(tokenizer.bos_id())}, {"eos_token", text(tokenizer.eos_id())}});
}

void save_template(const ChatTemplate& chat_template, const std::filesystem::path& folder) {
  write_file_atomic(folder / kTemplateFile, chat_template.sources().front().second);
}

}  // namespace minke
