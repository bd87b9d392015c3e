// The messages of a conversation, as chat templates take them, and the file that holds them: one line of JSON,
// {"messages": [{"role": "user", "content": "…"}, …]}, as training on conversations reads it. An answer's content has the
// thought, with its tags: whether it stays in later prompts is the template's choice. Test: tests/chat/conversation_test.cpp.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/files.h"
#include "core/json.h"

namespace minke {

class Conversation {
 public:
  const Json& messages() const { return messages_; }
  bool empty() const { return messages_.empty(); }
  std::string_view system() const;  // "" if there is none

  void set_system(std::string_view text);  // "" takes it away
  void add(std::string_view role, std::string_view content);
  // The oldest question with its answer, not the system's message; false if there is no older one than the last question.
  bool trim();
  void clear();  // all but the system's message

  // UserError unless the file is new or one that save() may have written.
  void save(const fs::path& path) const;
  static Conversation load(const fs::path& path);

 private:
  bool has_system() const;
  Json messages_ = Json::array();
};

}  // namespace minke
