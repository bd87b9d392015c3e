#include "corpus/prompt.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace minke {

std::string prompt_of(std::string_view question, PromptFormat format) {
  check(!is_chat(format), "prompt_of: a chat template makes the prompts of a chat");
  constexpr std::string_view kPlace = "{prompt}";
  const std::string_view text = format == PromptFormat::brief ? kBriefTemplate : kR1ZeroTemplate;
  const size_t at = text.find(kPlace);
  // R1's text puts a full stop after the question; a question that has one brings no second.
  if (format == PromptFormat::r1_zero && question.ends_with('.')) question.remove_suffix(1);
  return std::string(text.substr(0, at)) + std::string(question) + std::string(text.substr(at + kPlace.size()));
}

std::string response_of(std::string_view thought, std::string_view answer) {
  return "<think>" + std::string(thought) + "</think>\n<answer>" + std::string(answer) + std::string(kAnswerEnd);
}

std::string told_answer(std::string_view question, std::string_view answer) {
  // The first byte of U+4000 to U+9FFF in UTF-8.
  const bool chinese =
      std::any_of(question.begin(), question.end(), [](char c) { return uint8_t(c) >= 0xE4 && uint8_t(c) <= 0xE9; });
  return chinese ? fmt::format("答案是\\boxed{{{}}}。", answer) : fmt::format("The answer is \\boxed{{{}}}.", answer);
}

}  // namespace minke
