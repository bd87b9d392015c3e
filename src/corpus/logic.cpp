// Logic puzzles with exactly one answer: who is in which place, who tells the truth, which number is meant, how many
// animals of a kind. The tests solve each again from its text, by trying everything.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "corpus/families.h"
#include "corpus/genres.h"
#include "corpus/words.h"

namespace minke::corpus {
namespace {

struct Maker {
  Expander e;
  int level;
  std::string family;

  Maker(Rng rng, int level) : e(rng), level(level) {}
  int64_t number(int64_t low, int64_t high) { return e.between(low, high); }
  std::vector<std::string> names(size_t n) {
    std::vector<std::string_view> taken;
    while (taken.size() < n) taken.push_back(fresh_person(e, english_names(), taken).name);
    return {taken.begin(), taken.end()};
  }
  template <class T> void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[e.below(i)]);
  }
  Task done(std::string question, std::string reasoning, std::string answer, std::string canonical) {
    Task task{std::move(family), std::move(question), std::move(reasoning), std::move(answer)};
    task.canonical = std::move(canonical);
    return task;
  }
};

std::string sentences(const std::vector<std::string>& list) { return fmt::format("{}", fmt::join(list, " ")); }

// "Ann is older than Bob. …": each neighbour in the order, and some pairs that are further apart.
Task order(Maker& m) {
  const size_t n = size_t(m.level) + 2;
  const std::vector<std::string> people = m.names(n);  // the first has most
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"taller", "tallest"}, {"older", "oldest"}, {"faster", "fastest"}, {"stronger", "strongest"}};
  const auto& [more, most] = m.e.pick(kWords);
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i + 1 < n; ++i) pairs.emplace_back(i, i + 1);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 2; j < n; ++j)
      if (m.e.chance(0.3)) pairs.emplace_back(i, j);
  m.shuffle(pairs);
  std::vector<std::string> clues;
  for (const auto& [a, b] : pairs) clues.push_back(fmt::format("{} is {} than {}.", people[a], more, people[b]));
  const size_t asked = m.e.below(n);
  constexpr std::string_view kPlaces[] = {"", "second ", "third ", "fourth ", "fifth ", "sixth "};
  std::sort(pairs.begin(), pairs.end());
  std::string canonical = fmt::format("order {} {}", n, asked);
  for (const auto& [a, b] : pairs) canonical += fmt::format(" {}>{}", a, b);
  return m.done(fmt::format("{} Who is the {}{}?", sentences(clues), kPlaces[asked], most),
                fmt::format("In order: {}.", fmt::join(people, ", ")), people[asked], std::move(canonical));
}

// Each of n people says something about another: that one lies, or tells the truth.
struct Saying {
  size_t speaker, about;
  bool truthful;
};

std::vector<uint32_t> consistent(size_t n, const std::vector<Saying>& sayings) {
  std::vector<uint32_t> worlds;
  for (uint32_t world = 0; world < uint32_t(1) << n; ++world) {
    bool ok = true;
    for (const Saying& s : sayings) {
      const bool speaker = world >> s.speaker & 1, about = world >> s.about & 1;
      ok &= speaker == (about == s.truthful);
    }
    if (ok) worlds.push_back(world);
  }
  return worlds;
}

std::string least_form(size_t n, const std::vector<Saying>& sayings, const std::vector<size_t>& known) {
  std::vector<size_t> renamed(n);
  std::iota(renamed.begin(), renamed.end(), 0);
  std::string least;
  do {
    std::vector<std::string> parts;
    for (const Saying& s : sayings)
      parts.push_back(fmt::format("{}{}{}", renamed[s.speaker], s.truthful ? '+' : '-', renamed[s.about]));
    for (size_t k : known) parts.push_back(fmt::format("{}!", renamed[k]));
    std::sort(parts.begin(), parts.end());
    std::string form = fmt::format("liars {} {}", n, fmt::join(parts, " "));
    if (least.empty() || form < least) least = std::move(form);
  } while (std::next_permutation(renamed.begin(), renamed.end()));
  return least;
}

