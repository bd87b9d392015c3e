#include "report/text_width.h"

namespace minke {
namespace {

// Where the character at `at` ends.
size_t character_end(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
  return at;
}

// Of the size of the font: the widest advance among the characters of each kind.
double advance(std::string_view character) {
  const char c = character[0];
  if (character.size() > 1 || std::string_view("MWmw@%+=<>~^&#_").find(c) != std::string_view::npos) return 1;
  if (std::string_view(" .,:;!|'ijlftrI/\\()[]-").find(c) != std::string_view::npos) return 0.46;
  return c >= 'A' && c <= 'Z' ? 0.79 : 0.64;
}

}  // namespace

double text_width(std::string_view text, double size) {
  double sum = 0;
  for (size_t at = 0, end; at < text.size(); at = end) {
    end = character_end(text, at);
    sum += advance(text.substr(at, end - at));
  }
  return sum * size;
}

std::vector<std::string> text_lines(std::string_view text, double width, double size) {
  std::vector<std::string> lines;
  size_t begin = 0, space = 0;  // of this line; its last space, or `begin`
  double sum = 0;
  for (size_t at = 0, end; at < text.size(); at = end) {
    end = character_end(text, at);
    const double more = text_width(text.substr(at, end - at), size);
    if (text[at] == ' ') {
      space = at;
    } else if (sum + more > width && at > begin) {
      const bool at_space = space > begin;
      lines.emplace_back(text.substr(begin, (at_space ? space : at) - begin));
      begin = space = at_space ? space + 1 : at;
      sum = text_width(text.substr(begin, at - begin), size);
    }
    sum += more;
  }
  lines.emplace_back(text.substr(begin));
  return lines;
}

}  // namespace minke
