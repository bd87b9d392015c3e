// Which bytes may come next. A grammar is a list of rules; each has alternatives, sequences of bytes (one of a set) and of rules.
// The matcher reads bytes one by one and knows after each whether the text can still become one of the grammar, and whether it is
// one already: it holds every place in the grammar where the text may stand (as stacks, Earley without items), and remembers
// what it has found out, so that a state that was met before costs a look into a table. A grammar in which one text can be read in ever
// more ways does not take memory for them all: see kMostPlaces.
// Test: tests/structured/grammar_test.cpp.
#pragma once
#include <bitset>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minke {

using ByteSet = std::bitset<256>;

class Grammar {
 public:
  struct Element {
    bool is_rule = false;
    int32_t index = 0;  // of the rule, or of the set of bytes
  };
  using Sequence = std::vector<Element>;

  // The text is one of rule 0. An undefined rule has no alternative: nothing is of it.
  int32_t new_rule();
  void add_alternative(int32_t rule, Sequence sequence);

  Element one_of(const ByteSet& bytes);
  static Element rule(int32_t index) { return {true, index}; }
  Sequence literal(std::string_view text);  // its bytes, one after the other

  // All rules of another grammar; returns the number that its rule 0 has here.
  int32_t add(const Grammar& other);

  int64_t size() const { return size_; }  // elements and alternatives in all
  size_t num_rules() const { return rules_.size(); }
  const std::vector<Sequence>& alternatives(int32_t rule) const { return rules_[size_t(rule)]; }
  const ByteSet& bytes(int32_t index) const { return sets_[size_t(index)]; }

  // A rule that can begin with itself before any byte was read, or −1. The matcher would not end on such a grammar.
  int32_t left_recursive() const;

 private:
  std::vector<std::vector<Sequence>> rules_;
  std::vector<ByteSet> sets_;
  std::map<std::string, int32_t> set_numbers_;  // by their bits
  int64_t size_ = 0;
};

// What is a text of the one or of the other.
Grammar either(const Grammar& a, const Grammar& b);

class Matcher {
 public:
  // States are numbers, valid until reset(). kDead: no text of the grammar begins so.
  static constexpr int32_t kDead = -1;
  // Places in a state, beside one for each element of the grammar: a byte that leads to more is taken for one that may not come. (As many
  // as a grammar has elements are at the beginning of an enum.)
  static constexpr size_t kMostPlaces = 4096;
  // What is found out until reset(), in places: beyond, bytes that were not tried before may not come.
  static constexpr int64_t kMostWork = int64_t(1) << 22;

  // BugError if the grammar is left-recursive.
  explicit Matcher(const Grammar& grammar);

  int32_t start();
  int32_t next(int32_t state, uint8_t byte);
  int32_t next(int32_t state, std::string_view bytes);
  bool accepts(int32_t state) const { return state != kDead && states_[size_t(state)].accepts; }
  // The bytes that may come next (or would, but for kMostPlaces); none: the text is complete.
  ByteSet allowed(int32_t state) const;

  int64_t num_states() const { return int64_t(states_.size()); }
  int64_t work() const { return work_; }
  // Forgets all states but this one, whose new number is returned: what is remembered of a long text grows with it.
  int32_t reset(int32_t state);

 private:
  struct Item {  // one element of an alternative, or its end
    enum class Kind : uint8_t { bytes, rule, end } kind;
    int32_t index = 0;
  };
  // The top of a stack: an item that is to be read next, and what follows the rule that it is in.
  struct Node {
    int32_t item, below;  // −1: nothing
    bool operator<(const Node& o) const { return item != o.item ? item < o.item : below < o.below; }
  };
  struct State {
    std::vector<int32_t> nodes;  // whose items are bytes; sorted
    bool accepts = false;
    std::vector<int32_t> next;  // by byte, once it is asked for; kUnknown
  };
  static constexpr int32_t kUnknown = -2;

  int32_t node(Node n);
  // False if they are too many. seen: those of the state so far.
  bool close(Node n, State& into, std::set<Node>& seen);
  int32_t intern(State state);

  const Grammar* grammar_;
  std::vector<Item> items_;
  std::vector<std::vector<int32_t>> begins_;  // of a rule's alternatives, in items_
  std::vector<Node> nodes_;
  std::map<Node, int32_t> node_numbers_;
  std::vector<State> states_;
  std::map<std::pair<std::vector<int32_t>, bool>, int32_t> state_numbers_;
  int64_t work_ = 0;
};

}  // namespace minke
