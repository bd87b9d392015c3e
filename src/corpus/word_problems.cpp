// Word problems in English, as GSM8K has them: a question in words, one true equation a line, the answer. Each family
// is a function of the level, which sets the size of the numbers; the table at the end says which levels it serves.
#include "corpus/families.h"
#include "corpus/genres.h"
#include "corpus/words.h"

namespace minke::corpus {
namespace {

constexpr std::string_view kThings[] = {"apple", "marble", "sticker", "shell",  "pencil", "button",
                                        "stone", "card",   "stamp",   "cookie", "flower", "feather",
                                        "coin",  "peach",  "nut",     "bead",   "berry",  "egg"};
constexpr std::string_view kContainers[] = {"box", "bag", "basket", "jar", "sack", "crate", "drawer", "tray"};
constexpr std::string_view kGoods[] = {"notebook", "toy car", "book",  "ticket", "cup",
                                       "lamp",     "ball",    "plant", "scarf",  "puzzle"};
constexpr std::string_view kOtherGoods[] = {"pen",   "candle", "sandwich", "postcard",
                                            "ruler", "juice",  "brush",    "poster"};
constexpr std::string_view kTimes[] = {"", "", "twice", "three times", "four times", "five times"};

// Limits of the numbers by level: level 1 stays below 10, level 5 reaches some hundreds.
int64_t size_at(int level) {
  constexpr int64_t kSize[] = {9, 9, 20, 50, 100, 400};
  return kSize[level];
}

struct Maker {
  Expander e;
  int level;
  std::string family, reasoning;

