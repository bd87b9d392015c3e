#include "tokenize/jinja/template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "support/shared_files.h"

namespace minke {
namespace {

const std::tm kNow = parse_time("2025-01-20T12:00:00");

std::string rendered(std::string_view source, const Json& inputs = Json::object(), const JinjaLimits& limits = {}) {
  return JinjaTemplate(source, "t").render(inputs, kNow, limits);
}

// The message, or the text with "text: " before it.
std::string refusal(std::string_view source, const Json& inputs = Json::object(), const JinjaLimits& limits = {}) {
  try {
    return "text: " + rendered(source, inputs, limits);
  } catch (const UserError& e) {
    return e.what();
  }
}

// tools/jinja_cases.py: what Jinja2 gives for random templates.
TEST(Jinja, GivesWhatJinja2Gives) {
  std::ifstream file(std::string(MINKE_SOURCE_DIR) + "/tests/tokenize/jinja_cases.jsonl");
  size_t texts = 0, errors = 0, unsupported = 0;
  for (std::string line; std::getline(file, line);) {
    const Json c = parse_json(line, "a case");
    const std::string source = c["source"], got = refusal(source, c["inputs"]);
    if (c.contains("error")) {
      EXPECT_NE(got.substr(0, 6), "text: ") << source << "\n" << c["inputs"] << "\nJinja2: " << c["error"];
      ++errors;
    } else if (got.find("not supported") != got.npos || got.find("64 bits") != got.npos) {
      ++unsupported;
    } else {
      EXPECT_EQ(got, "text: " + c["text"].get<std::string>()) << source << "\n" << c["inputs"];
      ++texts;
    }
  }
  EXPECT_GT(texts, 100u);
  EXPECT_GT(errors, 20u);
  EXPECT_LT(unsupported, texts / 20);
}

// Published templates with 16 conversations each.
TEST(Jinja, RendersPublishedTemplatesToTheLetter) {
  const auto list = test::shared_file("goldens/templates.jsonl");
  if (!list) GTEST_SKIP() << "without the shared folder";
  std::ifstream file(*list);
  size_t compared = 0;
  for (std::string line; std::getline(file, line); ++compared) {
    const Json c = parse_json(line, "a case");
    const std::string name = c["template"];
    const std::string source = read_file(list->parent_path() / "templates" / name);
    const std::string got = refusal(source, c["inputs"]);
    if (c.contains("error")) EXPECT_NE(got.find(c["error"].get<std::string>()), got.npos) << name << ": " << got;
    else EXPECT_EQ(got, "text: " + c["text"].get<std::string>()) << name << "\n" << c["inputs"];
  }
  EXPECT_GE(compared, 96u);
}

TEST(Jinja, NamesWhatItDoesNotKnowWithItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{% include 'x' %}", "t: line 2: the tag {% include %} is not supported"},
      {"{% call m() %}{% endcall %}", "the tag {% call %} is not supported"},
      {"{% raw %}{% endraw %}", "the tag {% raw %} is not supported"},
      {"{% for x in y recursive %}{% endfor %}", "recursive loops are not supported"},
      {"\n\n{{ x|nothing }}", "t: line 3: the filter 'nothing' is not supported"},
      {"{{ 1 is nothing }}", "the test 'nothing' is not supported"},
      {"{{ 'x'.encode() }}", "str.encode is not supported"},
      {"{{ [].append(1) }}", "list.append is not supported"},
      {"{{ x.__class__ }}", "'x' is undefined"},
      {"{{ 'x'.__class__ }}", "the attribute '__class__' is not supported"},
      {"{{ '%s' % 1 }}", "formatting a string with % is not supported"},
      {"{{ 2 ** 3 }}", "the operator ** is not supported"},
      {"{{ f(*x) }}", "an argument with * is not supported"},
      {"{{ {1: 2} }}", "a key of type 'int' in a dict is not supported"},
      {"{{ 9223372036854775807 + 1 }}", "needs more than 64 bits"},
      {"{{ 99999999999999999999 }}", "needs more than 64 bits"},
      {"{{ 0x10 }}", "a number like 0… is not supported"},
      {"{{ '\\101' }}", "the escape \\\\1… is not supported"},
      {"{{ cycler(1) }}", "cycler() is not supported"},
      {"{% for x in [1] %}{{ loop.cycle(1) }}{% endfor %}", "loop.cycle is not supported"},
      {"{% for x in [1] %}{{ loop }}{% endfor %}", "writing a value of type 'loop' is not supported"},
      {"{% for x in [1] %}{% macro m() %}{% endmacro %}{% endfor %}", "a macro inside of a loop"},
      {"{% macro m() %}{{ caller() }}{% endmacro %}", "caller in a macro is not supported"},
      {"{{ strftime_now('%Z') }}", "%Z in strftime_now is not supported"},
      {"{% if x %}", "the template ends before {% endif %}"},
      {"{% for x in y %}{% endif %}", "unexpected {% endif %}; {% endfor %} is missing"},
      {"{% endif %}", "unexpected {% endif %}"},
      {"{{ (1 }}", "unexpected \\\"}\\\", expected \\\")\\\""},
      {"{{ 'a }}", "a string has no end"},
      {"{# a", "a comment has no end"},
      {"{{ a ? b }}", "unexpected character \\\"?\\\""},
      {"{{ }}", "expected an expression, not \\\"}}\\\""},
      {"{% break %}", "{% break %} stands outside of a loop"},
      {"{% for x in y %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "stands outside of a loop"},
      {"{% set 1 = 2 %}", "expected a name, not \\\"1\\\""},
      {"{% for loop in x %}{% endfor %}", "\\\"loop\\\" cannot be assigned to"},
      {"{{ raise_exception('not so') }}", "t: line 1: not so"},
      {"{{ x.y }}", "'x' is undefined"},
      {"{{ d.x.y }}", "'dict object' has no attribute 'x'"},
      {"{% set x.y = 1 %}", "cannot assign to an attribute"},
      {"\xff", "no valid UTF-8"},
  };
  for (const auto& [source, message] : cases) {
    const std::string got = refusal(source, {{"d", Json::object()}});
    EXPECT_NE(got.find(message), std::string::npos) << source << ": " << got;
  }
  EXPECT_NE(refusal("x", Json::array()).find("must be an object"), std::string::npos);
  EXPECT_NE(refusal("x", {{"x", 18446744073709551615u}}).find("needs more than 64 bits"), std::string::npos);
}

TEST(Jinja, BoundsTimeMemoryDepthAndOutput) {
  const auto deep = [](std::string_view open, std::string_view close) {
    std::string out = "{{ ";
    for (int i = 0; i < 20000; ++i) out += open;
    out += "1";
    for (int i = 0; i < 20000; ++i) out += close;
    return out + " }}";
  };
  const std::string twice =
      "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
  const std::pair<std::string, const char*> cases[] = {
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "too many steps"},
      {"{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxx{% endfor %}{% endfor %}", "too m"},
      {"{{ range(100001)|list }}", "a range of more than 100000"},
      {"{{ 'x' * 9223372036854775807 }}", "too much text"},
      {"{{ [1] * 9223372036854775807 }}", "too much text"},
      {"{{ 'x'|indent(9223372036854775807) }}", "too much text"},
      {twice, "too much text"},
      {"{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
       "too m"},
      {"{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson "
       "}}",
       "too m"},
      {"{% set ns = namespace(x=1) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
       "nested deeper"},
      {"{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x }}", "writing a value of type 'Namespace'"},
      {"{{ 'ab'|replace('', 'x' * 10000000)|replace('x', 'y' * 1000) }}", "too m"},
      {"{{ (['x' * 5000000] * 1000)|join }}", "too m"},
      {"{% set x = 'x' * 5000000 %}{{ x ~ x ~ x ~ x ~ x }}", "too m"},
      {"{{ ('a' * 1000000).strip('b' * 999999) }}", "stripping so many characters"},
      {"{{ ('a' * 1000000 ~ 'b').find('a' * 500000 ~ 'c') }}", "text: -1"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested deeper"},
      {deep("(", ")"), "nested deeper"},
      {deep("[", "]"), "nested deeper"},
      {deep("not ", ""), "nested deeper"},
      {deep("- ", ""), "nested deeper"},
      {deep("1 + ", ""), "nested deeper"},
      {deep("", ".a"), "nested deeper"},
      {deep("", "|e"), "nested deeper"},
      {deep("", "[0]"), "nested deeper"},
      {deep("", " if 1 else 2"), "nested deeper"},
      {deep("f(", ")"), "nested deeper"},
      {deep("{'a': ", "}"), "nested deeper"},
      {deep("", " ~ 1"), "text: "},
      {std::string((1 << 20) + 1, 'x'), "the most are"},
  };
  const JinjaLimits limits{.steps = 300'000, .bytes = 20'000'000};
  for (const auto& [source, message] : cases)
    EXPECT_NE(refusal(source, Json::object(), limits).find(message), std::string::npos)
        << source.substr(0, 200) << ": " << refusal(source, Json::object(), limits).substr(0, 300);
  std::string blocks;
  for (int i = 0; i < 5000; ++i) blocks += "{% if 1 %}";
  EXPECT_NE(refusal(blocks).find("nested deeper"), std::string::npos);
  std::string chain = "{% if 0 %}";  // side by side, not nested
  for (int i = 0; i < 5000; ++i) chain += "{% elif 0 %}";
  EXPECT_EQ(refusal(chain + "{% else %}x{% endif %}"), "text: x");
}

TEST(Jinja, ShowsTheGivenTime) {
  EXPECT_EQ(rendered("{{ strftime_now('%d %b %Y, %A %H:%M:%S %j%%') }}"), "20 Jan 2025, Monday 12:00:00 020%");
  EXPECT_EQ(rendered("{{ strftime_now('') }}"), "");
  for (const char* bad : {"", "2025-01-20", "2025-02-30T12:00:00", "2025-01-20T25:00:00", "2025-01-20T12:00:00Z", "x"})
    EXPECT_THROW(parse_time(bad), UserError) << bad;
}

TEST(Jinja, RendersFromSeveralThreads) {
  const JinjaTemplate jinja(
      "{% set ns = namespace(s='') %}{% for x in xs %}{% set ns.s = ns.s ~ x ~ 'a' %}{% endfor %}{{ ns.s }}", "t");
  std::vector<std::string> out(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < out.size(); ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) out[i] = jinja.render({{"xs", {1, 2, i}}}, kNow);
    });
  for (std::thread& t : threads) t.join();
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], "1a2a" + std::to_string(i) + "a");
}

}  // namespace
}  // namespace minke
