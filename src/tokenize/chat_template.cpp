#include "tokenize/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "tokenize/from_gguf.h"

namespace minke {
namespace {

using Sources = std::vector<std::pair<std::string, std::string>>;

// Those that transformers gives a template; a string, or an object with "content".
Json special_tokens_of(const Json& config, const std::string& where) {
  Json out = Json::object();
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) continue;
    const Json& token = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (!token.is_string()) user_error("{}: {}: must be a string or an object with \"content\"", where, key);
    out[key] = token;
  }
  return out;
}

// "chat_template": one, or a list of objects with "name" and "template".
Sources sources_in(const Json& config, const std::string& where) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return {};
  if (found->is_string()) return {{"default", found->get<std::string>()}};
  Sources out;
  const auto text = [&](const Json& one, const char* key) {
    if (!one.is_object() || !one.contains(key) || !one[key].is_string())
      user_error("{}: chat_template: must be a string, or a list of objects with the strings \"name\" and \"template\"",
                 where);
    return one[key].get<std::string>();
  };
  for (const Json& one : found->is_array() ? *found : Json::array({*found}))
    out.emplace_back(text(one, "name"), text(one, "template"));
  return out;
}

}  // namespace

std::optional<ChatTemplate> ChatTemplate::load(const fs::path& path) {
  constexpr size_t kMaxBytes = size_t(64) << 20;
  const bool gguf = is_gguf(path);
  const fs::path config_file = gguf ? path : path / "tokenizer_config.json";
  const fs::path own_file = gguf ? fs::path() : path / "chat_template.jinja";
  Json config = Json::object();
  if (gguf) config = Json::parse(tokenizer_config_json(read_tokenizer(Gguf::open(path).metadata()), path.string()));
  else if (fs::exists(config_file)) config = parse_json(read_file(config_file, kMaxBytes), config_file.string());
  if (!config.is_object()) user_error("{}: must be an object, is {}", config_file.string(), config.type_name());
  const bool own = !gguf && fs::exists(own_file);
  Sources sources =
      own ? Sources{{"default", read_file(own_file, kMaxBytes)}} : sources_in(config, config_file.string());
  if (sources.empty()) return {};
  return ChatTemplate(std::move(sources), (own ? own_file : config_file).string(),
                      special_tokens_of(config, config_file.string()));
}

ChatTemplate::ChatTemplate(Sources sources, std::string_view where, Json variables)
    : where_(where), sources_(std::move(sources)), special_tokens_(std::move(variables)) {}

std::string ChatTemplate::render(const ChatInputs& inputs) const {
  const auto find = [&](std::string_view name) {
    return std::find_if(sources_.begin(), sources_.end(), [&](const auto& source) { return source.first == name; });
  };
  auto at = sources_.end();
  if (inputs.name.empty() && inputs.variables.contains("tools")) at = find("tool_use");
  if (at == sources_.end()) at = find(inputs.name.empty() ? "default" : inputs.name);
  if (at == sources_.end()) {
    std::vector<std::string> names;
    for (const auto& source : sources_) names.push_back(printable(source.first));
    user_error("{}: there is no chat template \"{}\"; there are {}", where_,
               printable(inputs.name.empty() ? "default" : inputs.name), fmt::join(names, ", "));
  }
  Json variables = special_tokens_;
  for (const char* key : {"tools", "documents"}) variables[key] = nullptr;
  variables.update(inputs.variables);
  variables["add_generation_prompt"] = inputs.add_generation_prompt;
  if (!inputs.messages.is_array() || inputs.messages.empty())
    user_error("the conversation is empty; it needs at least one message");
  Json& messages = variables["messages"] = Json::array();
  for (const Json& message : inputs.messages) {
    if (!message.is_object())
      user_error("a message must be an object with \"role\" and \"content\", is {}", message.type_name());
    Json& kept = messages.emplace_back(Json::object());
    for (const auto& [key, value] : message.items())
      if (!value.is_null() || key == "content") kept[key] = value;  // DeepSeek's ask whether it is none
  }
  const std::string where = sources_.size() == 1 ? where_ : fmt::format("{}: {}", where_, printable(at->first));
  return JinjaTemplate(at->second, where).render(variables, inputs.now);
}

bool opens_thought(std::string_view prompt) {
  const size_t end = prompt.find_last_not_of(" \n");
  return end != prompt.npos && prompt.substr(0, end + 1).ends_with("<think>");
}

std::string own_chat_template(bool thinking) {
  std::string text = R"({%- set ns = namespace(system='') -%}
{%- for message in messages -%}
  {%- if message['role'] == 'system' -%}
    {%- set ns.system = ns.system + ('\n\n' if ns.system else '') + message['content'] -%}
  {%- elif message['role'] not in ['user', 'assistant'] -%}
    {{- raise_exception('The roles are system, user and assistant, not ' ~ message['role']) -}}
  {%- endif -%}
{%- endfor -%}
{{- bos_token ~ ns.system -}}
{%- for message in messages -%}
  {%- if message['role'] == 'user' -%}
    {{- '<｜User｜>' + message['content'] -}}
  {%- elif message['role'] == 'assistant' -%}
    {%- set content = message['content'] if loop.last else message['content'].split('</think>')[-1] -%}
    {{- '<｜Assistant｜>' + content + eos_token -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<｜Assistant｜>@' -}}
{%- endif -%}
)";
  return text.replace(text.find('@'), 1, thinking ? "<think>\\n" : "");
}

}  // namespace minke
