#include "eval/task_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/clock.h"
#include "core/human_numbers.h"

namespace minke {

namespace {

// What computes beside the engine: its memory is found and said before the model is opened.
std::vector<BesideEngine> beside_engine(const TaskEvaluation& e, bool answers) {
  std::vector<BesideEngine> all;
  if (!e.references.empty())
    all.push_back({"good answers",
                   [&e](const Context& dry, Model& model) { return hold_reference_bits(dry, model, e.references); }});
  if (e.judge && answers) all.push_back({"judge", [&e](const Context& dry, Model&) { return e.judge.dry(dry); }});
  return all;
}

// Chats without a judge, or a judge without chats.
void refuse_judge_or_none(const std::vector<TaskProblem>& all, const TaskQuestions& q, const QuestionNames& names) {
  const auto chat =
      std::find_if(all.begin(), all.end(), [](const TaskProblem& p) { return p.task.grader == GraderKind::judge; });
  if (chat != all.end() && q.judge.empty() && q.split == TaskSplit::test)
    user_error(
        "{}: no rule grades answers to chats: name a reward model with {}, leave these tasks out, or give {} 0 for "
        "their bits per byte alone",
        chat->level > 0 ? names.tasks : names.files, names.judge, names.samples);
  std::vector<GraderKind> graders;
  for (const TaskProblem& p : all) graders.push_back(p.task.grader);
  const bool named = chat != all.end() ? chat->level > 0 : !q.tasks.empty();
  check_judge(graders, !q.judge.empty(), named ? names.tasks : names.files, names.judge);
}

void refuse_what_needs_answers(const std::vector<TaskProblem>& all, const TaskQuestions& q,
                               const QuestionNames& names) {
  if (!q.judge.empty())
    user_error("{} has no effect with {} 0: there are no answers to judge; leave one of them out", names.judge,
               names.samples);
  for (const TaskProblem& p : all)
    if (p.task.grader != GraderKind::judge)
      user_error(
          "{} 0 asks for the bits per byte of chats alone, and {} is none: leave it out, or give {} of at least 1",
          names.samples, p.where(), names.samples);
}

}  // namespace

std::vector<TaskProblem> asked_problems(const TaskQuestions& q, const QuestionNames& names) {
  std::vector<TaskProblem> all;
  const auto append = [&](std::vector<TaskProblem> more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
  };
  constexpr int64_t kUsual = 100;
  for (const std::string& task : q.tasks)
    append(generated_problems(parse_task_choice(task, names.tasks), q.problems > 0 ? q.problems : kUsual, q.seed,
                              q.split));
  for (const std::string& file : q.files) append(problems_of_file(file, q.problems));
  for (const TaskProblem& p : all)
    if (p.level == 0 && q.split == TaskSplit::train && p.task.split == TaskSplit::test)
      user_error("{} {}: it is of the test split (minke corpus tasks --split test), which nothing may learn from",
                 names.files, p.where());
  if (!q.answered) {
    refuse_what_needs_answers(all, q, names);
  } else {
    refuse_judge_or_none(all, q, names);
  }
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
  Json settings{{"model", model},
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
  if (a.top_log_probabilities > 0) settings["top_logprobs"] = a.top_log_probabilities;
  return settings;
}

void put_questions(TaskEvaluation& e, PromptFormat prompt, const Tokenizer& tokenizer,
                   const std::optional<ChatTemplate>& chat, int64_t max_context, std::vector<int32_t> stop_tokens,
                   bool with_references) {
  const int64_t k = e.answers.top_log_probabilities,
                longest = e.answers.max_new > 0 ? std::min(e.answers.max_new, max_context) : max_context;
  if (k * longest > kMostInAnAnswer)
    user_error(
        "log-probabilities of {} tokens at each place of an answer of up to {}: a line can hold {} of them; ask for "
        "{}, or "
        "for shorter answers (max-new)",
        k, longest, kMostInAnAnswer, std::max<int64_t>(kMostInAnAnswer / longest, 1));
  make_prompts(e.problems, prompt, tokenizer, chat, max_context, e.answers.samples > 0);
  if (with_references) e.references = reference_answers(e.problems, prompt, tokenizer, chat, max_context);
  e.answers.stop_tokens = std::move(stop_tokens);
  e.answers.stop_texts = stop_texts_of(prompt);
}

std::optional<std::vector<TaskScore>> evaluate_tasks(const TaskEvaluation& e, const OpenModel& open,
                                                     const TaskProgress& progress) {
  std::optional<ResponsesFile> responses;
  if (!e.responses.empty() && e.answers.samples > 0)
    responses.emplace(e.responses, e.resume, e.problems, e.answers.samples, e.settings);
  std::vector<TaskAnswer> answers;
  const auto keep = [&](TaskAnswer a) {
    if (e.each) e.each(e.problems[a.problem], a);
    a.response = {}, a.top = {};
    answers.push_back(std::move(a));
  };
  AnswerKeys known;
  if (responses)
    for (TaskAnswer& a : responses->take_known()) known.insert({a.problem, a.sample}), keep(std::move(a));
  const int64_t all = int64_t(e.problems.size()) * e.answers.samples;
  if (!known.empty()) progress.note(fmt::format("{} of {} answers are in {}", known.size(), all, e.responses.string()));
  const bool are_missing = int64_t(known.size()) < all;
  if (are_missing && responses) responses->open();
  std::optional<AnsweringModel> opened;
  if (are_missing || !e.references.empty()) opened.emplace(open(beside_engine(e, are_missing)));
  std::vector<ReferenceBits> bits;
  if (!e.references.empty()) {
    const auto go_on = [&](size_t done) {
      progress.line(fmt::format("good answers {}/{}", done, e.references.size()), int64_t(done),
                    int64_t(e.references.size()));
      return !progress.stop || !progress.stop();
    };
    auto computed = reference_bits(opened->ctx, opened->model, e.references, go_on);
    if (!computed) return std::nullopt;
    bits = std::move(*computed);
  }
  if (are_missing) {
    const AnsweringModel& model = *opened;
    const std::unique_ptr<Judge> judge = e.judge ? e.judge.open(model.ctx) : nullptr;
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
  return score_tasks(e.problems, answers, e.answers.samples, bits);
}

Json evaluation_json(const Json& settings, const std::vector<TaskScore>& scores) {
  Json results = Json::array();
  for (const TaskScore& s : scores) results.push_back(score_json(s));
  return {{"settings", settings},
          {"intervals", "95 %, Wilson, over problems; of means with the effective number of problems"},
          {"results", results}};
}

}  // namespace minke
