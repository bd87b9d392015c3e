#include "convert/convert.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "convert/random_weights.h"
#include "core/error.h"
#include "core/human_numbers.h"
#include "core/machine_memory.h"

namespace minke {
namespace {

void refuse_what_is_there(const fs::path& to) {
  if (fs::exists(fs::symlink_status(to)))
    user_error("{} exists already; give --out another name, or remove it first", to.string());
  fs::path parent = fs::absolute(to).parent_path();
  std::error_code error;
  if (!fs::is_directory(parent, error)) user_error("there is no folder {} for --out", parent.string());
}

// A file or folder under another name until it has been tested. It takes away nothing that somebody else has made, not even
// what has appeared at the target meanwhile.
class Draft {
 public:
  enum class Kind { file, folder };
  Draft(const fs::path& target, Kind kind) : target_(target), path_(target) {
    path_ += ".tmp." + std::to_string(::getpid());
    std::error_code error;
    if (kind == Kind::folder && !fs::create_directory(path_, error))
      user_error("cannot make the folder {}: {}", path_.string(), error ? error.message() : "it exists already");
    half_written_.emplace(path_);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  void commit() {
    refuse_what_is_there(target_);
    // Whoever came between is noticed where the file system can; it cannot replace a folder that holds files anyway.
    const bool done = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0;
    std::error_code error;
    if (!done && errno == EINVAL) fs::rename(path_, target_, error);
    else if (!done) error = {errno, std::generic_category()};
    if (error) user_error("cannot rename {} to {}: {}", path_.string(), target_.string(), error.message());
    path_.clear();
  }

 private:
  fs::path target_, path_;
  std::optional<HalfWritten> half_written_;
};

void check_space(const fs::path& to, size_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(fs::absolute(to).parent_path(), error);
  if (!error && double(bytes) > double(space.available))
    user_error("{} will have {} MB, but its disk has only {} MB free", to.string(), bytes / 1'000'000,
               space.available / 1'000'000);
}

// Counts what is made of a stage; its copies count together.
OnBytes counter(const ConvertSettings& settings, std::string_view stage, size_t all) {
  return [&settings, stage, all, done = std::make_shared<size_t>(0)](size_t bytes) {
    *done += bytes;
    if (settings.on_progress) settings.on_progress(stage, std::min(*done, all), all);
  };
}

// UserError that names the first field in which they differ, types of weights aside.
void check_same_config(Config from, Config to, const fs::path& path) {
  from.fp8_block = to.fp8_block = 0;
  if (from == to) return;
  const Json a = config_to_json(from), b = config_to_json(to);
  for (const auto& [key, value] : a.items())
    if (!b.contains(key) || b[key] != value)
      user_error("the self-test fails: {} has {} {} instead of {}: it cannot say what the model is", path.string(), key,
                 b.contains(key) ? b[key].dump() : "nothing", value.dump());
  user_error("the self-test fails: the configuration of {} is another one", path.string());
}

SelfTest tested(const Context& ctx, const ConvertSettings& settings, const ConvertSource& from, const fs::path& draft) {
  const ConvertSource to = open_source(draft);
  check_same_config(from.files.config, to.files.config, draft);
  size_t all = 0;
  for (const Parameter& p : from.tensors) all += size_t(p.size()) * sizeof(float);
  const OnBytes checked = counter(settings, "checking", all);
  SelfTest result = compare_weights(from, to, checked);
  compare_logits(ctx, from, to, double(free_memory()), result);
  checked(0);  // whoever has asked to stop meanwhile is heard
  return result;
}

void announce(const ConvertSettings& settings, const ConvertSource& source, const Target& target) {
  check_space(settings.to, target.bytes);
  if (!settings.on_note) return;
  for (const std::string& note : source.files.notes) settings.on_note(note);
  for (const std::string& note : target.notes) settings.on_note(note);
  settings.on_note(fmt::format("{} will be written", human_bytes(double(target.bytes))));
}

// test: of the draft, before it gets its name.
void write(const ConvertSettings& settings, const ConvertSource& source, const fs::path& to,
           const std::function<void(const fs::path&)>& test) {
  const auto write_to = [&](Draft::Kind kind, auto target) {
    announce(settings, source, target);
    Draft draft(to, kind);
    const OnBytes on_bytes = counter(settings, "writing", target.bytes);
    write_target(source, std::move(target), draft.path(), on_bytes);
    test(draft.path());
    draft.commit();
  };
  if (to.extension() == ".gguf") return write_to(Draft::Kind::file, plan_gguf(source, settings.type, settings.experts));
  if (settings.experts)
    user_error("--experts {}: a folder has one type; give --out a name that ends in .gguf", name_of(*settings.experts));
  write_to(Draft::Kind::folder, plan_folder(source, settings.type));
}

fs::path target_of(const ConvertSettings& settings) {
  const fs::path to = settings.to.has_filename() ? settings.to : settings.to.parent_path();  // "out/"
  refuse_what_is_there(to);
  return to;
}

}  // namespace

SelfTest convert(const Context& ctx, const ConvertSettings& settings) {
  const fs::path to = target_of(settings);
  const ConvertSource source = open_source(settings.from);
  SelfTest result;
  write(settings, source, to, [&](const fs::path& draft) { result = tested(ctx, settings, source, draft); });
  return result;
}

void write_random(const ConvertSettings& settings, uint64_t seed) {
  const fs::path to = target_of(settings);
  write(settings, random_source(settings.from, seed), to, [](const fs::path&) {});
}

}  // namespace minke
