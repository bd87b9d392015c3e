#include "chat/conversation.h"

#include <fmt/format.h>

#include "core/error.h"

namespace minke {
namespace {

constexpr size_t kMaxBytes = size_t(256) << 20;

[[noreturn]] void wrong(const fs::path& path, std::string_view what) {
  user_error("{}: {}; a conversation is one line, {{\"messages\": [{{\"role\": \"user\", \"content\": \"…\"}}, …]}}",
             path.string(), what);
}

}  // namespace

bool Conversation::has_system() const { return !messages_.empty() && messages_.front()["role"] == "system"; }

std::string_view Conversation::system() const {
  return has_system() ? std::string_view(messages_.front()["content"].get_ref<const std::string&>()) : "";
}

void Conversation::set_system(std::string_view text) {
  if (has_system()) messages_.erase(messages_.begin());
  if (!text.empty()) messages_.insert(messages_.begin(), Json{{"role", "system"}, {"content", text}});
}

void Conversation::add(std::string_view role, std::string_view content) {
  messages_.push_back(Json{{"role", role}, {"content", content}});
}

bool Conversation::trim() {
  const size_t first = has_system() ? 1 : 0;
  size_t next = first + 1;
  while (next < messages_.size() && messages_[next]["role"] != "user") ++next;
  if (next >= messages_.size()) return false;
  messages_.erase(messages_.begin() + ptrdiff_t(first), messages_.begin() + ptrdiff_t(next));
  return true;
}

void Conversation::clear() {
  const std::string text(system());
  messages_ = Json::array();
  set_system(text);
}

void Conversation::save(const fs::path& path) const {
  std::error_code error;
  if (fs::exists(path, error)) {
    if (!fs::is_regular_file(path, error)) user_error("{} is no file: name another one", path.string());
    if (fs::file_size(path, error) > 0) try {
        load(path);
      } catch (const UserError&) {
        user_error("{} holds something else than a conversation and is not overwritten: name another file",
                   path.string());
      }
  }
  write_file_atomic(path, Json{{"messages", messages_}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Conversation Conversation::load(const fs::path& path) {
  std::string text = read_file(path, kMaxBytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.find('\n') != text.npos && !text.starts_with('[') && text.find("}\n{") != text.npos)
    wrong(path, "holds several lines");
  const Json json = parse_json(text, path.string());
  const Json* messages = json.is_object() && json.contains("messages") ? &json["messages"] : &json;
  if (!messages->is_array()) wrong(path, "has no list \"messages\"");
  Conversation result;
  for (const Json& m : *messages) {
    const auto is_text = [&](const char* key) { return m.is_object() && m.contains(key) && m[key].is_string(); };
    if (!is_text("role") || !is_text("content"))
      wrong(path, fmt::format("message {} has no text \"role\" or no text \"content\"", result.messages_.size() + 1));
    const std::string& role = m["role"].get_ref<const std::string&>();
    if (role != "system" && role != "user" && role != "assistant")
      wrong(path, fmt::format("message {} has the role \"{}\" (known here: system, user, assistant)",
                              result.messages_.size() + 1, printable(role)));
    result.messages_.push_back(m);
  }
  if (!result.messages_.empty() && result.messages_.back()["role"] == "user")
    wrong(path, "ends with a question that has no answer");
  return result;
}

}  // namespace minke
