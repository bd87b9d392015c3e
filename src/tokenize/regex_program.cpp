#include "tokenize/regex_program.h"

#include <algorithm>

#include "core/error.h"

namespace minke {
namespace {

using Kind = RegexNode::Kind;
using Op = RegexInstruction::Op;
using Greed = RegexInstruction::Greed;

constexpr size_t kMaxInstructions = 20'000, kMaxSets = 1'000;
constexpr int kMaxLookBehind = 255;

struct Lengths {
  int64_t min = 0, max = 0;  // in characters; max beyond every limit: none
};
constexpr int64_t kEndless = int64_t(1) << 30;  // the product of two fits

Lengths lengths_of(const RegexNode& node) {
  Lengths all;
  switch (node.kind) {
    case Kind::set: return {1, 1};
    case Kind::look:
    case Kind::anchor: return {0, 0};
    case Kind::repeat: {
      const Lengths one = lengths_of(node.children[0]);
      const int64_t max = node.max == RegexNode::kNoLimit ? kEndless : node.max;
      return {std::min(one.min * node.min, kEndless), one.max == 0 ? 0 : std::min(one.max * max, kEndless)};
    }
    case Kind::sequence:
    case Kind::atomic:
      for (const RegexNode& child : node.children) {
        const Lengths one = lengths_of(child);
        all = {std::min(all.min + one.min, kEndless), std::min(all.max + one.max, kEndless)};
      }
      return all;
    case Kind::alternation:
      all = lengths_of(node.children[0]);
      for (const RegexNode& child : node.children) {
        const Lengths one = lengths_of(child);
        all = {std::min(all.min, one.min), std::max(all.max, one.max)};
      }
      return all;
  }
  return all;
}

class Compiler {
 public:
  Compiler(bool with_runs, std::string_view where) : with_runs_(with_runs), where_(where) {}

  RegexProgram compile(const RegexNode& tree) {
    add(tree);
    emit({.op = Op::match});
    return std::move(program_);
  }

 private:
  int32_t here() const { return int32_t(program_.code.size()); }
  int32_t emit(RegexInstruction instruction) {
    if (program_.code.size() >= kMaxInstructions) user_error("{}: the regex is too large", where_);
    program_.code.push_back(instruction);
    return here() - 1;
  }
  RegexInstruction& at(int32_t i) { return program_.code[size_t(i)]; }
  int32_t emit_split() { return emit({.op = Op::split, .min = program_.num_splits++}); }

  int32_t set_number(const CharSet& set) {
    const auto found = std::find(known_.begin(), known_.end(), set);
    if (found != known_.end()) return int32_t(found - known_.begin());
    if (known_.size() >= kMaxSets) user_error("{}: the regex has more than {} different classes", where_, kMaxSets);
    known_.push_back(set);
    program_.sets.emplace_back(set);
    return int32_t(known_.size()) - 1;
  }

  void add(const RegexNode& node) {
    switch (node.kind) {
      case Kind::set: emit({.op = Op::set, .a = set_number(node.set)}); return;
      case Kind::sequence:
        for (const RegexNode& child : node.children) add(child);
        return;
      case Kind::alternation: return add_alternation(node);
      case Kind::repeat: return add_repeat(node);
      case Kind::atomic: return add_atomic(node);
      case Kind::look: return add_look(node);
      case Kind::anchor: emit({.op = Op::anchor, .a = int32_t(node.anchor)}); return;
    }
  }

  void add_alternation(const RegexNode& node) {
    std::vector<int32_t> jumps;
    for (size_t i = 0; i + 1 < node.children.size(); ++i) {
      const int32_t split = emit_split();
      at(split).a = here();
      add(node.children[i]);
      jumps.push_back(emit({.op = Op::jump}));
      at(split).b = here();
    }
    add(node.children.back());
    for (int32_t jump : jumps) at(jump).a = here();
  }

  void emit_run(const RegexNode& node, Greed greed) {
    emit({.op = Op::run, .greed = greed, .a = set_number(node.children[0].set), .min = node.min, .max = node.max});
  }

  void add_repeat(const RegexNode& node) {
    const RegexNode& body = node.children[0];
    if (with_runs_ && body.kind == Kind::set) return emit_run(node, node.greedy ? Greed::greedy : Greed::lazy);
    for (int i = 0; i < node.min; ++i) add(body);
    const auto branch = [&](int32_t split, int32_t into, int32_t past) {
      at(split).a = node.greedy ? into : past;
      at(split).b = node.greedy ? past : into;
    };
    if (node.max == RegexNode::kNoLimit) {
      const int32_t split = emit_split();
      add(body);
      emit({.op = Op::jump, .a = split});
      branch(split, split + 1, here());
      return;
    }
    std::vector<int32_t> splits;
    for (int i = node.min; i < node.max; ++i) {
      splits.push_back(emit_split());
      add(body);
    }
    for (int32_t split : splits) branch(split, split + 1, here());
  }

  void add_atomic(const RegexNode& node) {
    const RegexNode& body = node.children[0];
    if (body.kind == Kind::repeat && body.greedy && body.children[0].kind == Kind::set)
      return emit_run(body, Greed::possessive);
    const int32_t atomic = emit({.op = Op::atomic});
    add(body);
    emit({.op = Op::match});
    at(atomic).b = here();
  }

  void add_look(const RegexNode& node) {
    const Lengths length = lengths_of(node);
    const Lengths body = lengths_of(node.children[0]);
    if (!node.ahead && body.max > kMaxLookBehind)
      user_error("{}: the regex looks behind over more than {} characters, which is not supported", where_,
                 kMaxLookBehind);
    check(length.max == 0, "a look-around takes no text");
    const int32_t look = emit({.op = Op::look,
                               .ahead = node.ahead,
                               .negated = node.negated,
                               .min = node.ahead ? 0 : int32_t(body.min),
                               .max = node.ahead ? 0 : int32_t(body.max)});
    add(node.children[0]);
    emit({.op = Op::match});
    at(look).b = here();
  }

  bool with_runs_;
  std::string_view where_;
  RegexProgram program_;
  std::vector<CharSet> known_;
};

}  // namespace

CharBits::CharBits(const CharSet& set) : words_(0x110000 / 64) {
  for (const unicode::Range& r : set.ranges())
    for (char32_t c = r.first; c <= r.last;) {
      if (c % 64 == 0 && r.last - c >= 63) {
        words_[c >> 6] = ~uint64_t(0);
        c += 64;
      } else {
        words_[c >> 6] |= uint64_t(1) << (c & 63);
        ++c;
      }
    }
}

RegexProgram compile_regex(const RegexNode& tree, bool with_runs, std::string_view where) {
  return Compiler(with_runs, where).compile(tree);
}

}  // namespace minke
