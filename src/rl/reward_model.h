// A reward model at work: scores answers to what a user has asked, by the forward pass alone (R1 §2.3.4, V2 §4.2;
// docs/recipe/post-training.md §2). It opens what minke reward-model has made (run/reward_model_stage.h): weights in one copy, in the
// format of its products, no gradients and no moments. Test: tests/rl/reward_model_test.cpp.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/conversations.h"
#include "model/checkpoint.h"
#include "recipe/choices.h"

namespace minke {

struct RewardModelSettings {
  FloatFormat dtype = FloatFormat::bf16;
  int64_t longest = 0;     // tokens of a text that is scored; 0 = what the model has positions for, at most 8192
  int64_t at_once = 4096;  // tokens of a batch, or one text
};

struct ScoredText {
  std::string_view user, response;
};

class RewardModel {
 public:
  // UserError if the folder holds no reward model, lacks the chat template that it was trained with, or nothing ends an answer.
  RewardModel(const Context& ctx, const fs::path& folder, const RewardModelSettings& settings = {});
  RewardModel(const RewardModel&) = delete;
  RewardModel& operator=(const RewardModel&) = delete;

  // One score for each text, in their order: the value at the token that ends the response. It has the same bits whatever else is
  // asked with it. A text of more than longest() tokens, the chat template's included, is not cut: its score is NaN, which the
  // caller has to look for. UserError if a score is not finite: the weights are damaged.
  std::vector<float> scores(const Context& ctx, std::span<const ScoredText> texts);
  // The same for texts as ids, which end with the token that ends the answer.
  std::vector<float> scores(const Context& ctx, std::span<const std::vector<int32_t>> texts);
  std::vector<int32_t> encode(const ScoredText& text) const;
  std::vector<int32_t> encode(const Json& messages) const;  // the last one is the response

  int64_t longest() const { return longest_; }
  // The score in the middle between good and bad answers of its training (run/reward_model_stage.h).
  double midpoint() const { return midpoint_; }

  // UserErrors of the constructor, without reading the weights.
  static void check(const fs::path& folder);

  // On a dry run: one such, without its weights, that has scored the largest batch: what it takes of memory and of scratch.
  static std::shared_ptr<RewardModel> dry(const Context& dry, const fs::path& folder,
                                          const RewardModelSettings& settings = {});

 private:
  struct Source;
  RewardModel(const Context& ctx, const RewardModelSettings& settings, Source&& source, bool is_dry);
  void score(const Context& ctx, std::span<const std::vector<int32_t>* const> texts, std::vector<float>& out);

  Tokenizer tokenizer_;
  ChatTemplate template_;
  ConversationEncoder encoder_;
  double midpoint_;
  int64_t longest_, at_once_;
  Model model_;
  std::optional<Arena> arena_;
  std::optional<BatchBuffers> buffers_;
  Tensor values_;
};

}  // namespace minke
