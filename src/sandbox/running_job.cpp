#include "sandbox/running_job.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "core/error.h"
#include "sandbox/bubblewrap.h"
#include "sandbox/process_tree.h"

namespace minke {
namespace {

constexpr int kLookEveryMs = 10;

bool is_over(int process_handle, int wait_ms) {
  pollfd p{process_handle, POLLIN, 0};
  return poll(&p, 1, wait_ms) > 0;
}

double seconds(const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; }

}  // namespace

RunningJob::RunningJob(Child bwrap, const SandboxLimits& limits, Clock::time_point begin, Descriptor output,
                       Descriptor errors, Descriptor mark, Pipe go)
    : bwrap_(std::move(bwrap)), limits_(limits), begin_(begin), go_(std::move(go)) {
  output_.from = std::move(output), errors_.from = std::move(errors), mark_.from = std::move(mark);
  for (const Stream* s : {&output_, &errors_, &mark_})
    if (s->from.open()) fcntl(s->from.get(), F_SETFL, O_NONBLOCK);
}

RunningJob::~RunningJob() {
  if (reaped_) return;
  kill_all();
  reap();
}

void RunningJob::read_from(Stream& stream, size_t limit) {
  char buffer[1 << 16];
  while (stream.from.open()) {
    const ssize_t n = read(stream.from.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return stream.from.close();
    const size_t room = limit - stream.text.size();
    stream.text.append(buffer, std::min(size_t(n), room));
    if (size_t(n) > room) {
      stream.too_long = true;
      return stream.from.close();
    }
  }
}

void RunningJob::let_go() {
  if (!started() || !go_.write.open()) return;
  // bwrap has one child. While the number is read that is no other process: it waits for what is written below.
  if (const std::vector<pid_t> tree = process_tree(bwrap_.process); tree.size() >= 2) {
    first_ = tree[1];
    first_handle_ = Descriptor(int(syscall(SYS_pidfd_open, first_, 0)));
  }
  if (!first_handle_.open()) return kill_all();
  while (write(go_.write.get(), "\n", 1) < 0 && errno == EINTR) {
  }
  go_.write.close(), go_.read.close();
}

void RunningJob::look_at_use() {
  if (first_ <= 0) return;
  const std::vector<pid_t> tree = process_tree(first_);
  const TreeUse use = use_of(tree);
  result_.cpu_seconds = std::max(result_.cpu_seconds, use.cpu_seconds);
  if (use.cpu_seconds > limits_.cpu_seconds) return end(SandboxEnd::cpu_time);
  if (use.resident_bytes > limits_.memory_bytes && proportional_bytes(tree) > limits_.memory_bytes)
    return end(SandboxEnd::memory);
  if (started() && files_in(first_, kSandboxDisk) > limits_.disk_files) return end(SandboxEnd::disk);
}

void RunningJob::end(SandboxEnd why) {
  if (ended_) return;
  ended_ = true;
  result_.end = why;
  kill_all();
}

void RunningJob::kill_all() {
  // When the first process of a namespace dies, the kernel ends all others before that one counts as over. bwrap then still
  // lives to wait for it, so that its time is counted.
  if (first_handle_.open() && syscall(SYS_pidfd_send_signal, first_handle_.get(), SIGKILL, nullptr, 0) == 0) return;
  kill(bwrap_.process, SIGSTOP);  // it is still setting up: a child that it makes now would wait for it forever
  std::vector<pid_t> tree = process_tree(bwrap_.process);
  for (auto process = tree.rbegin(); process != tree.rend(); ++process) kill(*process, SIGKILL);
  kill(bwrap_.process, SIGKILL);
}

void RunningJob::reap() {
  int status = 0;
  rusage use{};
  while (wait4(bwrap_.process, &status, 0, &use) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  result_.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  result_.cpu_seconds = std::max(result_.cpu_seconds, seconds(use.ru_utime) + seconds(use.ru_stime));
  if (first_handle_.open()) {  // somebody else may have killed bwrap alone
    syscall(SYS_pidfd_send_signal, first_handle_.get(), SIGKILL, nullptr, 0);
    while (!is_over(first_handle_.get(), -1)) {
    }
  }
}

SandboxResult RunningJob::wait() {
  const auto deadline =
      begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits_.wall_seconds));
  const size_t most = size_t(limits_.output_bytes);
  auto next_look = begin_ + std::chrono::milliseconds(kLookEveryMs);
  for (bool over = false; !over;) {
    // Closed ones are -1, which poll leaves out.
    pollfd waits[] = {{bwrap_.handle.get(), POLLIN, 0},
                      {output_.from.get(), POLLIN, 0},
                      {errors_.from.get(), POLLIN, 0},
                      {mark_.from.get(), POLLIN, 0}};
    const auto now = Clock::now();
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::min(next_look, deadline) - now).count() + 1;
    poll(waits, std::size(waits), ended_ ? -1 : int(std::clamp<int64_t>(left, 0, kLookEveryMs)));
    over = (waits[0].revents & POLLIN) != 0;  // before reading: what was written then is read below
    read_from(mark_, 1), let_go();
    read_from(output_, most), read_from(errors_, most);
    if (over || ended_) continue;
    if (output_.too_long || errors_.too_long) end(SandboxEnd::output);
    else if (Clock::now() >= deadline) end(SandboxEnd::wall_time);
    else if (Clock::now() >= next_look) {
      look_at_use();
      next_look = Clock::now() + std::chrono::milliseconds(kLookEveryMs);
    }
  }
  reap();
  read_from(output_, most), read_from(errors_, most), read_from(mark_, 1);
  if (!ended_ && (output_.too_long || errors_.too_long)) result_.end = SandboxEnd::output;
  if (result_.end == SandboxEnd::exited && result_.cpu_seconds > limits_.cpu_seconds)
    result_.end = SandboxEnd::cpu_time;
  if (result_.end != SandboxEnd::exited) result_.exit_code = 128 + SIGKILL;
  result_.wall_seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  result_.output = std::move(output_.text), result_.errors = std::move(errors_.text);
  return std::move(result_);
}

}  // namespace minke
