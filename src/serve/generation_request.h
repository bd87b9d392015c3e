// What clients ask for, read from the JSON of POST /v1/chat/completions and /v1/completions, every field checked: its type, its range, and
// that it can be done here. ApiError 400 names the field. Fields that are not known are ignored, as other servers do.
// Test: tests/serve/generation_request_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "infer/sampler.h"
#include "serve/api_error.h"

namespace minke {

enum class AnswerForm : uint8_t { text, json_object, json_schema };
enum class ToolChoice : uint8_t { automatic, none, required, named };

// What both have.
struct GenerationRequest {
  std::string model;  // as the client calls it; "": the one there is
  SamplingSettings sampling;
  bool seed_given = false;  // else the server draws one
  int64_t max_tokens = 0;   // of an answer; 0: as many as the context holds
  int64_t n = 1;            // answers
  std::vector<std::string> stop;
  int64_t top_logprobs = -1;  // −1: none; 0: of the tokens themselves
  AnswerForm form = AnswerForm::text;
  Json schema;  // of json_schema
  bool stream = false, include_usage = false;
};

struct ChatRequest : GenerationRequest {
  Json messages = Json::array();  // role, content as a string, what tools need; as chat templates take them
  Json tools = Json::array();     // OpenAI's: {"type": "function", "function": {"name", "description", "parameters"}}
  ToolChoice tool_choice = ToolChoice::automatic;
  std::string tool_name;                    // of ToolChoice::named
  std::optional<bool> thinking;             // what the template is told
  std::optional<int64_t> reasoning_budget;  // tokens of the thought; then it is ended
  Json template_variables = Json::object();
};

struct CompletionRequest : GenerationRequest {
  std::vector<std::variant<std::string, std::vector<int32_t>>> prompts;  // texts, or their ids
  bool echo = false;                                                     // the prompt, too
};

// `usual`: how the model's makers sample from it.
ChatRequest read_chat_request(const Json& body, const SamplingSettings& usual);
CompletionRequest read_completion_request(const Json& body, const SamplingSettings& usual);

// What the prompt is made of alone: messages, tools and their choice, thinking, chat_template_kwargs.
ChatRequest read_prompt_request(const Json& body);
// The messages alone, checked, and as chat templates take them.
Json read_messages(const Json& messages);
Json read_tools(const Json& tools);
// A field that is true or false.
bool read_flag(const Json& body, const char* key, bool otherwise);

}  // namespace minke
