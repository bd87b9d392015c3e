// What is asked of the engine, what it gives, and a sequence between the two.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "core/divided_up.h"
#include "core/enum_names.h"
#include "core/types.h"
#include "infer/page_key.h"
#include "infer/sampler.h"

namespace minke {

// Whether tokens are drafted by the model's MTP module and checked several in a step (infer/speculation.h). automatic: as long
// as it pays.
enum class SpeculationMode : uint8_t { off, mtp, automatic };
template <> struct EnumNames<SpeculationMode> {
  static constexpr EnumName<SpeculationMode> all[] = {
      {SpeculationMode::off, "off"}, {SpeculationMode::mtp, "mtp"}, {SpeculationMode::automatic, "auto"}};
};

// The form in which tokens attend (model/step.h). by_role: prompts in that of training, answers to the cache as it lies. absorbed,
// training: one form for both, so an answer has the bits of a prompt. In that of training it has the bits of training, too; but
// all keys of all answers are gathered, for MLA expanded, in each step.
enum class AttentionForm : uint8_t { by_role, absorbed, training };

struct EngineSettings {
  int64_t max_context = 4096;  // tokens of one sequence, prompt and answer together
  int64_t cache_tokens = 0;    // slots of the cache, for all sequences; 0 = max_context
  int64_t max_sequences = 1;   // that run at once
  int64_t max_tokens = 512;    // of a step; at least max_sequences · (1 + drafts)
  int64_t page = 64;           // slots; even, divides kAttentionChunk
  DType cache = DType::f32;    // f32, bf16, or f8_e4m3 with MLA
  AttentionForm form = AttentionForm::by_role;
  // Prompts may begin with what was computed as an answer, so that a conversation that goes on computes its new tokens alone. With
  // by_role the bits of such a prompt are those of the answer: they depend on whether it was still in the cache.
  bool share_answers = false;
  SpeculationMode speculation = SpeculationMode::off;  // else the model must have an MTP module
  int64_t drafts = 1;                                  // of a sequence in a step, with speculation
  int64_t most_drafts() const { return speculation == SpeculationMode::off ? 0 : drafts; }
  // The cache_tokens that let max_sequences of the longest context run at once, in whole pages.
  int64_t slots_for_all() const { return max_sequences * divided_up(max_context, page) * page; }
  // Keys that a step gathers, all at once: of the longest context, or of a step full of short prompts; of all that run.
  int64_t most_keys() const {
    const int64_t of_prompts = max_context > max_tokens ? max_context : max_tokens;
    const int64_t of_all = form == AttentionForm::training ? max_sequences * max_context : 0;
    return of_prompts > of_all ? of_prompts : of_all;
  }
};

struct Request {
  std::vector<int32_t> prompt;
  int64_t max_new = 1;
  SamplingSettings sampling = {};
  uint64_t sample_index = 0;  // of the caller: the choice, or (prompt, sample)
  std::vector<int32_t> stop_tokens = {};
  bool drafts = true;  // with speculation: the module may draft
  // Log-probabilities of every new token and of the n most likely ones; −1 = none.
  int64_t top_log_probabilities = -1;
  // Instead of sampling: f(logits [V], position) → token.
  std::function<int32_t(std::span<const float>, int64_t)> choose = {};
  // Which tokens may come next: f(answer so far, logits [V]) makes the logits of the others −inf; at least one stays as it is. Asked before
  // each token is sampled, in their order, for several sequences at once.
  std::function<void(std::span<const int32_t>, std::span<float>)> constrain = {};
  // The experts chosen for the tokens from `position` on: i32 [tokens, MoE layers, K].
  std::function<void(int64_t position, std::span<const int32_t>)> on_experts = {};
  // With on_experts: of every token, so no known beginning is used; false: of those that are computed for this request.
  bool all_experts = true;
  bool shares_beginnings() const { return !on_experts || !all_experts; }
};

enum class Ending : uint8_t { none, stop_token, max_new, context_full };

struct NewToken {
  int64_t sequence = 0;
  int32_t token = 0;
  Ending ending = Ending::none;  // of the answer, with this token
  int64_t known = 0;             // tokens of its prompt that were in the cache already
  double log_probability = 0;    // of the token among those that could be drawn; 0 if Request::choose chose it
  LogProbabilities log_probabilities = {};
};

struct Sequence {
  int64_t id = 0;
  Request request;
  std::vector<int32_t> tokens;    // prompt, then answer
  int64_t cached = 0, limit = 0;  // tokens in the cache; tokens in all at the end
  int64_t known = 0;              // of the prompt: in the cache when it was admitted
  int64_t promised = 0;           // pages that it may still take
  std::vector<int32_t> pages;
  int64_t learned = 0;     // whole pages that have been offered to the pool
  uint64_t known_as = 0;   // the number of the last of them
  PageKey key;             // of the last of them, on disk (infer/disk_pages.h)
  int64_t restorable = 0;  // pages that are there or on disk: those behind `learned` are still to be read
  Ending ending = Ending::none;

  // In this step: its rows; how many of the last ones have logits; how many of the first ones are tokens that it really has.
  int64_t first_row = 0, rows = 0, sampled = 0, kept = 0;
  size_t first_logits = 0;       // the row of the first of them that has logits
  std::vector<NewToken> chosen;  // by these
  bool as_prompt = false;

  // The cache of the MTP module holds as many tokens as that of the model; tokens that may come next.
  bool followed = false;
  std::vector<int32_t> drafts;

  int64_t prompt() const { return int64_t(request.prompt.size()); }
  bool in_prompt() const { return cached < prompt(); }
  int32_t expected(int64_t position) const {
    const size_t p = size_t(position);
    return p < tokens.size() ? tokens[p] : drafts[p - tokens.size()];
  }
  // Drafts that can still become tokens: one comes after them, and no token after the limit.
  int64_t room_for_drafts() const { return limit - 1 - int64_t(tokens.size()); }
};

}  // namespace minke
