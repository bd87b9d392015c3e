// grade_format and grade_chat_format of grade.h. Tested in tests/reward/format_test.cpp.
#include "reward/grade.h"
#include "reward/tokens.h"

namespace minke {

Grade grade_format(std::string_view response, Thought thought) {
  constexpr auto npos = std::string_view::npos;
  constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>", kAnswer = "<answer>", kAnswerEnd = "</answer>";
  const bool begun = thought == Thought::begun_in_prompt;
  // Many models repeat the tag that the prompt has written.
  const bool repeated = begun && trimmed(response).starts_with(kThink);
  for (const std::string_view tag : {kThink, kThinkEnd, kAnswer, kAnswerEnd}) {
    const int wanted = tag == kThink && begun && !repeated ? 0 : 1, n = count_up_to_two(response, tag);
    if (n < wanted) return {0, 0, "no " + std::string(tag)};
    if (n > wanted) return {0, 0, "more than one " + std::string(tag)};
  }
  const size_t think = response.find(kThink), think_end = response.find(kThinkEnd), answer = response.find(kAnswer),
               answer_end = response.find(kAnswerEnd);
  const size_t from = think == npos ? 0 : think + kThink.size();
  if (think_end < from || answer < think_end || answer_end < answer) return {0, 0, "the tags are in another order"};
  const auto between = [&](size_t begin, size_t end) { return response.substr(begin, end - begin); };
  if (is_blank_text(between(answer + kAnswer.size(), answer_end))) return {0, 0, "the answer is empty"};
  if (repeated) return {0, 1, "the prompt has <think> already"};
  if (is_blank_text(between(from, think_end))) return {0, 1, "the thought is empty"};
  const std::string_view outside[] = {between(0, think == npos ? 0 : think),
                                      between(think_end + kThinkEnd.size(), answer),
                                      response.substr(answer_end + kAnswerEnd.size())};
  for (const std::string_view text : outside)
    if (!trimmed(text).empty()) return {0, 1, "text outside of the tags"};
  return {1, 1, "as asked"};
}

Grade grade_chat_format(std::string_view response, Thought thought) {
  constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>", kAnswer = "<answer>", kAnswerEnd = "</answer>";
  const bool begun = thought == Thought::begun_in_prompt;
  const std::string_view said = trimmed(response);
  const int opened = count_up_to_two(said, kThink), closed = count_up_to_two(said, kThinkEnd);
  const bool thinks = begun || opened > 0 || closed > 0;
  if (closed > 1 || opened > 1) return {0, 0, "more than one thought"};
  if (thinks && closed == 0) return {0, 0, "no </think>"};
  if (closed > 0 && !begun && opened == 0) return {0, 0, "no <think>"};
  if (opened > 0 && !said.starts_with(kThink)) return {0, 0, "text before the thought"};
  const std::string_view rest = thinks ? said.substr(said.find(kThinkEnd) + kThinkEnd.size()) : said;
  if (is_blank_text(rest)) return {0, 0, "nothing is said"};
  if (const int n = count_up_to_two(said, kAnswer); n > 1 || n != count_up_to_two(said, kAnswerEnd))
    return {0, 1, "<answer> and </answer> are no pair"};
  return {1, 1, "as asked"};
}

}  // namespace minke
