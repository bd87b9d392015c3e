#include "core/vanished_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace minke {
namespace {

// Nothing in these tables is allocated or moves. What does not fit is not known to the handler.
constexpr uintptr_t kFree = 0, kBeingWritten = 1;
struct Mapped {
  std::atomic<uintptr_t> begin{kFree}, end{0};
  char path[256] = {};
};
std::array<Mapped, 512> all_mapped;

struct Written {
  std::atomic<uintptr_t> state{kFree};
  char path[PATH_MAX] = {};
};
std::array<Written, 32> all_written;
constexpr uintptr_t kWritten = 2;

// Takes a free entry of a table; -1: there is none.
template <class Table, class State> int take(Table& table, State Table::value_type::*state) {
  for (size_t i = 0; i < table.size(); ++i) {
    uintptr_t expected = kFree;
    if ((table[i].*state).compare_exchange_strong(expected, kBeingWritten)) return int(i);
  }
  return -1;
}

// From here on only calls that a signal handler may make.
void remove_written(const char* path) {
  if (::unlink(path) == 0 || errno != EISDIR) return;
  const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return;
  alignas(dirent64) char entries[4096];
  for (ssize_t n; (n = ::getdents64(folder, entries, sizeof entries)) > 0;)
    for (ssize_t at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      ::unlinkat(folder, entry->d_name, 0);
      at += entry->d_reclen;
    }
  ::close(folder);
  ::rmdir(path);
}

extern "C" void on_bus_error(int, siginfo_t* info, void*) {
  const uintptr_t at = uintptr_t(info->si_addr);
  for (const Mapped& m : all_mapped) {
    const uintptr_t begin = m.begin;
    if (begin <= kBeingWritten || at < begin || at >= m.end) continue;
    for (const Written& w : all_written)
      if (w.state == kWritten) remove_written(w.path);
    const auto say = [](const char* text) { return ::write(STDERR_FILENO, text, std::strlen(text)) >= 0; };
    if (say("minke: ") && say(m.path))
      say(" can no longer be read: it was cut short or its disk is gone; everything saved before is intact\n");
    ::_exit(2);
  }
  std::signal(SIGBUS, SIG_DFL);  // none of ours: it ends as it would have
}

}  // namespace

void end_on_vanished_files() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

void remember_map(const void* data, size_t size, const std::string& path) {
  const int slot = take(all_mapped, &Mapped::begin);
  if (slot < 0) return;
  Mapped& m = all_mapped[size_t(slot)];
  path.copy(m.path, sizeof m.path - 1);
  m.path[std::min(path.size(), sizeof m.path - 1)] = '\0';
  m.end = uintptr_t(data) + size;
  m.begin = uintptr_t(data);
}

void forget_map(const void* data) {
  for (Mapped& m : all_mapped)
    if (m.begin == uintptr_t(data)) {
      m.begin = kFree;
      return;
    }
}

HalfWritten::HalfWritten(const std::filesystem::path& path) : slot_(-1) {
  const std::string& name = path.native();
  if (name.size() >= sizeof Written::path) return;
  slot_ = take(all_written, &Written::state);
  if (slot_ < 0) return;
  Written& w = all_written[size_t(slot_)];
  std::memcpy(w.path, name.c_str(), name.size() + 1);
  w.state = kWritten;
}

HalfWritten::~HalfWritten() {
  if (slot_ >= 0) all_written[size_t(slot_)].state = kFree;
}

}  // namespace minke
