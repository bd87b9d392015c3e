// The text that a base for R1-Zero reads: arithmetic facts, and thoughts of the kinds that reinforcement learning can then
// make more or less of. Every document but the lists of facts is in the one format of prompt.h.
//   fact       lists of sums, differences, products, divisions, half of them steps of chains; single ones as a question
//   questions  facts and chains, asked for together and worked out one after the other to the last: "Compute 3+4, (12+7)*3."
//   attempt    a chain or a countdown at once: the whole expression in one line, "(25-7)*3=54"
//   chain      a chain of calculations, one equation a line
//   check      a chain, and then each equation again: "ok". In half of them one equation is wrong at first; the check says
//              so ("19*3=57 not 47") and the rest is done again
//   countdown  a search: up to seven ways to begin, each ended as close to the target as it goes, until one reaches it. After an
//              equation stand the numbers that are left, at the end of a way what it was for: "25-3=22 and 7", "22+7=29 for 54 no"
//   worked     a word problem, in English or Chinese, with its equations written as in the other kinds: "2*14=28"
// An equation is wrong only where a later "not" names it, and an answer never is. Tested in tests/corpus/thoughts_test.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "corpus/chains.h"
#include "corpus/countdown.h"
#include "corpus/genres.h"
#include "corpus/prompt.h"

