#include "corpus/source_text.h"

#include <charconv>

#include "core/error.h"

namespace minke {

bool is_named(std::string_view source, std::string_view name) {
  if (!source.starts_with(name)) return false;
  const std::string_view rest = source.substr(name.size());
  return rest.empty() || rest[0] == ':' || rest[0] == '*';
}

SourceText split_source(std::string_view source, std::string_view name, int64_t usual, int64_t most,
                        std::string_view where, std::string_view advice) {
  check(is_named(source, name), "split_source: a source of this name");
  SourceText text{source.substr(name.size()), usual};
  const size_t star = text.chosen.find('*');
  if (star == text.chosen.npos) return text;
  const std::string_view count = text.chosen.substr(star + 1);
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), text.count);
  if (error != std::errc() || end != count.data() + count.size() || text.count < 1 || text.count > most)
    user_error("{}: \"{}\" is no number from 1 to {}. {}", where, printable(count), most, advice);
  text.chosen = text.chosen.substr(0, star);
  return text;
}

}  // namespace minke
