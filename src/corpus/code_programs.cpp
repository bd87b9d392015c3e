#include "corpus/code_programs.h"

#include <algorithm>
#include <numeric>

namespace minke::corpus {
namespace {

constexpr std::string_view kWords[] = {"whale",  "river",  "stone",  "apple",  "level",  "tiger",  "radar", "cloud",
                                       "green",  "noon",   "music",  "paper",  "kayak",  "ocean",  "light", "bread",
                                       "civic",  "storm",  "mirror", "table",  "window", "garden", "minke", "lemon",
                                       "banana", "letter", "python", "number", "coffee", "silver", "madam", "planet",
                                       "summer", "winter", "rotor",  "island"};

void linear(Program& p) {
  const int64_t k = p.number(2, 9), c = p.number(1, 20);
  p.e.set("k1", k), p.e.set("c1", c);
  p.define("{scale|combine|formula|compute|mix}", "Return $k1 times $x plus $y{, plus $c1|}.", "");
  const bool plus = p.task.find(", plus") != std::string::npos;
  p.source = p.e.expand(plus ? "def $f($x, $y):\n    return $k1 * $x + $y + $c1"
                             : "def $f($x, $y):\n    return $k1 * $x + $y");
  for (int i = 0; i < 3; ++i) {
    const int64_t a = p.number(-10, 30), b = p.number(-10, 30);
    p.call(repr(a) + ", " + repr(b), k * a + b + (plus ? c : 0));
  }
}
void largest(Program& p) {
  const bool big = p.e.chance(0.5);
  p.e.set("op", big ? ">" : "<"), p.e.set("word", big ? "largest" : "smallest");
  p.define("{find_$word|get_$word|${word}_of}", "Return the $word {number|value} in {a list|$xs}.",
           "def $f($xs):\n    best = ${xs}[0]\n    for $v in $xs:\n        if $v $op best:\n            best = $v\n    "
           "return best");
  p.call_lists(
      [&](const List& l) {
        return big ? *std::max_element(l.begin(), l.end()) : *std::min_element(l.begin(), l.end());
      },
      -20, 99);
}
void total(Program& p) {
  p.define("{total|add_all|sum_list|sum_of}", "{Add up all numbers of a list|Return the sum of $xs}.",
           "def $f($xs):\n    $out = 0\n    for $v in $xs:\n        $out {+= $v|= $out + $v}\n    return $out");
  p.call_lists([](const List& l) { return std::accumulate(l.begin(), l.end(), int64_t(0)); });
}
void even(Program& p) {
  const bool even = p.e.chance(0.5);
  p.e.set("word", even ? "even" : "odd"), p.e.set("r", even ? "0" : "1");
  p.define("{is_$word|check_$word}", "{Tell whether|Return True if} $x is $word.",
           "def $f($x):\n    return $x % 2 == $r");
  p.call_numbers(0, 200, [&](int64_t v) { return (v % 2 == 0) == even; });
}
void factorial(Program& p) {
  p.define("{factorial|fact}", "{Return the product of 1 to $x|Return the factorial of $x}.",
           "{def $f($x):\n    $out = 1\n    for $i in range(2, $x + 1):\n        $out *= $i\n    return $out|def "
           "$f($x):\n    if $x <= 1:\n        return 1\n    return $x * $f($x - 1)}");
  p.call_numbers(0, 12, [](int64_t v) {
    int64_t r = 1;
    for (int64_t i = 2; i <= v; ++i) r *= i;
    return r;
  });
}
void fibonacci(Program& p) {
  p.define("{fib|fibonacci}", "Return {the $x-th Fibonacci number, starting with 0 and 1|Fibonacci number $x}.",
           "{def $f($x):\n    p, q = 0, 1\n    for _ in range($x):\n        p, q = q, p + q\n    return p|def "
           "$f($x):\n    if $x < 2:\n        return $x\n    return $f($x - 1) + $f($x - 2)}");
  p.call_numbers(0, 18, [](int64_t v) {
    int64_t a = 0, b = 1;
    while (v-- > 0) b += a, a = b - a;
    return a;
  });
}
std::string reversed(const std::string& s) { return {s.rbegin(), s.rend()}; }
void reverse(Program& p) {
  p.define("{reverse|reverse_text|backwards}", "Return the {text|string} {backwards|in reverse order}.",
           "{def $f($s):\n    return ${s}[::-1]|def $f($s):\n    $out = \"\"\n    for $c in $s:\n        $out = $c + "
           "$out\n    return $out}");
  p.call_words(reversed);
}
void palindrome(Program& p) {
  p.define("{is_palindrome|same_backwards}",
           "{Tell whether a word reads the same backwards|Return True if $s is a palindrome}.",
           "def $f($s):\n    return $s == ${s}[::-1]");
  p.call_words([](const std::string& w) { return w == reversed(w); });
}
void vowels(Program& p) {
  p.define("{count_vowels|vowels|num_vowels}", "{Count the vowels in|Return the number of vowels of} a word.",
           "{def $f($s):\n    count = 0\n    for $c in $s:\n        if $c in \"aeiou\":\n            count += 1\n    "
           "return count|def $f($s):\n    return sum(1 for $c in $s if $c in \"aeiou\")}");
  p.call_words([](const std::string& w) {
    return int64_t(std::count_if(w.begin(), w.end(),
                                 [](char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }));
  });
}
void gcd(Program& p) {
  p.define("{gcd|greatest_common_divisor|common_divisor}",
           "Return the greatest common divisor of {two numbers|$x and $y}.",
           "def $f($x, $y):\n    while $y:\n        $x, $y = $y, $x % $y\n    return $x");
  for (int i = 0; i < 3; ++i) {
    const int64_t k = p.number(1, 12), a = k * p.number(1, 12), b = k * p.number(1, 12);
    p.call(repr(a) + ", " + repr(b), std::gcd(a, b));
  }
}
void prime(Program& p) {
  p.define("{is_prime|prime}", "{Tell whether|Return True if} $x is a prime number.",
           "def $f($x):\n    if $x < 2:\n        return False\n    d = 2\n    while d * d <= $x:\n        if $x % d == "
           "0:\n            return False\n        d += 1\n    return True");
  p.call_numbers(0, 120, [](int64_t v) {
    bool r = v >= 2;
    for (int64_t d = 2; d * d <= v; ++d) r &= v % d != 0;
    return r;
  });
}
void keep(Program& p) {
  const int64_t t = p.number(3, 20);
  p.e.set("t", t);
  p.define("{greater_than_$t|above_$t|keep_large|filter_large}",
           "{Keep only the numbers|Return those values} that are {larger|greater} than $t.",
           "{def $f($xs):\n    return [$v for $v in $xs if $v > $t]|def $f($xs):\n    $out = []\n    for $v in $xs:\n  "
           "      if $v > $t:\n            ${out}.append($v)\n    return $out}");
  p.call_lists([&](List l) {
    std::erase_if(l, [&](int64_t v) { return v <= t; });
    return l;
  });
}
void transform(Program& p) {
  const int64_t k = p.number(2, 9);
  p.e.set("k1", k);
  const bool square = p.e.chance(0.4);
  if (square)
    p.define("{squares|square_all}", "{Return the square of every number|Square every number of the list}.",
             "def $f($xs):\n    return [$v {* $v|** 2} for $v in $xs]");
  else
    p.define("{times_$k1|multiply_all|scale_list}", "Multiply every number {of the list|of $xs} by $k1.",
             "{def $f($xs):\n    return [$k1 * $v for $v in $xs]|def $f($xs):\n    $out = []\n    for $v in $xs:\n     "
             "   ${out}.append($v * $k1)\n    return $out}");
  p.call_lists(
      [&](List l) {
        for (int64_t& v : l) v *= square ? v : k;
        return l;
      },
      0, 15);
}
void occurrences(Program& p) {
  p.define("{count_letters|letter_count|how_often}", "{Count how often|Return how many times} a letter is in a word.",
           "{def $f($s, target):\n    return ${s}.count(target)|def $f($s, target):\n    count = 0\n    for $c in "
           "$s:\n        if $c == target:\n            count += 1\n    return count}");
  for (int i = 0; i < 3; ++i) {
    const std::string w = p.word();
    const char c = i < 2 ? w[p.e.below(w.size())] : char('a' + p.e.below(26));
    p.call(in_quotes(w) + ", " + in_quotes(std::string_view(&c, 1)), int64_t(std::count(w.begin(), w.end(), c)));
  }
}
void clamp(Program& p) {
  p.define("{clamp|limit|keep_between}", "{Limit|Restrict} a value to the range from low to high.",
           "{def $f($x, low, high):\n    return max(low, min(high, $x))|def $f($x, low, high):\n    if $x < low:\n     "
           "   return low\n    if $x > high:\n        return high\n    return $x}");
  for (int i = 0; i < 3; ++i) {
    const int64_t x = p.number(-20, 60), low = p.number(0, 10), high = low + p.number(5, 30);
    p.call(repr(x) + ", " + repr(low) + ", " + repr(high), std::clamp(x, low, high));
  }
}
void digits(Program& p) {
  p.define("{digit_sum|sum_digits|sum_of_digits}", "Return the sum of the digits of $x.",
           "{def $f($x):\n    $out = 0\n    while $x > 0:\n        $out += $x % 10\n        $x //= 10\n    return "
           "$out|def $f($x):\n    return sum(int(d) for d in str($x))}");
  p.call_numbers(1, 99999, [](int64_t v) {
    int64_t r = 0;
    for (; v > 0; v /= 10) r += v % 10;
    return r;
  });
}
void range_sum(Program& p) {
  const int64_t k = p.number(1, 6);
  p.e.set("k1", k);
  p.define(
      "{sum_up_to|sum_of_multiples|add_range}",
      "{Add all multiples of $k1 up to and including $x|Return the sum of the multiples of $k1 that are not above $x}.",
      "def $f($x):\n    $out = 0\n    for $i in range($k1, $x + 1, $k1):\n        $out += $i\n    return $out");
  p.call_numbers(1, 40, [&](int64_t v) {
    int64_t r = 0;
    for (int64_t i = k; i <= v; i += k) r += i;
    return r;
  });
}
void fizz(Program& p) {
  const int64_t a = p.number(2, 4), b = 5 + 2 * p.number(0, 1);
  const std::string w = p.word(), u = p.word();
  p.e.set("p1", a), p.e.set("q1", b), p.e.set("w", w), p.e.set("u", u);
  p.define("{say|fizzbuzz|word_or_number}",
           "Return \"$w\" for multiples of $p1, \"$u\" for multiples of $q1, {and else|otherwise} the number as text.",
           "def $f($x):\n    if $x % $p1 == 0:\n        return \"$w\"\n    if $x % $q1 == 0:\n        return \"$u\"\n  "
           "  return str($x)");
  p.call_numbers(1, 50, [&](int64_t v) { return v % a == 0 ? w : v % b == 0 ? u : std::to_string(v); });
}
void index_of(Program& p) {
  p.define("{find|index_of|position|search}",
           "Return the {index|position} of target in the list, or -1 if it is not there.",
           "{def $f($xs, target):\n    for k in range(len($xs)):\n        if ${xs}[k] == target:\n            return "
           "k\n    return -1|def $f($xs, target):\n    for k, $v in enumerate($xs):\n        if $v == target:\n        "
           "    return k\n    return -1}");
  for (int i = 0; i < 3; ++i) {
    const List l = p.list();
    const int64_t t = i < 2 ? l[p.e.below(l.size())] : p.number(0, 40);
    const auto at = std::find(l.begin(), l.end(), t);
    p.call(repr(l) + ", " + repr(t), at == l.end() ? int64_t(-1) : int64_t(at - l.begin()));
  }
}
void unique(Program& p) {
  p.define("{unique|remove_duplicates|without_repeats}",
           "Return the {values|numbers} without repeats, in the order of their first appearance.",
           "def $f($xs):\n    $out = []\n    for $v in $xs:\n        if $v not in $out:\n            "
           "${out}.append($v)\n    return $out");
  p.call_lists(
      [](const List& l) {
        List r;
        for (int64_t v : l)
          if (std::find(r.begin(), r.end(), v) == r.end()) r.push_back(v);
        return r;
      },
      0, 6);
}
void celsius(Program& p) {
  p.define("{to_fahrenheit|celsius_to_fahrenheit}", "Convert {whole|} degrees Celsius to Fahrenheit, rounded down.",
           "def $f(celsius):\n    return celsius * 9 // 5 + 32");
  p.call_numbers(0, 100, [](int64_t v) { return v * 9 / 5 + 32; });
}
void sort(Program& p) {
  p.define("{bubble_sort|sort_list|sorted_copy}", "Return {a sorted copy of the list|the numbers in ascending order}.",
           "def $f($xs):\n    $out = list($xs)\n    for p in range(len($out)):\n        for q in range(len($out) - 1 - "
           "p):\n            if ${out}[q] > ${out}[q + 1]:\n                ${out}[q], ${out}[q + 1] = ${out}[q + 1], "
           "${out}[q]\n    return $out");
  p.call_lists(
      [](List l) {
        std::sort(l.begin(), l.end());
        return l;
      },
      -9, 50);
}
std::vector<std::string> some_words(Program& p) {
  std::vector<std::string> words(size_t(p.number(2, 4)));
  for (auto& w : words) w = p.word();
  return words;
}
void longest(Program& p) {
  p.define("{longest|longest_word|find_longest}", "Return the longest word; the first one if several are equally long.",
           "{def $f(words):\n    best = words[0]\n    for w in words:\n        if len(w) > len(best):\n            "
           "best = w\n    return best|def $f(words):\n    return max(words, key=len)}");
  for (int i = 0; i < 3; ++i) {
    const auto words = some_words(p);
    p.call(repr(words),
           *std::max_element(words.begin(), words.end(), [](auto& a, auto& b) { return a.size() < b.size(); }));
  }
}
void join(Program& p) {
  const bool lengths = p.e.chance(0.5);
  if (lengths)
    p.define("{lengths|word_lengths}", "Return the length of each word.",
             "def $f(words):\n    return [len(w) for w in words]");
  else
    p.define("{initials|first_letters}", "Return the first letters of the words{, joined|} as one string.",
             "def $f(words):\n    return \"\".join(w[0] for w in words)");
  for (int i = 0; i < 3; ++i) {
    const auto words = some_words(p);
    List sizes;
    std::string first;
    for (const auto& w : words) sizes.push_back(int64_t(w.size())), first += w[0];
    if (lengths) p.call(repr(words), sizes);
    else p.call(repr(words), first);
  }
}
void running(Program& p) {
  p.define("{running_total|cumulative|partial_sums}", "Return the {running totals|partial sums} of a list.",
           "def $f($xs):\n    $out = []\n    total = 0\n    for $v in $xs:\n        total += $v\n        "
           "${out}.append(total)\n    return $out");
  p.call_lists(
      [](List l) {
        std::partial_sum(l.begin(), l.end(), l.begin());
        return l;
      },
      0, 12);
}
void divisors(Program& p) {
  p.define("{divisors|factors|find_divisors}", "Return all {divisors|factors} of $x.",
           "{def $f($x):\n    return [d for d in range(1, $x + 1) if $x % d == 0]|def $f($x):\n    $out = []\n    for "
           "d in range(1, $x + 1):\n        if $x % d == 0:\n            ${out}.append(d)\n    return $out}");
  p.call_numbers(1, 60, [](int64_t v) {
    List r;
    for (int64_t d = 1; d <= v; ++d)
      if (v % d == 0) r.push_back(d);
    return r;
  });
}
void collatz(Program& p) {
  p.define("{collatz|steps_to_one|collatz_steps}",
           "Halve even numbers, replace odd n by 3n + 1, and count the steps until 1.",
           "def $f(n):\n    steps = 0\n    while n != 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n        "
           "steps += 1\n    return steps");
  p.call_numbers(1, 30, [](int64_t v) {
    int64_t s = 0;
    for (; v != 1; ++s) v = v % 2 ? 3 * v + 1 : v / 2;
    return s;
  });
}
void account(Program& p) {
  // The object is made and used in one helper, so that a call has a value like in the other families.
  const int64_t start = p.number(0, 50);
  p.e.set("st", start);
  p.define("{balance_after|run_account|final_balance}",
           "Keep an account that starts with $st; money that is not there cannot be taken out.",
           "class {Account|Purse|Bank}:\n    def __init__(self):\n        self.balance = $st\n\n    def change(self, "
           "amount):\n        if self.balance + amount >= 0:\n            self.balance += amount\n\n\n");
  const std::string cls = p.source.substr(6, p.source.find(':') - 6);
  p.e.set("cls", cls);
  p.source += p.e.expand(
      "def $f(amounts):\n    account = $cls()\n    for amount in amounts:\n        account.change(amount)\n    return "
      "account.balance");
  p.call_lists(
      [&](const List& l) {
        int64_t b = start;
        for (int64_t v : l)
          if (b + v >= 0) b += v;
        return b;
      },
      -40, 40);
}

constexpr void (*kFamilies[])(Program&) = {linear,     largest, total,     even,    factorial, fibonacci, reverse,
                                           palindrome, vowels,  gcd,       prime,   keep,      transform, occurrences,
                                           clamp,      digits,  range_sum, fizz,    index_of,  unique,    celsius,
                                           sort,       longest, join,      running, divisors,  collatz,   account};

}  // namespace

std::string Program::word() { return std::string(e.pick(kWords)); }

void write_program(Program& p) { p.e.pick(kFamilies)(p); }

}  // namespace minke::corpus
