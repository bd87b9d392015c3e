#include "eval/task_answers.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "core/rng.h"

namespace minke {
namespace {

class Grading {
 public:
  Grading(const Context& ctx, const std::vector<TaskProblem>& problems, Judge* judge,
          const std::function<void(TaskAnswer)>& each)
      : ctx_(ctx), problems_(problems), judge_(judge), each_(each) {
    for (const TaskProblem& p : problems)
      if (p.task.grader == GraderKind::code && !sandbox_) sandbox_.emplace();
  }
  void add(TaskAnswer a) {
    const TaskProblem& p = problems_[a.problem];
    a.reflection = reflection_of(p.prompt, a.response);
    a.single_language = language_share(p.task, p.prompt, a.response) >= kSingleLanguage;
    if (p.task.grader == GraderKind::code || p.task.grader == GraderKind::judge) {
      later_.push_back(std::move(a));
      if (later_.size() >= kAtOnce) finish();
      return;
    }
    a.grade = grade_task(p.task, p.prompt, a.response, p.form);
    a.final_answer = final_answer(a.response, thought_after(p.prompt));
    each_(std::move(a));
  }
  // Programs run, and a judge reads, many at once.
  void finish() {
    if (later_.empty()) return;
    std::vector<TaskToGrade> all;
    for (const TaskAnswer& a : later_) {
      const TaskProblem& p = problems_[a.problem];
      all.push_back({&p.task, p.prompt, a.response, p.form, a.truncated});
    }
    std::vector<TaskGrade> grades = grade_tasks(all, sandbox_ ? &*sandbox_ : nullptr);
    if (judge_) judge_tasks(ctx_, *judge_, all, grades);
    for (size_t i = 0; i < all.size(); ++i) {
      later_[i].grade = std::move(grades[i]);
      each_(std::move(later_[i]));
    }
    later_.clear();
  }

 private:
  static constexpr size_t kAtOnce = 64;
  const Context& ctx_;
  const std::vector<TaskProblem>& problems_;
  Judge* judge_;
  const std::function<void(TaskAnswer)>& each_;
  std::optional<Sandbox> sandbox_;
  std::vector<TaskAnswer> later_;
};

}  // namespace

bool ends_with_stop(std::string& text, size_t piece, const std::vector<std::string>& stops) {
  size_t end = std::string::npos;
  for (const std::string& stop : stops) {
    const size_t from = text.size() - std::min(text.size(), piece + stop.size() - 1);
    if (const size_t at = text.find(stop, from); at != text.npos) end = std::min(end, at + stop.size());
  }
  if (end == std::string::npos) return false;
  text.resize(end);
  return true;
}

bool answer_problems(const Context& ctx, Engine& engine, const Tokenizer& tokenizer,
                     const std::vector<TaskProblem>& problems, const AnswerSettings& o, const AnswerKeys& known,
                     const std::function<void(TaskAnswer)>& each, const std::function<bool(int64_t tokens)>& go_on,
                     Judge* judge) {
  Grading grading(ctx, problems, judge, each);
  std::unordered_map<int64_t, TaskAnswer> open;  // by the engine's number
  size_t problem = 0;
  int64_t sample = 0, drawn = 0;
  const bool with_top = o.top_log_probabilities > 0;
  const std::string vocabulary = with_top ? vocabulary_hash(tokenizer) : "";
  // The engine waits for as many as it runs, so that no place is empty, and no more.
  const auto fill = [&] {
    while (problem < problems.size() && engine.num_waiting() < engine.settings().max_sequences) {
      if (!known.contains({problem, sample})) {
        const TaskProblem& p = problems[problem];
        const int64_t room = engine.settings().max_context - int64_t(p.ids.size());
        Request request{.prompt = p.ids,
                        .max_new = o.max_new > 0 ? std::min(o.max_new, room) : room,
                        .sampling = o.sampling,
                        .sample_index = uint64_t(sample),
                        .stop_tokens = o.stop_tokens,
                        .top_log_probabilities = with_top ? o.top_log_probabilities : -1};
        request.sampling.seed =
            RngKey{o.sampling.seed}.at("tasks").at(p.group).at(uint64_t(p.level)).at(uint64_t(p.index)).u64(0);
        TaskAnswer& a = open[engine.add(std::move(request))];
        a.problem = problem, a.sample = sample, a.top.vocabulary = vocabulary;
      }
      if (++sample == o.samples) sample = 0, ++problem;
    }
  };
  for (fill(); !engine.idle(); fill()) {
    for (const NewToken& t : engine.step(ctx)) {
      const auto found = open.find(t.sequence);
      if (found == open.end()) continue;  // what was drafted behind the end
      TaskAnswer& a = found->second;
      ++a.tokens, ++drawn;
      if (with_top) a.top.add(t.token, t.log_probabilities.top);
      bool stopped = t.ending == Ending::stop_token;  // which is no part of the text
      if (!stopped) {
        const std::string_view piece = tokenizer.token_bytes(t.token);
        a.response += piece;
        stopped = ends_with_stop(a.response, piece.size(), o.stop_texts);
      }
      if (!stopped && t.ending == Ending::none) continue;
      a.truncated = !stopped;
      if (t.ending == Ending::none) engine.cancel(t.sequence);
      grading.add(std::move(a));
      open.erase(found);
    }
    if (go_on(drawn)) continue;
    grading.finish();
    return false;
  }
  grading.finish();
  return true;
}

}  // namespace minke
