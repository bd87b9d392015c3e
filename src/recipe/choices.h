// The choices of a recipe, each with its names. Test: tests/recipe/recipe_test.cpp.
#pragma once
#include <cstdint>

#include "core/enum_names.h"
#include "core/types.h"

namespace minke {

enum class TokenizerKind : uint8_t { bpe, characters };
template <> struct EnumNames<TokenizerKind> {
  static constexpr EnumName<TokenizerKind> all[] = {{TokenizerKind::bpe, "bpe"},
                                                    {TokenizerKind::characters, "characters"}};
};

// How a new BPE tokenizer cuts text before it merges (tokenize/pretokenizer.h).
enum class TextSplit : uint8_t {
  automatic,
  deepseek_v3,
  deepseek_llm,
  deepseek_coder,
  llama3,
  qwen2,
  gpt2,
  smollm,
  single_signs
};
template <> struct EnumNames<TextSplit> {
  static constexpr EnumName<TextSplit> all[] = {{TextSplit::automatic, "automatic"},
                                                {TextSplit::deepseek_v3, "deepseek_v3"},
                                                {TextSplit::deepseek_llm, "deepseek_llm"},
                                                {TextSplit::deepseek_coder, "deepseek_coder"},
                                                {TextSplit::llama3, "llama3"},
                                                {TextSplit::qwen2, "qwen2"},
                                                {TextSplit::gpt2, "gpt2"},
                                                {TextSplit::smollm, "smollm"},
                                                {TextSplit::single_signs, "single_signs"}};
};

// What one document is in plain text.
enum class DocumentBounds : uint8_t { file, blank_lines };
template <> struct EnumNames<DocumentBounds> {
  static constexpr EnumName<DocumentBounds> all[] = {{DocumentBounds::file, "file"},
                                                     {DocumentBounds::blank_lines, "blank-lines"}};
};

enum class HeldOut : uint8_t { documents, tail };
template <> struct EnumNames<HeldOut> {
  static constexpr EnumName<HeldOut> all[] = {{HeldOut::documents, "documents"}, {HeldOut::tail, "tail"}};
};

enum class DocumentPacking : uint8_t { concatenate, best_fit };
template <> struct EnumNames<DocumentPacking> {
  static constexpr EnumName<DocumentPacking> all[] = {{DocumentPacking::concatenate, "concatenate"},
                                                      {DocumentPacking::best_fit, "best-fit"}};
};

// Which right answers to a question rejection sampling keeps, where it does not keep all.
enum class AnswerOrder : uint8_t { first, longest, shortest };
template <> struct EnumNames<AnswerOrder> {
  static constexpr EnumName<AnswerOrder> all[] = {
      {AnswerOrder::first, "first"}, {AnswerOrder::longest, "longest"}, {AnswerOrder::shortest, "shortest"}};
};

// Number formats of training.
enum class FloatFormat : uint8_t { bf16, f32 };
template <> struct EnumNames<FloatFormat> {
  static constexpr EnumName<FloatFormat> all[] = {{FloatFormat::bf16, "bf16"}, {FloatFormat::f32, "f32"}};
};
constexpr DType dtype_of(FloatFormat format) { return format == FloatFormat::bf16 ? DType::bf16 : DType::f32; }

// GRPO: what the advantages of a group are divided by; none is Dr. GRPO's.
enum class RewardDeviation : uint8_t { population, sample, none };
template <> struct EnumNames<RewardDeviation> {
  static constexpr EnumName<RewardDeviation> all[] = {{RewardDeviation::population, "population"},
                                                      {RewardDeviation::sample, "sample"},
                                                      {RewardDeviation::none, "none"}};
};
// GRPO: what the loss of a step is divided by (rl/advantages.h).
enum class LossDivision : uint8_t { tokens, sequences, constant };
template <> struct EnumNames<LossDivision> {
  static constexpr EnumName<LossDivision> all[] = {
      {LossDivision::tokens, "tokens"}, {LossDivision::sequences, "sequences"}, {LossDivision::constant, "constant"}};
};
// GRPO: answers without an end get the reward of what they say, nothing at all, or no part in the step.
enum class TruncatedAnswers : uint8_t { score, penalise, mask };
template <> struct EnumNames<TruncatedAnswers> {
  static constexpr EnumName<TruncatedAnswers> all[] = {
      {TruncatedAnswers::score, "score"}, {TruncatedAnswers::penalise, "penalise"}, {TruncatedAnswers::mask, "mask"}};
};
// GRPO: how often a level of a task is asked: as often as the others, or where the policy is neither always right nor never.
enum class LevelSampling : uint8_t { even, edge };
template <> struct EnumNames<LevelSampling> {
  static constexpr EnumName<LevelSampling> all[] = {{LevelSampling::even, "even"}, {LevelSampling::edge, "edge"}};
};
enum class ScheduleKind : uint8_t { cosine, step };
template <> struct EnumNames<ScheduleKind> {
  static constexpr EnumName<ScheduleKind> all[] = {{ScheduleKind::cosine, "cosine"}, {ScheduleKind::step, "step"}};
};

// Parts of a block that are computed again in the backward.
enum class RecomputedPart : uint8_t { attention, ffn };
template <> struct EnumNames<RecomputedPart> {
  static constexpr EnumName<RecomputedPart> all[] = {{RecomputedPart::attention, "attention"},
                                                     {RecomputedPart::ffn, "ffn"}};
};

enum class BalanceLoss : uint8_t { sequence, batch, expert, none };
template <> struct EnumNames<BalanceLoss> {
  static constexpr EnumName<BalanceLoss> all[] = {{BalanceLoss::sequence, "sequence"},
                                                  {BalanceLoss::batch, "batch"},
                                                  {BalanceLoss::expert, "expert"},
                                                  {BalanceLoss::none, "none"}};
};

}  // namespace minke
