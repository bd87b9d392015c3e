// TensorBoard event files: records of (length u64, masked CRC-32C of it, Event protobuf, masked CRC-32C of it), little
// endian, flushed one by one. The messages are written by hand; the numbers of their fields are those of tensorflow's
// event.proto, summary.proto and tensor.proto. Test: tests/report/event_file_test.cpp (a reader of its own).
#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace minke {

// Castagnoli's CRC, and the form that stands in the files: rotated right by 15, plus 0xa282ead8.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);

class EventFile {
 public:
  // Makes folder/events.out.tfevents.<unix time>.<host>.minke and never changes an existing one: a resumed run adds a file,
  // whose later name is read after the earlier ones. first_step > 0 is written as a restart: TensorBoard then discards
  // earlier events from that step on. UserError if the file cannot be made or written.
  EventFile(const std::filesystem::path& folder, int64_t first_step);
  // One event with all scalars of a step, stored as float32 as in all event files.
  void scalars(int64_t step, std::span<const std::pair<std::string, double>> values);
  // Always shown as preformatted text.
  void text(int64_t step, std::string_view tag, std::string_view text);

 private:
  void event(int64_t step, std::string_view what);
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, std::fclose};
};

}  // namespace minke
