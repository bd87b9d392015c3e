// Answers are drawn by (problem, sample) and by nothing else; problems and their prompts.
#include "eval/task_answers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "eval/task_evaluation.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"

namespace minke::test {
namespace {

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"abc"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 270});
  return t;
}

struct Rig {
  TestContext ctx{cpu_backend()};
  Model model;
  std::vector<TaskProblem> problems = generated_problems(parse_task_choice("chains:2-3", "test"), 3, 5);
  static Config config() {
    Config c = tiny_v3(1);
    c.vocab_size = tokenizer().vocab_size();
    return c;
  }
  Rig() : model(ctx, config(), Precision::f32(), 128) {
    model.weights().initialise(ctx, 0.3);
    make_prompts(problems, PromptFormat::brief, tokenizer(), {}, 128);
  }
  std::map<std::pair<size_t, int64_t>, TaskAnswer> answers(AnswerSettings o, int64_t at_once,
                                                           const AnswerKeys& known = {}) {
    Engine engine(ctx, model,
                  {.max_context = 128, .cache_tokens = 128 * at_once, .max_sequences = at_once, .max_tokens = 64});
    std::map<std::pair<size_t, int64_t>, TaskAnswer> all;
    int64_t drawn = 0, tokens = 0;
    EXPECT_TRUE(answer_problems(
        ctx, engine, tokenizer(), problems, o, known,
        [&](TaskAnswer a) {
          tokens += a.tokens;
          const std::pair key{a.problem, a.sample};
          EXPECT_TRUE(all.emplace(key, std::move(a)).second);
        },
        [&](int64_t n) {
          drawn = n;
          return true;
        }));
    EXPECT_EQ(drawn, tokens);
    return all;
  }
};

TEST(TaskAnswers, DependOnProblemAndNumberOnly) {
  Rig rig;
  const AnswerSettings o{.samples = 3, .max_new = 12, .sampling = {.seed = 4}};
  const auto all = rig.answers(o, 4);
  ASSERT_EQ(all.size(), 18u);
  std::set<std::string> different;
  for (const auto& [key, a] : all) {
    different.insert(a.response);
    EXPECT_EQ(a.tokens, 12);
    EXPECT_TRUE(a.truncated);
    EXPECT_EQ(a.grade.accuracy.strict, 0);
    EXPECT_FALSE(a.grade.accuracy.reason.empty());
  }
  EXPECT_EQ(different.size(), 18u);
  // One at a time, and only those that are not known.
  AnswerKeys known;
  for (const auto& [key, a] : all)
    if (key.first != 4) known.insert(key);
  const auto rest = rig.answers(o, 1, known);
  ASSERT_EQ(rest.size(), 3u);
  for (const auto& [key, a] : rest) EXPECT_EQ(a.response, all.at(key).response);
  // As many as asked for before come again when more are asked for.
  const auto more = rig.answers({.samples = 5, .max_new = 12, .sampling = {.seed = 4}}, 7);
  for (const auto& [key, a] : all) EXPECT_EQ(a.response, more.at(key).response);
  AnswerSettings other = o;
  other.sampling.seed = 5;
  EXPECT_NE(rig.answers(other, 4).begin()->second.response, all.begin()->second.response);
}

