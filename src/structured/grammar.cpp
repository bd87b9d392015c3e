#include "structured/grammar.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace minke {

int32_t Grammar::new_rule() {
  rules_.emplace_back();
  return int32_t(rules_.size()) - 1;
}

void Grammar::add_alternative(int32_t rule, Sequence sequence) {
  size_ += int64_t(sequence.size()) + 1;
  rules_[size_t(rule)].push_back(std::move(sequence));
}

Grammar::Element Grammar::one_of(const ByteSet& bytes) {
  const auto [found, is_new] = set_numbers_.emplace(bytes.to_string(), int32_t(sets_.size()));
  if (is_new) sets_.push_back(bytes);
  return {false, found->second};
}

Grammar::Sequence Grammar::literal(std::string_view text) {
  Sequence sequence;
  for (const char c : text) sequence.push_back(one_of(ByteSet().set(uint8_t(c))));
  return sequence;
}

int32_t Grammar::add(const Grammar& other) {
  const auto first = int32_t(rules_.size());
  for (size_t r = 0; r < other.rules_.size(); ++r) new_rule();
  for (size_t r = 0; r < other.rules_.size(); ++r)
    for (Sequence sequence : other.rules_[r]) {
      for (Element& e : sequence) e = e.is_rule ? rule(first + e.index) : one_of(other.bytes(e.index));
      add_alternative(first + int32_t(r), std::move(sequence));
    }
  return first;
}

Grammar either(const Grammar& a, const Grammar& b) {
  Grammar g;
  const int32_t root = g.new_rule();
  for (const Grammar* one : {&a, &b}) g.add_alternative(root, {Grammar::rule(g.add(*one))});
  return g;
}

int32_t Grammar::left_recursive() const {
  const size_t n = rules_.size();
  std::vector<char> empty(n);  // can be of no bytes
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t r = 0; r < n; ++r)
      for (const Sequence& s : rules_[r])
        if (!empty[r] &&
            std::all_of(s.begin(), s.end(), [&](const Element& e) { return e.is_rule && empty[size_t(e.index)]; }))
          empty[r] = true, changed = true;
  }
  enum class Mark : uint8_t { new_one, open, done };
  std::vector<Mark> marks(n, Mark::new_one);
  struct Visit {
    size_t rule;
    std::vector<size_t> first;  // rules that it can begin with, still to be visited
  };
  const auto visit = [&](size_t r) {
    Visit v{r, {}};
    for (const Sequence& s : rules_[r])
      for (const Element& e : s) {
        if (!e.is_rule) break;
        v.first.push_back(size_t(e.index));
        if (!empty[size_t(e.index)]) break;
      }
    marks[r] = Mark::open;
    return v;
  };
  for (size_t root = 0; root < n; ++root) {
    if (marks[root] != Mark::new_one) continue;
    std::vector<Visit> path{visit(root)};
    while (!path.empty()) {
      Visit& v = path.back();
      if (v.first.empty()) {
        marks[v.rule] = Mark::done;
        path.pop_back();
        continue;
      }
      const size_t next = v.first.back();
      v.first.pop_back();
      if (marks[next] == Mark::open) return int32_t(next);
      if (marks[next] == Mark::new_one) path.push_back(visit(next));
    }
  }
  return -1;
}

Matcher::Matcher(const Grammar& grammar) : grammar_(&grammar) {
  check_equal(grammar.left_recursive(), -1, "Matcher: a rule that begins with itself");
  for (size_t r = 0; r < grammar.num_rules(); ++r) {
    begins_.emplace_back();
    for (const Grammar::Sequence& s : grammar.alternatives(int32_t(r))) {
      begins_.back().push_back(int32_t(items_.size()));
      for (const Grammar::Element& e : s) items_.push_back({e.is_rule ? Item::Kind::rule : Item::Kind::bytes, e.index});
      items_.push_back({Item::Kind::end});
    }
  }
}

int32_t Matcher::node(Node n) {
  const auto [found, is_new] = node_numbers_.emplace(n, int32_t(nodes_.size()));
  if (is_new) nodes_.push_back(n);
  return found->second;
}

