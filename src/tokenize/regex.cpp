#include "tokenize/regex.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "tokenize/regex_program.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

using Anchor = RegexNode::Anchor;
using Op = RegexInstruction::Op;
using Greed = RegexInstruction::Greed;

constexpr size_t kNone = std::string_view::npos;
constexpr size_t kMaxPattern = 1 << 16;
constexpr uint64_t kMaxRemembered = uint64_t(1) << 32;  // bits: 512 MiB
constexpr size_t kMaxStack = size_t(1) << 26;           // entries: 1.5 GiB, reached by no pattern that makes sense

struct TooManySteps {};

// Finds the end of the match that begins at a place. A state is an instruction and a place in the text, nothing else:
// groups keep nothing. So what has failed once fails always, whichever way it is reached.
class Matcher {
 public:
  Matcher(const RegexProgram& program, const CharBits& words, std::string_view text, uint64_t max_steps)
      : program_(program), words_(words), text_(text), max_steps_(max_steps) {}

  // From now on failed splits are remembered, at `begin` and behind it. False if that takes too much memory.
  bool remember_from(size_t begin) {
    const uint64_t bits = uint64_t(text_.size() - begin + 1) * uint64_t(program_.num_splits);
    if (bits > kMaxRemembered) return false;
    remembered_from_ = begin;
    failed_.assign(size_t(bits / 64 + 1), 0);
    remembers_ = true;
    return true;
  }

  size_t match_at(size_t at) {
    const size_t end = run(0, at, kNone, 0);
    // The states on the way to a match have not failed. Those before its end are never seen again.
    if (remembers_ && end != kNone)
      for (int i = 0; i < program_.num_splits; ++i) bit(i, end) &= ~mask(i, end);
    return end;
  }

 private:
  // What is left to try: instruction `pc` at `at`, or, where low < at, at each place back to `low`; or, with `more` ≥ 0
  // or without limit, at the places behind, as long as the run before `pc` goes on.
  struct Choice {
    int32_t pc;
    int32_t more;  // kNotLazy, or how many more characters a lazy run may take
    size_t at, low;
  };
  static constexpr int32_t kNotLazy = -2;

  uint64_t index(int32_t split, size_t at) const {
    return uint64_t(at - remembered_from_) * uint64_t(program_.num_splits) + uint64_t(split);
  }
  uint64_t& bit(int32_t split, size_t at) { return failed_[size_t(index(split, at) / 64)]; }
  uint64_t mask(int32_t split, size_t at) const { return uint64_t(1) << (index(split, at) % 64); }

  // The character at `at` belongs to the set: `at` moves behind it.
  bool take(const CharBits& set, size_t& at) const {
    if (at >= text_.size()) return false;
    const uint8_t byte = uint8_t(text_[at]);
    if (byte < 0x80) {
      if (!set.contains(byte)) return false;
      ++at;
      return true;
    }
    const unicode::CodePoint c = unicode::decode_at(text_, at);
    if (!set.contains(c.value)) return false;
    at += c.length;
    return true;
  }
  size_t before(size_t at) const { return at - unicode::decode_before(text_, at).length; }

  bool is_word_at(size_t at) const { return at < text_.size() && words_.contains(unicode::decode_at(text_, at).value); }
  bool is_word_before(size_t at) const { return at > 0 && words_.contains(unicode::decode_before(text_, at).value); }

  bool holds(Anchor anchor, size_t at) const {
    const size_t end = text_.size();
    switch (anchor) {
      case Anchor::line_begin: return at == 0 || (at < end && text_[at - 1] == '\n');
      case Anchor::line_end: return at == end || text_[at] == '\n';
      case Anchor::text_begin: return at == 0;
      case Anchor::text_end: return at == end;
      case Anchor::last_line_end: return at == end || (at + 1 == end && text_[at] == '\n');
      case Anchor::word_edge: return is_word_at(at) != is_word_before(at);
      case Anchor::no_word_edge: return is_word_at(at) == is_word_before(at);
    }
    return false;
  }

  bool looks(const RegexInstruction& look, int32_t body, size_t at, int depth) {
    if (look.ahead) return (run(body, at, kNone, depth) != kNone) != look.negated;
    size_t begin = at;
    for (int32_t length = 0; length <= look.max; ++length) {
      if (length >= look.min && run(body, begin, at, depth) != kNone) return !look.negated;
      if (begin == 0) break;
      begin = before(begin);
    }
    return look.negated;
  }

  void push(Choice choice) {
    if (stack_.size() >= kMaxStack) throw TooManySteps();
    stack_.push_back(choice);
  }
  void count(uint64_t steps) {
    steps_ += steps;
    if (steps_ > max_steps_) throw TooManySteps();
  }

  // Takes back the last choice; false if there is none above `base`.
  bool next_choice(size_t base, int32_t& pc, size_t& at) {
    while (stack_.size() > base) {
      Choice& choice = stack_.back();
      pc = choice.pc;
      if (choice.more != kNotLazy) {
        const RegexInstruction& run = program_.code[size_t(pc) - 1];
        if (choice.more == 0 || !take(program_.sets[size_t(run.a)], choice.at)) {
          stack_.pop_back();
          continue;
        }
        if (choice.more > 0) --choice.more;
        at = choice.at;
        return true;
      }
      at = choice.at;
      if (choice.low < choice.at) choice.at = before(choice.at);
      else stack_.pop_back();
      return true;
    }
    return false;
  }