  Maker(Rng rng, int level) : e(rng, english_rules()), level(level) {
    const Person& a = fresh_person(e, english_names(), {});
    bind_person(e, kHero, a);
    const std::string_view taken[] = {a.name};
    bind_person(e, kFriend, fresh_person(e, english_names(), taken));
    const std::string_view thing = e.pick(kThings), container = e.pick(kContainers);
    e.set("thing", thing);
    e.set("things", plural(thing));
    e.set("container", container);
    e.set("containers", plural(container));
  }
  int64_t big() { return number(size_at(level) / 2 + 1, size_at(level) * 2); }
  int64_t number(int64_t low, int64_t high) { return e.between(low, high); }
  int64_t small() { return number(2, level <= 2 ? 6 : 12); }
  void step(std::string_view text) { reasoning += (reasoning.empty() ? "" : "\n") + e.expand(text, true); }
  Task done(std::string_view question, int64_t answer) {
    return {std::move(family), e.expand(question, true), std::move(reasoning), std::to_string(answer)};
  }
  void set(std::string_view name, int64_t value) { e.set(name, value); }
};

Task receive(Maker& m) {
  const int64_t x = m.big(), y = m.number(2, size_at(m.level));
  m.set("x", x), m.set("y", y), m.set("r", x + y);
  m.step("{Now $a has|That makes|Together that is} $x + $y = $r $things.");
  return m.done(
      "$a {has|had} $x $things. {$b gives $a_him $y more|Then $a_he {finds|gets|buys} $y more|On the next day $a_he "
      "{collects|gets} $y more}. How many $things does $a have {now|in all|altogether}?",
      x + y);
}

Task give_away(Maker& m) {
  const int64_t x = m.big() + 2, y = m.number(1, x - 1);
  m.set("x", x), m.set("y", y), m.set("r", x - y);
  m.step("{After that $a has|There remain|What is left is} $x - $y = $r $things.");
  return m.done(
      "$a has $x $things. $a_he {gives $y of them to $b|loses $y of them|sells $y of them|puts $y of them away for "
      "$b}. How many $things {are left|does $a have left|does $a still have}?",
      x - y);
}

Task groups(Maker& m) {
  const int64_t n = m.small(), k = m.number(2, m.level <= 2 ? 9 : 25);
  m.set("n", n), m.set("k", k), m.set("r", n * k);
  m.step("There are $n $containers with $k $things each: $n * $k = $r $things.");
  return m.done(
      "{$a has|There are|In the room there are} $n $containers. {In each $container there are|Each $container "
      "holds|Every $container contains} $k $things. How many $things are there {in all|altogether|in total}?",
      n * k);
}

Task share_equally(Maker& m) {
  const int64_t n = m.small(), k = m.number(2, m.level <= 2 ? 9 : 30);
  m.set("n", n), m.set("t", n * k), m.set("r", k);
  m.step("{Each {child|one} gets|Divided equally, that is} $t / $n = $r $things.");
  return m.done(
      "$a {shares|divides} $t $things equally among $n {children|friends|classmates}. How many $things does each {of "
      "them get|child get|one get}?",
      k);
}

Task more_than(Maker& m) {
  const int64_t x = m.big(), d = m.number(2, size_at(m.level));
  m.set("x", x), m.set("d", d), m.set("y", x + d), m.set("r", 2 * x + d);
  m.step("$b has $x + $d = $y $things.");
  m.step("{Together they have|In total that is} $x + $y = $r $things.");
  return m.done(
      "$a has $x $things. $b has $d more {$things |}than $a. How many $things do they have {together|in "
      "total|altogether}?",
      2 * x + d);
}

Task times_as_many(Maker& m) {
  const int64_t x = m.number(2, size_at(m.level)), k = m.number(2, 5);
  m.set("x", x), m.set("k", k), m.set("y", k * x), m.set("r", x + k * x);
  m.e.set("times", kTimes[k]);
  m.step("$b has $k * $x = $y $things.");
  m.step("{Together they have|In total that is} $x + $y = $r $things.");
  return m.done(
      "$a {collected|found|has} $x $things. $b {collected|found|has} $times as many. How many $things {do they "
      "have|are there} {together|in all}?",
      x + k * x);
}

Task change(Maker& m) {
  const int64_t n = m.number(2, m.level + 4), p = m.number(2, m.level * 4 + 2), cost = n * p;
  const int64_t note = cost < 20 ? 20 : cost < 50 ? 50 : cost < 100 ? 100 : cost < 200 ? 200 : 500;
  m.e.set("goods", m.e.pick(kGoods));
  m.e.set("goods_plural", plural(m.e.get("goods")));
  m.set("n", n), m.set("p", p), m.set("c", cost), m.set("m", note), m.set("r", note - cost);
  m.step("$n $goods_plural cost $n * $p = $c dollars.");
  m.step("{The change is|$a gets back} $m - $c = $r dollars.");
  return m.done(
      "$a buys $n $goods_plural {for|at} $$$p each and pays with {a|one} $$$m {note|bill}. How {much change does $a_he "
      "get|many dollars does $a_he get back}?",
      note - cost);
}

Task two_goods(Maker& m) {
  const int64_t n = m.number(2, m.level + 3), p = m.number(3, m.level * 5), k = m.number(2, m.level + 3),
                q = m.number(1, m.level * 3);
  m.e.set("g", m.e.pick(kGoods));
  m.e.set("h", m.e.pick(kOtherGoods));
  m.e.set("gs", plural(m.e.get("g")));
  m.e.set("hs", plural(m.e.get("h")));
  m.set("n", n), m.set("p", p), m.set("k", k), m.set("q", q), m.set("x", n * p), m.set("y", k * q),
      m.set("r", n * p + k * q);
  m.step("The $gs cost $n * $p = $x dollars.");
  m.step("The $hs cost $k * $q = $y dollars.");
  m.step("{Together that is|The total is} $x + $y = $r dollars.");
  return m.done(
      "{In a shop|At the market}, $a buys $n $gs for $$$p each and $k $hs for $$$q each. How {much does $a_he pay in "
      "total|many dollars does $a_he spend}?",
      n * p + k * q);
}

Task savings(Maker& m) {
  const int64_t w = m.number(2, m.level * 6), n = m.number(3, 12), have = m.number(1, m.level * 10),
                price = have + w * n;
  m.e.set("goods", "{bicycle|guitar|telescope|tent|camera|pair of skates|chess set}");
  m.set("have", have), m.set("w", w), m.set("price", price), m.set("d", price - have), m.set("r", n);
  m.step("$a still needs $price - $have = $d dollars.");
  m.step("That takes $d / $w = $r weeks.");
  return m.done(
      "$a wants to buy @ $goods that costs $$$price. $a_he {already has|has saved} $$$have and {saves|puts aside} $$$w "
      "{every|each} week. {After how many weeks can $a_he buy it|How many weeks does $a_he still have to save}?",
      n);
}

Task reading(Maker& m) {
  const int64_t per = m.number(4, m.level * 8), days = m.number(2, 9), rest = m.number(5, m.level * 20),
                total = per * days + rest;
  m.set("t", total), m.set("p", per), m.set("n", days), m.set("x", per * days), m.set("r", rest);
  m.step("In $n days $a reads $n * $p = $x pages.");
  m.step("{There remain|What is left is} $t - $x = $r pages.");
  return m.done(
      "{$a's book|A book that $a is reading} has $t pages. $a reads $p pages {a|every} day for $n days. How many pages "
      "{are left|does $a_he still have to read}?",
      rest);
}

Task travel(Maker& m) {
  const int64_t v = m.number(3, 12) * (m.level >= 4 ? 10 : 5), h = m.number(2, 6), more = m.number(2, m.level * 20);
  m.set("v", v), m.set("h", h), m.set("x", v * h), m.set("m", more), m.set("r", v * h + more);
  m.e.expand("{vehicle=train|bus|ship|truck}");
  m.step("In $h hours the $vehicle goes $h * $v = $x kilometres.");
  m.step("The whole way is $x + $m = $r kilometres.");
  return m.done(
      "@ $vehicle {goes|travels} at $v kilometres per hour for $h hours. {Then|After a stop} it goes another $m "
      "kilometres. How {long is the whole way in kilometres|many kilometres does it go in all}?",
      v * h + more);
}

Task half_left(Maker& m) {
  const int64_t half = m.number(3, size_at(m.level)), extra = m.number(1, half - 1);
  m.set("t", 2 * half), m.set("x", half), m.set("y", extra), m.set("r", half - extra);
  m.step("Half of $t is $t / 2 = $x, so $x $things are left.");
  m.step("After {that|the gift}, $x - $y = $r $things remain.");
  return m.done(
      "$a had $t $things. $a_he {sold|used|gave away} half of them and then gave $y to $b. How many $things {are "
      "left|does $a have now}?",
      half - extra);
}

Task age(Maker& m) {
  const int64_t x = m.number(4, 14), d = m.number(2, 12), n = m.number(2, 12);
  m.e.expand("{rel=sister|brother|cousin}");
  m.set("x", x), m.set("d", d), m.set("y", x + d), m.set("n", n), m.set("r", x + d + n);
  m.step("{Today|Now} the $rel is $x + $d = $y years old.");
  m.step("In $n years that will be $y + $n = $r years.");
  return m.done("$a is $x years old. $a_his $rel is $d years older. How old will the $rel be in $n years?", x + d + n);
}

Task rows_left(Maker& m) {
  const int64_t n = m.number(3, m.level + 8), k = m.number(4, m.level + 10), gone = m.number(2, n * k - 1);
  m.e.expand(
      "{{place=hall}{seats=seats}{gone=are taken}|{place=garden}{seats=tulips}{gone=have "
      "faded}|{place=orchard}{seats=trees}{gone=are sick}|{place=car park}{seats=spaces}{gone=are taken}}");
  m.set("n", n), m.set("k", k), m.set("t", n * k), m.set("g", gone), m.set("r", n * k - gone);
  m.step("There are $n * $k = $t $seats.");
  m.step("{Without those|Of these}, $t - $g = $r remain.");
  return m.done(
      "@ $place has $n rows with $k $seats each. $g of the $seats $gone. How many of the $seats {remain|are left}?",
      n * k - gone);
}

Task discount(Maker& m) {
  constexpr int64_t kPercent[] = {10, 20, 25, 30, 40, 50};
  const int64_t p = m.e.pick(kPercent), price = m.number(1, m.level * 6) * 20, off = price * p / 100;
  m.e.expand("{goods=coat|lamp|chair|radio|tent|clock|backpack}");
  m.set("p", p), m.set("price", price), m.set("x", off), m.set("r", price - off);
  m.step("The discount is $price * $p / 100 = $x dollars.");
  m.step("{The new price is|$a pays} $price - $x = $r dollars.");
  return m.done(
      "@ $goods costs $$$price. {In the sale|Today} it is $p% {cheaper|off}. How many dollars does $a {pay for it|have "
      "to pay}?",
      price - off);
}

Task average(Maker& m) {
  const int64_t mean = m.number(5, m.level * 8), d = m.number(1, 4), f = m.number(0, 4);
  const int64_t x = mean - d, y = mean + d + f, z = mean - f, sum = x + y + z;
  m.e.expand(
      "{{did=caught}{what=fish}|{did=picked}{what=apples}|{did=solved}{what=riddles}|{did=walked}{what=kilometres}|{"
      "did=sold}{what=cakes}}");
  m.set("x", x), m.set("y", y), m.set("z", z), m.set("s", sum), m.set("r", mean);
  m.step("{In three days $a_he|In total $a} $did $x + $y + $z = $s $what.");
  m.step("The average is $s / 3 = $r $what {per|a} day.");
  return m.done(
      "$a $did $x $what on Monday, $y on Tuesday and $z on Wednesday. How many $what {is|was} that per day on average?",
      mean);
}

Task fence(Maker& m) {
  const int64_t a = m.number(3, m.level * 8), b = m.number(2, a), p = m.number(2, 9);
  m.set("x", a), m.set("y", b), m.set("p", p), m.set("s", a + b), m.set("t", 2 * (a + b)), m.set("r", 2 * (a + b) * p);
  m.step("Length and width together are $x + $y = $s metres.");
  m.step("The fence is 2 * $s = $t metres long.");
  m.step("It costs $t * $p = $r dollars.");
  return m.done(
      "$a wants to put a fence around a garden that is $x metres long and $y metres wide. One metre of fence costs "
      "$$$p. How many dollars does the {whole |}fence cost?",
      2 * (a + b) * p);
}

Task bakery(Maker& m) {
  const int64_t n = m.number(3, 12), k = m.number(6, 24), gone = m.number(2, n * k / 2), p = m.number(2, 6),
                left = n * k - gone;
  m.e.expand(
      "{{bake=cookies}{tray=trays}|{bake=rolls}{tray=baskets}|{bake=muffins}{tray=boxes}|{bake=pies}{tray=pans}}");
  m.set("n", n), m.set("k", k), m.set("t", n * k), m.set("g", gone), m.set("l", left), m.set("p", p),
      m.set("r", left * p);
  m.step("$a {bakes|makes} $n * $k = $t $bake.");
  m.step("{After the gift|Then} $t - $g = $l $bake are left.");
  m.step("{They bring in|$a_he earns} $l * $p = $r dollars.");
  return m.done(
      "$a {bakes|makes} $n $tray of $k $bake each. $a_he gives $g $bake to {$b|the neighbours|the school} and sells "
      "{all the others|the rest} for $$$p each. How many dollars does $a {earn|get}?",
      left * p);
}

Task work_week(Maker& m) {
  const int64_t wage = m.number(8, 25), hours = m.number(2, 8), days = m.number(3, 6),
                spend = m.number(10, wage * hours);
  const int64_t h = hours * days, pay = wage * h;
  m.set("w", wage), m.set("h", hours), m.set("d", days), m.set("t", h), m.set("y", pay), m.set("s", spend),
      m.set("r", pay - spend);
  m.step("$a works $h * $d = $t hours.");
  m.step("$a_he earns $t * $w = $y dollars.");
  m.step("{After paying|Without} the {bill|rent}, $y - $s = $r dollars are left.");
  return m.done(
      "$a earns $$$w an hour. {This|Last} week $a_he worked $h hours a day on $d days and then paid {a bill|the rent} "
      "of $$$s. How many dollars are left of {what $a_he earned|the pay}?",
      pay - spend);
}

constexpr Family<Maker> kFamilies[] = {
    {"receive", 1, 2, receive},
    {"give_away", 1, 2, give_away},
    {"groups", 1, 3, groups},
    {"share_equally", 1, 3, share_equally},
    {"more_than", 2, 3, more_than},
    {"times_as_many", 2, 4, times_as_many},
    {"change", 2, 4, change},
    {"two_goods", 3, 5, two_goods},
    {"savings", 3, 5, savings},
    {"reading", 2, 4, reading},
    {"travel", 3, 5, travel},
    {"half_left", 2, 5, half_left},
    {"age", 2, 3, age},
    {"rows_left", 3, 5, rows_left},
    {"discount", 4, 5, discount},
    {"average", 4, 5, average},
    {"fence", 4, 5, fence},
    {"bakery", 4, 5, bakery},
    {"work_week", 5, 5, work_week},
};

}  // namespace

Task word_problem_en(Rng rng, int level) {
  Maker m(rng, level);
  return make_of_level(m, kFamilies);
}

std::string word_problems_text(Rng rng, bool chinese, Levels levels, Problems& problems) {
  const int level = levels.pick(rng);
  const TaskKind kind = chinese ? TaskKind::word_problem_zh : TaskKind::word_problem;
  const Task task = task_of_split(rng, kind, level, TaskSplit::train);
  problems.push_back(task.canonical);
  return task_document(task);
}

}  // namespace minke::corpus
