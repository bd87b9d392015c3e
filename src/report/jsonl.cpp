#include "report/jsonl.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace minke {

JsonlLog::JsonlLog(const std::filesystem::path& path, int64_t keep_steps) {
  if (fs::exists(path)) {
    const std::string text = read_file(path);
    std::string kept;
    for (size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
      const Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
      if (line.is_object() && (!line.contains("step") || (line["step"].is_number() && line["step"] <= keep_steps)))
        kept.append(text, begin, end + 1 - begin);
    }
    write_file_atomic(path, kept);
  }
  file_ = std::fopen(path.c_str(), "a");
  if (!file_) user_error("cannot write {}: {}", path.string(), std::strerror(errno));
}

JsonlLog::~JsonlLog() { std::fclose(file_); }

void JsonlLog::write(const Json& object) {
  std::fputs((object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n").c_str(), file_);
  std::fflush(file_);
}

}  // namespace minke
