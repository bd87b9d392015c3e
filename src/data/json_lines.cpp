#include "data/json_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <istream>
#include <nlohmann/json.hpp>
#include <streambuf>

#include "core/error.h"

namespace minke {

bool LineReader::next(std::string& line) {
  line.clear();
  ++number_;
  for (;;) {
    if (at_ == end_) {
      at_ = 0;
      end_ = source_->read(buffer_.data(), buffer_.size());
      if (end_ == 0) return !line.empty();
    }
    const char* begin = buffer_.data() + at_;
    const char* newline = static_cast<const char*>(std::memchr(begin, '\n', end_ - at_));
    const size_t n = newline ? size_t(newline - begin) : end_ - at_;
    if (line.size() + n > max_bytes_) user_error("{}: longer than {} bytes. Split it", where(), max_bytes_);
    line.append(begin, n);
    at_ += n + (newline ? 1 : 0);
    if (newline) return true;
  }
}

std::string LineReader::where() const { return fmt::format("{}, line {}", path_.string(), number_); }

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\v\f") == std::string_view::npos; }

void read_json_lines(const fs::path& path, const JsonLinesOptions& options,
                     const std::function<void(const Json& line, const std::string& where)>& each) {
  LineReader lines(path, options.max_line_bytes, options.consumed);
  std::string line;
  while (lines.next(line)) {
    if (is_blank(line)) continue;
    const std::string where = lines.where();
    const Json value = parse_json(line, where);
    if (!value.is_object()) user_error("{}: a JSON object is needed here, this is {}", where, value.type_name());
    each(value, where);
  }
}

std::string text_of(const Json& line, const std::vector<std::string>& keys, std::string_view where) {
  std::string text;
  for (const std::string& key : keys) {
    const auto found = line.find(key);
    if (found == line.end()) {
      std::string there;
      for (const auto& item : line.items())
        if (there.size() < 200) there += (there.empty() ? "" : ", ") + printable(item.key());
      user_error(
          "{}: no key \"{}\"; the keys are: {}. Name the right ones with --text-key (in a recipe: data.text_keys)",
          where, key, there);
    }
    if (!found->is_string()) user_error("{}: \"{}\" must be a string, it is {}", where, key, found->type_name());
    if (&key != &keys.front()) text += '\n';
    text += found->get_ref<const std::string&>();
  }
  return text;
}

bool is_json_lines_ending(std::string_view ending) {
  return ending == ".jsonl" || ending == ".ndjson" || ending == ".jsonlines";
}

namespace {

// Of a file that is not blank, if it comes early enough for one that begins with JSON; 0: there is none.
char first_character(const fs::path& path) {
  constexpr size_t kLooked = 1 << 16;
  const auto source = open_bytes(path);
  std::string begin(kLooked, '\0');
  size_t size = 0;
  while (size < kLooked) {
    const size_t n = source->read(begin.data() + size, kLooked - size);
    if (n == 0) break;
    size += n;
  }
  const std::string_view looked = std::string_view(begin).substr(0, size);
  const size_t first = looked.find_first_not_of(" \t\r\n\v\f");
  return first == looked.npos ? '\0' : looked[first];
}

// The first kMaxDocumentBytes of a file, for a parser.
class Characters : public std::streambuf {
 public:
  explicit Characters(const fs::path& path) : source_(open_bytes(path)), buffer_(1 << 16) {}

 protected:
  int_type underflow() override {
    const size_t n = source_->read(buffer_.data(), std::min(buffer_.size(), left_));
    left_ -= n;
    setg(buffer_.data(), buffer_.data(), buffer_.data() + n);
    return n == 0 ? traits_type::eof() : traits_type::to_int_type(buffer_[0]);
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  size_t left_ = kMaxDocumentBytes;
};

// Counts what a list holds, and stops at what no list of documents holds.
class ListReader : public nlohmann::json_sax<Json> {
 public:
  static constexpr int kEnough = 8;
  int count = 0;

  bool null() override { return is_inside(); }
  bool boolean(bool) override { return is_inside(); }
  bool number_integer(number_integer_t) override { return is_inside(); }
  bool number_unsigned(number_unsigned_t) override { return is_inside(); }
  bool number_float(number_float_t, const string_t&) override { return is_inside(); }
  bool string(string_t&) override { return depth_ > 0 && element(); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t&) override { return true; }
  bool start_object(size_t) override { return depth_++ > 0; }
  bool end_object() override { return --depth_, element(); }
  bool start_array(size_t) override { return depth_++ != 1; }
  bool end_array() override { return --depth_, true; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  bool is_inside() const { return depth_ > 1; }
  bool element() { return depth_ > 1 || ++count < kEnough; }
  int depth_ = 0;
};

}  // namespace

bool holds_json_lines(const fs::path& path, const std::vector<std::string>& keys, int lines) {
  if (first_character(path) != '{') return false;
  try {
    LineReader reader(path, kMaxDocumentBytes);
    std::string line;
    while (lines > 0 && reader.next(line)) {
      if (is_blank(line)) continue;
      const Json value = parse_json(line, "");
      const auto is_text = [&](const std::string& key) {
        const auto found = value.find(key);
        return found != value.end() && found->is_string();
      };
      if (!value.is_object() || !std::all_of(keys.begin(), keys.end(), is_text)) return false;
      --lines;
    }
    return true;
  } catch (const UserError&) {
    return false;
  }
}

bool holds_json_list(const fs::path& path) {
  if (first_character(path) != '[') return false;
  Characters characters(path);
  std::istream stream(&characters);
  ListReader list;
  const bool whole = Json::sax_parse(stream, &list);
  return list.count == ListReader::kEnough || (whole && list.count > 0);
}

}  // namespace minke
