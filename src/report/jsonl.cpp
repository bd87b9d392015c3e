#include "report/jsonl.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace minke {

JsonlLog::JsonlLog(const std::filesystem::path& path, const std::function<bool(const Json&)>& keep) : path_(path) {
  if (fs::exists(path)) {
    const std::string text = read_file(path);
    std::string kept;
    for (size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
      const Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
      if (line.is_object() && keep(line)) kept.append(text, begin, end + 1 - begin);
    }
    write_file_atomic(path, kept);
  }
  file_ = std::fopen(path.c_str(), "a");
  if (!file_) user_error("cannot write {}: {}", path.string(), std::strerror(errno));
}

JsonlLog::~JsonlLog() { std::fclose(file_); }

void JsonlLog::write(const Json& object) {
  const std::string line = object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0)
    user_error("cannot write {}: {}", path_.string(), std::strerror(errno));
  struct stat now {};
  if (::fstat(::fileno(file_), &now) == 0 && now.st_nlink == 0)
    user_error("{} was deleted while it was being written", path_.string());
}

}  // namespace minke
