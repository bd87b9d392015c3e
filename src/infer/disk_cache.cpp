#include "infer/disk_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

#include "core/error.h"

namespace minke {

namespace fs = std::filesystem;

namespace {

PageKey as_key(XXH128_hash_t h) { return {h.low64, h.high64}; }

struct Header {
  char magic[8] = {'m', 'i', 'n', 'k', 'e', 'k', 'v', '1'};
  PageKey key;
  uint64_t tokens = 0, bytes = 0;
  PageKey checksum;  // of all that stands before it and behind it
};

PageKey checksum_of(const Header& h, std::span<const int32_t> tokens, std::span<const std::byte> bytes) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  XXH3_128bits_update(state.get(), &h, offsetof(Header, checksum));
  XXH3_128bits_update(state.get(), tokens.data(), tokens.size_bytes());
  XXH3_128bits_update(state.get(), bytes.data(), bytes.size());
  return as_key(XXH3_128bits_digest(state.get()));
}

class OpenFile {
 public:
  OpenFile(const fs::path& path, int flags) : file_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~OpenFile() {
    if (file_ >= 0) ::close(file_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  explicit operator bool() const { return file_ >= 0; }
  int get() const { return file_; }
  bool read(void* to, size_t bytes) const {
    for (char* at = static_cast<char*>(to); bytes > 0;) {
      const ssize_t n = ::read(file_, at, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n, bytes -= size_t(n);
    }
    return true;
  }
  bool write(const void* from, size_t bytes) const {
    for (const char* at = static_cast<const char*>(from); bytes > 0;) {
      const ssize_t n = ::write(file_, at, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n, bytes -= size_t(n);
    }
    return true;
  }

 private:
  int file_;
};

constexpr std::string_view kEnding = ".kv";

constexpr int64_t kSecond = 1'000'000'000;  // ns
constexpr int64_t kBehind = 1000;           // by which a page counts as used before the one before it
int64_t now() {
  timespec t;
  ::clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

// Of what path_of() names.
bool parse_key(const std::string& name, PageKey& key) {
  if (name.size() != 32 + kEnding.size() || !name.ends_with(kEnding)) return false;
  const char* at = name.data();
  const auto high = std::from_chars(at, at + 16, key.high, 16), low = std::from_chars(at + 16, at + 32, key.low, 16);
  return high.ptr == at + 16 && low.ptr == at + 32;
}

fs::path made(const fs::path& folder) {
  std::error_code error;
  const bool is_new = fs::create_directories(folder, error);
  std::error_code none;
  if (!fs::is_directory(folder, none))
    user_error("--disk-cache {}: the folder cannot be made: {}", folder.string(),
               error ? error.message() : "there is something else of this name");
  if (is_new) fs::permissions(folder, fs::perms::owner_all, error);
  return folder;
}

}  // namespace

PageKey key_after(PageKey before, std::span<const int32_t> tokens) {
  std::vector<std::byte> all(sizeof before + tokens.size_bytes());
  std::memcpy(all.data(), &before, sizeof before);
  std::memcpy(all.data() + sizeof before, tokens.data(), tokens.size_bytes());
  return as_key(XXH3_128bits(all.data(), all.size()));
}

DiskCache::DiskCache(Settings settings)
    : settings_(std::move(settings)),
      lock_(made(settings_.folder), "--disk-cache"),
      beginning_(as_key(XXH3_128bits(settings_.computed_by.data(), settings_.computed_by.size()))) {
  find_files();
  const fs::path probe = settings_.folder / fmt::format("probe{}.tmp", kEnding);
  if (!OpenFile(probe, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW))
    user_error("--disk-cache {}: nothing can be written there: {}", settings_.folder.string(), std::strerror(errno));
  ::unlink(probe.c_str());
  thread_ = std::thread([this] { write_what_waits(); });
}

DiskCache::~DiskCache() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

fs::path DiskCache::path_of(PageKey key) const {
  return settings_.folder / fmt::format("{:016x}{:016x}{}", key.high, key.low, kEnding);
}

// What an earlier process left, the longest unused first.
void DiskCache::find_files() {
  struct Found {
    PageKey key;
    uint64_t bytes;
    int64_t used;
  };
  std::vector<Found> found;
  std::error_code error;
  for (fs::directory_iterator at(settings_.folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    struct stat about;
    if (::lstat(at->path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    PageKey key;
    if (parse_key(name, key))
      found.push_back({key, uint64_t(about.st_size), about.st_mtim.tv_sec * kSecond + about.st_mtim.tv_nsec});
    else if (name.ends_with(std::string(kEnding) + ".tmp")) ::unlink(at->path().c_str());  // of one that was killed
  }
  if (error) user_error("--disk-cache {}: the folder cannot be read: {}", settings_.folder.string(), error.message());
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.used < b.used; });
  for (const Found& f : found) {
    files_[f.key] = {f.bytes, f.used, used_.insert(used_.end(), f.key)};
    ++counts_.pages, counts_.bytes += f.bytes;
  }
  while (counts_.bytes > settings_.bytes) ++counts_.dropped, forget(used_.front());
}

void DiskCache::set_used(PageKey key, int64_t at) {
  files_.at(key).used = at;
  const timespec times[2] = {{0, UTIME_OMIT}, {time_t(at / kSecond), long(at % kSecond)}};
  ::utimensat(AT_FDCWD, path_of(key).c_str(), times, 0);  // for the order after a restart
}

void DiskCache::add(PageKey key, PageKey before, uint64_t bytes) {
  const auto parent = files_.find(before);
  const bool has_parent = parent != files_.end();
  files_[key] = {bytes, 0, used_.insert(has_parent ? parent->second.place : used_.end(), key)};
  set_used(key, has_parent ? parent->second.used - kBehind : now());
  ++counts_.pages, counts_.bytes += bytes;
}

void DiskCache::touch(std::span<const PageKey> keys) {
  const std::lock_guard lock(mutex_);
  const int64_t latest = now();
  for (size_t i = keys.size(); i-- > 0;) {
    const auto at = files_.find(keys[i]);
    if (at == files_.end()) continue;
    used_.splice(used_.end(), used_, at->second.place);
    set_used(keys[i], latest - int64_t(i) * kBehind);
  }
}

void DiskCache::forget(PageKey key) {
  const auto at = files_.find(key);
  if (at == files_.end()) return;
  --counts_.pages, counts_.bytes -= at->second.bytes;
  used_.erase(at->second.place);
  files_.erase(at);
  ::unlink(path_of(key).c_str());
}

bool DiskCache::has(PageKey key) const {
  const std::lock_guard lock(mutex_);
  return files_.contains(key);
}

DiskCache::Counts DiskCache::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void DiskCache::expect(std::span<const PageKey> keys) const {
  for (const PageKey& key : keys)
    if (const OpenFile file(path_of(key), O_RDONLY); file) ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_WILLNEED);
}

bool DiskCache::read(PageKey key, std::span<const int32_t> tokens, std::span<std::byte> bytes) {
  if (!has(key)) return false;
  const OpenFile file(path_of(key), O_RDONLY | O_NOFOLLOW);
  if (!file) {  // dropped a moment ago, or deleted by somebody; or too many files are open, which is not its fault
    const std::lock_guard lock(mutex_);
    if (errno == ENOENT) forget(key);
    return false;
  }
  Header h;
  std::vector<int32_t> stored(tokens.size());
  const bool same = file.read(&h, sizeof h) && std::memcmp(h.magic, Header{}.magic, sizeof h.magic) == 0 &&
                    h.key == key && h.tokens == tokens.size() && h.bytes == bytes.size() &&
                    file.read(stored.data(), tokens.size_bytes()) &&
                    std::equal(stored.begin(), stored.end(), tokens.begin()) && file.read(bytes.data(), bytes.size()) &&
                    checksum_of(h, tokens, bytes) == h.checksum;
  const std::lock_guard lock(mutex_);
  if (same) ++counts_.read;
  else ++counts_.damaged, forget(key);
  return same;
}

bool DiskCache::takes(PageKey key, size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (files_.contains(key) || being_written_.contains(key)) return false;
  const bool has_room = queued_bytes_ + bytes <= settings_.queued_bytes;
  counts_.skipped += !has_room;
  return has_room;
}

void DiskCache::write(PageKey key, PageKey before, std::span<const int32_t> tokens, std::vector<std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  check(!files_.contains(key) && !being_written_.contains(key), "DiskCache::write: takes() says so");
  queued_bytes_ += bytes.size();
  being_written_.insert(key);
  queue_.push_back({key, before, {tokens.begin(), tokens.end()}, std::move(bytes)});
  work_.notify_one();
}

void DiskCache::wait_until_written() {
  std::unique_lock lock(mutex_);
  written_.wait(lock, [&] { return being_written_.empty(); });
}

// Under another name first: a file of a page's name is whole, but for what a power cut leaves, which its checksum tells.
std::string DiskCache::write_file(const Waiting& page) const {
  const fs::path path = path_of(page.key);
  fs::path part = path;
  part += ".tmp";
  Header h;
  h.key = page.key, h.tokens = page.tokens.size(), h.bytes = page.bytes.size();
  h.checksum = checksum_of(h, page.tokens, page.bytes);
  std::error_code error;
  fs::create_directories(settings_.folder, error);  // somebody may have deleted it
  const bool written = [&] {
    const OpenFile file(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    return file && file.write(&h, sizeof h) && file.write(page.tokens.data(), page.tokens.size() * 4) &&
           file.write(page.bytes.data(), page.bytes.size());
  }();
  if (written && ::rename(part.c_str(), path.c_str()) == 0) return "";
  const std::string why = std::strerror(errno);
  ::unlink(part.c_str());
  return why;
}

void DiskCache::write_what_waits() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Waiting page = std::move(queue_.front());
    queue_.pop_front();
    const uint64_t size = sizeof(Header) + page.tokens.size() * 4 + page.bytes.size();
    std::string why = "it is larger than the cache may be";
    if (size <= settings_.bytes) {
      while (counts_.bytes + size > settings_.bytes) ++counts_.dropped, forget(used_.front());
      lock.unlock();
      why = write_file(page);
      lock.lock();
    }
    if (why.empty()) add(page.key, page.before, size);
    ++(why.empty() ? counts_.written : counts_.skipped);
    if (!why.empty() && !has_failed_ && settings_.on_failure) settings_.on_failure(why);
    has_failed_ = has_failed_ || !why.empty();
    queued_bytes_ -= page.bytes.size();
    being_written_.erase(page.key);
    if (being_written_.empty()) written_.notify_all();
  }
}

}  // namespace minke