namespace minke::corpus {
namespace {

// The usual levels of countdown: three numbers, now and then four.
constexpr double kFourNumbers = 0.04;
constexpr int kMostEquations = 14;   // of a search
constexpr size_t kMostTogether = 9;  // equations of a document of questions

int countdown_level(Rng& rng, Levels levels) {
  if (!levels.empty()) return levels.pick(rng);
  return rng.uniform() < kFourNumbers ? 4 : 3;
}

int chain_level(Rng& rng, Levels levels) {
  const Levels usual = Levels::range({2, 4});
  return (levels.empty() ? usual : levels).pick(rng);
}

Countdown train_countdown(Rng& rng, int level, Problems& problems) {
  const Rng own{rng.key.at("countdown")};
  Countdown c = first_that_fits(
      own, [&](Rng draw) { return make_countdown(draw, level); },
      [](const Countdown& made) {
        return split_of(made.canonical()) == TaskSplit::train && !shows_test_problem(made.solution.equations);
      });
  problems.push_back(c.canonical());
  return c;
}

Chain train_chain(Rng& rng, int level, Problems& problems) {
  const auto form = [](const Chain& made) { return chain_form(made.equations[0].a, made.equations); };
  const Rng own{rng.key.at("chain")};
  Chain chain = first_that_fits(
      own, [&](Rng draw) { return make_chain(draw, level); },
      [](const Chain& made) { return !shows_test_problem(made.equations); });
  problems.push_back(form(chain));
  return chain;
}

std::string document(const std::string& question, const std::string& response) {
  return prompt_of(question) + response;
}

class Lines {
 public:
  void add(const std::string& line) { text_ += (text_.empty() ? "" : "\n") + line; }
  void add(const Equation& e, std::string_view mark = "") { add(e.text() + std::string(mark)); }
  void add_all(const std::vector<Equation>& equations, std::string_view mark, size_t first = 0) {
    for (size_t i = first; i < equations.size(); ++i) add(equations[i], mark);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

constexpr std::string_view kOk = " ok", kMissed = " no";

Equation fact(Rng& rng) {
  const auto between = [&](int64_t low, int64_t high) { return low + int64_t(rng.below(uint64_t(high - low + 1))); };
  const double kind = rng.uniform();
  if (kind < 0.4) return next_equation(rng, between(2, kLargestValue));
  if (kind < 0.75) {  // a sum, or the difference that undoes it
    int64_t a = 0, sum = 0;
    if (rng.below(3) == 0) {  // of whole tens: the last digit stays
      a = 10 * between(1, 12);
      sum = a + between(1, kLargestValue - a);
    } else {  // of digits, or of any numbers
      sum = between(2, rng.below(2) ? 19 : kLargestValue);
      a = between(1, sum - 1);
    }
    if (rng.below(2)) return {std::max(a, sum - a), '+', std::min(a, sum - a), sum};
    return {sum, '-', a, sum - a};
  }
  // Tables to 12, and those of the other numbers that countdown has.
  const bool table = kind < 0.9;
  const int64_t b = between(2, table ? 12 : 7), a = table ? between(2, 12) : between(13, kLargestNumber);
  if (rng.below(5) < 3) return {std::max(a, b), '*', std::min(a, b), a * b};
  return {a * b, '/', b, a};
}

std::string expression(const Equation& e) { return std::to_string(e.a) + e.op + std::to_string(e.b); }

Chain chain_of(const Equation& e) { return {{e}, expression(e)}; }

// A value near the right one, as a slip gives it.
int64_t slip(Rng& rng, int64_t value) {
  constexpr int64_t kOff[] = {1, -1, 2, -2, 10, -10, 10, -10};
  for (;;) {
    const int64_t wrong = value + kOff[rng.below(std::size(kOff))];
    if (wrong >= 1 && wrong <= kLargestValue) return wrong;
  }
}

// The operations of a chain from `first` on, starting with `value`; nothing where one of them does not come out.
std::optional<std::vector<Equation>> go_on(const std::vector<Equation>& equations, size_t first, int64_t value) {
  std::vector<Equation> out;
  for (size_t i = first; i < equations.size(); ++i) {
    const char op = equations[i].op;
    const int64_t b = equations[i].b;
    if (op == '/' && value % b != 0) return {};
    const int64_t result = op == '+' ? value + b : op == '-' ? value - b : op == '*' ? value * b : value / b;
    if (result < 1 || result > kLargestValue) return {};
    out.push_back({value, op, b, result});
    value = result;
  }
  return out;
}

std::string wrong_then_right(const Equation& right, int64_t stated) {
  return fmt::format("{} not {}", right.text(), stated);
}

void checked_chain(Rng& rng, const Chain& chain, bool error, Lines& lines) {
  const auto& right = chain.equations;
  if (!error) {
    lines.add_all(right, "");
    lines.add("check");
    return lines.add_all(right, kOk);
  }
  for (int tries = 0;; ++tries) {
    const size_t at = tries < 8 ? size_t(rng.below(right.size())) : right.size() - 1;  // at the end it always works
    const int64_t stated = slip(rng, right[at].value);
    const auto after = go_on(right, at + 1, stated);
    if (!after) continue;
    for (size_t i = 0; i < at; ++i) lines.add(right[i]);
    lines.add(Equation{right[at].a, right[at].op, right[at].b, stated});
    lines.add_all(*after, "");
    lines.add("check");
    for (size_t i = 0; i < at; ++i) lines.add(right[i], kOk);
    lines.add(wrong_then_right(right[at], stated));
    return lines.add_all(right, "", at + 1);
  }
}

// The equations of a way, after each the numbers that are left then.
void show_way(const Countdown& c, const Path& path, std::string_view mark, Lines& lines) {
  Path table(c.numbers);
  for (const Equation& e : path.equations) {
    table.apply(e);
    std::string rest;
    for (size_t i = 0; i + 1 < table.table.size(); ++i)
      rest += (rest.empty() ? " and " : " ") + std::to_string(table.table[i].value);
    lines.add(e, rest.empty() ? fmt::format(" for {}{}", c.target, mark) : rest);
  }
}

// Whether a way over all numbers may be shown as one that misses.
bool misses(const Countdown& c, const Path& path) {
  Countdown other;
  other.numbers = c.numbers;
  other.target = path.table[0].value;
  return other.target != c.target && split_of(other.canonical()) == TaskSplit::train &&
         !shows_test_problem(path.equations);
}

// The path with the last operation that comes closest to the target; of equals the first.
Path ended_close(const Path& path, int64_t target) {
  std::optional<Path> best;
  for (const Path::Move& m : path.moves()) {
    Path ended = path;
    ended.apply(m);
    if (!best || std::abs(ended.table[0].value - target) < std::abs(best->table[0].value - target)) best = ended;
  }
  return best.value_or(path);
}

// So many ways that miss, each with another beginning. False where there are not so many.
bool miss(Rng& rng, const Countdown& c, int ways, Lines& lines) {
  std::set<std::string> seen;
  constexpr int kTries = 20;
  int shown = 0;
  for (int tries = 0; shown < ways && tries < ways * kTries; ++tries) {
    Path path(c.numbers);
    std::string beginning;
    while (path.table.size() > 2 && path.step(rng)) beginning += path.equations.back().text() + " ";
    if (path.table.size() > 2 || !seen.insert(beginning).second) continue;
    path = ended_close(path, c.target);
    if (!path.complete() || !misses(c, path)) continue;
    show_way(c, path, kMissed, lines);
    ++shown;
  }
  return shown == ways;
}

// The text that make(rng, problems) writes, drawn again where it is empty or shows a test chain. What decides about the shape of the
// text (its level, an error, the count of ways) is drawn before, so that its shares stay what they are.
template <class Make> std::string clean(const Rng& rng, Problems& problems, Make&& make) {
  struct Drawn {
    std::string text;
    Problems problems;
  };
  const Drawn drawn = first_that_fits(
      Rng{rng.key.at("content")},
      [&](Rng own) {
        Drawn d;
        d.text = make(own, d.problems);
        return d;
      },
      [](const Drawn& d) { return !d.text.empty() && !shows_test_problem(d.text); });
  problems.insert(problems.end(), drawn.problems.begin(), drawn.problems.end());
  return drawn.text;
}

// "2 * 14 = 28" → "2*14=28", as the other kinds have it: what is learned of one is then known in the other.
std::string without_blanks_at_signs(std::string_view text) {
  constexpr std::string_view kSigns = "+-*/=";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool before = i + 2 < text.size() && text[i + 2] == ' ' && kSigns.find(text[i + 1]) != kSigns.npos;
    const bool behind = i >= 2 && text[i - 2] == ' ' && kSigns.find(text[i - 1]) != kSigns.npos;
    if (text[i] != ' ' || !(before || behind)) out += text[i];
  }
  return out;
}

}  // namespace

std::string fact_text(Rng rng) {
  const bool single = rng.below(4) == 0;
  Problems none;
  return clean(rng, none, [&](Rng own, Problems&) {
    if (single) {
      const Equation e = fact(own);
      return document("Compute " + expression(e) + ".", response_of(e.text(), std::to_string(e.value)));
    }
    Lines lines;
    for (uint64_t n = 8 + own.below(9); n > 0; --n) lines.add(fact(own));
    return lines.text();
  });
}

std::string questions_text(Rng rng, Levels levels, Problems& problems) {
  const size_t equations = 2 + rng.below(kMostTogether - 1);
  return clean(rng, problems, [&](Rng own, Problems& held) {
    Lines lines;
    std::string asked, answers;
    for (size_t left = equations, number = 0; left > 0; ++number) {
      Rng draw{own.key.at(number)};
      const size_t room = left - (number == 0);  // one chain alone would not be several questions
      const size_t steps = draw.below(3) == 0 ? size_t(chain_level(draw, levels)) : 1;
      Chain item;
      if (steps > 1 && steps <= room) item = train_chain(draw, int(steps), held);
      else item = chain_of(fact(draw));
      asked += (number == 0 ? "" : ", ") + item.expression;
      answers += (number == 0 ? "" : " ") + std::to_string(item.value());
      lines.add_all(item.equations, "");
      left -= item.equations.size();
    }
    return document("Compute " + asked + ".", response_of(lines.text(), answers));
  });
}

std::string chain_text(Rng rng, Levels levels, Problems& problems) {
  const int level = chain_level(rng, levels);
  return clean(rng, problems, [&](Rng own, Problems& held) {
    const Chain chain = train_chain(own, level, held);
    Lines lines;
    lines.add_all(chain.equations, "");
    return document(chain.question(), response_of(lines.text(), std::to_string(chain.value())));
  });
}

std::string attempt_text(Rng rng, Levels levels, Problems& problems) {
  const Levels of_countdown{levels.bits & Levels::range(task_levels(TaskKind::countdown)).bits};
  const bool countdown = rng.below(2) && (levels.empty() || !of_countdown.empty());
  const int level = countdown ? countdown_level(rng, of_countdown) : chain_level(rng, levels);
  return clean(rng, problems, [&](Rng own, Problems& held) {
    if (countdown) {
      const Countdown c = train_countdown(own, level, held);
      const std::string& answer = c.solution.table[0].text;
      return document(c.question(), response_of(fmt::format("{}={}", answer, c.target), answer));
    }
    const Chain chain = train_chain(own, level, held);
    return document(chain.question(),
                    response_of(fmt::format("{}={}", chain.expression, chain.value()), std::to_string(chain.value())));
  });
}

std::string check_text(Rng rng, Levels levels, Problems& problems) {
  const bool error = rng.below(2);
  const int level = chain_level(rng, levels);
  return clean(rng, problems, [&](Rng own, Problems& held) {
    const Chain chain = train_chain(own, level, held);
    Lines lines;
    checked_chain(own, chain, error, lines);
    return document(chain.question(), response_of(lines.text(), std::to_string(chain.value())));
  });
}

std::string countdown_text(Rng rng, Levels levels, Problems& problems) {
  const int level = countdown_level(rng, levels), ways = 1 + int(rng.below(kMostEquations / uint64_t(level - 1)));
  return clean(rng, problems, [&](Rng own, Problems& held) {
    const Countdown c = train_countdown(own, level, held);
    Lines lines;
    if (!miss(own, c, ways - 1, lines)) return std::string();
    show_way(c, c.solution, kOk, lines);
    return document(c.question(), response_of(lines.text(), c.solution.table[0].text));
  });
}

std::string worked_text(Rng rng, bool chinese, Levels levels, Problems& problems) {
  const TaskKind kind = chinese ? TaskKind::word_problem_zh : TaskKind::word_problem;
  const int level = levels.pick(rng);
  const Task task = task_of_split(rng, kind, level, TaskSplit::train);
  problems.push_back(task.canonical);
  return document(task.question, response_of(without_blanks_at_signs(task.reasoning), task.right_answer()));
}

std::string puzzle_text(Rng rng, Levels levels, Problems& problems) {
  const int level = levels.pick(rng);
  const Task task = task_of_split(rng, TaskKind::logic, level, TaskSplit::train);
  problems.push_back(task.canonical);
  return document(task.question, response_of(task.reasoning, task.right_answer()));
}

std::string exercise_text(Rng rng, Levels levels, Problems& problems) {
  const int level = levels.pick(rng);
  const Task task = task_of_split(rng, TaskKind::code, level, TaskSplit::train);
  problems.push_back(task.canonical);
  return "# " + task.question + "\n" + task.solution;
}

}  // namespace minke::corpus