// Adds the places that are reached from n without a byte.
bool Matcher::close(Node first, State& into, std::set<Node>& seen) {
  std::vector<Node> open{first};
  while (!open.empty()) {
    const Node n = open.back();
    open.pop_back();
    if (!seen.insert(n).second) continue;
    if (++work_; seen.size() > kMostPlaces + 2 * items_.size()) return false;
    const Item& item = items_[size_t(n.item)];
    if (item.kind == Item::Kind::bytes) {
      into.nodes.push_back(node(n));
    } else if (item.kind == Item::Kind::rule) {
      // What follows at the end of a rule is what follows the rule itself: so a list of any length takes a stack of one height.
      const bool is_last = items_[size_t(n.item) + 1].kind == Item::Kind::end;
      const int32_t below = is_last ? n.below : node({n.item + 1, n.below});
      for (const int32_t begin : begins_[size_t(item.index)]) open.push_back({begin, below});
    } else if (n.below < 0) {
      into.accepts = true;
    } else {
      open.push_back(nodes_[size_t(n.below)]);
    }
  }
  return true;
}

int32_t Matcher::intern(State state) {
  std::sort(state.nodes.begin(), state.nodes.end());
  state.nodes.erase(std::unique(state.nodes.begin(), state.nodes.end()), state.nodes.end());
  if (state.nodes.empty() && !state.accepts) return kDead;
  const auto [found, is_new] = state_numbers_.emplace(std::pair(state.nodes, state.accepts), int32_t(states_.size()));
  if (is_new) states_.push_back(std::move(state));
  return found->second;
}

int32_t Matcher::start() {
  State state;
  std::set<Node> seen;
  if (!begins_.empty())
    for (const int32_t begin : begins_[0])
      if (!close({begin, -1}, state, seen)) return kDead;
  return intern(std::move(state));
}

int32_t Matcher::next(int32_t state, uint8_t byte) {
  if (state == kDead) return kDead;
  State& from = states_[size_t(state)];
  if (from.next.empty()) from.next.assign(256, kUnknown);
  if (from.next[byte] != kUnknown) return from.next[byte];
  if (work_ > kMostWork) return kDead;
  State to;
  std::set<Node> seen;
  bool fits = true;
  for (const int32_t number : from.nodes) {
    const Node n = nodes_[size_t(number)];
    if (grammar_->bytes(items_[size_t(n.item)].index)[byte]) fits = fits && close({n.item + 1, n.below}, to, seen);
  }
  const int32_t number = fits ? intern(std::move(to)) : kDead;
  states_[size_t(state)].next[byte] = number;  // intern() may have moved them
  return number;
}

int32_t Matcher::next(int32_t state, std::string_view bytes) {
  for (const char c : bytes) state = next(state, uint8_t(c));
  return state;
}

ByteSet Matcher::allowed(int32_t state) const {
  ByteSet bytes;
  if (state == kDead) return bytes;
  for (const int32_t number : states_[size_t(state)].nodes)
    bytes |= grammar_->bytes(items_[size_t(nodes_[size_t(number)].item)].index);
  return bytes;
}

int32_t Matcher::reset(int32_t state) {
  if (state == kDead) return kDead;
  // The stacks of the state, from the bottom up, since a node names the one below by its number.
  const State kept = states_[size_t(state)];
  const std::vector<Node> old = std::move(nodes_);
  nodes_.clear(), node_numbers_.clear(), states_.clear(), state_numbers_.clear();
  work_ = 0;
  std::unordered_map<int32_t, int32_t> renamed{{-1, -1}};
  const auto rename = [&](int32_t number) {
    std::vector<int32_t> stack;
    for (int32_t at = number; !renamed.contains(at); at = old[size_t(at)].below) stack.push_back(at);
    for (; !stack.empty(); stack.pop_back()) {
      const Node n = old[size_t(stack.back())];
      renamed[stack.back()] = node({n.item, renamed.at(n.below)});
    }
    return renamed.at(number);
  };
  State again{.accepts = kept.accepts};
  for (const int32_t number : kept.nodes) again.nodes.push_back(rename(number));
  return intern(std::move(again));
}

}  // namespace minke
