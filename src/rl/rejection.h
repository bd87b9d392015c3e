// Rejection sampling (R1 §2.3.3; V2 §4.2): of a model's own answers those that are worth learning become data for fine-tuning; of the
// others is said why not. Test: tests/rl/rejection_test.cpp; through the program: tests/app/sample_test.sh.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/enum_names.h"
#include "core/json.h"
#include "eval/task_answers.h"
#include "recipe/choices.h"

namespace minke {

// Why an answer is not kept; of several reasons the first.
enum class Rejection : uint8_t { unfinished, wrong, malformed, too_long, mixed_languages, duplicate, surplus };
template <> struct EnumNames<Rejection> {
  static constexpr EnumName<Rejection> all[] = {{Rejection::unfinished, "unfinished"},
                                                {Rejection::wrong, "wrong"},
                                                {Rejection::malformed, "malformed"},
                                                {Rejection::too_long, "too_long"},
                                                {Rejection::mixed_languages, "mixed_languages"},
                                                {Rejection::duplicate, "duplicate"},
                                                {Rejection::surplus, "surplus"}};
};

struct RejectionRules {
  bool any_form = false;         // else of the form that the problem asks for; characters are whole in any case
  int64_t longest = 0;           // tokens; 0: any
  double language_share = 0.95;  // of the thought's words, at least, are of the question's language
  int64_t per_question = 0;      // answers that are kept; 0: all
  AnswerOrder prefer = AnswerOrder::first;  // which those are; of equally long ones the first
  bool readable = false;                    // what is kept is written as rl/readable.h says
};
// UserError for answers that are rewritten and also have the log-probabilities of their tokens, which would be of another text. The
// flags are named as the user gives them.
void refuse_rewritten_tokens(bool readable, int64_t top_log_probabilities, std::string_view readable_flag,
                             std::string_view top_flag);

// UserError where `prefer` has nothing to choose among.
void check_rules(const RejectionRules& rules);

// The name of the file of Data::sometimes in the folder of a pipeline's stage.
inline constexpr const char* kSometimesFile = "sometimes.jsonl";

struct RejectionCounts {
  int64_t drawn = 0, kept = 0;                // answers
  int64_t questions = 0, questions_kept = 0;  // different ones; those with an answer that is kept
  double kept_tokens = 0;                     // the mean of the answers that are kept
  std::array<int64_t, std::size(EnumNames<Rejection>::all)> rejected{};
  int64_t operator[](Rejection r) const { return rejected[size_t(r)]; }
};

class RejectionSampling {
 public:
  explicit RejectionSampling(const RejectionRules& rules) : rules_(rules) {}

  // `problem`, with its prompt: the one that is answered. Each answer once, in any order.
  void add(const TaskProblem& problem, const TaskAnswer& answer);

  struct Data {
    // Lines {"messages": [user, assistant], "task", "level", "problem", "sample", "tokens"}, as minke sft reads them, by problem, and of a problem as
    // RejectionRules::prefer has them; with "top_logprobs" (data/top_log_probabilities.h) if the answers have them.
    std::string lines;
    // The problems to which some answers are right and others are not, each once, as minke corpus tasks writes them: where there is most to
    // learn.
    std::string sometimes;
    RejectionCounts all;
    std::map<std::pair<std::string, int>, RejectionCounts> by_level;  // task, level
    std::vector<std::string> level_lines() const;  // for people: "chain:2: 31.0 % of …", and "all: …"
    Json to_json(const Json& settings) const;      // the file of counts
  };
  Data data() const;

 private:
  std::optional<Rejection> judge(const TaskProblem& problem, const TaskAnswer& answer) const;

  struct Answer {
    std::optional<Rejection> rejection;
    bool right = false;
    std::string response;
    int64_t tokens = 0;
    TopLogProbabilities top;
  };
  using Answers = std::map<int64_t, Answer>;  // by sample
  struct Question {
    std::string group, asked, line;  // line: the problem itself
    int level = 0;
    int64_t index = 0;
    Answers answers;
  };
  std::vector<Answers::const_iterator> preferred(const Answers& answers) const;  // the best first

  RejectionRules rules_;
  std::map<size_t, Question> questions_;  // by problem
};

// {"drawn", "kept", "questions", "questions_kept", "mean_tokens", "rejected": {"wrong": …}}
Json to_json(const RejectionCounts& counts);
// For people: "31.0 % of 6400 answers are kept, for 1200 of 1600 questions; dropped: 4000 wrong, 416 duplicate".
std::string counts_line(const RejectionCounts& counts);

}  // namespace minke
