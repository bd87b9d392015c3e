#include "eval/choices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "data/json_lines.h"
#include "data/source_files.h"

namespace minke {
namespace {

constexpr size_t kMaxChoices = 64;

Continuation continuation(const Tokenizer& tokenizer, const ChoiceQuestion& q, const std::string& choice) {
  return {tokenizer.encode(q.question, {.parse_special = false, .add_bos = tokenizer.begins_with_bos()}),
          tokenizer.encode(choice, {.parse_special = false})};
}

ChoiceQuestion parse_question(const Json& j, const std::string& where) {
  const auto text = [&](const Json& v, const char* what) {
    if (!v.is_string() || v.get_ref<const std::string&>().empty())
      user_error("{}: {} must be a text and not empty", where, what);
    return v.get<std::string>();
  };
  for (const char* key : {"question", "choices", "answer"})
    if (!j.contains(key))
      user_error("{}: {} is missing; a line must be {{\"question\": \"…\", \"choices\": [\"…\", …], \"answer\": 0}}",
                 where, key);
  ChoiceQuestion q{text(j["question"], "question"), {}, 0, where};
  const Json& choices = j["choices"];
  if (!choices.is_array() || choices.size() < 2 || choices.size() > kMaxChoices)
    user_error("{}: choices must be a list of 2 to {} texts", where, kMaxChoices);
  for (const Json& c : choices) q.choices.push_back(text(c, "every choice"));
  const Json& answer = j["answer"];
  if (!answer.is_number_integer() || answer.get<int64_t>() < 0 || answer.get<int64_t>() >= int64_t(choices.size()))
    user_error("{}: answer must be the number of the correct choice, 0 to {}", where, choices.size() - 1);
  q.answer = answer.get<size_t>();
  return q;
}

}  // namespace

std::vector<ChoiceQuestion> load_choices(const std::vector<std::string>& sources) {
  std::vector<ChoiceQuestion> all;
  for (const std::string& source : sources)
    for (const fs::path& file : source_files(source, {"question"}).documents) {
      const size_t before = all.size();
      read_json_lines(file, {},
                      [&](const Json& line, const std::string& where) { all.push_back(parse_question(line, where)); });
      if (all.size() == before) user_error("{}: the file has no questions", file.string());
    }
  return all;
}

void check_choices(const std::vector<ChoiceQuestion>& questions, const Tokenizer& tokenizer, int64_t max_tokens) {
  for (const ChoiceQuestion& q : questions)
    for (const std::string& choice : q.choices) {
      Continuation c;
      try {
        c = continuation(tokenizer, q, choice);
      } catch (const UserError& e) {
        user_error("{}: {}", q.where, e.what());
      }
      if (const size_t tokens = c.prompt.size() + c.text.size(); tokens > size_t(max_tokens))
        user_error("{}: the question with the choice \"{}\" has {} tokens, but the model takes at most {}: shorten it",
                   q.where, printable(choice), tokens, max_tokens);
    }
}

ChoiceResult answer_choices(const Context& ctx, Likelihood& likelihood, const Tokenizer& tokenizer,
                            const std::vector<ChoiceQuestion>& questions,
                            const std::function<void(size_t, size_t)>& progress) {
  ChoiceResult result;
  for (const ChoiceQuestion& q : questions) {
    std::vector<Continuation> all;
    for (const std::string& c : q.choices) all.push_back(continuation(tokenizer, q, c));
    const auto answers = likelihood(ctx, all);
    const auto best = [&](auto value) {
      size_t top = 0;
      for (size_t i = 1; i < answers.size(); ++i)
        if (value(i) > value(top)) top = i;
      return top;
    };
    ++result.questions;
    result.by_sum += best([&](size_t i) { return answers[i].nats; }) == q.answer;
    result.by_byte += best([&](size_t i) { return answers[i].nats / double(q.choices[i].size()); }) == q.answer;
    result.chance += 1 / double(q.choices.size());
    if (progress) progress(size_t(result.questions), questions.size());
  }
  result.chance /= double(std::max<int64_t>(result.questions, 1));
  return result;
}

}  // namespace minke
