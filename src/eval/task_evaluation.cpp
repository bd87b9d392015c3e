#include "eval/task_evaluation.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/clock.h"
#include "core/human_numbers.h"

namespace minke {

std::vector<TaskProblem> asked_problems(const TaskQuestions& q, std::string_view where, std::string_view judge) {
  std::vector<TaskProblem> all;
  const auto append = [&](std::vector<TaskProblem> more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
  };
  constexpr int64_t kUsual = 100;
  for (const std::string& task : q.tasks)
    append(generated_problems(parse_task_choice(task, where), q.problems > 0 ? q.problems : kUsual, q.seed, q.split));
  for (const std::string& file : q.files) append(problems_of_file(file, q.problems));
  std::vector<GraderKind> graders;
  for (const TaskProblem& p : all) graders.push_back(p.task.grader);
  check_judge(graders, !q.judge.empty(), where, judge);
  std::set<std::string> seen;
  for (const TaskProblem& p : all)
    if (!seen.insert(p.where()).second)
      user_error(
          "{}{} is asked twice: name each task, level and file once (files by their names without folder and ending)",
          p.group, p.level > 0 ? fmt::format(":{}", p.level) : "");
  return all;
}

Json answer_settings(const std::string& model, PromptFormat prompt, const TaskQuestions& q, const AnswerSettings& a) {
  const SamplingSettings& s = a.sampling;
  return {{"model", model},
          {"prompt", name_of(prompt)},
          {q.split == TaskSplit::test ? "test_seed" : "train_seed", q.seed},
          {"seed", s.seed},
          {"temperature", s.temperature},
          {"top_k", s.top_k},
          {"top_p", s.top_p},
          {"min_p", s.min_p},
          {"repetition_penalty", s.repetition_penalty},
          {"presence_penalty", s.presence_penalty},
          {"frequency_penalty", s.frequency_penalty},
          {"max_new", a.max_new}};
}

void put_questions(TaskEvaluation& e, PromptFormat prompt, const Tokenizer& tokenizer,
                   const std::optional<ChatTemplate>& chat, int64_t max_context, std::vector<int32_t> stop_tokens) {
  make_prompts(e.problems, prompt, tokenizer, chat, max_context);
  e.answers.stop_tokens = std::move(stop_tokens);
  e.answers.stop_texts = stop_texts_of(prompt);
}

std::optional<std::vector<TaskScore>> evaluate_tasks(const TaskEvaluation& e,
                                                     const std::function<AnsweringModel()>& open,
                                                     const TaskProgress& progress) {
  std::optional<ResponsesFile> responses;
  if (!e.responses.empty()) responses.emplace(e.responses, e.resume, e.problems, e.answers.samples, e.settings);
  std::vector<TaskAnswer> answers;
  const auto keep = [&](TaskAnswer a) {
    if (e.each) e.each(e.problems[a.problem], a);
    a.response = {};
    answers.push_back(std::move(a));
  };
  AnswerKeys known;
  if (responses)
    for (TaskAnswer& a : responses->take_known()) known.insert({a.problem, a.sample}), keep(std::move(a));
  const int64_t all = int64_t(e.problems.size()) * e.answers.samples;
  if (!known.empty()) progress.note(fmt::format("{} of {} answers are in {}", known.size(), all, e.responses.string()));
  if (int64_t(known.size()) < all) {
    if (responses) responses->open();
    const AnsweringModel model = open();
    const std::unique_ptr<Judge> judge = e.open_judge ? e.open_judge(model.ctx) : nullptr;
    const auto begin = Clock::now();
    double right = 0;
    const auto take = [&](TaskAnswer a) {
      if (responses) responses->add(a);
      right += a.grade.accuracy.strict;
      keep(std::move(a));
    };
    const auto drawn = [&](int64_t tokens) {
      const int64_t fresh = int64_t(answers.size() - known.size());
      if (fresh > 0) {
        const double seconds = seconds_since(begin);
        progress.line(fmt::format("answers {}/{}  right {:.1f} %  {} tok/s  ETA {}", answers.size(), all,
                                  100 * right / double(fresh), human_count(double(tokens) / seconds),
                                  human_time(seconds / double(fresh) * double(all - int64_t(answers.size())))),
                      int64_t(answers.size()), all);
      }
      return !progress.stop || !progress.stop();
    };
    if (!answer_problems(model.ctx, model.engine, model.tokenizer, e.problems, e.answers, known, take, drawn,
                         judge.get()))
      return std::nullopt;
  }
  return score_tasks(e.problems, answers, e.answers.samples);
}

Json evaluation_json(const Json& settings, const std::vector<TaskScore>& scores) {
  Json results = Json::array();
  for (const TaskScore& s : scores) results.push_back(score_json(s));
  return {{"settings", settings},
          {"intervals", "95 %, Wilson, over problems; of means with the effective number of problems"},
          {"results", results}};
}

}  // namespace minke
