// Likelihoods against the plain forward; choices and needles with a model whose answers are known.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "corpus/needle.h"
#include "eval/choices.h"
#include "eval/needle.h"
#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"

namespace minke {
namespace {

using namespace test;

struct Rig {
  TestContext ctx{cpu_backend()};
  Model model;
  explicit Rig(Config config = tiny_v3()) : model(ctx, std::move(config), Precision::f32(), 64) {
    model.weights().initialise(ctx, 0.25);
  }
  // −Σ loss over the positions whose targets are given.
  double plain(const std::vector<int32_t>& ids, size_t prompt) {
    const int64_t n = int64_t(ids.size()) - 1;
    std::vector<int32_t> targets(size_t(n), -1);
    for (size_t i = prompt; i < ids.size(); ++i) targets[i - 1] = ids[i];
    Arena measure;
    const std::vector<int64_t> tokens{n};
    model.lay_out_saved(measure, tokens, false);
    Arena arena(ctx.context().backend->memory(), measure.high_water());
    const ModelSaved saved = model.lay_out_saved(arena, tokens, false);
    BatchBuffers buffers(ctx, n, 0);
    const auto& batches = buffers.fill(ctx, std::vector<int32_t>(ids.begin(), ids.end() - 1), targets, 1, n);
    model.forward(ctx, batches, saved);
    model.loss(ctx, batches, saved);
    std::vector<float> loss(static_cast<size_t>(n));
    ctx.backend().download(ctx, {.device = saved.loss, .host = loss.data()});
    double sum = 0;
    for (float l : loss) sum -= double(l);
    return sum;
  }
};

// The same numbers whatever else is in the batch. f32: a sum of at most 20 logs, each off by some 1e-6.
TEST(Likelihood, IsThatOfThePlainForward) {
  Rig rig;
  Likelihood likelihood(rig.ctx, rig.model, 64, 3);
  std::vector<Continuation> all;
  std::vector<double> expected;
  for (uint64_t i = 0; i < 8; ++i) {
    const auto ids = random_tokens(i, int64_t(4 + 5 * i), 23);
    const size_t prompt = 1 + i % 3;
    all.push_back({{ids.begin(), ids.begin() + long(prompt)}, {ids.begin() + long(prompt), ids.end()}});
    expected.push_back(rig.plain(ids, prompt));
  }
  const auto result = likelihood(rig.ctx, all);
  ASSERT_EQ(result.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(result[i].nats, expected[i], 2e-5) << i;
  all[0].text.resize(100, 1);
  EXPECT_THROW(likelihood(rig.ctx, all), UserError);
}

TEST(Likelihood, RunsOnThePoisonBackend) {
  const auto nats = [](Backend& backend) {
    const TestContext ctx(backend);
    Model model(ctx, tiny_v3(), Precision::f32(), 64);
    model.weights().initialise(ctx, 0.25);
    Likelihood likelihood(ctx, model, 64, 2);
    std::vector<Continuation> all;
    for (uint64_t i = 0; i < 5; ++i) all.push_back({{3}, random_tokens(i, int64_t(4 + 5 * i), 23)});
    std::vector<double> result;
    for (const LogLikelihood& l : likelihood(ctx, all)) result.push_back(l.nats);
    return result;
  };
  PoisonBackend poison(cpu_backend());
  EXPECT_EQ(nats(poison), nats(cpu_backend()));
}

TEST(Likelihood, DamagedWeightsAreSaid) {
  Rig rig;
  Likelihood likelihood(rig.ctx, rig.model, 64);
  std::vector<float> row(size_t(rig.model.config().hidden_size), NAN);
  const Weight& embedding = rig.model.weights().all().front();
  rig.ctx.backend().upload(rig.ctx, {.host = row.data(), .device = embedding.master().slice(0, 7, 8)});
  EXPECT_NO_THROW(likelihood(rig.ctx, {{{5, 6}, {8}}}));
  EXPECT_THROW(likelihood(rig.ctx, {{{5, 7}, {8}}}), UserError);
}

TEST(Likelihood, GreedyIsTheMostLikelyTokenEverywhere) {
  Rig rig;
  Likelihood likelihood(rig.ctx, rig.model, 64);
  int greedy = 0;
  for (int32_t token = 0; token < 23; ++token) greedy += likelihood(rig.ctx, {{{5, 6}, {token}}})[0].greedy;
  EXPECT_EQ(greedy, 1);
}

Tokenizer small_tokenizer() {
  std::string text;
  for (uint64_t i = 0; i < 40; ++i) text += corpus::needle_text(Rng{RngKey{i}}) + "\n";
  const std::string_view texts[] = {text};
  return train_bpe(texts, {.vocab_size = 400});
}

struct Questions {
  // Of this process alone: other tests run beside it.
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-choices-{}", ::getpid());
  fs::path file = folder / "choices.jsonl";
  explicit Questions(const std::string& text) {
    fs::create_directories(folder);
    write_file_atomic(file, text);
  }
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;
  ~Questions() { fs::remove_all(folder); }
  std::string complaint() const {
    try {
      load_choices({file.string()});
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  }
};

TEST(Choices, ReadsLinesAndNamesWhatIsWrong) {
  const Questions good("{\"question\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 1}\n\n");
  ASSERT_EQ(load_choices({good.file.string()}).size(), 1u);
  EXPECT_EQ(load_choices({good.file.string()})[0].answer, 1u);
  EXPECT_EQ(load_choices({(good.folder / "*.jsonl").string(), good.folder.string()}).size(), 2u);
  for (const auto& [text, part] :
       {std::pair{"{\"question\": \"a\", \"choices\": [\"b\", \"c\"]}\n",
                  "choices.jsonl, line 1: answer is missing; a line must be"},
        {"\n{\"question\": \"a\", \"choices\": [\"b\"], \"answer\": 0}",
         "choices.jsonl, line 2: choices must be a list of 2"},
        {"{\"question\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 2}",
         "the number of the correct choice, 0 to 1"},
        {"{\"question\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": -1}", "the number of the correct choice"},
        {"{\"question\": 1, \"choices\": [\"b\", \"c\"], \"answer\": 0}", "question must be a text"},
        {"[1]", "a JSON object is needed"},
        {"", "the file has no questions"}})
    EXPECT_NE(Questions(text).complaint().find(part), std::string::npos) << text << Questions(text).complaint();
}

TEST(Choices, AQuestionThatDoesNotFitIsNamedByItsLine) {
  const Questions file(
      "{\"question\": \"The number is\", \"choices\": [\" 1\", \" 2\"], \"answer\": 0}\n\n"
      "{\"question\": \"The number is\", \"choices\": [\" 1\", \" a very long story instead\"], \"answer\": 0}\n");
  const auto complaint = [&](const Tokenizer& tokenizer, int64_t max_tokens) -> std::string {
    try {
      check_choices(load_choices({file.file.string()}), tokenizer, max_tokens);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(complaint(small_tokenizer(), 64), "");
  EXPECT_NE(complaint(small_tokenizer(), 15).find("choices.jsonl, line 3: the question with the choice \" a very"),
            std::string::npos)
      << complaint(small_tokenizer(), 15);
  const std::string_view letters[] = {"The number is 1"};
  const Tokenizer characters =
      train_bpe(letters, {.vocab_size = 0, .pretokenizer = "characters", .special_tokens = {}});
  EXPECT_NE(complaint(characters, 64).find("choices.jsonl, line 1: "), std::string::npos) << complaint(characters, 64);
}

// Counted are exactly the questions whose right answer has the larger likelihood.
TEST(Choices, CountsTheLikeliest) {
  const Tokenizer tokenizer = small_tokenizer();
  Config config = tiny_llama();
  config.vocab_size = tokenizer.vocab_size();
  Rig rig(config);
  Likelihood likelihood(rig.ctx, rig.model, 64);
  std::vector<ChoiceQuestion> questions;
  int64_t expected = 0;
  for (int i = 0; i < 12; ++i) {
    ChoiceQuestion q{"The number of opal is", {fmt::format(" {}", 10 + i), fmt::format(" {}", 60 - i)}, size_t(i % 2)};
    const auto prompt = tokenizer.encode(q.question, {.add_bos = true});
    const auto both =
        likelihood(rig.ctx, {{prompt, tokenizer.encode(q.choices[0])}, {prompt, tokenizer.encode(q.choices[1])}});
    expected += (both[1].nats > both[0].nats) == (i % 2 == 1);
    questions.push_back(std::move(q));
  }
  const ChoiceResult result = answer_choices(rig.ctx, likelihood, tokenizer, questions);
  EXPECT_EQ(result.questions, 12);
  EXPECT_EQ(result.by_sum, expected);
  EXPECT_EQ(result.by_byte, expected);  // all choices have three bytes
  EXPECT_DOUBLE_EQ(result.chance, 0.5);
}

TEST(Needle, TasksHideTheAnswerWhereTheySay) {
  for (const double depth : {0.0, 0.5, 1.0}) {
    const NeedleTask task = make_needle(1, 7, 1500, depth);
    const size_t question = task.prompt.rfind('\n') + 1;
    const std::string needle = task.prompt.substr(question) + task.answer + ".";
    const size_t at = task.prompt.find(needle);
    ASSERT_LT(at, question) << task.prompt;
    EXPECT_NEAR(double(at) / double(question), depth, 0.12);
    EXPECT_EQ(task.prompt, make_needle(1, 7, 1500, depth).prompt);
    EXPECT_NE(task.prompt, make_needle(1, 8, 1500, depth).prompt);
    EXPECT_TRUE(task.answer.size() > 2 && task.answer[0] == ' ') << task.answer;
  }
  // Documents to learn from: behind a key always stands the same word; all keys of a recital are in each of its lines.
  int haystacks = 0, recitals = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const std::string text = corpus::needle_text(Rng{RngKey{i}});
    std::istringstream in(text);
    std::map<std::string, std::string> value_of;
    const auto say = [&](const std::string& key, const std::string& value) {
      EXPECT_EQ(value_of.try_emplace(key, value).first->second, value) << key << " in " << text;
    };
    const bool recital = text.starts_with("Say ");
    ++(recital ? recitals : haystacks);
    int lines = 0, questions = 0;
    std::string line;
    for (; recital && std::getline(in, line); ++lines) {
      std::istringstream words(line.substr(4, line.size() - 5));
      size_t pairs = 0;
      for (std::string key, value; words >> key >> value; ++pairs) say(key, value);
      EXPECT_EQ(pairs, value_of.size()) << text;
    }
    const std::string_view question = "The password is ";
    for (size_t at = text.find(question); at != text.npos; at = text.find(question, at + 1), ++questions) {
      std::istringstream words(text.substr(at + question.size()));
      std::string key, value;
      words >> key >> value;
      ASSERT_TRUE(value.ends_with(".")) << text;
      say(key, value);
    }
    EXPECT_GE(lines, recital ? 8 : 0) << text;
    EXPECT_GE(questions, recital ? 0 : 4) << text;
    EXPECT_GE(value_of.size(), recital ? 2u : 1u);
  }
  EXPECT_GT(haystacks, 2);
  EXPECT_GT(recitals, 50);
}

// A model that knows nothing finds nothing; every cell is there, and no text is longer than was asked for.
TEST(Needle, ReportsEveryLengthAndDepth) {
  const Tokenizer tokenizer = small_tokenizer();
  Config config = tiny_llama();
  config.vocab_size = tokenizer.vocab_size();
  config.max_position_embeddings = 256;
  const TestContext ctx(cpu_backend());
  Model model(ctx, config, Precision::f32(), 256);
  model.weights().initialise(ctx, 0.25);
  Likelihood likelihood(ctx, model, 256);
  const auto cells = find_needles(ctx, likelihood, tokenizer, {.lengths = {160, 256}, .depths = 3, .trials = 2});
  ASSERT_EQ(cells.size(), 6u);
  EXPECT_EQ(cells[4].length, 256);
  EXPECT_EQ(cells[4].depth, 0.5);
  int64_t found = 0;
  for (const NeedleCell& c : cells) found += c.found;
  EXPECT_LT(found, 6);
  model.weights().initialise(ctx, 0);  // all tokens are equally likely: none is likelier than the answer's
  for (const NeedleCell& c :
       find_needles(ctx, likelihood, tokenizer, {.lengths = {160, 256}, .depths = 3, .trials = 2}))
    EXPECT_EQ(c.found, 2) << c.length << " " << c.depth;
  EXPECT_THROW(check_needles(tokenizer, {.lengths = {160, 5}, .depths = 2, .trials = 1}), UserError);
  EXPECT_NO_THROW(check_needles(tokenizer, {.lengths = {160}, .depths = 2, .trials = 1}));
  EXPECT_THROW(find_needles(ctx, likelihood, tokenizer, {.lengths = {5}, .depths = 2, .trials = 1}), UserError);
}

}  // namespace
}  // namespace minke
