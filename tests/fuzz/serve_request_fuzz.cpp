// libFuzzer: what clients ask for. Text that is JSON is a request as it is; of any other each line "field value" is put into one that is
// right, so that mutations reach the fields. All are answered or refused in OpenAI's form, and what is let in can be computed with.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "chat/fixture.h"
#include "core/error.h"
#include "serve/answer_requests.h"
#include "serve/json_text.h"

namespace {

using namespace minke;

// Of Qwen's form, so that tools may be called.
constexpr const char* kTemplate =
    "{% if tools %}<tool_call>{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}"
    "{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}|{% endfor %}a:";

struct Asked {
  Asked()
      : source(test::ChatFixture::source_of(kTemplate)),
        model{.name = "tiny", .context = 2000},
        requests(source, model) {}
  // Some tokens of each answer, chosen among those that may come.
  void answer(AnswerRequests::Prepared prepared) const {
    std::string said = prepared.exchange->begin();
    for (size_t i = 0; i < std::min<size_t>(prepared.requests.size(), 3); ++i) {
      const Request& r = prepared.requests[i];
      if (r.prompt.empty() || r.max_new < 1 || int64_t(r.prompt.size()) >= model.context) std::abort();
      std::vector<int32_t> tokens;
      for (int step = 0; step < 12 && !prepared.exchange->is_over(i); ++step) {
        std::vector<float> logits(size_t(source.tokenizer.vocab_size()), 0.f);
        if (r.constrain) r.constrain(tokens, logits);
        size_t token = (i * 31 + size_t(step) * 7) % logits.size();
        for (size_t tried = 0; logits[token] != 0; token = (token + 1) % logits.size())
          if (++tried > logits.size()) std::abort();  // nothing may come
        tokens.push_back(int32_t(token));
        NewToken t{.sequence = int64_t(i), .token = int32_t(token)};
        if (token == size_t(source.stop_tokens[0])) t.ending = Ending::stop_token;
        else if (int64_t(tokens.size()) == r.max_new) t.ending = Ending::max_new;
        said += prepared.exchange->token(i, t);
      }
    }
    for (size_t i = 0; i < prepared.exchange->answers(); ++i)
      if (!prepared.exchange->is_over(i))
        said += prepared.exchange->token(i, {.sequence = int64_t(i), .token = 2, .ending = Ending::max_new});
    said += prepared.exchange->end();
    if (!prepared.exchange->streams() && !Json::parse(said).is_object()) std::abort();
  }
  ModelSource source;
  ServedModel model;
  AnswerRequests requests;
};

Json request_of(std::string_view text) {
  try {
    return parse_json(text, "fuzz");
  } catch (const UserError&) {
  }
  Json body{{"messages", {{{"role", "user"}, {"content", "hi"}}}}, {"prompt", "hi"}};
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t space = line.find(' ');
    if (space == line.npos) continue;
    try {
      body[std::string(line.substr(0, space))] = parse_json(line.substr(space), "fuzz");
    } catch (const UserError&) {
    }
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Asked asked;
  const Json body = request_of({reinterpret_cast<const char*>(data), size});
  for (const bool chat : {true, false}) {
    try {
      asked.answer(chat ? asked.requests.chat(body) : asked.requests.completion(body));
    } catch (const ApiError& e) {
      if (e.status != 400 && e.status != 404) std::abort();
      if (Json::parse(json_text(to_json(e)))["error"]["message"].empty()) std::abort();
    } catch (const UserError&) {  // the API answers 400
    }
  }
  return 0;
}
