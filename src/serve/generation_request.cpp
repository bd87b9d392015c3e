#include "serve/generation_request.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace minke {
namespace {

constexpr size_t kMostMessages = 10'000, kMostTools = 256, kMostStops = 16, kLongestStop = 1000, kMostBiases = 10'000,
                 kMostPrompts = 64;
constexpr int64_t kMostAnswers = 64, kMostAnswersInAll = 128, kMostTopLogprobs = 20;

std::string shown(const Json& value) {
  if (value.is_string()) return fmt::format("\"{}\"", printable(value.get<std::string>()));
  return printable(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

// The member, unless it is absent or null.
const Json* member(const Json& body, const char* key) {
  const auto found = body.find(key);
  return found == body.end() || found->is_null() ? nullptr : &*found;
}

std::optional<double> number(const Json& body, const char* key, double least, double most) {
  const Json* value = member(body, key);
  if (!value) return {};
  if (!value->is_number() || !(value->get<double>() >= least && value->get<double>() <= most))
    bad_request(key, "{} is to be a number from {:g} to {:g}, not {}", key, least, most, shown(*value));
  return value->get<double>();
}
std::optional<int64_t> integer(const Json& body, const char* key, int64_t least, int64_t most) {
  const Json* value = member(body, key);
  if (!value) return {};
  const bool fits =
      value->is_number_integer() &&
      (!value->is_number_unsigned() || value->get<uint64_t>() <= uint64_t(std::numeric_limits<int64_t>::max()));
  if (!fits || value->get<int64_t>() < least || value->get<int64_t>() > most)
    bad_request(key, "{} is to be a whole number from {} to {}, not {}", key, least, most, shown(*value));
  return value->get<int64_t>();
}
// `in`: the field of the request in which the key stands, unless it is one itself.
std::optional<bool> boolean(const Json& body, const char* key, std::string_view in = "") {
  const Json* value = member(body, key);
  if (!value) return {};
  if (!value->is_boolean())
    bad_request(in.empty() ? key : in, "{}{}{} is to be true or false, not {}", in, in.empty() ? "" : ".", key,
                shown(*value));
  return value->get<bool>();
}
std::optional<std::string> text(const Json& body, const char* key) {
  const Json* value = member(body, key);
  if (!value) return {};
  if (!value->is_string()) bad_request(key, "{} is to be a text, not {}", key, shown(*value));
  return value->get<std::string>();
}

void read_stop(const Json& body, GenerationRequest& r) {
  const Json* stop = member(body, "stop");
  if (!stop) return;
  Json list = stop->is_array() ? *stop : Json::array({*stop});
  std::erase(list.get_ref<Json::array_t&>(), Json(""));  // some clients send that for none
  if (list.size() > kMostStops)
    bad_request("stop", "stop has {} texts; at most {} are watched for", list.size(), kMostStops);
  for (const Json& s : list) {
    if (!s.is_string() || s.get<std::string>().size() > kLongestStop)
      bad_request("stop", "stop is to be a text of 1 to {} bytes, or a list of some, not {}", kLongestStop, shown(s));
    r.stop.push_back(s.get<std::string>());
  }
}

// {"50256": -100}: ids as keys.
void read_logit_bias(const Json& body, GenerationRequest& r) {
  const Json* biases = member(body, "logit_bias");
  if (!biases) return;
  if (!biases->is_object() || biases->size() > kMostBiases)
    bad_request("logit_bias", "logit_bias is to be an object of at most {} token ids with biases from -100 to 100",
                kMostBiases);
  for (const auto& [key, bias] : biases->items()) {
    const bool is_id = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == key.npos;
    if (!is_id || !bias.is_number() || !(std::abs(bias.get<double>()) <= 100))
      bad_request("logit_bias", "logit_bias: {}: {} is no token id with a bias from -100 to 100", printable(key),
                  shown(bias));
    r.sampling.logit_bias.emplace_back(std::stoi(key), bias.get<double>());
  }
}

void read_response_format(const Json& body, GenerationRequest& r) {
  const Json* format = member(body, "response_format");
  if (!format) return;
  const Json* type = format->is_object() ? member(*format, "type") : nullptr;
  const std::string name = type && type->is_string() ? type->get<std::string>() : "";
  if (name == "json_object") {
    r.form = AnswerForm::json_object;
  } else if (name == "json_schema") {
    const Json* wrapped = member(*format, "json_schema");
    const Json* schema = wrapped && wrapped->is_object() ? member(*wrapped, "schema") : nullptr;
    if (!schema)
      bad_request("response_format", "response_format of the type json_schema needs json_schema.schema, a JSON schema");
    r.form = AnswerForm::json_schema, r.schema = *schema;
  } else if (name != "text") {
    bad_request("response_format", "response_format.type is to be text, json_object or json_schema, not {}",
                shown(*format));
  }
}

void read_common(const Json& body, const SamplingSettings& usual, GenerationRequest& r) {
  if (!body.is_object()) throw ApiError(400, "the body of the request is to be a JSON object");
  r.model = text(body, "model").value_or("");
  SamplingSettings& s = r.sampling = usual;
  s.temperature = number(body, "temperature", 0, 100).value_or(s.temperature);
  s.top_p = number(body, "top_p", 0, 1).value_or(s.top_p);
  if (s.top_p == 0) s.top_p = 1e-9;  // the most likely token alone
  s.top_k = integer(body, "top_k", -1, 1 << 30).value_or(s.top_k);
  if (s.top_k < 0) s.top_k = 0;  // other servers write "off" so
  s.min_p = number(body, "min_p", 0, 1).value_or(s.min_p);
  for (const char* key : {"repetition_penalty", "repeat_penalty"})
    if (const auto penalty = number(body, key, 0.01, 100)) s.repetition_penalty = *penalty;
  s.presence_penalty = number(body, "presence_penalty", -2, 2).value_or(s.presence_penalty);
  s.frequency_penalty = number(body, "frequency_penalty", -2, 2).value_or(s.frequency_penalty);
  if (const auto seed = integer(body, "seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()))
    s.seed = uint64_t(*seed), r.seed_given = true;
  r.n = integer(body, "n", 1, kMostAnswers).value_or(1);
  read_stop(body, r);
  read_logit_bias(body, r);
  read_response_format(body, r);
  r.stream = boolean(body, "stream").value_or(false);
  if (const Json* options = member(body, "stream_options")) {
    if (!r.stream) bad_request("stream_options", "stream_options is for stream: true");
    if (!options->is_object())
      bad_request("stream_options", "stream_options is to be an object, not {}", shown(*options));
    r.include_usage = boolean(*options, "include_usage", "stream_options").value_or(false);
  }
}

// The tokens of an answer; −1, as llama.cpp's clients say it, and 0: as many as the context holds.
std::optional<int64_t> longest(const Json& body, const char* key) {
  const auto most = integer(body, key, -1, int64_t(1) << 30);
  if (most == 0)
    bad_request(key, "{} is to be a whole number from 1 to {}, or -1: as many as fit; not 0", key, 1 << 30);
  return most == -1 ? 0 : most;
}

// Parts of a content, joined: text alone is understood.
std::string content_of(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array())
    bad_request("messages", "{}.content is to be a text, or a list of parts, not {}", where, shown(content));
  std::string all;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.contains("text") ||
        !part["text"].is_string())
      bad_request("messages",
                  "{}.content[{}] is no part {{\"type\": \"text\", \"text\": …}}: this model reads text alone", where,
                  i);
    if (!all.empty()) all += '\n';
    all += part["text"].get_ref<const std::string&>();
  }
  return all;
}

// Calls of an earlier answer. Their arguments are JSON as a text there; templates want the object.
Json calls_of(const Json& calls, const std::string& where) {
  if (!calls.is_array()) bad_request("messages", "{}.tool_calls is to be a list", where);
  Json all = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    const Json* f = calls[i].is_object() ? member(calls[i], "function") : nullptr;
    const Json* name = f && f->is_object() ? member(*f, "name") : nullptr;
    const Json* arguments = f && f->is_object() ? member(*f, "arguments") : nullptr;
    if (!name || !name->is_string() || (arguments && !arguments->is_string() && !arguments->is_object()))
      bad_request("messages", "{}.tool_calls[{}] needs function.name and function.arguments", where, i);
    Json call{{"type", "function"},
              {"function", {{"name", *name}, {"arguments", arguments ? *arguments : Json("{}")}}}};
    if (const Json* id = member(calls[i], "id")) {
      if (!id->is_string()) bad_request("messages", "{}.tool_calls[{}].id is to be a text", where, i);
      call["id"] = *id;
    }
    all.push_back(std::move(call));
  }
  return all;
}

}  // namespace