Task liars(Maker& m) {
  const size_t n = size_t(m.level) + 2;
  const std::vector<std::string> people = m.names(n);
  // Such sayings never decide whether all of it is turned round, so one person is known.
  for (;;) {
    std::vector<Saying> sayings;
    for (size_t i = 1; i < n; ++i) {
      size_t about = m.e.below(n - 1);
      if (about >= i) ++about;
      sayings.push_back({i, about, m.e.chance(0.4)});
    }
    std::vector<uint32_t> worlds = consistent(n, sayings);
    std::erase_if(worlds, [](uint32_t world) { return !(world & 1); });  // the first tells the truth
    if (worlds.size() != 1) continue;
    m.shuffle(sayings);
    std::vector<std::string> clues{fmt::format("{} always tells the truth.", people[0])}, found;
    for (const Saying& s : sayings)
      clues.push_back(
          fmt::format("{} says: {} {}.", people[s.speaker], people[s.about], s.truthful ? "tells the truth" : "lies"));
    int truthful = 0;
    for (size_t i = 0; i < n; ++i) {
      truthful += int(worlds[0] >> i & 1);
      found.push_back(fmt::format("{} {}.", people[i], worlds[0] >> i & 1 ? "tells the truth" : "lies"));
    }
    return m.done(fmt::format("Each person always tells the truth or always lies. {} How many of the {} people tell "
                              "the truth?",
                              sentences(clues), n),
                  sentences(found), std::to_string(truthful), least_form(n, sayings, {0}));
  }
}

int64_t digit_sum(int64_t x) {
  int64_t sum = 0;
  for (; x > 0; x /= 10) sum += x % 10;
  return sum;
}

// "I think of a number from 10 to 60. It can be divided by 7. Its digits add up to 9. Which number is it?"
Task secret_number(Maker& m) {
  constexpr int64_t kSpan[] = {0, 20, 40, 80, 200};
  for (;;) {
    const int64_t low = m.number(1, 9) * 10, high = low + kSpan[m.level], x = m.number(low, high);
    std::vector<std::string> clues;
    std::vector<int64_t> left;
    for (int64_t v = low; v <= high; ++v) left.push_back(v);
    const int64_t divisor = m.number(3, 12), sum = digit_sum(x);
    if (x % divisor != 0) continue;
    clues.push_back(fmt::format("It can be divided by {}.", divisor));
    std::erase_if(left, [&](int64_t v) { return v % divisor != 0; });
    if (left.size() < 2) continue;
    clues.push_back(fmt::format("Its digits add up to {}.", sum));
    std::erase_if(left, [&](int64_t v) { return digit_sum(v) != sum; });
    if (left.size() > 1) {
      clues.push_back(x % 2 ? "It is odd." : "It is even.");
      std::erase_if(left, [&](int64_t v) { return v % 2 != x % 2; });
    }
    if (left.size() != 1) continue;
    const std::string canonical =
        fmt::format("secret {} {} {} {} {}", low, high, divisor, sum, clues.size() > 2 ? x % 2 : -1);
    m.shuffle(clues);
    return m.done(fmt::format("I think of a number from {} to {}. {} Which number is it?", low, high, sentences(clues)),
                  fmt::format("{} / {} = {}", x, divisor, x / divisor), std::to_string(x), canonical);
  }
}

// Heads and legs.
Task animals(Maker& m) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"chickens", "rabbits"}, {"ducks", "cows"}, {"geese", "sheep"}, {"hens", "goats"}};
  const auto& [birds, beasts] = m.e.pick(kPairs);
  const int64_t four = m.number(1, 5 * m.level), two = m.number(1, 5 * m.level), heads = two + four,
                legs = 2 * two + 4 * four;
  return m.done(
      fmt::format("On a farm there are {} and {}. Together they have {} heads and {} legs. How many {} are there?",
                  birds, beasts, heads, legs, beasts),
      fmt::format("2 * {} = {}\n{} - {} = {}\n{} / 2 = {}", heads, 2 * heads, legs, 2 * heads, legs - 2 * heads,
                  legs - 2 * heads, four),
      std::to_string(four), fmt::format("heads {} legs {}", heads, legs));
}

constexpr Family<Maker> kFamilies[] = {
    {"order", 1, 4, order},
    {"liars", 1, 4, liars},
    {"secret_number", 1, 4, secret_number},
    {"animals", 1, 4, animals},
};

}  // namespace

Task logic_task(Rng rng, int level) {
  Maker m(rng, level);
  return make_of_level(m, kFamilies);
}

}  // namespace minke::corpus
