// The API over a script in place of a model: for tests whose clients are programs of their own, and need answers that no model at hand
// gives for sure. Ends when its standard input does, so that none outlives its test.
//   test_scripted_server SCRIPT.json
// {"template": …, "context": 4096, "parallel": 4, "queue": 1024, "step_us": 0, "keys": [], "header_ms": …, "timeout_ms": …,
//  "answers": [{"if": "text in the prompt", "say": "text", "ends": true, "fails": false}]}
// The first answer whose text stands in the prompt is given; one that does not end is said again and again, one that fails does so
// behind its text.
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "chat/fixture.h"
#include "core/files.h"
#include "core/json.h"
#include "serve/api_server.h"
#include "serve/scripted_engine.h"

namespace minke {
namespace {

using std::chrono::milliseconds;

struct Said {
  std::string when;
  std::vector<int32_t> tokens;
};

// Of Qwen's form, so that tools may be called.
constexpr const char* kTemplate =
    "{% if tools %}<tool_call>{% for t in tools %}{{ t.function.name }} {% endfor %}{% endif %}"
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}"
    "{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}|{% endfor %}a:";

int run(const char* file) {
  const Json script = parse_json(read_file(file), file);
  const ModelSource source = test::ChatFixture::source_of(script.value("template", kTemplate).c_str());
  std::vector<Said> answers;
  for (const Json& a : script.at("answers")) {
    Said& said = answers.emplace_back(Said{a.value("if", ""), source.tokenizer.encode(a.at("say").get<std::string>())});
    if (a.value("fails", false)) said.tokens.push_back(-1);
    else if (a.value("ends", true)) said.tokens.push_back(source.stop_tokens.at(0));
  }
  test::ScriptedEngine engine;
  engine.engine_settings = {.max_context = script.value("context", int64_t(4096)),
                            .max_sequences = script.value("parallel", int64_t(4))};
  engine.checks = false;  // clients ask for forms that their script does not have
  engine.step_time = std::chrono::microseconds(script.value("step_us", int64_t(0)));
  engine.answer = [&](const Request& r) {
    const std::string prompt = source.tokenizer.decode(r.prompt);
    for (const Said& a : answers) {
      if (prompt.find(a.when) != prompt.npos) return a.tokens;
    }
    return std::vector<int32_t>{source.stop_tokens.at(0)};
  };
  ApiSettings settings;
  settings.model = {.name = "scripted", .context = engine.engine_settings.max_context};
  settings.keys = script.value("keys", std::vector<std::string>{});
  HttpSettings http;
  if (script.contains("header_ms"))
    http.limits.header = http.limits.body = http.limits.idle = milliseconds(script["header_ms"].get<int64_t>());
  ApiServer server(source, settings, http);
  std::thread watch([&] {
    for (char c; ::read(0, &c, 1) > 0;) {
    }
    server.stop(milliseconds(0));
  });
  fmt::print("{}\n", server.port());
  std::fflush(stdout);
  server.run(engine, {.queue = script.value("queue", size_t(1024)),
                      .longest = milliseconds(script.value("timeout_ms", int64_t(600'000)))});
  watch.join();
  return 0;
}

}  // namespace
}  // namespace minke

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    return minke::run(argv[1]);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