// What the model itself says of each token, whatever draws it: of the one that ends an answer, too, and the same alone as among others.
TEST(TaskAnswers, ComeWithTheLogProbabilitiesOfTheirTokens) {
  Rig rig;
  AnswerSettings o{.samples = 3, .max_new = 12, .sampling = {.temperature = 2, .top_k = 40, .seed = 4}};
  for (const auto& [key, a] : rig.answers(o, 4)) EXPECT_TRUE(a.top.empty());
  o.top_log_probabilities = 5;
  // A token that the first answer has in its midst ends them now.
  const int32_t stop = rig.answers(o, 4).begin()->second.top.tokens.at(6);
  o.stop_tokens = {stop};
  const auto all = rig.answers(o, 4), alone = rig.answers(o, 1);
  ASSERT_EQ(all.size(), 18u);
  int64_t ended = 0, likeliest = 0;
  for (const auto& [key, a] : all) {
    ASSERT_EQ(int64_t(a.top.tokens.size()), a.tokens);
    EXPECT_EQ(a.top.k(), 5u);
    EXPECT_EQ(a.top.vocabulary, vocabulary_hash(tokenizer()));
    std::string text;
    for (size_t i = 0; i < a.top.tokens.size(); ++i) {
      const bool stops = a.top.tokens[i] == stop;
      EXPECT_EQ(stops, !a.truncated && i + 1 == a.top.tokens.size());
      if (!stops) text += tokenizer().token_bytes(a.top.tokens[i]);
      double mass = 0;
      for (size_t k = i * 5; k < i * 5 + 5; ++k) {
        mass += std::exp(a.top.log_probabilities[k]);
        if (k % 5 > 0) {
          EXPECT_LE(a.top.log_probabilities[k], a.top.log_probabilities[k - 1]);
        }
      }
      EXPECT_GT(mass, 5.0 / double(tokenizer().vocab_size()));
      EXPECT_LT(mass, 1);
      likeliest += a.top.tokens[i] == a.top.ids[i * 5];
    }
    EXPECT_EQ(text, a.response);
    ended += !a.truncated;
    EXPECT_EQ(to_json(alone.at(key).top), to_json(a.top));
  }
  EXPECT_GT(ended, 0);
  EXPECT_GT(likeliest, 0);
  EXPECT_LE(all.begin()->second.tokens, 7);
  // Too much for a line.
  TaskEvaluation e{.problems = rig.problems, .answers = o};
  e.answers.top_log_probabilities = 64, e.answers.max_new = 0;
  EXPECT_NO_THROW(put_questions(e, PromptFormat::brief, tokenizer(), {}, 4096, {}, false));
  EXPECT_THROW(put_questions(e, PromptFormat::brief, tokenizer(), {}, 4097, {}, false), UserError);
  e.answers.max_new = 100;
  EXPECT_NO_THROW(put_questions(e, PromptFormat::brief, tokenizer(), {}, 4097, {}, false));
}

// Problems that are put in the same words, as generated ones may be by chance, are still other problems.
TEST(TaskAnswers, OfTheSameQuestionAskedTwiceAreOthers) {
  Rig rig;
  TaskProblem same = rig.problems[0], level = rig.problems[0], group = rig.problems[0];
  same.index = 1, level.level = 3, group.group = "sums";
  rig.problems = {rig.problems[0], same, level, group};
  std::set<std::string> different;
  for (const auto& [key, a] : rig.answers({.samples = 2, .max_new = 12, .sampling = {.seed = 4}}, 8))
    different.insert(a.response);
  EXPECT_EQ(different.size(), 8u);
}

TEST(EndsWithStop, CutsBehindTheFirstOne) {
  const std::vector<std::string> stops{"</answer>", "\nUser"};
  const auto ended = [&](std::string text, size_t piece) {
    return ends_with_stop(text, piece, stops) ? text : std::string("goes on");
  };
  EXPECT_EQ(ended("<answer>7</answer>", 1), "<answer>7</answer>");
  EXPECT_EQ(ended("<answer>7</answer> and so on", 11), "<answer>7</answer>");  // the token holds more than the end
  EXPECT_EQ(ended("7</answer>\nUser: 8</answer>", 27), "7</answer>");
  EXPECT_EQ(ended("7\nUser: </answer>", 16), "7\nUser");
  EXPECT_EQ(ended("<answer>7</answer", 1), "goes on");
  EXPECT_EQ(ended("", 0), "goes on");
}

