// From the JSON of a request to what the engine is asked: the template written, the text cut into tokens, the context kept, grammars and
// budgets attached, and the exchange that will take the answers. Test: tests/serve/api_server_test.cpp.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/model_source.h"
#include "serve/exchange.h"
#include "serve/generation_request.h"
#include "structured/token_trie.h"

namespace minke {

struct ServedModel {
  std::string name;                         // as clients call it
  int64_t context = 0;                      // tokens of a conversation
  SamplingSettings sampling;                // where a request does not say
  std::optional<int64_t> reasoning_budget;  // the same
};

class AnswerRequests {
 public:
  struct Prepared {
    std::vector<Request> requests;  // of each answer
    std::unique_ptr<Exchange> exchange;
  };
  // Both outlive it.
  AnswerRequests(const ModelSource& source, const ServedModel& model);

  // ApiError or UserError for what is wrong with the request. One thread at a time.
  Prepared chat(const Json& body);
  Prepared completion(const Json& body);

  // What messages become; may be called from any thread.
  std::string prompt_of(const ChatRequest& request) const;
  ApiError no_such_model(std::string_view name) const;

 private:
  struct Put {  // to the model
    std::vector<std::vector<int32_t>> prompts;
    bool is_chat = true;
    bool in_thought = false, may_think = false;  // the answer begins within a thought; it may begin with one
    std::optional<int64_t> budget;
    std::vector<std::string> echoes;
    std::shared_ptr<const Grammar> calls;  // of tools
    std::optional<ToolCallForm> form;      // of these
  };
  std::string_view template_text() const;
  std::vector<int32_t> tokens_of(const std::string& text, bool add_bos) const;
  ApiError too_long(int64_t tokens, bool is_estimate = false) const;
  Prepared prepared(GenerationRequest& request, Put put);
  Request request_of(const GenerationRequest& request, std::vector<int32_t> prompt, uint64_t index) const;

  const ModelSource& source_;
  const ServedModel& model_;
  size_t longest_token_;           // bytes
  bool thinks_ = false;            // the model knows the end of a thought, as a token or by its template
  std::optional<TokenTrie> trie_;  // once somebody asks for a form
};

}  // namespace minke