bool read_flag(const Json& body, const char* key, bool otherwise) { return boolean(body, key).value_or(otherwise); }

Json read_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty() || messages.size() > kMostMessages)
    bad_request("messages", "messages is to be a list of 1 to {} messages", kMostMessages);
  Json all = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& m = messages[i];
    const std::string where = fmt::format("messages[{}]", i);
    const Json* given = m.is_object() ? member(m, "role") : nullptr;
    std::string role = given && given->is_string() ? given->get<std::string>() : "";
    if (role == "developer") role = "system";
    if (role == "function") role = "tool";
    if (role != "system" && role != "user" && role != "assistant" && role != "tool")
      bad_request("messages", "{}.role is to be system, user, assistant or tool, not {}", where,
                  given ? shown(*given) : "absent");
    const Json* content = member(m, "content");
    Json message{{"role", role}, {"content", content ? content_of(*content, where) : std::string()}};
    if (role == "assistant")
      if (const Json* calls = member(m, "tool_calls"); calls && !calls->empty()) {
        message["tool_calls"] = calls_of(*calls, where);
        if (!content) message["content"] = nullptr;
      }
    for (const char* key : {"name", "tool_call_id", "reasoning_content"})
      if (const Json* value = member(m, key)) {
        if (!value->is_string()) bad_request("messages", "{}.{} is to be a text, not {}", where, key, shown(*value));
        message[key] = *value;
      }
    if (role != "assistant" && !m.contains("content")) bad_request("messages", "{} has no content", where);
    all.push_back(std::move(message));
  }
  return all;
}

