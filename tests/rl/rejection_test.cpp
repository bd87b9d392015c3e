// Which answers become data, and what is said of the others.
#include "rl/rejection.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "eval/task_evaluation.h"

namespace minke {
namespace {

TaskProblem problem(const std::string& question, const std::string& prompt = "User: q\nAssistant:") {
  TaskProblem p{.group = "sums", .level = 2, .index = 7};
  p.task.question = question, p.asked = question, p.prompt = prompt;
  return p;
}

TaskAnswer answer(size_t problem, int64_t sample, const std::string& response) {
  TaskAnswer a{.problem = problem, .sample = sample, .response = response, .tokens = 10 + sample};
  a.grade.accuracy.strict = a.grade.accuracy.lenient = a.grade.format.strict = 1;
  return a;
}

const std::string kRight = "<think>1+2=3</think>\n<answer>3</answer>";

std::optional<Rejection> verdict(const RejectionRules& rules, const TaskProblem& p, const TaskAnswer& a) {
  RejectionSampling s(rules);
  s.add(p, a);
  const RejectionCounts counts = s.data().all;
  EXPECT_EQ(counts.drawn, 1);
  for (const auto& r : EnumNames<Rejection>::all)
    if (counts[r.value] == 1) {
      EXPECT_EQ(counts.kept, 0);
      return r.value;
    }
  EXPECT_EQ(counts.kept, 1);
  return std::nullopt;
}

TEST(Rejection, KeepsWhatIsRightAndSaysWhyNot) {
  const TaskProblem p = problem("What is 1 + 2?");
  EXPECT_EQ(verdict({}, p, answer(0, 0, kRight)), std::nullopt);
  TaskAnswer a = answer(0, 0, kRight);
  a.grade.accuracy.strict = 0;
  EXPECT_EQ(verdict({}, p, a), Rejection::wrong);  // right for a reader is not enough
  a.truncated = true;
  EXPECT_EQ(verdict({}, p, a), Rejection::unfinished);  // the first reason
  a = answer(0, 0, "3");
  a.grade.format.strict = 0;
  EXPECT_EQ(verdict({}, p, a), Rejection::malformed);
  EXPECT_EQ(verdict({.any_form = true}, p, a), std::nullopt);
  a.response = "3 \xE4\xB8";  // half a character
  EXPECT_EQ(verdict({.any_form = true}, p, a), Rejection::malformed);
  a.response = "3 \uFFFD";  // the same from a file of answers, when sampling goes on
  EXPECT_EQ(verdict({.any_form = true}, p, a), Rejection::malformed);
  a = answer(0, 5, kRight);
  EXPECT_EQ(verdict({.longest = 15}, p, a), std::nullopt);
  EXPECT_EQ(verdict({.longest = 14}, p, a), Rejection::too_long);
  a.response = "<think>一二</think>\n<answer>3</answer>";
  EXPECT_EQ(verdict({.longest = 14}, p, a), Rejection::too_long);  // before the languages
  a = answer(0, 0, "<think>three 三 和 四</think>\n<answer>3</answer>");
  EXPECT_EQ(verdict({}, p, a), Rejection::mixed_languages);
  EXPECT_EQ(verdict({.language_share = 0.25}, p, a), std::nullopt);
}

// A thought without words is of any language; one of the other language alone is not.
TEST(Rejection, TheLanguageIsTheQuestions) {
  const TaskProblem en = problem("How many?"), zh = problem("一共有多少个苹果?");
  EXPECT_EQ(language_of(en.task.question), ThoughtLanguage::en);
  EXPECT_EQ(language_of(zh.task.question), ThoughtLanguage::zh);
  EXPECT_EQ(language_share(en.task, en.prompt, kRight), 1);
  EXPECT_EQ(language_share(zh.task, zh.prompt, kRight), 1);
  EXPECT_EQ(language_share(en.task, en.prompt, "<think>一共三个</think><answer>3</answer>"), 0);
  EXPECT_EQ(language_share(zh.task, zh.prompt, "<think>一共三个</think><answer>3</answer>"), 1);
  EXPECT_EQ(language_share(zh.task, zh.prompt, "<think>three in all</think><answer>3</answer>"), 0);
  EXPECT_EQ(language_share(en.task, en.prompt, "<think>three in all 三</think><answer>3</answer>"), 0.75);
  EXPECT_EQ(language_share(en.task, en.prompt, "<think>всего три</think><answer>3</answer>"), 0);
  EXPECT_EQ(language_share(zh.task, zh.prompt, "<think>みっつ</think><answer>3</answer>"), 0);
  EXPECT_EQ(language_share(en.task, en.prompt, "三个, so \\boxed{3}"), 1.0 / 3);  // without a thought: of all
}

// The order in which answers end does not matter; the first of equal ones is kept.
TEST(Rejection, WritesConversationsInTheOrderOfProblemsAndSamples) {
  const TaskProblem first = problem("What is 1 + 2?"), again = problem("What is 1 + 2?"),
                    other = problem("What is 2 + 1?");
  const std::string longer = "<think>2+1=3\n3 ok</think>\n<answer>3</answer>";
  std::vector<std::pair<const TaskProblem*, TaskAnswer>> all{
      {&first, answer(0, 0, kRight)}, {&first, answer(0, 1, kRight + "\n")}, {&first, answer(0, 2, longer)},
      {&again, answer(1, 0, longer)}, {&other, answer(2, 0, kRight)},        {&other, answer(2, 1, longer)}};
  std::string before;
  for (const bool backwards : {false, true}) {
    if (backwards) std::reverse(all.begin(), all.end());
    RejectionSampling s({});
    for (const auto& [p, a] : all) s.add(*p, a);
    const RejectionSampling::Data data = s.data();
    std::istringstream lines(data.lines);
    std::vector<Json> read;
    for (std::string line; std::getline(lines, line);) read.push_back(Json::parse(line));
    ASSERT_EQ(read.size(), 4u);
    EXPECT_EQ(read[0].at("messages"), Json::parse(R"([{"role":"user","content":"What is 1 + 2?"},
        {"role":"assistant","content":"<think>1+2=3</think>\n<answer>3</answer>"}])"));
    EXPECT_EQ(read[1].at("messages")[1].at("content"), longer);
    EXPECT_EQ(read[1].at("sample"), 2);
    EXPECT_EQ(read[2].at("messages")[0].at("content"), "What is 2 + 1?");
    EXPECT_EQ(read[0].at("task"), "sums");
    EXPECT_EQ(read[0].at("level"), 2);
    EXPECT_EQ(read[0].at("problem"), 7);
    EXPECT_EQ(read[3].at("tokens"), 11);
    EXPECT_EQ(data.all.drawn, 6);
    EXPECT_EQ(data.all.kept, 4);
    EXPECT_EQ(data.all[Rejection::duplicate], 2);
    EXPECT_EQ(data.all.questions, 2);
    EXPECT_EQ(data.all.questions_kept, 2);
    EXPECT_DOUBLE_EQ(data.all.kept_tokens, (10 + 12 + 10 + 11) / 4.0);
    EXPECT_EQ(data.by_level.size(), 1u);
    EXPECT_EQ(to_json(data.by_level.at({"sums", 2})), to_json(data.all));
    EXPECT_EQ(counts_line(data.all), "66.7 % of 6 answers are kept, for 2 of 2 questions; dropped: 2 duplicate");
    if (backwards) {
      EXPECT_EQ(data.lines, before);
    }
    before = data.lines;
  }
  RejectionSampling s({.per_question = 1});
  for (const auto& [p, a] : all) s.add(*p, a);
  EXPECT_EQ(s.data().all.kept, 2);
  EXPECT_EQ(s.data().all[Rejection::surplus], 3);
  EXPECT_EQ(s.data().all[Rejection::duplicate], 1);
}

// Of the answers to a question the longest or the shortest; of equally long ones the first. kRight has 10 tokens.
TEST(Rejection, KeepsThePreferred) {
  const TaskProblem p = problem("What is 1 + 2?");
  const auto kept = [&](RejectionRules rules) {
    RejectionSampling s(rules);
    for (const auto& [sample, more] : {std::pair{3, " yes"}, {1, ""}, {0, " and"}, {2, " no, yes"}})
      s.add(p, answer(0, sample, kRight + more));
    std::vector<int64_t> samples;
    std::istringstream lines(s.data().lines);
    for (std::string line; std::getline(lines, line);) samples.push_back(Json::parse(line).at("sample"));
    EXPECT_EQ(s.data().all[Rejection::surplus], 4 - int64_t(samples.size()));
    return samples;
  };
  // Tokens: 10 + the sample's number.
  EXPECT_EQ(kept({.per_question = 2}), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(kept({.per_question = 2, .prefer = AnswerOrder::longest}), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(kept({.per_question = 1, .prefer = AnswerOrder::shortest}), (std::vector<int64_t>{0}));
  EXPECT_THROW(check_rules({.prefer = AnswerOrder::longest}), UserError);
  EXPECT_NO_THROW(check_rules({.per_question = 1, .prefer = AnswerOrder::longest}));
  EXPECT_NO_THROW(check_rules({}));
}

// Beside what is kept, and beside nothing else; answers without any have the lines that they always had.
TEST(Rejection, TheLogProbabilitiesOfAnAnswerStayWithIt) {
  const TaskProblem p = problem("What is 1 + 2?");
  TaskAnswer kept = answer(0, 0, kRight), wrong = answer(0, 1, kRight + "!");
  wrong.grade.accuracy.strict = 0;
  for (TaskAnswer* a : {&kept, &wrong}) {
    a->top.vocabulary = "abc";
    a->top.add(int32_t(a->sample), std::vector<std::pair<int32_t, double>>{{3, -0.25}});
  }
  RejectionSampling with({}), without({});
  with.add(p, kept), with.add(p, wrong);
  const std::string lines = with.data().lines;
  Json line = Json::parse(lines);  // one line
  EXPECT_EQ(line["top_logprobs"].dump(), R"({"vocabulary":"abc","tokens":[0],"ids":[[3]],"logprobs":[[-0.25]]})");
  kept.top = {};
  without.add(p, kept), without.add(p, wrong);
  line.erase("top_logprobs");
  EXPECT_EQ(without.data().lines, line.dump() + "\n");
}

TEST(Rejection, RewrittenAnswersHaveOtherTokens) {
  EXPECT_NO_THROW(refuse_rewritten_tokens(true, 0, "--readable", "--top-logprobs"));
  EXPECT_NO_THROW(refuse_rewritten_tokens(false, 8, "--readable", "--top-logprobs"));
  EXPECT_THROW(refuse_rewritten_tokens(true, 8, "--readable", "--top-logprobs"), UserError);
}

// What the prompt has opened is part of what is to be learned.
TEST(Rejection, AThoughtThatThePromptBeginsIsWhole) {
  const TaskProblem p = problem("What is 1 + 2?", "<|User|>What is 1 + 2?<|Assistant|><think>\n");
  RejectionSampling s({});
  s.add(p, answer(0, 0, "1+2=3\n</think>\n\n\\boxed{3}"));
  EXPECT_EQ(Json::parse(s.data().lines).at("messages")[1].at("content"), "<think>\n1+2=3\n</think>\n\n\\boxed{3}");
}

// With a chat template an answer is marked by a box, with a thought or without one; a thought is whole.
TEST(Rejection, AChatModelsThoughtIsInItsTagsOnce) {
  const TaskProblem plain = problem("What is 1 + 2?", "<|User|>What is 1 + 2?<|Assistant|>");
  const TaskProblem begun = problem("What is 1 + 2?", plain.prompt + "<think>\n");
  const auto is_kept = [](const TaskProblem& p, const std::string& response) {
    TaskAnswer a = answer(0, 0, response);
    a.grade.format = grade_form(ResponseForm::chat, response, thought_after(p.prompt));
    return !verdict({}, p, a);
  };
  EXPECT_TRUE(is_kept(plain, "It is \\boxed{3}."));
  EXPECT_TRUE(is_kept(plain, "<think>\n1+2=3\n</think>\n\\boxed{3}"));
  EXPECT_TRUE(is_kept(begun, "1+2=3\n</think>\n\\boxed{3}"));
  EXPECT_TRUE(is_kept(begun, "<think>\n1+2=3\n</think>\n\\boxed{3}"));  // opened again: as one
  EXPECT_FALSE(is_kept(begun, "1+2=3 \\boxed{3}"));                     // without an end
  EXPECT_FALSE(is_kept(plain, "<think>\n1+2=3 \\boxed{3}"));
  EXPECT_FALSE(is_kept(plain, "\\boxed{3}</think>"));
  EXPECT_FALSE(is_kept(begun, "1+2=3\n</think>\nno\n</think>\n\\boxed{3}"));
  EXPECT_FALSE(is_kept(plain, "well <think>\n1+2=3\n</think>\n\\boxed{3}"));
  RejectionSampling s({});
  s.add(begun, answer(0, 0, "<think>\n1+2=3\n</think>\n\\boxed{3}"));
  EXPECT_EQ(Json::parse(s.data().lines).at("messages")[1].at("content"), "<think>\n1+2=3\n</think>\n\\boxed{3}");
}

// The same question in two files is one question of each, and one in all.
TEST(Rejection, QuestionsAreCountedOnceInEachGroup) {
  TaskProblem first = problem("What is 1 + 2?"), second = first;
  second.group = "others";
  RejectionSampling s({});
  s.add(first, answer(0, 0, kRight));
  s.add(second, answer(1, 0, kRight));
  const auto data = s.data();
  EXPECT_EQ(data.all.questions, 1);
  EXPECT_EQ(data.all.questions_kept, 1);
  EXPECT_EQ(data.by_level.at({"others", 2}).questions, 1);
  EXPECT_EQ(data.by_level.at({"others", 2})[Rejection::duplicate], 1);
}

// What is learned from is never what is tested with.
TEST(Rejection, AsksTheTrainingSplit) {
  TaskQuestions q{.tasks = {"chains:2-3", "countdown:3"}, .problems = 50, .seed = 4, .split = TaskSplit::train};
  const auto train = asked_problems(q);
  ASSERT_EQ(train.size(), 150u);
  for (const TaskProblem& p : train) EXPECT_EQ(split_of(p.task.canonical), TaskSplit::train);
  q.split = TaskSplit::test;
  for (const TaskProblem& p : asked_problems(q)) EXPECT_EQ(split_of(p.task.canonical), TaskSplit::test);
}

// Two levels and a file: each has its own counts, all of them together, and what people and programs read of them.
TEST(Rejection, CountsByLevel) {
  TaskProblem easy = problem("What is 1 + 2?"), hard = problem("What is 3 + 4?"), file = problem("Why?");
  hard.level = 3, file.group = "own", file.level = 0;
  RejectionSampling s({.per_question = 2});
  const auto wrong = [](TaskAnswer a) {
    a.grade.accuracy.strict = 0;
    return a;
  };
  s.add(easy, answer(0, 0, kRight));           // 10 tokens
  s.add(easy, answer(0, 1, kRight));           // a duplicate
  s.add(easy, answer(0, 5, kRight + " yes"));  // 15 tokens
  s.add(easy, answer(0, 6, kRight + " and"));  // one too many
  s.add(hard, wrong(answer(1, 0, kRight)));
  s.add(hard, answer(1, 91, kRight));  // 101 tokens
  s.add(file, wrong(answer(2, 0, kRight)));
  const RejectionSampling::Data data = s.data();
  EXPECT_EQ(data.level_lines(),
            (std::vector<std::string>{
                "own: 0.0 % of 1 answers are kept, for 0 of 1 questions; dropped: 1 wrong",
                "sums:2: 50.0 % of 4 answers are kept, for 1 of 1 questions; dropped: 1 duplicate, 1 surplus",
                "sums:3: 50.0 % of 2 answers are kept, for 1 of 1 questions; dropped: 1 wrong",
                "all: 42.9 % of 7 answers are kept, for 2 of 3 questions; dropped: 2 wrong, 1 duplicate, 1 surplus"}));
  const Json json = data.to_json({{"seed", 3}});
  EXPECT_EQ(json.at("settings"), (Json{{"seed", 3}}));
  EXPECT_EQ(json.at("all"), Json::parse(R"({"drawn":7,"kept":3,"questions":3,"questions_kept":2,"mean_tokens":42.0,
      "rejected":{"unfinished":0,"wrong":2,"malformed":0,"too_long":0,"mixed_languages":0,"duplicate":1,"surplus":1}})"));
  ASSERT_EQ(json.at("by_level").size(), 3u);
  EXPECT_EQ(json.at("by_level")[0].at("task"), "own");
  EXPECT_EQ(json.at("by_level")[0].at("level"), 0);
  EXPECT_EQ(json.at("by_level")[1],
            Json::parse(R"({"task":"sums","level":2,"drawn":4,"kept":2,"questions":1,"questions_kept":1,
      "mean_tokens":12.5,
      "rejected":{"unfinished":0,"wrong":0,"malformed":0,"too_long":0,"mixed_languages":0,"duplicate":1,"surplus":1}})"));
  EXPECT_EQ(json.at("by_level")[2].at("mean_tokens"), 101);
  // One level alone needs no sum, and of nothing there is no share.
  RejectionSampling one({});
  one.add(easy, answer(0, 0, "<think>1</think>\n<answer>3</answer> \t\r\n"));
  EXPECT_EQ(one.data().level_lines(),
            (std::vector<std::string>{"sums:2: 100.0 % of 1 answers are kept, for 1 of 1 questions"}));
  EXPECT_EQ(Json::parse(one.data().lines).at("messages")[1].at("content"), "<think>1</think>\n<answer>3</answer>");
  EXPECT_EQ(counts_line(RejectionSampling({}).data().all), "0.0 % of 0 answers are kept, for 0 of 0 questions");
  RejectionCounts two;
  two.drawn = 2, two.rejected = {1, 0, 0, 1};
  EXPECT_EQ(counts_line(two), "0.0 % of 2 answers are kept, for 0 of 0 questions; dropped: 1 unfinished, 1 too long");
  EXPECT_EQ(two[Rejection::too_long], 1);
}

// Shares and lengths at their bounds are kept.
TEST(Rejection, RulesAtTheirBounds) {
  const TaskProblem p = problem("How many?");
  const TaskAnswer a = answer(0, 0, "<think>three in all 三</think>\n<answer>3</answer>");  // three of four words
  EXPECT_EQ(verdict({.language_share = 0.75}, p, a), std::nullopt);
  EXPECT_EQ(verdict({.language_share = 0.76}, p, a), Rejection::mixed_languages);
  EXPECT_EQ(verdict({}, p, a), Rejection::mixed_languages);
  EXPECT_EQ(verdict({.longest = 10, .language_share = 0}, p, a), std::nullopt);
  EXPECT_EQ(verdict({.longest = 9, .language_share = 0}, p, a), Rejection::too_long);
  EXPECT_EQ(verdict({.longest = 1, .language_share = 0}, p, a), Rejection::too_long);
  TaskAnswer half = a;
  half.grade.accuracy.strict = 0.5;
  EXPECT_EQ(verdict({.language_share = 0}, p, half), Rejection::wrong);
  // 19 of 20 words are enough without a rule.
  std::string words;
  for (int i = 0; i < 19; ++i) words += "one ";
  EXPECT_EQ(verdict({}, p, answer(0, 0, "<think>" + words + "三</think>\n<answer>3</answer>")), std::nullopt);
  EXPECT_EQ(verdict({}, p, answer(0, 0, "<think>" + words + "三 四</think>\n<answer>3</answer>")),
            Rejection::mixed_languages);
}

}  // namespace
}  // namespace minke
