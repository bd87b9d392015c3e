// Which tokens may come next, against all tokens tried one by one; behind a thought, too.
#include "structured/answer_constraint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "structured/json_schema.h"
#include "tokenize/train.h"

namespace minke {
namespace {

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{
      "{\"name\": \"Ann\", \"age\": 12} {\"name\": \"Bo\", \"age\": 7}, [1, 2, 30]\n</think>\n\n{\"name\": "
      "\"x\"}</think>{ <think>"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 330});
  return t;
}
const TokenTrie& trie() {
  static const TokenTrie t(tokenizer());
  return t;
}
int32_t eos() { return tokenizer().eos_id(); }

std::vector<float> masked(AnswerConstraint& c) {
  std::vector<float> logits(size_t(tokenizer().vocab_size()) + 3,
                            0.0f);  // a head may have more rows than there are tokens
  c.mask(logits);
  return logits;
}
std::set<int32_t> allowed(AnswerConstraint& c) {
  const std::vector<float> logits = masked(c);
  std::set<int32_t> all;
  for (size_t i = 0; i < logits.size(); ++i)
    if (!std::isinf(logits[i])) all.insert(int32_t(i));
  return all;
}

const Grammar& people() {
  static const Grammar g = json_schema_grammar(Json::parse(
      R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 150}}})"));
  return g;
}

TEST(TokenTrie, HasEveryTokenThatIsText) {
  std::set<int32_t> in(trie().tokens().begin(), trie().tokens().end());
  for (int32_t id = 0; id < tokenizer().vocab_size(); ++id)
    EXPECT_EQ(in.contains(id), !tokenizer().is_special(id) && !tokenizer().token_bytes(id).empty()) << id;
  // The way to each node is the token's bytes.
  std::string path;
  for (const TokenTrie::Node& n : trie().nodes()) {
    path.resize(n.depth - 1u);
    path += char(n.byte);
    for (int32_t t = n.first_token; t < n.first_token + n.num_tokens; ++t)
      EXPECT_EQ(tokenizer().token_bytes(trie().tokens()[size_t(t)]), path);
  }
}

TEST(AnswerConstraint, AllowsWhatTheGrammarTakesTokenByToken) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    AnswerConstraint c(people(), tokenizer(), trie(), {.stop_tokens = {eos()}});
    Matcher m(people());
    int32_t state = m.start();
    Rng rng{{seed, 3}};
    std::string text;
    bool ended = false;
    for (int step = 0; step < 60 && !ended; ++step) {
      std::set<int32_t> expected;
      for (int32_t id = 0; id < tokenizer().vocab_size(); ++id)
        if (!tokenizer().is_special(id) && !tokenizer().token_bytes(id).empty() &&
            m.next(state, tokenizer().token_bytes(id)) != Matcher::kDead)
          expected.insert(id);
      if (m.accepts(state)) expected.insert(eos());
      const std::set<int32_t> may = allowed(c);
      ASSERT_EQ(may, expected) << text;
      EXPECT_EQ(c.is_complete(), m.accepts(state));
      const int32_t token = *std::next(may.begin(), std::ptrdiff_t(rng.below(may.size())));
      ended = token == eos();
      c.push(token);
      if (!ended) text += tokenizer().token_bytes(token), state = m.next(state, tokenizer().token_bytes(token));
    }
  }
}

// Thoughts are free until their end, however that is cut into tokens; then the grammar holds.
TEST(AnswerConstraint, BeginsBehindAThought) {
  AnswerConstraint c(people(), tokenizer(), trie(), {.stop_tokens = {eos()}, .in_thought = true});
  const auto say = [&](std::string_view text) {
    for (const int32_t id : tokenizer().encode(text, {.parse_special = false})) {
      EXPECT_TRUE(allowed(c).contains(id)) << tokenizer().token_bytes(id);
      c.push(id);
    }
  };
  say("I think } of [ names");
  EXPECT_FALSE(allowed(c).contains(eos()));  // an answer within a thought would be none
  EXPECT_FALSE(c.is_complete());
  say("</thin");
  say("k, no: </think>\n\n{\"name\": ");
  const std::set<int32_t> may = allowed(c);
  EXPECT_FALSE(may.contains(tokenizer().encode("x")[0]));
  EXPECT_TRUE(may.contains(tokenizer().encode("\"")[0]));
  say("\"Ann\"}");
  EXPECT_TRUE(c.is_complete());
  EXPECT_EQ(allowed(c), std::set<int32_t>{eos()});
}

