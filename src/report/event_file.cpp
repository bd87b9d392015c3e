#include "report/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "core/error.h"
#include "report/text.h"

namespace minke {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The name of the machine as part of a file name.
std::string host_name() {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0 || !name[0]) return "localhost";
  std::string host = name;
  for (char& c : host)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '-';
  return host;
}

// A protobuf message under construction. wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
struct Message {
  std::string bytes;

  static std::string varint(uint64_t v) {
    std::string out;
    for (; v >= 0x80; v >>= 7) out += char(v | 0x80);
    return out += char(v);
  }
  template <class T> static std::string raw(T value) {
    std::string out(sizeof value, '\0');
    std::memcpy(out.data(), &value, sizeof value);
    return out;
  }
  Message& number(int field, int64_t v) { return add(field, 0, varint(uint64_t(v))); }
  Message& real64(int field, double v) { return add(field, 1, raw(v)); }
  Message& real32(int field, float v) { return add(field, 5, raw(v)); }
  Message& part(int field, std::string_view v) { return add(field, 2, varint(v.size()).append(v)); }

 private:
  Message& add(int field, int wire, const std::string& content) {
    bytes += varint(uint64_t(field) << 3 | uint64_t(wire));
    bytes += content;
    return *this;
  }
};

// Fields of Event.
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;

std::string field_of_event(int field, std::string_view content) { return Message().part(field, content).bytes; }

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0);
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (unsigned char b : bytes) crc = (crc >> 8) ^ table[(crc ^ b) & 0xff];
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

EventFile::EventFile(const std::filesystem::path& folder, int64_t first_step) {
  const std::string host = host_name();
  // Two starts within one second: the name of the next second keeps the order.
  for (int64_t time = int64_t(unix_time()); !file_; ++time) {
    path_ = folder / fmt::format("events.out.tfevents.{:010}.{}.minke", time, host);
    file_.reset(std::fopen(path_.c_str(), "wbx"));
    if (!file_ && errno != EEXIST) user_error("cannot write {}: {}", path_.string(), std::strerror(errno));
  }
  event(0, field_of_event(kFileVersion, "brain.Event:2"));
  if (first_step > 0) event(first_step, field_of_event(kSessionLog, Message().number(1, 1).bytes));  // status START
}

void EventFile::event(int64_t step, std::string_view what) {
  Message m;
  m.real64(kWallTime, unix_time()).number(kStep, step);
  m.bytes += what;
  const std::string length = Message::raw(uint64_t(m.bytes.size()));
  const std::string record =
      length + Message::raw(masked_crc32c(length)) + m.bytes + Message::raw(masked_crc32c(m.bytes));
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size() || std::fflush(file_.get()) != 0)
    user_error("cannot write {}: {}", path_.string(), std::strerror(errno));
}

void EventFile::scalars(int64_t step, std::span<const std::pair<std::string, double>> values) {
  Message summary;
  for (const auto& [tag, value] : values)
    summary.part(1, Message().part(1, tag).real32(2, float(value)).bytes);  // Value: tag, simple_value
  if (!values.empty()) event(step, field_of_event(kSummary, summary.bytes));
}

void EventFile::text(int64_t step, std::string_view tag, std::string_view text) {
  // TensorBoard renders markdown; lines indented by four are code, in which nothing means anything.
  std::string code = "    ";
  for (char c : valid_utf8(text)) c == '\n' ? code += "\n    " : code += c;
  constexpr int kString = 7;  // DataType DT_STRING
  Message tensor, metadata, value;
  tensor.number(1, kString).part(2, Message().part(2, Message().number(1, 1).bytes).bytes).part(8, code);  // shape [1]
  metadata.part(1, Message().part(1, "text").bytes).number(4, 2);  // plugin_data.plugin_name, DATA_CLASS_TENSOR
  value.part(1, tag).part(8, tensor.bytes).part(9, metadata.bytes);
  event(step, field_of_event(kSummary, Message().part(1, value.bytes).bytes));
}

}  // namespace minke
