// How a question is put to a model that has learned to think, and what its response looks like: one format for the text
// of pre-training, for reinforcement learning and for the test. Plain text for a base model, without chat tokens.
//
//   User: Make 54 from 3 7 25.
//   Assistant:<think>25-7=18
//   18*3=54 ok</think>
//   <answer>(25-7)*3</answer>
//
// Tested in tests/corpus/prompt_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/enum_names.h"

namespace minke {

// brief: a few tokens, for models of a small vocabulary that have read it in pre-training. r1_zero: R1's own words (R1
// table 1), which say what is expected.
enum class PromptTemplate : uint8_t { brief, r1_zero };
template <> struct EnumNames<PromptTemplate> {
  static constexpr EnumName<PromptTemplate> all[] = {{PromptTemplate::brief, "brief"},
                                                     {PromptTemplate::r1_zero, "r1-zero"}};
};

// With {prompt} where the question stands.
inline constexpr std::string_view kBriefTemplate = "User: {prompt}\nAssistant:";
inline constexpr std::string_view kR1ZeroTemplate =
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> "
    "reasoning process here </think> <answer> answer here </answer>. User: {prompt}. Assistant:";

// The text up to where the response begins, which is to open the thought itself.
std::string prompt_of(std::string_view question, PromptTemplate kind = PromptTemplate::brief);
// "<think>thought</think>\n<answer>answer</answer>"
std::string response_of(std::string_view thought, std::string_view answer);

inline constexpr std::string_view kAnswerEnd = "</answer>";  // a response is complete with it

}  // namespace minke
