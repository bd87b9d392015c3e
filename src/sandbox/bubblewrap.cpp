#include "sandbox/bubblewrap.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/human_numbers.h"

namespace minke {
namespace {

constexpr size_t kMostFiles = 64;          // each takes a descriptor
constexpr size_t kMostArgument = 100'000;  // the kernel takes 128 KiB
constexpr size_t kMostArguments = 1'000;

void check_name(const std::string& name) {
  const auto bad = [&](const char* why) { user_error("sandbox: file name \"{}\" {}", printable(name), why); };
  if (name.empty() || name.size() > 200) bad("has no or more than 200 bytes");
  if (name.find('\0') != name.npos) bad("holds a NUL");
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") bad("is not relative to the working folder");
    at = end + 1;
  }
}

// No more than this process may use itself: limits can only be lowered.
std::string limited(int resource, const char* name, int64_t value) {
  rlimit mine{};
  if (getrlimit(__rlimit_resource_t(resource), &mine) == 0 && mine.rlim_max != RLIM_INFINITY)
    value = std::min(value, int64_t(std::min<rlim_t>(mine.rlim_max, INT64_MAX)));
  return fmt::format("--{}={}:{}", name, value, value);
}

}  // namespace

void check_job(const SandboxJob& job) {
  if (job.command.empty()) user_error("sandbox: a job without a command");
  if (job.files.size() > kMostFiles) user_error("sandbox: {} files in a job; at most {}", job.files.size(), kMostFiles);
  if (job.command.size() > kMostArguments)
    user_error("sandbox: a command of {} words; at most {}", job.command.size(), kMostArguments);
  for (const std::string& word : job.command) {
    if (word.find('\0') != word.npos) user_error("sandbox: the command holds a NUL: \"{}\"", printable(word));
    if (word.size() > kMostArgument)
      user_error("sandbox: a word of the command has {} bytes; at most {}. Longer text goes into a file or the input",
                 word.size(), kMostArgument);
  }
  int64_t bytes = 0;
  for (const SandboxFile& f : job.files) {
    check_name(f.name);
    bytes += int64_t(f.text.size());
    if (std::count_if(job.files.begin(), job.files.end(), [&](const SandboxFile& g) { return g.name == f.name; }) > 1)
      user_error("sandbox: two files named \"{}\"", printable(f.name));
  }
  if (bytes > job.limits.disk_bytes)
    user_error("sandbox: files of {} for a disk of {}", human_bytes(double(bytes)),
               human_bytes(double(job.limits.disk_bytes)));
  const SandboxLimits& l = job.limits;
  if (!(l.cpu_seconds > 0 && l.cpu_seconds < 1e6 && l.wall_seconds > 0 && l.wall_seconds < 1e6))
    user_error("sandbox: time limits of {} s and {} s", l.cpu_seconds, l.wall_seconds);
  if (l.memory_bytes < 1 << 20 || l.processes < 1 || l.processes > 1000 || l.open_files < 8 || l.disk_bytes < 4096 ||
      l.disk_files < 1 || l.output_bytes < 0)
    user_error(
        "sandbox: limits that no program can run in: memory {}, {} processes, {} open files, disk {}, {} files, output "
        "{}",
        l.memory_bytes, l.processes, l.open_files, l.disk_bytes, l.disk_files, l.output_bytes);
}

std::vector<std::string> bubblewrap_command(const std::string& bubblewrap, const SandboxJob& job,
                                            const BubblewrapInputs& inputs) {
  const SandboxLimits& l = job.limits;
  std::vector<std::string> words{bubblewrap};
  const auto add = [&](auto... more) { (words.emplace_back(more), ...); };
  // --die-with-parent binds the sandbox to the thread that started it. Asking the kernel for the same before bwrap does would be wrong:
  // bwrap killed in its first milliseconds leaves a child that waits for it forever.
  add("--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session");
  add("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL");
  if (inputs.filter >= 0) add("--seccomp", std::to_string(inputs.filter));

  // What programs see. There is no /proc and no /sys: nothing that runs here needs them, and containers often forbid mounting them.
  add("--ro-bind", "/usr", "/usr");
  for (const char* folder : {"/bin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(folder, error);
    if (!error) add("--symlink", target.string(), folder);
    else add("--ro-bind-try", folder, folder);
  }
  add("--ro-bind-try", "/etc/alternatives", "/etc/alternatives");
  add("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache");
  add("--dir", "/dev");
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/urandom"}) add("--dev-bind", device, device);
  add("--symlink", kSandboxDisk, "/dev/shm");  // what programs share counts as disk
  add("--perms", "0700", "--size", std::to_string(l.disk_bytes), "--tmpfs", kSandboxDisk);
  add("--dir", kSandboxFolder);
  for (size_t i = 0; i < job.files.size(); ++i) {
    add("--perms", job.files[i].executable ? "0755" : "0644");
    add("--file", std::to_string(inputs.files[i]), fmt::format("{}/{}", kSandboxFolder, job.files[i].name));
  }
  add("--remount-ro", "/", "--chdir", kSandboxFolder);

  // The same answers every time. Without a locale: looking for its files takes prlimit longer than its work, and Python takes UTF-8
  // anyway.
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"PATH", "/usr/bin:/bin"},
           {"HOME", kSandboxDisk},
           {"TMPDIR", kSandboxDisk},
           {"TZ", "UTC"},
           {"PYTHONHASHSEED", "0"},
           {"PYTHONDONTWRITEBYTECODE", "1"},
           {"OMP_NUM_THREADS", "1"},
           {"MALLOC_ARENA_MAX", "2"}})  // each reserves 64 MiB of addresses for a thread
    add("--setenv", name, value);

  // Limits on what a process uses are set inside: the number of processes is then counted in the namespace of this sandbox alone.
  // The first process, a shell, is the one that cannot be killed from inside; when it ends, the kernel ends all others.
  add("--", "/bin/sh", "-c", "printf s >&3; read -r go <&4 || exit 1; exec 3>&- 4<&-; \"$@\"; exit $?", "sh",
      "/usr/bin/prlimit");
  const int64_t seconds = int64_t(std::ceil(l.cpu_seconds));
  words.push_back(limited(RLIMIT_CPU, "cpu", seconds + 1));
  words.push_back(limited(RLIMIT_AS, "as", l.memory_bytes));
  words.push_back(limited(RLIMIT_NPROC, "nproc", l.processes + 1));
  words.push_back(limited(RLIMIT_NOFILE, "nofile", l.open_files));
  words.push_back(limited(RLIMIT_FSIZE, "fsize", l.disk_bytes));
  words.push_back(limited(RLIMIT_STACK, "stack", 8 << 20));
  for (const char* other : {"--core=0:0", "--memlock=0:0", "--msgqueue=0:0", "--sigpending=256:256"}) add(other);
  words.push_back("--");
  words.insert(words.end(), job.command.begin(), job.command.end());
  return words;
}

}  // namespace minke
