// Known beginnings on disk: whole pages of the KV cache in files, so that a conversation goes on after a restart, or after it has left
// memory, without being computed again. A file holds one page; its name is a hash of all tokens up to the page's end and of everything
// else that its bits depend on. In it stand the page's tokens and a checksum: a file that is not what was written counts as absent and is
// deleted. The least recently used go where there are more bytes than may be. One process at a time uses a folder.
//
// Files are written by a thread of this object, which the caller never waits for: what it cannot take at once is not written. They are
// readable by their owner alone, since they hold what users wrote. Test: tests/infer/disk_cache_test.cpp.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/folder_lock.h"
#include "infer/page_key.h"

namespace minke {

class DiskCache {
 public:
  struct Settings {
    std::filesystem::path folder;           // made if it is not there
    uint64_t bytes = 0;                     // of all files, at most
    std::string computed_by;                // all that the bits of a page depend on but the tokens
    size_t queued_bytes = size_t(1) << 28;  // that may wait to be written
    std::function<void(const std::string& why)>
        on_failure;  // called once, by the thread that writes: a page cannot be written
  };
  // UserError if the folder cannot be made, read or written to, or another process uses it.
  explicit DiskCache(Settings settings);
  ~DiskCache();  // writes what waits
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  PageKey beginning() const { return beginning_; }  // before the first page
  bool has(PageKey key) const;
  // They will be read soon.
  void expect(std::span<const PageKey> keys) const;
  // Those of them that are there are used now, the first of a prompt last: without its beginning an end is of no use.
  void touch(std::span<const PageKey> keys);
  // Fills `bytes`; false if the page is not there as it was written for these tokens.
  bool read(PageKey key, std::span<const int32_t> tokens, std::span<std::byte> bytes);
  // Whether write() would take a page that it has not yet; where too many wait already, it counts as skipped.
  bool takes(PageKey key, size_t bytes);
  // `before`: the key of the page before it, or beginning(); it counts as used just before that one.
  void write(PageKey key, PageKey before, std::span<const int32_t> tokens, std::vector<std::byte> bytes);
  void wait_until_written();

  struct Counts {
    uint64_t pages = 0, bytes = 0;                                          // on disk now
    uint64_t read = 0, written = 0, skipped = 0, damaged = 0, dropped = 0;  // pages so far
  };
  Counts counts() const;

 private:
  struct File {
    uint64_t bytes = 0;
    int64_t used = 0;  // ns since 1970, the file's time; in the order of used_
    std::list<PageKey>::iterator place;
  };
  struct Waiting {
    PageKey key, before;
    std::vector<int32_t> tokens;
    std::vector<std::byte> bytes;
  };
  std::filesystem::path path_of(PageKey key) const;
  void find_files();
  // With the lock:
  void add(PageKey key, PageKey before, uint64_t bytes);
  void set_used(PageKey key, int64_t at);
  void forget(PageKey key);  // and delete it
  void write_what_waits();
  std::string write_file(const Waiting& page) const;  // why it could not; "" if it could

  Settings settings_;
  FolderLock lock_;
  PageKey beginning_;
  mutable std::mutex mutex_;
  std::condition_variable work_, written_;
  std::unordered_map<PageKey, File, PageKey::Hash> files_;
  std::list<PageKey> used_;  // the longest unused first
  std::deque<Waiting> queue_;
  std::unordered_set<PageKey, PageKey::Hash> being_written_;
  size_t queued_bytes_ = 0;
  Counts counts_;
  bool stopping_ = false, has_failed_ = false;
  std::thread thread_;
};

}  // namespace minke