Json read_tools(const Json& tools) {
  if (!tools.is_array() || tools.size() > kMostTools)
    bad_request("tools", "tools is to be a list of at most {}", kMostTools);
  for (size_t i = 0; i < tools.size(); ++i) {
    const Json& t = tools[i];
    const Json* f = t.is_object() && t.value("type", Json()) == "function" ? member(t, "function") : nullptr;
    const Json* name = f && f->is_object() ? member(*f, "name") : nullptr;
    const auto is_plain = [](char c) { return std::isalnum(uint8_t(c)) || c == '_' || c == '-' || c == '.'; };
    const std::string called = name && name->is_string() ? name->get<std::string>() : "";
    if (called.empty() || called.size() > 64 || !std::all_of(called.begin(), called.end(), is_plain))
      bad_request("tools",
                  "tools[{}] is to be {{\"type\": \"function\", \"function\": {{\"name\": …}}}}, the name of at most "
                  "64 letters, digits, _, - and .",
                  i);
    if (const Json* parameters = member(*f, "parameters"); parameters && !parameters->is_object())
      bad_request("tools", "tools[{}].function.parameters is to be a JSON schema, an object", i);
    for (size_t before = 0; before < i; ++before)
      if (tools[before]["function"]["name"] == called) bad_request("tools", "tools: {} is there twice", called);
  }
  return tools;
}

namespace {
void read_prompt(const Json& body, ChatRequest& r) {
  if (!body.contains("messages"))
    bad_request("messages", "messages is missing: a list of messages, each with role and content");
  r.messages = read_messages(body["messages"]);
  if (const Json* tools = member(body, "tools")) r.tools = read_tools(*tools);
  if (const Json* choice = member(body, "tool_choice")) {
    const Json* f = choice->is_object() ? member(*choice, "function") : nullptr;
    const Json* name = f && f->is_object() ? member(*f, "name") : nullptr;
    if (*choice == "none") r.tool_choice = ToolChoice::none;
    else if (*choice == "required") r.tool_choice = ToolChoice::required;
    else if (name && name->is_string()) r.tool_choice = ToolChoice::named, r.tool_name = name->get<std::string>();
    else if (*choice != "auto")
      bad_request("tool_choice",
                  "tool_choice is to be none, auto, required or {{\"type\": \"function\", \"function\": {{\"name\": "
                  "…}}}}, not {}",
                  shown(*choice));
    const bool is_there = std::any_of(r.tools.begin(), r.tools.end(),
                                      [&](const Json& t) { return t["function"]["name"] == r.tool_name; });
    if (r.tool_choice == ToolChoice::named && !is_there)
      bad_request("tool_choice", "tool_choice: {} is none of the tools", printable(r.tool_name));
    if (r.tool_choice == ToolChoice::required && r.tools.empty())
      bad_request("tool_choice", "tool_choice is required, but there are no tools");
  }
  if (const Json* variables = member(body, "chat_template_kwargs")) {
    if (!variables->is_object()) bad_request("chat_template_kwargs", "chat_template_kwargs is to be an object");
    r.template_variables = *variables;
    r.thinking = boolean(*variables, "enable_thinking", "chat_template_kwargs");
    if (const auto thinking = boolean(*variables, "thinking", "chat_template_kwargs")) r.thinking = thinking;
  }
  if (const Json* thinking = member(body, "thinking")) {  // DeepSeek's: {"type": "enabled"}
    const Json* type = thinking->is_object() ? member(*thinking, "type") : nullptr;
    if (!type || (*type != "enabled" && *type != "disabled"))
      bad_request("thinking", "thinking is to be {{\"type\": \"enabled\"}} or {{\"type\": \"disabled\"}}, not {}",
                  shown(*thinking));
    r.thinking = *type == "enabled";
  }
}
}  // namespace

