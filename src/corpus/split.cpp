#include "corpus/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace minke {

TaskSplit split_of(std::string_view canonical) {
  if (canonical.starts_with("fact ")) return TaskSplit::train;
  const uint64_t hash = RngKey{}.at("split").at(canonical).stream;
  return hash % kTestShare == 0 ? TaskSplit::test : TaskSplit::train;
}

std::vector<int64_t> numbers_in(std::string_view text) {
  constexpr std::pair<std::string_view, int64_t> kWords[] = {
      {"twice", 2}, {"three times", 3}, {"four times", 4}, {"five times", 5}};
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] >= '0' && text[i] <= '9') {
      int64_t value = 0;
      for (int digits = 0; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
        if (digits++ < 18) value = value * 10 + (text[i] - '0');
      numbers.push_back(value);
    }
    for (const auto& [word, value] : kWords)
      if (i < text.size() && text.substr(i).starts_with(word)) numbers.push_back(value);
  }
  return numbers;
}

std::string canonical_form(std::string_view family, std::string_view question) {
  if (family.starts_with("zh_")) family.remove_prefix(3);
  std::vector<int64_t> numbers = numbers_in(question);
  std::sort(numbers.begin(), numbers.end());
  const bool operation = family == "add" || family == "subtract" || family == "multiply" || family == "divide";
  const bool fact = operation && (numbers.empty() || numbers.back() <= kLargestFact);
  return fmt::format("{}{} {}", fact ? "fact " : "", family, fmt::join(numbers, " "));
}

}  // namespace minke
