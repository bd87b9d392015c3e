#include "sandbox/sandbox.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/error.h"
#include "sandbox/bubblewrap.h"
#include "sandbox/child.h"
#include "sandbox/pool.h"
#include "sandbox/running_job.h"
#include "sandbox/system_calls.h"

namespace minke {
namespace {

bool can_execute(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

// output: where the command's standard output goes; none: it is captured.
SandboxResult run_job(const SandboxOptions& options, const SandboxJob& job, Descriptor input, Descriptor output) {
  static const std::string filter_bytes = system_call_filter();
  Pipe out, errors = make_pipe(), mark = make_pipe(), go = make_pipe();
  if (!output.open()) out = make_pipe();
  ChildStart start;
  BubblewrapInputs inputs;
  std::vector<Descriptor> contents;
  const auto hand_on = [&](std::string_view bytes) {
    contents.push_back(memory_file(bytes));
    start.handed_on.push_back(contents.back().get());
    return contents.back().get();
  };
  if (!filter_bytes.empty()) inputs.filter = hand_on(filter_bytes);
  for (const SandboxFile& f : job.files) inputs.files.push_back(hand_on(f.text));
  start.command = bubblewrap_command(options.bubblewrap, job, inputs);
  start.input = input.get(), start.errors = errors.write.get(), start.mark = mark.write.get(), start.go = go.read.get();
  start.output = output.open() ? output.get() : out.write.get();
  if (geteuid() == 0) start.user = options.user, start.group = options.group;
  const auto begin = std::chrono::steady_clock::now();
  RunningJob running(start_child(start), job.limits, begin, std::move(out.read), std::move(errors.read),
                     std::move(mark.read), std::move(go));
  // The job alone must hold these ends, so that they close when it is over.
  input.close(), output.close(), out.write.close(), errors.write.close(), mark.write.close();
  contents.clear();
  SandboxResult result = running.wait();
  if (result.end == SandboxEnd::exited && !running.started()) {
    while (result.errors.ends_with('\n')) result.errors.pop_back();
    user_error("the sandbox could not start (exit code {}): {}", result.exit_code, printable(result.errors));
  }
  return result;
}

Descriptor input_of(const SandboxJob& job) { return job.input.empty() ? null_device() : memory_file(job.input); }

}  // namespace

std::string describe(const SandboxResult& r) {
  switch (r.end) {
    case SandboxEnd::wall_time: return "took too long";
    case SandboxEnd::cpu_time: return "used too much processor time";
    case SandboxEnd::memory: return "used too much memory";
    case SandboxEnd::disk: return "wrote too many files";
    case SandboxEnd::output: return "printed too much";
    case SandboxEnd::exited: break;
  }
  return r.exit_code > 128 ? fmt::format("ended by signal {}", r.exit_code - 128)
                           : fmt::format("exit code {}", r.exit_code);
}

std::string why_no_sandbox(const SandboxOptions& options) {
  if (!can_execute(options.bubblewrap))
    return fmt::format("{} is missing: install the Debian package bubblewrap (apt-get install bubblewrap)",
                       options.bubblewrap);
  if (!can_execute("/usr/bin/prlimit"))
    return "/usr/bin/prlimit is missing: install the Debian package util-linux (apt-get install util-linux)";
  if (access("/proc/thread-self/children", R_OK) != 0)
    return "/proc does not show the children of a process (kernel option CONFIG_PROC_CHILDREN), so that their memory "
           "cannot be limited";
  try {
    SandboxJob nothing{.command = {"/bin/sh", "-c", ":"}};
    nothing.limits.wall_seconds = 60;  // on a machine with much else to do
    const SandboxResult r = run_job(options, nothing, null_device(), Descriptor());
    if (r.succeeded()) return "";
    return fmt::format("a job that does nothing: {}; {}", describe(r), printable(r.errors));
  } catch (const UserError& e) {
    return fmt::format(
        "{}. If it is namespaces of users that are forbidden: as root, sysctl kernel.unprivileged_userns_clone=1 "
        "user.max_user_namespaces=10000 (or kernel.apparmor_restrict_unprivileged_userns=0); in a container, start it "
        "so that it "
        "may make them",
        e.what());
  }
}

Sandbox::Sandbox(const SandboxOptions& options) : options_(options) {
  if (const std::string why = why_no_sandbox(options); !why.empty())
    user_error("Code that nobody has read runs only in a sandbox, and there is none on this machine: {}", why);
}

SandboxResult Sandbox::run(const SandboxJob& job) const {
  check_job(job);
  return run_job(options_, job, input_of(job), Descriptor());
}

std::vector<SandboxResult> Sandbox::run_all(std::span<const SandboxJob> jobs, int workers) const {
  std::vector<SandboxResult> results(jobs.size());
  run_tasks(jobs.size(), workers, [&](size_t i) { results[i] = run(jobs[i]); });
  return results;
}

std::pair<SandboxResult, SandboxResult> Sandbox::run_linked(const SandboxJob& a, const SandboxJob& b) const {
  check_job(a), check_job(b);
  check(a.input.empty() && b.input.empty(), "a linked job has no other input");
  Pipe a_to_b = make_pipe(), b_to_a = make_pipe();
  std::pair<SandboxResult, SandboxResult> results;
  run_tasks(2, 2, [&](size_t i) {
    if (i == 0) results.first = run_job(options_, a, std::move(b_to_a.read), std::move(a_to_b.write));
    else results.second = run_job(options_, b, std::move(a_to_b.read), std::move(b_to_a.write));
  });
  return results;
}

}  // namespace minke
