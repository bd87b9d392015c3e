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
// table 1), which say what is expected. chat: the model's chat template, where the question also says how the answer is to be
// marked. chat_plain: the same with the question alone, for a model that has learned how (eval/task_problems.h puts both).
enum class PromptFormat : uint8_t { brief, r1_zero, chat, chat_plain };
template <> struct EnumNames<PromptFormat> {
  static constexpr EnumName<PromptFormat> all[] = {{PromptFormat::brief, "brief"},
                                                   {PromptFormat::r1_zero, "r1-zero"},
                                                   {PromptFormat::chat, "chat"},
                                                   {PromptFormat::chat_plain, "chat-plain"}};
};
constexpr bool is_chat(PromptFormat format) {
  return format == PromptFormat::chat || format == PromptFormat::chat_plain;
}

// With {prompt} where the question stands.
inline constexpr std::string_view kBriefTemplate = "User: {prompt}\nAssistant:";
inline constexpr std::string_view kR1ZeroTemplate =
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> "
    "reasoning process here </think> <answer> answer here </answer>. User: {prompt}. Assistant:";

// The text up to where the response begins, which is to open the thought itself. Of the formats without a chat template.
std::string prompt_of(std::string_view question, PromptFormat format = PromptFormat::brief);
// "<think>thought</think>\n<answer>answer</answer>"
std::string response_of(std::string_view thought, std::string_view answer);

// What a user is told behind a thought, marked for a grader: "The answer is \\boxed{72}.", in Chinese where the question is.
std::string told_answer(std::string_view question, std::string_view answer);

inline constexpr std::string_view kAnswerEnd = "</answer>";  // a response is complete with it

}  // namespace minke