  // The end of the match of the instructions from pc to their `match`, or kNone. wanted: where it must end.
  size_t run(int32_t pc, size_t at, size_t wanted, int depth) {
    const size_t base = stack_.size();
    for (;;) {
      count(1);
      const RegexInstruction& in = program_.code[size_t(pc)];
      bool ok = true;
      switch (in.op) {
        case Op::set:
          ok = take(program_.sets[size_t(in.a)], at);
          ++pc;
          break;
        case Op::run: ok = take_run(in, pc, at); break;
        case Op::split:
          if (remembers_ && depth == 0) {
            ok = !(bit(in.min, at) & mask(in.min, at));
            bit(in.min, at) |= mask(in.min, at);
          }
          if (ok) {
            push({in.b, kNotLazy, at, at});
            pc = in.a;
          }
          break;
        case Op::jump: pc = in.a; break;
        case Op::anchor:
          ok = holds(Anchor(in.a), at);
          ++pc;
          break;
        case Op::look:
          ok = looks(in, pc + 1, at, depth + 1);
          pc = in.b;
          break;
        case Op::atomic: {
          const size_t end = run(pc + 1, at, kNone, depth + 1);
          ok = end != kNone;
          at = end;
          pc = in.b;
          break;
        }
        case Op::match:
          ok = wanted == kNone || at == wanted;
          if (ok) {
            stack_.resize(base);
            return at;
          }
          break;
      }
      if (!ok && !next_choice(base, pc, at)) return kNone;
    }
  }

  bool take_run(const RegexInstruction& in, int32_t& pc, size_t& at) {
    const CharBits& set = program_.sets[size_t(in.a)];
    const size_t begin = at;
    int32_t taken = 0;
    for (; taken < in.min; ++taken)
      if (!take(set, at)) return false;
    ++pc;
    if (in.greed == Greed::lazy) {
      push({pc, in.max == RegexNode::kNoLimit ? in.max : in.max - taken, at, at});
      return true;
    }
    const size_t low = at;
    // A run without limit ends where one ended that began before it and reached this far.
    if (in.max == RegexNode::kNoLimit && pc == known_run_ && low >= known_begin_ && low < known_end_) {
      at = known_end_;
    } else {
      while ((in.max == RegexNode::kNoLimit || taken < in.max) && take(set, at)) ++taken;
      count((at - begin) / 4);
      if (in.max == RegexNode::kNoLimit) known_run_ = pc, known_begin_ = low, known_end_ = at;
    }
    if (in.greed == Greed::greedy && at > low) push({pc, kNotLazy, before(at), low});
    return true;
  }

  const RegexProgram& program_;
  const CharBits& words_;
  std::string_view text_;
  uint64_t max_steps_, steps_ = 0;
  std::vector<Choice> stack_;
  bool remembers_ = false;
  size_t remembered_from_ = 0;
  std::vector<uint64_t> failed_;
  int32_t known_run_ = -1;
  size_t known_begin_ = 0, known_end_ = 0;
};

}  // namespace

struct Regex::Compiled {
  std::string where;
  RegexProgram fast, plain;
  CharBits words;
};

Regex::Regex(std::string_view pattern, std::string_view where) {
  if (pattern.empty()) user_error("{}: the regex is empty", where);
  if (pattern.size() > kMaxPattern)
    user_error("{}: the regex has {} bytes; at most {} are accepted", where, pattern.size(), kMaxPattern);
  if (!unicode::is_valid_utf8(pattern)) user_error("{}: the regex is not valid UTF-8", where);
  const RegexNode tree = parse_regex(pattern, where);
  compiled_.reset(new Compiled{std::string(where), compile_regex(tree, true, where), compile_regex(tree, false, where),
                               CharBits(word_characters())});
}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::find_all(std::string_view text, std::vector<Match>& out) const {
  out.clear();
  const Compiled& c = *compiled_;
  // Ordinary text takes some ten steps a character. A text that takes many more is searched again from there on with what
  // has failed remembered; beyond that only look-arounds and atomic groups can repeat their work.
  const uint64_t size = text.size();
  Matcher fast(c.fast, c.words, text, 64 * size + 100'000), plain(c.plain, c.words, text, 2000 * size + 10'000'000);
  Matcher* matcher = &fast;
  size_t last_end = kNone;
  const auto end_of_match_at = [&](size_t at) {
    try {
      return matcher->match_at(at);
    } catch (const TooManySteps&) {
      if (matcher == &plain || !plain.remember_from(at))
        user_error(
            "{}: the regex takes too long on this text: it backtracks without end. Cut the text into lines, or use a "
            "simpler regex",
            c.where);
      matcher = &plain;
      return kNone - 1;  // once more
    }
  };
  for (size_t at = 0; at <= text.size();) {
    const size_t end = end_of_match_at(at);
    if (end == kNone - 1) continue;
    const size_t next = at < text.size() ? at + unicode::decode_at(text, at).length : at + 1;
    if (end == kNone) {
      at = next;
      continue;
    }
    if (!(end == at && at == last_end)) out.push_back({at, end});
    last_end = end;
    at = end > at ? end : next;
  }
}

}  // namespace minke
