#include "tokenize/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/error.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

constexpr size_t kMaxPattern = 1 << 16;
constexpr size_t kMaxTranslated = 1 << 20;  // a spelled-out \\w takes 14 kB

// The ranges of a category as they stand in a class; empty if there is no such category. Kept, because patterns name the
// same few over and over.
std::string_view spelled(std::string_view category, bool negated) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, bool>, std::string> known;  // at most 2 × 37
  const std::lock_guard lock(mutex);
  std::pair key(std::string(category), negated);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  std::vector<unicode::Range> ranges = unicode::ranges_of(category);
  if (ranges.empty()) return {};
  if (negated) ranges = unicode::complement(ranges);
  std::string out;
  for (const auto& r : ranges) {
    fmt::format_to(std::back_inserter(out), "\\x{{{:x}}}", uint32_t(r.first));
    if (r.last != r.first) fmt::format_to(std::back_inserter(out), "-\\x{{{:x}}}", uint32_t(r.last));
  }
  return known.emplace(std::move(key), std::move(out)).first->second;
}

// Walks the pattern once; `atom` is where the last complete atom begins in the output, for {n,m}+.
struct Translator {
  std::string_view in;
  bool spell_out;
  size_t at = 0;
  std::string out;
  size_t atom = 0;
  std::vector<size_t> groups;

  // \p{…}, \P{…}, \p{^…}: false if it is no category (a script, say), which PCRE2 knows by itself.
  bool property(bool in_class) {
    const size_t close = in.find('}', at);
    if (at + 3 >= in.size() || in[at + 2] != '{' || close == in.npos) return false;
    std::string_view name = in.substr(at + 3, close - at - 3);
    bool negated = in[at + 1] == 'P';
    if (name.starts_with('^')) negated = !negated, name.remove_prefix(1);
    if (!spell_out || name.empty() || name.size() > 2) return false;
    const std::string_view ranges = spelled(name, negated);
    if (ranges.empty()) return false;
    out += fmt::format(fmt::runtime(in_class ? "{}" : "[{}]"), ranges);
    at = close + 1;
    return true;
  }

  // PCRE2's \w and \b lack marks, connectors, and the superscripts, fractions and circled letters that Oniguruma counts
  // as word characters.
  std::string word() const {
    std::string out;
    for (const char* category : {"L", "M", "Nd", "Nl", "Pc"}) {
      if (spell_out) out += spelled(category, false);
      else out += fmt::format("\\p{{{}}}", category);
    }
    return out +
           "\\xb2\\xb3\\xb9\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{"
           "1f189}";
  }

  void escape(bool in_class) {
    const char c = at + 1 < in.size() ? in[at + 1] : 0;
    // PCRE2's \s has U+180E, which Unicode took out of White_Space.
    static constexpr std::string_view kSpace = "\\t-\\r\\x{85}\\p{Z}";
    if ((c == 'p' || c == 'P') && property(in_class)) return;
    if (c == 's') out += in_class ? std::string(kSpace) : fmt::format("[{}]", kSpace);
    else if (c == 'S') out += in_class ? "\\S\\x{180e}" : fmt::format("[^{}]", kSpace);
    else if (c == 'w') out += in_class ? word() : fmt::format("[{}]", word());
    else if (c == 'W' && !in_class) out += fmt::format("[^{}]", word());
    else if (c == 'b' && !in_class) out += fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", word());
    else if (c == 'B' && !in_class) out += fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", word());
    else if (c == 'd' && spell_out) out += fmt::format(fmt::runtime(in_class ? "{}" : "[{}]"), spelled("Nd", false));
    else if (c == 'h') out += in_class ? "0-9A-Fa-f" : "[0-9A-Fa-f]";  // a hex digit in Ruby, a blank in PCRE2
    else out += in.substr(at, 2);
    at += 2;
    if (c == 'x' || c == 'p' || c == 'P') {  // the braces belong to the escape, and are no quantifier
      if (at < in.size() && in[at] == '{') {
        const size_t close = std::min(in.find('}', at), in.size() - 1);
        out += in.substr(at, close + 1 - at);
        at = close + 1;
      }
    }
  }

  void char_class() {
    out += in[at++];
    if (at < in.size() && in[at] == '^') out += in[at++];
    if (at < in.size() && in[at] == ']') out += in[at++];
    while (at < in.size() && in[at] != ']' && out.size() <= kMaxTranslated) {
      if (in[at] == '\\') escape(true);
      else out += in[at++];
    }
    if (at < in.size()) out += in[at++];
  }

  void quantifier_braces() {
    const size_t close = in.find('}', at);
    if (close == in.npos) {
      out += in[at++];
      return;
    }
    out += in.substr(at, close + 1 - at);
    at = close + 1;
    if (at < in.size() && in[at] == '+') {  // Ruby: repeat the repetition; PCRE2: possessive
      out = fmt::format("{}(?:{})+", std::string_view(out).substr(0, atom), std::string_view(out).substr(atom));
      ++at;
    }
  }

