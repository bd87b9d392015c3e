#include "corpus/grammar.h"

#include "core/error.h"

namespace minke::corpus {
namespace {

constexpr int kMaxDepth = 32;  // rules that call each other in a circle end in a check, not in a stack overflow

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_vowel(char c) { return std::string_view("aeiouAEIO").find(c) != std::string_view::npos; }

std::string_view name_at(std::string_view text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && is_name(text[end])) ++end;
  return text.substr(begin, end - begin);
}

}  // namespace

void Expander::put(char c) {
  if (article_) {
    if (c == ' ') return;  // the article's own space is written once the deciding letter is known
    article_ = false;
    if (is_vowel(c)) out_ += 'n';
    out_ += ' ';
  }
  if (capital_ && capitals && is_letter(c)) {
    if (is_lower(c)) c = char(c - 'a' + 'A');
    capital_ = false;
  } else if (capital_ && uint8_t(c) > 32 && c != '"' && c != '\'') {
    capital_ = false;
  }
  if (c == '.' || c == '!' || c == '?') {
    ended_ = true;
  } else if (c == '\n' || (c == ' ' && ended_)) {
    capital_ = true;
    ended_ = false;
  } else if (c == '"' && ended_) {
    ended_ = out_.back() == '.';  // after ?" and !" the sentence may go on: "Why?" asked Tom.
  } else {
    ended_ = false;
  }
  out_ += c;
}

const std::string& Expander::get(std::string_view name) const {
  for (size_t i = variables_.size(); i-- > 0;)
    if (variables_[i].first == name) return variables_[i].second;
  check(false, fmt::format("corpus template uses an unknown variable ${}", name));
  return variables_.front().second;
}

template <class F> std::string Expander::captured(bool sentence, F&& write) {
  std::string outer = std::exchange(out_, {});
  const bool capital = std::exchange(capital_, sentence), ended = std::exchange(ended_, false),
             article = std::exchange(article_, false);
  write();
  outer.swap(out_);
  capital_ = capital;
  ended_ = ended;
  article_ = article;
  return outer;
}

std::string Expander::expand(std::string_view text, bool sentence) {
  return captured(sentence, [&] { run(text, 0); });
}

void Expander::assign(std::string_view name, std::string value) {
  for (auto& [key, old] : variables_) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  variables_.emplace_back(name, std::move(value));
}

void Expander::add(std::string_view text) { run(text, 0); }

void Expander::add_plain(std::string_view text) {
  out_ += text;
  capital_ = !text.empty() && text.back() == '\n';
  ended_ = false;
}

std::string Expander::take() {
  capital_ = true;
  ended_ = false;
  return std::exchange(out_, {});
}

void Expander::choose(std::string_view inside, int depth) {
  // Two passes instead of a list: count the alternatives at this level, then find the chosen one.
  size_t count = 1;
  int level = 0;
  for (char c : inside) {
    level += (c == '{') - (c == '}');
    count += c == '|' && level == 0;
  }
  size_t skip = count == 1 ? 0 : below(count), begin = 0, end = 0;
  for (level = 0; end < inside.size(); ++end) {
    const char c = inside[end];
    level += (c == '{') - (c == '}');
    if (c != '|' || level != 0) continue;
    if (skip == 0) break;
    --skip;
    begin = end + 1;
  }
  run(inside.substr(begin, end - begin), depth + 1);
}

void Expander::run(std::string_view text, int depth) {
  check(depth < kMaxDepth, "corpus template nests too deeply");
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{') {
      int level = 0;
      size_t end = i;
      for (; end < text.size(); ++end) {
        level += (text[end] == '{') - (text[end] == '}');
        if (level == 0) break;
      }
      check(end < text.size(), "corpus template has a { without }");
      const std::string_view inside = text.substr(i + 1, end - i - 1), name = name_at(inside, 0);
      if (!name.empty() && name.size() < inside.size() && inside[name.size()] == '=') {
        assign(name, captured(false, [&] { choose(inside.substr(name.size() + 1), depth); }));
      } else {
        choose(inside, depth);
      }
      i = end;
    } else if (c == '$' && i + 1 < text.size() && text[i + 1] == '$') {
      put('$');
      ++i;
    } else if (c == '$') {
      const bool braces = i + 1 < text.size() && text[i + 1] == '{';
      const std::string_view name = name_at(text, i + 1 + braces);
      put(get(name));
      i += name.size() + 2 * braces;
    } else if (c == '#') {
      const std::string_view name = name_at(text, i + 1);
      const Rule* found = nullptr;
      for (const Rule& rule : rules_)
        if (rule.name == name) found = &rule;
      check(found != nullptr, fmt::format("corpus template uses an unknown rule #{}", name));
      run(found->text, depth + 1);
      i += name.size();
    } else if (c == '@') {
      put('a');
      article_ = true;
    } else if (c == '^') {
      capital_ = true;
    } else {
      put(c);
    }
  }
}

std::string tidy(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if ((c == ' ' || c == '\n' || c == '.' || c == ',') && !out.empty() && out.back() == ' ') out.pop_back();
    if (c == ' ' && (out.empty() || out.back() == '\n')) continue;
    out += c;
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

std::string title_case(std::string_view text) {
  std::string title(text);
  constexpr std::string_view kSmall[] = {"a",  "an",   "the", "of", "in", "on",  "and",
                                         "to", "with", "for", "at", "by", "from"};
  for (size_t begin = 0; begin < title.size();) {
    size_t end = title.find(' ', begin);
    if (end == std::string::npos) end = title.size();
    const std::string_view word(title.data() + begin, end - begin);
    bool small = false;
    for (auto s : kSmall) small |= word == s;
    if ((begin == 0 || !small) && end > begin && is_lower(title[begin])) title[begin] = char(title[begin] - 'a' + 'A');
    begin = end + 1;
  }
  return title;
}

std::string with_commas(int64_t value) {
  std::string digits = std::to_string(value < 0 ? -value : value);
  for (size_t i = digits.size(); i > 3;) digits.insert(i -= 3, ",");
  return value < 0 ? "-" + digits : digits;
}

std::string plural(std::string_view noun) {
  const auto ends = [&](std::string_view s) {
    return noun.size() > s.size() && noun.substr(noun.size() - s.size()) == s;
  };
  std::string word(noun);
  if (ends("y") && !is_vowel(word[word.size() - 2])) return word.substr(0, word.size() - 1) + "ies";
  if (ends("s") || ends("x") || ends("ch") || ends("sh")) return word + "es";
  return word + "s";
}

}  // namespace minke::corpus
