// minke serve with a script in the model's place, for the tests of the page in a browser: page_server [--key KEY] [--run FOLDER].
// Prints its port, and ends when its input does. What is asked names the answer.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>

#include "chat/fixture.h"
#include "serve/api_server.h"
#include "serve/scripted_engine.h"

namespace minke::test {
namespace {

constexpr const char* kHostile =
    "Look: <script>window.attacked = 1</script>\n\n<img src=x onerror=\"window.attacked = 2\">\n\n"
    "<svg onload=\"window.attacked = 3\"><a xlink:href=\"javascript:attacked=4\">x</a></svg>\n\n"
    "<style>body { display: none }</style>\n\n"
    "[script](javascript:window.attacked=5) [data](data:text/html,<script>window.attacked=6</script>) "
    "[good](https://example.org/) ![picture](http://127.0.0.1:9/track.png)\n\n"
    "$\\href{javascript:window.attacked=7}{x}$ $\\htmlClass{skip}{y}$ $\\includegraphics{http://127.0.0.1:9/a.png}$\n\n"
    "```html\n<script>window.attacked = 8</script>\n```\n";
constexpr const char* kRich =
    "<think>\nThe question asks for a sum of squares.\nI know a formula: $\\frac{n(n+1)(2n+1)}{6}$.\n</think>\n\n"
    "## Sum of squares\n\nFor every $n \\ge 1$ the sum has a **closed form**:\n\n"
    "$$\\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6}$$\n\n"
    "1. Check it for *small* numbers.\n2. Prove it by induction.\n\n"
    "| n | sum |\n|--:|----:|\n| 3 | 14 |\n| 10 | 385 |\n\n"
    "```cpp\n// The same, by hand.\nint sum(int n) {\n  int total = 0;\n  for (int k = 1; k <= n; ++k) total += k * "
    "k;\n"
    "  return total;\n}\n```\n\nSo the answer is \\boxed{385}.\n";

std::string answer_to(const std::string& prompt) {
  const auto asks = [&](const char* word) {
    return prompt.rfind(word) != prompt.npos && prompt.rfind(word) > prompt.rfind("u:");
  };
  if (asks("hostile")) return kHostile;
  if (asks("rich")) return kRich;
  if (asks("endless")) return "<think>Hm.</think>On and on, and on, and on.\n\n";
  if (asks("long")) {
    std::string text = "<think>Much to say.</think>";
    for (int i = 1; i <= 60; ++i) text += fmt::format("Paragraph {} of a long answer, which goes on.\n\n", i);
    return text;
  }
  static int number = 0;
  return fmt::format("<think>\nI think of it.\n</think>\n\nAnswer {}.", ++number);
}

int serve(int argc, char** argv) {
  ApiSettings settings;
  settings.model = {.name = "scripted", .context = 100'000, .sampling = {.temperature = 0.5}};
  for (int i = 1; i + 1 < argc; i += 2)
    if (std::string_view(argv[i]) == "--key") settings.keys.emplace_back(argv[i + 1]);
    else settings.runs.emplace_back(argv[i + 1]);
  const ModelSource source = ChatFixture::source_of(kChatTemplate);
  ScriptedEngine engine;
  engine.engine_settings.max_context = 100'000;
  engine.step_time = std::chrono::microseconds(3000);
  engine.known = 5;
  engine.answer = [&](const Request& r) {
    const std::string prompt = source.tokenizer.decode(r.prompt), text = answer_to(prompt);
    std::vector<int32_t> tokens = source.tokenizer.encode(text);
    if (prompt.rfind("endless") == prompt.npos || prompt.rfind("endless") < prompt.rfind("u:")) tokens.push_back(1);
    return tokens;
  };
  ApiServer server(source, settings, {});
  std::thread end([&] {
    std::string line;
    while (std::getline(std::cin, line)) {
    }
    server.stop(std::chrono::milliseconds(0));
  });
  std::printf("%d\n", int(server.port()));
  std::fflush(stdout);
  server.run(engine, {});
  end.join();
  return 0;
}

}  // namespace
}  // namespace minke::test

int main(int argc, char** argv) { return minke::test::serve(argc, argv); }