  std::string translate() {
    while (at < in.size() && out.size() <= kMaxTranslated) {
      const char c = in[at];
      if (c == '{') {
        quantifier_braces();
        continue;
      }
      if (c == '(') {
        groups.push_back(out.size());
        out += c, ++at;
        continue;
      }
      if (c == ')') {
        if (!groups.empty()) atom = groups.back(), groups.pop_back();
        out += c, ++at;
        continue;
      }
      if (c == '*' || c == '+' || c == '?' || c == '|') {
        out += c, ++at;
        continue;
      }
      atom = out.size();
      if (c == '\\') escape(false);
      else if (c == '[') char_class();
      else out += c, ++at;
    }
    return out;
  }
};

}  // namespace

std::string translate_oniguruma(std::string_view pattern, bool spell_out) {
  return Translator{pattern, spell_out, 0, {}, 0, {}}.translate();
}

namespace {

struct Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  ~Code() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
  static std::unique_ptr<Code> compile(const std::string& pattern, std::string_view shown, std::string_view where) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    auto made = std::make_unique<Code>();
    pcre2_compile_context* limits = pcre2_compile_context_create(nullptr);
    pcre2_set_parens_nest_limit(limits, 100);
    made->code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, limits);
    pcre2_compile_context_free(limits);
    if (!made->code) {
      PCRE2_UCHAR reason[256];
      pcre2_get_error_message(error, reason, sizeof reason);
      user_error("{}: \"{}\" is not a regex that can be used: {}", where, shown.substr(0, 200),
                 reinterpret_cast<const char*>(reason));
    }
    pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE);  // where there is no JIT, the interpreter does the same
    made->context = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(made->context, 1'000'000);
    pcre2_set_depth_limit(made->context, 10'000);
    pcre2_set_heap_limit(made->context, 64 << 10);  // KiB
    return made;
  }
};

}  // namespace

// `exact` has the category ranges spelled out, for text newer than PCRE2's Unicode. That is rare, and compiling it takes
// 12 to 22 times as long: it is done at the first such text. (Not by std::call_once, which hangs under ThreadSanitizer once
// the pattern has been refused.)
struct Regex::Compiled {
  const std::string pattern, where;
  std::unique_ptr<Code> native;
  std::mutex mutex;
  std::unique_ptr<Code> exact_owner;
  std::atomic<const Code*> exact = nullptr;

  const Code& for_text(std::string_view text) {
    if (!unicode::has_newer(text)) return *native;
    if (const Code* ready = exact.load(std::memory_order_acquire)) return *ready;
    const std::lock_guard lock(mutex);
    if (!exact_owner) exact_owner = Code::compile(translate_oniguruma(pattern, true), pattern, where);
    exact.store(exact_owner.get(), std::memory_order_release);
    return *exact_owner;
  }
};

Regex::Regex(std::string_view pattern, std::string_view where)
    : compiled_(new Compiled{std::string(pattern), std::string(where), {}, {}, {}, {}}) {
  if (pattern.empty()) user_error("{}: the regex is empty", where);
  if (pattern.size() > kMaxPattern)
    user_error("{}: the regex has {} bytes; at most {} are accepted", where, pattern.size(), kMaxPattern);
  if (!unicode::is_valid_utf8(pattern)) user_error("{}: the regex is not valid UTF-8", where);
  if (translate_oniguruma(pattern, true).size() > kMaxTranslated)
    user_error("{}: the regex names too many Unicode categories", where);
  compiled_->native = Code::compile(translate_oniguruma(pattern, false), pattern, where);
}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::find_all(std::string_view text, std::vector<Match>& out) const {
  out.clear();
  // PCRE2 wants valid UTF-8: a copy has U+FFFD for each invalid byte, and `shift` leads back.
  std::string repaired;
  std::vector<size_t> origin;
  std::string_view subject = text;
  if (!unicode::is_valid_utf8(text)) {
    for (size_t at = 0; at < text.size();) {
      const unicode::CodePoint c = unicode::decode_at(text, at);
      if (c.valid) repaired += text.substr(at, c.length);
      else unicode::append_utf8(repaired, c.value);
      while (origin.size() < repaired.size())
        origin.push_back(at + (c.valid ? c.length - (repaired.size() - origin.size()) : 0));
      at += c.length;
    }
    origin.push_back(text.size());
    subject = repaired;
  }
  const Code& code = compiled_->for_text(subject);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  const size_t* span = pcre2_get_ovector_pointer(data);
  size_t last_end = std::string_view::npos;
  for (size_t at = 0; at <= subject.size();) {
    const int rc = pcre2_match(code.code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), at,
                               PCRE2_NO_UTF_CHECK, data, code.context);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      pcre2_match_data_free(data);
      user_error("{}: the regex takes too long on this text (PCRE2 error {}): it backtracks without end",
                 compiled_->where, rc);
    }
    const size_t first = span[0], end = std::max(span[0], span[1]);
    if (!(first == end && first == last_end))
      out.push_back(origin.empty() ? Match{first, end} : Match{origin[first], origin[end]});
    last_end = end;
    at = end > first ? end : end < subject.size() ? end + unicode::decode_at(subject, end).length : end + 1;
  }
  pcre2_match_data_free(data);
}

}  // namespace minke