// A token that ends the thought and goes on must go on rightly.
TEST(AnswerConstraint, TheTokenThatEndsAThoughtMayHaveMore) {
  const std::vector<std::string> texts{"</think>", "</think>{", "</think>x", ">{", ">x", "</think", "a"};
  std::string vocab;
  const Tokenizer t = [&] {
    Json tokens = Json::object();
    for (size_t i = 0; i < texts.size(); ++i) tokens[texts[i]] = i;
    const Json file{{"version", "1.0"},
                    {"added_tokens", Json::array()},
                    {"normalizer", nullptr},
                    {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
                    {"decoder", {{"type", "ByteLevel"}}},
                    {"model", {{"type", "BPE"}, {"vocab", tokens}, {"merges", Json::array()}}}};
    return Tokenizer::from_json_text(file.dump(), "test");
  }();
  const TokenTrie tree(t);
  AnswerConstraint c(people(), t, tree, {.stop_tokens = {6}, .in_thought = true});
  const auto may = [&](size_t id) {
    std::vector<float> logits(texts.size(), 0);
    c.mask(logits);
    return !std::isinf(logits[id]);
  };
  EXPECT_TRUE(may(0) && may(1) && !may(2) && may(3) && may(4));
  c.push(5);  // </think
  EXPECT_TRUE(may(3) && !may(4));
  c.push(3);
  EXPECT_FALSE(may(0));
}

TEST(AnswerConstraint, MayThinkFirst) {
  AnswerConstraint c(people(), tokenizer(), trie(), {.stop_tokens = {eos()}, .may_think = true});
  const int32_t open = tokenizer().encode("<", {.parse_special = false})[0], brace = tokenizer().encode("{")[0];
  EXPECT_TRUE(allowed(c).contains(open) && allowed(c).contains(brace));
  for (const int32_t id : tokenizer().encode("<think> x </think>", {.parse_special = false})) {
    EXPECT_TRUE(allowed(c).contains(id)) << tokenizer().token_bytes(id);
    c.push(id);
  }
  EXPECT_TRUE(allowed(c).contains(brace) && !allowed(c).contains(open));
  AnswerConstraint other(people(), tokenizer(), trie(), {.stop_tokens = {eos()}, .may_think = true});
  other.push(open);
  EXPECT_FALSE(allowed(other).contains(brace));
}

// Blanks behind a thought are dropped before the grammar sees them: such a text has none at its beginning. A few, not for ever.
TEST(AnswerConstraint, BlanksBehindAThoughtAreNoText) {
  Grammar g;
  g.add_alternative(g.new_rule(), g.literal("{x}"));
  const auto of = [](char c) { return tokenizer().encode(std::string(1, c), {.parse_special = false})[0]; };
  for (const char* thought : {"</think>", "</think>\n\n", "x</think> \n"}) {
    AnswerConstraint c(g, tokenizer(), trie(), {.stop_tokens = {eos()}, .in_thought = true});
    for (const char b : std::string_view(thought)) {
      EXPECT_TRUE(allowed(c).contains(of(b)));
      c.push(of(b));
    }
    EXPECT_TRUE(allowed(c).contains(of('{')) && allowed(c).contains(of('\n')));
    EXPECT_FALSE(allowed(c).contains(of('x')) || allowed(c).contains(eos()));
    int blanks = 0;
    for (; blanks < 100 && allowed(c).contains(of('\n')); ++blanks) c.push(of('\n'));
    EXPECT_LT(blanks, 10);
    for (const char b : std::string_view("{x}")) {
      EXPECT_TRUE(allowed(c).contains(of(b)));
      c.push(of(b));
    }
    EXPECT_TRUE(c.is_complete());
    EXPECT_EQ(allowed(c), std::set<int32_t>{eos()});
  }
  // Without a thought there is nothing to be dropped.
  AnswerConstraint c(g, tokenizer(), trie(), {.stop_tokens = {eos()}, .may_think = true});
  EXPECT_FALSE(allowed(c).contains(of('\n')));
}

// "<" may be the beginning of a thought or of the text, until it can be one of them alone.
TEST(AnswerConstraint, WhatBeginsLikeAThoughtMayBeText) {
  Grammar g;
  g.add_alternative(g.new_rule(), g.literal("<tool>"));
  const auto of = [](char c) { return tokenizer().encode(std::string(1, c), {.parse_special = false})[0]; };
  AnswerConstraint c(g, tokenizer(), trie(), {.stop_tokens = {eos()}, .may_think = true});
  c.push(of('<'));
  c.push(of('t'));
  EXPECT_TRUE(allowed(c).contains(of('o')) && allowed(c).contains(of('h')));
  AnswerConstraint thinks = c;
  for (const char b : std::string_view("ool>")) {
    EXPECT_TRUE(allowed(c).contains(of(b)));
    c.push(of(b));
  }
  EXPECT_TRUE(c.is_complete());
  thinks.push(of('h'));
  EXPECT_TRUE(allowed(thinks).contains(of('i')) && !allowed(thinks).contains(of('o')));
}

// Where nothing can be written the answer ends: a vocabulary without "{".
TEST(AnswerConstraint, EndsWhereNothingCanBeWritten) {
  const TokenTrie poor(std::vector<std::string>{"a", "b", ""});
  AnswerConstraint c(people(), tokenizer(), poor, {.stop_tokens = {2}});
  std::vector<float> logits(3, 0);
  c.mask(logits);
  EXPECT_TRUE(std::isinf(logits[0]) && std::isinf(logits[1]) && !std::isinf(logits[2]));
  EXPECT_THROW(AnswerConstraint(people(), tokenizer(), poor, {}), UserError);
}

// Long texts: what is remembered stays bounded, and right.
TEST(AnswerConstraint, LongAnswersTakeBoundedMemory) {
  static const Grammar g = json_schema_grammar(Json::parse(R"({"type": "string", "maxLength": 9000})"));
  AnswerConstraint c(g, tokenizer(), trie(), {.stop_tokens = {eos()}});
  const int32_t quote = tokenizer().encode("\"")[0], a = tokenizer().encode("A")[0];
  c.push(quote);
  for (int i = 0; i < 8999; ++i) c.push(a);
  EXPECT_TRUE(allowed(c).contains(a));
  c.push(a);
  EXPECT_FALSE(allowed(c).contains(a));
  EXPECT_TRUE(allowed(c).contains(quote));
  c.push(quote);
  EXPECT_TRUE(c.is_complete());
}

// A schema whose texts can be read in 2^depth ways: a client may send it, and the engine must live.
TEST(AnswerConstraint, AmbiguousSchemasEndTheAnswer) {
  const Grammar g = json_schema_grammar(Json::parse(
      R"({"$defs": {"A": {"anyOf": [{"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/A"}},
          {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/A"}}]}}, "$ref": "#/$defs/A"})"));
  AnswerConstraint c(g, tokenizer(), trie(), {.stop_tokens = {eos()}});
  const int32_t open = tokenizer().encode("[")[0];
  int depth = 0;
  for (; depth < 1000 && allowed(c).contains(open); ++depth) c.push(open);
  EXPECT_LT(depth, 20);
  while (!allowed(c).contains(eos())) c.push(*allowed(c).begin());
}

}  // namespace
}  // namespace minke
