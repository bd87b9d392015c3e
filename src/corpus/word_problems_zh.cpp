// Word problems in simplified Chinese, built like the English ones (word_problems.cpp).
#include "corpus/families.h"
#include "corpus/genres.h"
#include "corpus/words.h"

namespace minke::corpus {
namespace {

struct Maker {
  Expander e;
  int level;
  std::string family, reasoning;

  Maker(Rng rng, int level) : e(rng), level(level) {
    const Person& a = fresh_person(e, chinese_names(), {});
    const std::string_view taken[] = {a.name};
    e.set("a", a.name);
    e.set("ta", a.female ? "她" : "他");
    e.set("b", fresh_person(e, chinese_names(), taken).name);
    e.expand(
        "{{th=苹果}{u=个}|{th=橘子}{u=个}|{th=铅笔}{u=支}|{th=贴纸}{u=张}|{th=邮票}{u=张}|{th=糖果}{u=颗}|{th=弹珠}{u="
        "颗}|{th=卡片}{u=张}|{th=鸡蛋}{u=个}|{th=贝壳}{u=个}|{th=花}{u=朵}|{th=书}{u=本}}");
  }
  int64_t size() const {
    constexpr int64_t kSize[] = {9, 9, 20, 50, 100, 400};
    return kSize[level];
  }
  int64_t number(int64_t low, int64_t high) { return e.between(low, high); }
  void set(std::string_view name, int64_t value) { e.set(name, value); }
  void step(std::string_view text) { reasoning += (reasoning.empty() ? "" : "\n") + e.expand(text); }
  Task done(std::string_view question, int64_t answer) {
    return {std::move(family), e.expand(question), std::move(reasoning), std::to_string(answer)};
  }
};

Task receive(Maker& m) {
  const int64_t x = m.number(2, m.size() * 2), y = m.number(2, m.size());
  m.set("x", x), m.set("y", y), m.set("r", x + y);
  m.step("{现在一共有|合起来是}$x + $y = $r$u。");
  return m.done("$a有$x$u$th，{$b又给了$ta$y$u|后来又买了$y$u|妈妈又给了$ta$y$u}。$a现在{一共|}有多少$u$th？", x + y);
}

Task give_away(Maker& m) {
  const int64_t x = m.number(4, m.size() * 2), y = m.number(1, x - 1);
  m.set("x", x), m.set("y", y), m.set("r", x - y);
  m.step("{还剩|剩下}$x - $y = $r$u。");
  return m.done("$a有$x$u$th，{送给$b$y$u|用掉了$y$u|分给同学$y$u}。{还剩|$a还有}多少$u$th？", x - y);
}

Task groups(Maker& m) {
  const int64_t n = m.number(2, m.level + 6), k = m.number(2, m.level * 6);
  m.e.expand("{box=盒|箱|袋|筐}");
  m.set("n", n), m.set("k", k), m.set("r", n * k);
  m.step("$n$box一共有$n * $k = $r$u。");
  return m.done("{商店里|教室里|桌子上|仓库里}有$n$box$th，每$box有$k$u。一共有多少$u$th？", n * k);
}

Task share_equally(Maker& m) {
  const int64_t n = m.number(2, m.level + 6), k = m.number(2, m.level * 7);
  m.set("n", n), m.set("t", n * k), m.set("r", k);
  m.step("每人分到$t / $n = $r$u。");
  return m.done("{老师|$a}把$t$u$th平均分给$n{个小朋友|个同学|个人}，每人分到多少$u？", k);
}

Task more_than(Maker& m) {
  const int64_t x = m.number(2, m.size() * 2), d = m.number(2, m.size());
  m.set("x", x), m.set("d", d), m.set("y", x + d), m.set("r", 2 * x + d);
  m.step("$b有$x + $d = $y$u。");
  m.step("两人一共有$x + $y = $r$u。");
  return m.done("$a有$x$u$th，$b比$a多$d$u。两个人一共有多少$u$th？", 2 * x + d);
}

Task times_as_many(Maker& m) {
  const int64_t x = m.number(2, m.size()), k = m.number(2, 6);
  m.set("x", x), m.set("k", k), m.set("y", k * x), m.set("r", (k + 1) * x);
  m.step("$b有$x * $k = $y$u。");
  m.step("{他们一共有|合起来是}$x + $y = $r$u。");
  return m.done("$a有$x$u$th，$b的$th数量是$a的$k倍。两人一共有多少$u$th？", (k + 1) * x);
}

Task change(Maker& m) {
  const int64_t n = m.number(2, m.level + 4), p = m.number(2, m.level * 4 + 2), cost = n * p;
  const int64_t note = cost < 20 ? 20 : cost < 50 ? 50 : cost < 100 ? 100 : cost < 200 ? 200 : 500;
  m.e.expand("{{g=笔记本}{gu=本}|{g=杯子}{gu=个}|{g=毛巾}{gu=条}|{g=皮球}{gu=个}|{g=钢笔}{gu=支}|{g=故事书}{gu=本}}");
  m.set("n", n), m.set("p", p), m.set("c", cost), m.set("m", note), m.set("r", note - cost);
  m.step("买$g一共花了$n * $p = $c元。");
  m.step("应该找回$m - $c = $r元。");
  return m.done("$a买了$n$gu$g，每$gu$p元，付给售货员$m元。应该找回多少元？", note - cost);
}

Task reading(Maker& m) {
  const int64_t per = m.number(4, m.level * 8), days = m.number(2, 9), rest = m.number(5, m.level * 20);
  m.set("t", per * days + rest), m.set("p", per), m.set("n", days), m.set("x", per * days), m.set("r", rest);
  m.step("$n天看了$n * $p = $x页。");
  m.step("还剩$t - $x = $r页。");
  return m.done("一本书有$t页，$a每天看$p页，看了$n天。还剩多少页没有看？", rest);
}

Task travel(Maker& m) {
  const int64_t v = m.number(3, 12) * 10, h = m.number(2, 6), more = m.number(2, m.level * 20);
  m.e.expand("{car=汽车|火车|客车|货车}");
  m.set("v", v), m.set("h", h), m.set("x", v * h), m.set("m", more), m.set("r", v * h + more);
  m.step("$h小时行驶$v * $h = $x千米。");
  m.step("两地相距$x + $m = $r千米。");
  return m.done("一辆$car从甲地开往乙地，每小时行驶$v千米，行驶了$h小时后离乙地还有$m千米。甲乙两地相距多少千米？",
                v * h + more);
}

Task savings(Maker& m) {
  const int64_t w = m.number(2, m.level * 6), n = m.number(3, 12), have = m.number(1, m.level * 10),
                price = have + w * n;
  m.e.expand("{{g=自行车}{gu=辆}|{g=吉他}{gu=把}|{g=望远镜}{gu=架}|{g=帐篷}{gu=顶}|{g=滑板}{gu=块}}");
  m.set("price", price), m.set("have", have), m.set("w", w), m.set("d", price - have), m.set("r", n);
  m.step("还差$price - $have = $d元。");
  m.step("需要$d / $w = $r个星期。");
  return m.done("$a想买一$gu$price元的$g，已经存了$have元，以后每个星期存$w元。再过多少个星期可以买到？", n);
}

Task garden(Maker& m) {
  const int64_t a = m.number(3, m.level * 8), b = m.number(2, a), p = m.number(2, 9);
  m.set("x", a), m.set("y", b), m.set("p", p), m.set("s", a * b), m.set("r", a * b * p);
  m.step("{菜地|这块地}的面积是$x * $y = $s平方米。");
  m.step("一共收$s * $p = $r千克。");
  return m.done(
      "{爷爷|农民伯伯|$a家}有一块长方形菜地，长$x米，宽$y米，每平方米收{白菜|萝卜|土豆|西红柿}$p千克。一共收多少千克？",
      a * b * p);
}

Task discount(Maker& m) {
  const int64_t tenths = m.number(5, 9), price = m.number(2, m.level * 12) * 10, pay = price * tenths / 10;
  m.e.expand("{{g=外套}{gu=件}|{g=台灯}{gu=盏}|{g=书包}{gu=个}|{g=鞋}{gu=双}}");
  m.set("price", price), m.set("z", tenths), m.set("y", pay), m.set("r", price - pay);
  m.step("打折后的价格是$price * $z / 10 = $y元。");
  m.step("便宜了$price - $y = $r元。");
  return m.done("一$gu$g原价$price元，现在打$z折出售。现在买比原来便宜多少元？", price - pay);
}

Task work_together(Maker& m) {
  const int64_t x = m.number(5, m.level * 8), y = m.number(5, m.level * 8), h = m.number(3, 9);
  m.e.expand("{{did=做}{g=零件}{gu=个}|{did=种}{g=树}{gu=棵}|{did=折}{g=纸鹤}{gu=只}|{did=装}{g=玩具}{gu=个}}");
  m.set("x", x), m.set("y", y), m.set("h", h), m.set("s", x + y), m.set("r", (x + y) * h);
  m.step("两人每小时一共$did$x + $y = $s$gu。");
  m.step("$h小时一共$did$s * $h = $r$gu。");
  return m.done("$a每小时$did$x$gu$g，$b每小时$did$y$gu$g。两人一起$did$h小时，一共$did多少$gu$g？", (x + y) * h);
}

constexpr Family<Maker> kFamilies[] = {
    {"zh_receive", 1, 2, receive},
    {"zh_give_away", 1, 2, give_away},
    {"zh_groups", 1, 3, groups},
    {"zh_share_equally", 1, 3, share_equally},
    {"zh_more_than", 2, 3, more_than},
    {"zh_times_as_many", 2, 4, times_as_many},
    {"zh_change", 2, 5, change},
    {"zh_reading", 2, 4, reading},
    {"zh_travel", 3, 5, travel},
    {"zh_savings", 3, 5, savings},
    {"zh_garden", 4, 5, garden},
    {"zh_discount", 4, 5, discount},
    {"zh_work_together", 4, 5, work_together},
};

}  // namespace

Task word_problem_zh(Rng rng, int level) {
  Maker m(rng, level);
  return make_of_level(m, kFamilies);
}

}  // namespace minke::corpus
