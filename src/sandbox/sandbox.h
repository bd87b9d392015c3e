// Runs programs that nobody has read, such as the code that a model writes: each job in namespaces of its own, without a network,
// over a read-only system, within limits, and with all of its processes ended when it is over. bubblewrap makes the namespaces;
// what is and what is not isolated stands in README.md. Tests: tests/sandbox/sandbox_test.cpp, tests/sandbox/hostile_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace minke {

struct SandboxLimits {
  double cpu_seconds = 5;  // of all processes together
  double wall_seconds = 10;
  int64_t memory_bytes = int64_t(512) << 20;  // of all processes together, and the address space of each
  int processes = 16;                         // threads count, too
  int open_files = 64;                        // of a process
  int64_t disk_bytes = int64_t(64) << 20;     // the only folder that can be written to; files in it cost memory, too
  int64_t disk_files = 4096;
  int64_t output_bytes = int64_t(64) << 10;  // of standard output, and of standard error
};

struct SandboxFile {
  std::string name;  // relative to the working folder: "main.py", "data/words.txt"
  std::string text;  // any bytes
  bool executable = false;
};

struct SandboxJob {
  std::vector<SandboxFile> files;
  std::vector<std::string> command;  // command[0] is a path in the sandbox, or the name of a file in /usr/bin
  std::string input;                 // standard input, up to its end
  SandboxLimits limits;
};

// Why a job is over. All but `exited` mean that minke ended it.
enum class SandboxEnd { exited, wall_time, cpu_time, memory, disk, output };

struct SandboxResult {
  SandboxEnd end = SandboxEnd::exited;
  int exit_code = 0;           // as in a shell: 128 + n if signal n ended the command; 128 + SIGKILL unless it `exited`
  std::string output, errors;  // cut at limits.output_bytes each
  double cpu_seconds = 0;      // of all processes together; those whose parent did not wait for them may be missing
  double wall_seconds = 0;     // with the start of the sandbox, a few milliseconds
  bool succeeded() const { return end == SandboxEnd::exited && exit_code == 0; }
};

// "exit code 1", "ended by signal 11", "out of memory" …; for reasons and messages.
std::string describe(const SandboxResult& result);

struct SandboxOptions {
  std::string bubblewrap = "/usr/bin/bwrap";
  int user = 65533, group = 65533;  // who runs the jobs if minke was started by root: nobody, and not `nobody` either
};

// "" if jobs can run on this machine, or why not and what to do.
std::string why_no_sandbox(const SandboxOptions& options = {});

// May be used by many threads at once.
class Sandbox {
 public:
  // Runs a first job that does nothing; UserError with why_no_sandbox() if that fails.
  explicit Sandbox(const SandboxOptions& options = {});
  // UserError if the job is no job (file names that leave the folder, more bytes than its disk holds, a NUL in the command), or
  // if the sandbox cannot start. What the command does is never an error.
  SandboxResult run(const SandboxJob& job) const;
  // Up to `workers` at a time; results in the order of the jobs.
  std::vector<SandboxResult> run_all(std::span<const SandboxJob> jobs, int workers) const;
  // Both at once, in a sandbox each; the output of one is the input of the other. Neither sees more of the other than that.
  // `input` must be empty, and `output` is.
  std::pair<SandboxResult, SandboxResult> run_linked(const SandboxJob& a, const SandboxJob& b) const;

 private:
  SandboxOptions options_;
};

}  // namespace minke
