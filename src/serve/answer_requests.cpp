#include "serve/answer_requests.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "structured/answer_constraint.h"
#include "structured/json_schema.h"
#include "structured/thought_budget.h"

namespace minke {
namespace {

// What keeps one answer in its form and its thought in its budget; the grammar is shared. The matcher of a large grammar is large: it is
// made when the answer's turn has come.
struct AnswerLimits {
  const Tokenizer& tokenizer;
  const TokenTrie* trie;  // with a grammar
  std::shared_ptr<const Grammar> grammar;
  AnswerConstraint::Settings settings;
  std::optional<ThoughtBudget> budget;
  std::optional<AnswerConstraint> form = {};
  bool has_failed = false;
  // What goes wrong here ends this answer, never those that are computed with it.
  void constrain(std::span<const int32_t> answer, std::span<float> logits) {
    try {
      if (!has_failed) return limit(answer, logits);
    } catch (const std::exception&) {  // no memory, say
      has_failed = true;
      form.reset();
    }
    only(settings.stop_tokens, logits);
  }
  void limit(std::span<const int32_t> answer, std::span<float> logits) {
    if (budget && budget->constrain(answer, logits)) return;
    if (grammar && !form) form.emplace(*grammar, tokenizer, *trie, settings);
    if (form) form->constrain(answer, logits);
  }
  static void only(const std::vector<int32_t>& tokens, std::span<float> logits) {
    std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
    for (const int32_t token : tokens)
      if (token >= 0 && size_t(token) < logits.size()) logits[size_t(token)] = 0;
  }
};

// f(), whose mistakes are those of this field.
template <class F> auto named(std::string_view field, F f) {
  try {
    return f();
  } catch (const UserError& e) {
    bad_request(field, "{}: {}", field, e.what());
  }
}

// Earlier calls as the template takes them. What a model wrote until it was cut is no JSON: it stays as it is.
Json with_calls(Json messages, bool as_objects, bool with_none) {
  for (Json& m : messages) {
    if (!m.contains("tool_calls")) continue;
    if (Json& content = m["content"]; content.is_null() || content == "") content = with_none ? Json() : Json("");
    for (Json& call : m["tool_calls"]) {
      Json& arguments = call["function"]["arguments"];
      if (arguments == "") arguments = "{}";
      if (as_objects && arguments.is_string()) {
        try {
          arguments = parse_json(arguments.get<std::string>(), "arguments of a tool call");
        } catch (const UserError&) {
        }
      } else if (!as_objects && !arguments.is_string()) {
        arguments = arguments.dump();
      }
    }
  }
  return messages;
}

uint64_t drawn_seed() {
  static thread_local std::random_device device;
  return uint64_t(device()) << 32 | device();
}
// Clients that are set to a fixed name ask for these.
bool is_default_name(std::string_view name) { return name == "default" || name == "minke"; }

}  // namespace

std::string AnswerRequests::prompt_of(const ChatRequest& r) const {
  if (!source_.chat_template)
    throw ApiError(400,
                   "this model has no chat template: it was not trained on conversations; POST /v1/completions "
                   "continues a text with it");
  const std::string_view text = template_text();
  ChatInputs inputs{.messages = with_calls(r.messages, takes_argument_objects(text), asks_for_none(text)),
                    .add_generation_prompt = true,
                    .variables = r.template_variables};
  if (r.thinking) inputs.variables["enable_thinking"] = inputs.variables["thinking"] = *r.thinking;
  if (!r.tools.empty() && r.tool_choice != ToolChoice::none) inputs.variables["tools"] = r.tools;
  return named("messages", [&] { return source_.chat_template->render(inputs); });
}
ApiError AnswerRequests::no_such_model(std::string_view name) const {
  return ApiError(404, fmt::format("the model {} is not here; this server has {}", printable(name), model_.name),
                  "model", "model_not_found");
}
// The one for tools, where there are several.
std::string_view AnswerRequests::template_text() const {
  if (!source_.chat_template) return "";
  const auto& all = source_.chat_template->sources();
  for (const auto& [name, text] : all)
    if (name == "tool_use") return text;
  return all.front().second;
}

AnswerRequests::AnswerRequests(const ModelSource& source, const ServedModel& model)
    : source_(source), model_(model), longest_token_(1) {
  constexpr std::string_view kClose = "</think>";
  for (int32_t id = 0; id < source.tokenizer.vocab_size(); ++id) {
    const std::string_view token = source.tokenizer.token_bytes(id);
    longest_token_ = std::max(longest_token_, token.size());
    thinks_ = thinks_ || token == kClose;
  }
  thinks_ = thinks_ || template_text().find(kClose) != std::string_view::npos;
}

ApiError AnswerRequests::too_long(int64_t tokens, bool is_estimate) const {
  ApiError e(400,
             fmt::format("the request has {}{} tokens, but the context holds {}, answer included: shorten it, or "
                         "start the server with a larger --ctx-size",
                         is_estimate ? "about " : "", tokens, model_.context),
             "messages", "context_length_exceeded");
  e.more = {{"type", "exceed_context_size_error"}, {"n_prompt_tokens", tokens}, {"n_ctx", model_.context}};
  return e;
}
// A text that is too long is not cut up first: others wait. Certainly so if it would be with the longest token again and again; and texts,
// but for rows of one sign, have no tokens of sixteen bytes throughout.
std::vector<int32_t> AnswerRequests::tokens_of(const std::string& text, bool add_bos) const {
  const auto context = size_t(model_.context);
  size_t changes = 0;
  for (size_t i = 1; i < text.size(); ++i) changes += text[i] != text[i - 1];
  if (text.size() / longest_token_ > context || changes / 16 > context)
    throw too_long(std::max(int64_t(text.size() / 4), model_.context), true);
  return source_.tokenizer.encode(text, {.add_bos = add_bos});
}

Request AnswerRequests::request_of(const GenerationRequest& r, std::vector<int32_t> prompt, uint64_t index) const {
  const int64_t tokens = int64_t(prompt.size());
  if (tokens >= model_.context) throw too_long(tokens);
  Request request{.prompt = std::move(prompt),
                  .max_new = model_.context - tokens,
                  .sampling = r.sampling,
                  .sample_index = index,
                  .stop_tokens = source_.stop_tokens,
                  .top_log_probabilities = r.top_logprobs};
  if (r.max_tokens > 0) request.max_new = std::min(request.max_new, r.max_tokens);
  return request;
}

namespace {
Grammar grammar_of(const GenerationRequest& r) {
  if (r.form == AnswerForm::json_object) return json_object_grammar();
  return named("response_format", [&] { return json_schema_grammar(r.schema); });
}
}  // namespace

AnswerRequests::Prepared AnswerRequests::prepared(GenerationRequest& r, Put put) {
  if (!r.model.empty() && r.model != model_.name && !is_default_name(r.model)) throw no_such_model(r.model);
  if (!r.seed_given) r.sampling.seed = drawn_seed();
  for (const auto& [token, bias] : r.sampling.logit_bias)
    if (token >= source_.tokenizer.vocab_size())
      bad_request("logit_bias", "logit_bias: {} is no token of this model, which has 0 to {}", token,
                  source_.tokenizer.vocab_size() - 1);
  std::shared_ptr<const Grammar> grammar = put.calls;
  if (!grammar && r.form != AnswerForm::text) grammar = std::make_shared<Grammar>(grammar_of(r));
  if (grammar && source_.stop_tokens.empty())
    bad_request(put.calls ? "tools" : "response_format",
                "an answer in a given form needs a token that ends it, and this model has none");
  if (grammar && !trie_) trie_.emplace(source_.tokenizer);
  Prepared p;
  std::vector<int64_t> tokens;
  for (const auto& prompt : put.prompts) {
    tokens.push_back(int64_t(prompt.size()));
    for (int64_t i = 0; i < r.n; ++i) {
      Request request = request_of(r, prompt, uint64_t(i));
      if (grammar || put.budget) {
        const auto limits = std::make_shared<AnswerLimits>(AnswerLimits{
            .tokenizer = source_.tokenizer,
            .trie = grammar ? &*trie_ : nullptr,
            .grammar = grammar,
            .settings = {
                .stop_tokens = source_.stop_tokens, .in_thought = put.in_thought, .may_think = put.may_think}});
        if (put.budget) limits->budget.emplace(source_.tokenizer, *put.budget, put.in_thought);
        request.constrain = [limits](std::span<const int32_t> said, std::span<float> logits) {
          limits->constrain(said, logits);
        };
      }
      p.requests.push_back(std::move(request));
    }
  }
  const std::string id = fmt::format("{}-{:016x}", put.is_chat ? "chatcmpl" : "cmpl", drawn_seed());
  p.exchange = std::make_unique<Exchange>(
      source_.tokenizer,
      Exchange::Settings{.is_chat = put.is_chat,
                         .stream = r.stream,
                         .include_usage = r.include_usage,
                         .id = id,
                         .model = r.model.empty() ? model_.name : r.model,
                         .created = unix_time(),
                         .top_logprobs = r.top_logprobs,
                         .text = {.stop = r.stop, .in_thought = put.in_thought, .tools = put.form}},
      tokens, r.n, std::move(put.echoes));
  return p;
}
AnswerRequests::Prepared AnswerRequests::chat(const Json& body) {
  ChatRequest r = read_chat_request(body, model_.sampling);
  Put put{.budget = r.reasoning_budget ? r.reasoning_budget : model_.reasoning_budget};
  if (!r.tools.empty() && r.tool_choice != ToolChoice::none) {
    put.form = tool_call_form(template_text());
    if (!put.form)
      bad_request(
          "tools",
          "the chat template of this model has no calls of tools in a form that is known here: leave tools out");
    const bool must_call = r.tool_choice != ToolChoice::automatic, may_say = r.form != AnswerForm::text && !must_call;
    if (may_say && put.form->at_start)
      bad_request(
          "response_format",
          "response_format beside tools: this model writes its calls as JSON, too, so that one could not be told from "
          "the other; leave one of them out");
    Json callable = r.tools;
    if (r.tool_choice == ToolChoice::named)
      std::erase_if(callable.get_ref<Json::array_t&>(),
                    [&](const Json& t) { return t["function"]["name"] != r.tool_name; });
    Grammar calls = tool_call_grammar(*put.form, callable, must_call || may_say);
    put.calls = std::make_shared<Grammar>(may_say ? either(calls, grammar_of(r)) : std::move(calls));
  }
  const std::string prompt = prompt_of(r);
  put.in_thought = opens_thought(prompt);
  put.may_think = thinks_ && !put.in_thought && r.thinking.value_or(true);
  put.prompts = {tokens_of(prompt, false)};
  return prepared(r, std::move(put));
}

AnswerRequests::Prepared AnswerRequests::completion(const Json& body) {
  CompletionRequest r = read_completion_request(body, model_.sampling);
  Put put{.is_chat = false};
  std::vector<std::vector<int32_t>>& prompts = put.prompts;
  for (const auto& p : r.prompts) {
    if (const auto* text = std::get_if<std::string>(&p))
      prompts.push_back(tokens_of(*text, source_.tokenizer.begins_with_bos()));
    else prompts.push_back(std::get<std::vector<int32_t>>(p));
    if (prompts.back().empty())
      bad_request("prompt", "prompt is empty, and this model has no token that begins a text");
    for (const int32_t id : prompts.back())
      if (id >= source_.tokenizer.vocab_size())
        bad_request("prompt", "prompt: {} is no token of this model, which has 0 to {}", id,
                    source_.tokenizer.vocab_size() - 1);
    if (r.echo)
      for (int64_t i = 0; i < r.n; ++i)
        put.echoes.push_back(std::holds_alternative<std::string>(p) ? std::get<std::string>(p)
                                                                    : source_.tokenizer.decode(prompts.back()));
  }
  return prepared(r, std::move(put));
}

}  // namespace minke