TEST(TaskAnswers, EndBehindAStopTextAndWithTheContext) {
  Rig rig;
  const AnswerSettings o{.samples = 2, .max_new = 0, .sampling = {.seed = 4}};
  const auto free = rig.answers(o, 4);
  for (const auto& [key, a] : free)
    if (a.truncated) {
      EXPECT_EQ(a.tokens + int64_t(rig.problems[key.first].ids.size()), 128);
    }
  AnswerSettings stopping = o;
  stopping.stop_texts = {free.begin()->second.response.substr(3, 2)};  // of two tokens
  bool some = false;
  for (const auto& [key, a] : rig.answers(stopping, 4)) {
    const std::string& whole = free.at(key).response;
    const size_t end = whole.find(stopping.stop_texts[0]);
    some |= end != whole.npos;
    EXPECT_EQ(a.response, end == whole.npos ? whole : whole.substr(0, end + 2));
    if (end != whole.npos) {
      EXPECT_FALSE(a.truncated);
    }
  }
  EXPECT_TRUE(some);
}

TEST(TaskProblems, AreOfTheTestSplitAndStayTheSame) {
  const auto few = generated_problems(parse_task_choice("countdown:3-4", "test"), 20, 9),
             many = generated_problems(parse_task_choice("countdown:3-4", "test"), 30, 9);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(few[i].task.question, many[i].task.question);
    EXPECT_EQ(few[20 + i].task.question, many[30 + i].task.question);
    EXPECT_EQ(few[20 + i].level, 4);
    EXPECT_EQ(split_of(few[i].task.canonical), TaskSplit::test);
  }
  EXPECT_NE(generated_problems(parse_task_choice("countdown:3", "test"), 1, 10)[0].task.question, few[0].task.question);
}

TEST(TaskProblems, PromptsAndTheirMistakes) {
  auto problems = generated_problems(parse_task_choice("chains:2", "test"), 2, 1);
  const ChatTemplate chat({{"default", "<{{ messages[0].role }}>{{ messages[0].content }}<|A|>"}}, "test",
                          Json::object());
  make_prompts(problems, PromptFormat::chat, tokenizer(), chat, 4096);
  EXPECT_EQ(problems[0].prompt.find("<user>" + problems[0].task.question), 0u);
  EXPECT_NE(problems[0].prompt.find("\\boxed{}.<|A|>"), std::string::npos);
  make_prompts(problems, PromptFormat::r1_zero, tokenizer(), {}, 4096);
  EXPECT_NE(problems[0].prompt.find("reasoning process"), std::string::npos);
  EXPECT_THROW(make_prompts(problems, PromptFormat::chat, tokenizer(), {}, 4096), UserError);
  EXPECT_THROW(make_prompts(problems, PromptFormat::brief, tokenizer(), {}, int64_t(10)), UserError);
  EXPECT_THROW(asked_problems({.tasks = {"chains:2", "chains:2-3"}}), UserError);
  EXPECT_EQ(asked_problems({.tasks = {"chains:2", "chains:3"}, .problems = 2}).size(), 4u);
  const auto complaint = [](const TaskQuestions& q) -> std::string {
    try {
      asked_problems(q, {.judge = "eval.judge", .samples = "eval.samples ="});
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(complaint({.tasks = {"chat"}}).find("--task: no rule grades answers to chats: name a reward model with"),
            std::string::npos);
  EXPECT_NE(complaint({.tasks = {"chains"}, .judge = "j"}).find("eval.judge has no effect: --task has no chats"),
            std::string::npos);
  EXPECT_EQ(complaint({.tasks = {"chat"}, .answered = false}), "");
  EXPECT_NE(complaint({.tasks = {"chat"}, .judge = "j", .answered = false})
                .find("eval.judge has no effect with eval.samples = 0"),
            std::string::npos);
  EXPECT_NE(complaint({.tasks = {"chat", "chains:2"}, .answered = false}).find("chain:2, problem 0 is none"),
            std::string::npos);
}

}  // namespace
}  // namespace minke::test