ChatRequest read_prompt_request(const Json& body) {
  ChatRequest r;
  read_prompt(body, r);
  return r;
}

ChatRequest read_chat_request(const Json& body, const SamplingSettings& usual) {
  ChatRequest r;
  read_common(body, usual, r);
  for (const char* key : {"max_tokens", "max_completion_tokens"})
    if (const auto most = longest(body, key)) r.max_tokens = *most;
  const bool logprobs = boolean(body, "logprobs").value_or(false);
  if (const auto top = integer(body, "top_logprobs", 0, kMostTopLogprobs)) {
    if (!logprobs && *top > 0) bad_request("top_logprobs", "top_logprobs needs logprobs: true");
    if (logprobs) r.top_logprobs = *top;
  } else if (logprobs) {
    r.top_logprobs = 0;
  }
  read_prompt(body, r);
  r.reasoning_budget = integer(body, "reasoning_budget", -1, int64_t(1) << 30);
  if (r.reasoning_budget == -1) r.reasoning_budget.reset();  // none
  return r;
}

CompletionRequest read_completion_request(const Json& body, const SamplingSettings& usual) {
  CompletionRequest r;
  read_common(body, usual, r);
  r.max_tokens = longest(body, "max_tokens").value_or(16);  // OpenAI's
  const Json* logprobs = member(body, "logprobs");
  if (!logprobs || *logprobs == false) r.top_logprobs = -1;
  else if (const auto top = integer(body, "logprobs", 0, kMostTopLogprobs)) r.top_logprobs = *top;
  r.echo = boolean(body, "echo").value_or(false);
  if (r.echo && r.top_logprobs >= 0)
    bad_request("echo", "echo beside logprobs is not supported: those of the prompt are not computed; leave one out");
  if (const auto suffix = text(body, "suffix"); suffix && !suffix->empty())
    bad_request("suffix", "suffix is not supported: text is continued at its end");
  if (const auto best = integer(body, "best_of", 1, 1 << 20); best && *best != r.n)
    bad_request("best_of", "best_of {} is not supported: n answers are drawn, and all are given", *best);
  const Json* prompt = member(body, "prompt");
  if (!prompt) bad_request("prompt", "prompt is missing: a text, a list of texts, token ids, or lists of some");
  const auto ids = [](const Json& list) {
    std::vector<int32_t> all;
    for (const Json& id : list) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > std::numeric_limits<int32_t>::max())
        bad_request("prompt", "prompt: {} is no token id", shown(id));
      all.push_back(id.get<int32_t>());
    }
    return all;
  };
  if (prompt->is_string()) {
    r.prompts.emplace_back(prompt->get<std::string>());
  } else if (prompt->is_array() && !prompt->empty() && (*prompt)[0].is_number()) {
    r.prompts.emplace_back(ids(*prompt));
  } else if (prompt->is_array() && !prompt->empty() && prompt->size() <= kMostPrompts) {
    for (const Json& p : *prompt) {
      if (p.is_string()) r.prompts.emplace_back(p.get<std::string>());
      else if (p.is_array()) r.prompts.emplace_back(ids(p));
      else bad_request("prompt", "prompt: {} is neither a text nor a list of token ids", shown(p));
    }
  } else {
    bad_request("prompt", "prompt is to be a text, token ids, or a list of 1 to {} of either", kMostPrompts);
  }
  if (const int64_t all = int64_t(r.prompts.size()) * r.n; all > kMostAnswersInAll)
    bad_request("n", "n {} for each of {} prompts are {} answers; a request has at most {}", r.n, r.prompts.size(), all,
                kMostAnswersInAll);
  return r;
}

}  // namespace minke
