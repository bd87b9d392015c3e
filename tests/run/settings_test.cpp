// Every key of a recipe, set to a value that is not its default and that no
// other key has: does it arrive where it is used? The keys are the recipe's own
// list, so a new key without a row fails here. Keys that a run reads from the
// recipe itself (data.train, log.*, …) are looked up in the recipe; what they
// do is in tests/run/pretrain_test.cpp.
#include "run/settings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "core/error.h"
#include "recipe/model_config.h"
#include "recipe/recipe_fields.h"
#include "recipe/toml_text.h"
#include "tokenize/train.h"

namespace minke {
namespace {

const char* const kModel = R"(
[model]
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
q_lora_rank = 16
kv_lora_rank = 16
qk_nope_head_dim = 8
qk_rope_head_dim = 8
v_head_dim = 8
intermediate_size = 64
first_k_dense_replace = 1
n_routed_experts = 12
n_shared_experts = 1
num_experts_per_tok = 2
moe_intermediate_size = 16
n_group = 2
topk_group = 1
)";

const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    const std::string_view text[] = {"the whale sings"};
    return train_bpe(text, {.vocab_size = 300});
  }();
  return made;
}

// What a run makes of a recipe.
struct Arrived {
  Recipe recipe;
  std::vector<Phase> phases;
  TrainSettings train, late;  // of [train] and of the long-context phase
  PackingOptions packing;
  DocumentOptions documents;
  HeldOutOptions held_out;
  Precision precision;
  Recompute recompute;
  Config model, late_model;

  explicit Arrived(Recipe r)
      : recipe(std::move(r)),
        phases(plan_phases(recipe)),
        train(train_settings(recipe, phases.at(0))),
        late(train_settings(recipe, phases.at(1))),
        packing(packing_options(recipe, phases[0], tokenizer(), tokenizer().eos_id())),
        documents(document_options(recipe)),
        held_out(held_out_options(recipe)),
        precision(minke::precision(recipe)),
        recompute(minke::recompute(recipe)),
        model(model_config(recipe, 300, 0, 1)),
        late_model(phase_config(model, recipe, phases[1])) {}
  double share_of_run(double tokens) const { return tokens / phases[0].tokens; }
};

std::string text(double value) { return fmt::format("{:.10g}", value); }
std::string text(int64_t value) { return std::to_string(value); }
std::string text(uint64_t value) { return std::to_string(value); }
std::string text(bool value) { return value ? "true" : "false"; }
std::string text(DType value) { return value == DType::bf16 ? "bf16" : value == DType::f32 ? "f32" : "?"; }

// key = value arrives as `expected` at `where`. All first rows of the keys
// together are one recipe; a row that is `alone` changes that recipe in this
// key only: another choice of the same key, or one that would rule out the
// others.
struct Row {
  const char *key, *value;
  std::function<std::string(const Arrived&)> where;
  const char* expected;
  bool alone = false;
};
#define ARRIVES(expression) [](const Arrived& a) { return text(expression); }

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"tokenizer.path", "\"some/folder\"", [](const Arrived& a) { return a.recipe.tokenizer.path; }, "some/folder"},
      {"tokenizer.kind", "\"characters\"",
       [](const Arrived& a) { return std::string(name_of(a.recipe.tokenizer.kind)); }, "characters"},
      {"tokenizer.vocab_size", "301", ARRIVES(a.recipe.tokenizer.vocab_size), "301"},
      {"tokenizer.pretokenizer", "\"single_signs\"",
       [](const Arrived& a) { return std::string(name_of(a.recipe.tokenizer.pretokenizer)); }, "single_signs"},
      {"tokenizer.tags", "[\"<x>\", \"<y>\"]",
       [](const Arrived& a) { return fmt::format("{}", fmt::join(a.recipe.tokenizer.tags, " ")); }, "<x> <y>"},
      {"data.train", "[\"a\", \"b\"]",
       [](const Arrived& a) { return fmt::format("{}", fmt::join(a.recipe.data.train, " ")); }, "a b"},
      {"data.weights", "[5, 7]",
       [](const Arrived& a) { return fmt::format("{}", fmt::join(a.recipe.data.weights, " ")); }, "5 7"},
      {"data.text_keys", "[\"q\", \"r\"]",
       [](const Arrived& a) { return fmt::format("{}", fmt::join(a.documents.text_keys, " ")); }, "q r"},
      {"data.documents", "\"blank-lines\"", ARRIVES(a.documents.split_blank_lines), "true"},
      {"data.documents", "\"file\"", ARRIVES(a.documents.split_blank_lines), "false", true},
      {"data.held_out", "\"tail\"", ARRIVES(a.held_out.tail_fraction), "0.23"},
      {"data.held_out", "\"tail\"", ARRIVES(a.held_out.hash_fraction), "0", true},
      {"data.held_out", "\"documents\"", ARRIVES(a.held_out.hash_fraction), "0.23", true},
      {"data.held_out", "\"documents\"", ARRIVES(a.held_out.tail_fraction), "0", true},
      {"data.held_out_fraction", "0.23", ARRIVES(a.held_out.tail_fraction), "0.23"},
      {"data.builtin_bytes", "123456", ARRIVES(a.documents.builtin_bytes), "123456"},
      {"data.mask_documents", "true", ARRIVES(a.recipe.data.mask_documents), "true"},
      {"data.fim_rate", "0.29", ARRIVES(a.packing.fim_rate), "0.29"},
      {"data.packing", "\"best-fit\"", ARRIVES(a.packing.packing == PackingMode::best_fit), "true"},
      {"data.packing", "\"concatenate\"", ARRIVES(a.packing.packing == PackingMode::best_fit), "false", true},
      {"data.cache", "\"some/cache\"", [](const Arrived& a) { return a.recipe.data.cache; }, "some/cache"},
      {"train.steps", "1000", ARRIVES(a.phases[0].steps), "1000"},
      {"train.minutes", "17", ARRIVES(a.recipe.train.minutes), "17"},
      {"train.sequence_length", "64", ARRIVES(a.phases[0].sequence_length), "64"},
      {"train.sequence_length", "65", ARRIVES(a.packing.sequence_length), "65", true},
      {"train.batch_size", "24", ARRIVES(a.phases[0].largest_batch()), "24"},
      {"train.micro_batch_size", "4", ARRIVES(a.phases[0].micro_batch_size), "4"},
      {"train.micro_batch_size", "0", ARRIVES(a.phases[0].micro_batch_size), "24", true},
      {"train.precision", "\"f32\"", ARRIVES(a.precision.compute), "f32"},
      {"train.precision", "\"bf16\"", ARRIVES(a.precision.compute), "bf16", true},
      {"train.seed", "41", ARRIVES(a.packing.seed), "41"},
      {"train.seed", "43", ARRIVES(a.documents.builtin_seed), "43", true},
      {"train.lr", "0.003", ARRIVES(a.train.lr.peak), "0.003"},
      {"train.warmup", "0.11", ARRIVES(a.train.lr.warmup_steps), "110"},
      {"train.drops", "[0.51, 0.74]", ARRIVES(a.train.lr.drops.size()), "0"},  // cosine
      {"train.drop_factor", "0.43", ARRIVES(a.recipe.train.drop_factor), "0.43"},
      {"train.schedule", "\"step\"", ARRIVES(a.share_of_run(a.train.lr.drops.at(0).at)), "0.51", true},
      {"train.schedule", "\"step\"", ARRIVES(a.share_of_run(a.train.lr.drops.at(1).at)), "0.74", true},
      {"train.schedule", "\"step\"", ARRIVES(a.train.lr.drops.at(1).factor), "0.43", true},
      {"train.schedule", "\"step\"", ARRIVES(a.share_of_run(a.train.lr.decay_begin)), "0.51", true},
      {"train.schedule", "\"step\"", ARRIVES(a.share_of_run(a.train.lr.decay_end)), "0.74", true},
      {"train.decay_begin", "0.61", ARRIVES(a.share_of_run(a.train.lr.decay_begin)), "0.61"},
      {"train.decay_end", "0.83", ARRIVES(a.share_of_run(a.train.lr.decay_end)), "0.83"},
      {"train.low_ratio", "0.37", ARRIVES(a.train.lr.low / a.train.lr.peak), "0.37"},
      {"train.last_begin", "0.93", ARRIVES(a.share_of_run(a.train.lr.last_begin)), "0.93"},
      {"train.last_ratio", "0.19", ARRIVES(a.train.lr.last / a.train.lr.peak), "0.19"},
      {"train.beta1", "0.71", ARRIVES(a.train.adamw.beta1), "0.71"},
      {"train.beta2", "0.97", ARRIVES(a.train.adamw.beta2), "0.97"},
      {"train.eps", "1.3e-05", ARRIVES(a.train.adamw.eps), "1.3e-05"},
      {"train.weight_decay", "0.047", ARRIVES(a.train.adamw.weight_decay), "0.047"},
      {"train.clip", "0.77", ARRIVES(a.train.adamw.clip), "0.77"},
      {"train.dropout", "0.21", ARRIVES(a.train.dropout), "0.21"},
      {"train.initializer_range", "0.013", ARRIVES(a.model.initializer_range), "0.013"},
      {"train.mtp_weight", "0.41", ARRIVES(a.train.mtp.early), "0.41"},
      {"train.mtp_weight_late", "0.17", ARRIVES(a.train.mtp.late), "0.17"},
      {"train.batch_start", "8", ARRIVES(a.phases[0].ramp.first), "8"},
      {"train.batch_ramp", "0.31", ARRIVES(a.share_of_run(a.phases[0].ramp.until)), "0.31"},
      {"train.moments", "\"bf16\"", ARRIVES(a.train.adamw.moments), "bf16"},
      {"train.moments", "\"f32\"", ARRIVES(a.train.adamw.moments), "f32", true},
      {"train.ema_decay", "0.87", ARRIVES(a.train.ema_decay), "0.87"},
      {"train.recompute", "[\"attention\"]", ARRIVES(a.recompute.attention), "true"},
      {"train.recompute", "[\"attention\"]", ARRIVES(a.recompute.ffn), "false", true},
      {"train.recompute", "[\"ffn\"]", ARRIVES(a.recompute.ffn), "true", true},
      {"train.recompute", "[\"ffn\"]", ARRIVES(a.recompute.attention), "false", true},
      {"train.spike_jump", "1.7", ARRIVES(a.train.spike_jump), "1.7"},
      {"train.max_rollbacks", "13", ARRIVES(a.recipe.train.max_rollbacks), "13"},
      {"train.dense", "true", ARRIVES(a.model.n_routed_experts), "0", true},
      {"train.dense", "false", ARRIVES(a.model.n_routed_experts), "12", true},
      {"balance.bias_speed", "0.0021", ARRIVES(a.train.bias_speed), "0.0021"},
      {"balance.loss", "\"expert\"", ARRIVES(a.train.balance.terms.count_unbiased), "false"},
      {"balance.loss", "\"expert\"", ARRIVES(a.train.balance.whole_batch), "false", true},
      {"balance.alpha", "0.0019", ARRIVES(a.train.balance.terms.alpha_expert), "0.0019"},
      {"balance.device_alpha", "0.0053", ARRIVES(a.train.balance.terms.alpha_device), "0.0053"},
      {"balance.comm_alpha", "0.0059", ARRIVES(a.train.balance.terms.alpha_comm), "0.0059"},
      {"balance.devices", "6", ARRIVES(a.train.balance.terms.num_devices), "6"},
      {"balance.devices", "4", ARRIVES(a.train.drop.num_devices), "4", true},
      {"balance.top_devices", "3", ARRIVES(a.train.balance.terms.top_devices), "3"},
      {"balance.capacity", "1.9", ARRIVES(a.train.drop.capacity), "1.9"},
      {"balance.protected", "0.27", ARRIVES(a.train.drop.protected_fraction), "0.27"},
      {"log.eval_every", "0.07", ARRIVES(a.recipe.log.eval_every), "0.07"},
      {"log.eval_tokens", "5000", ARRIVES(a.recipe.log.eval_tokens), "5000"},
      {"log.sample_tokens", "21", ARRIVES(a.recipe.log.sample_tokens), "21"},
      {"log.sample_prompts", "[\"Once\"]", [](const Arrived& a) { return a.recipe.log.sample_prompts.at(0); }, "Once"},
      {"log.choices", "\"some/questions\"", [](const Arrived& a) { return a.recipe.log.choices; }, "some/questions"},
      {"log.needle_lengths", "[48]", ARRIVES(a.recipe.log.needle_lengths.at(0)), "48"},
      {"log.save_every", "0.03", ARRIVES(a.recipe.log.save_every), "0.03"},
      {"log.keep", "9", ARRIVES(a.recipe.log.keep), "9"},
  };
  return all;
}

// [[long_context]]: one phase.
const std::vector<Row>& phase_rows() {
  static const std::vector<Row> all{
      {"long_context.steps", "90", ARRIVES(a.phases[1].steps), "90"},
      {"long_context.sequence_length", "512", ARRIVES(a.phases[1].sequence_length), "512"},
      {"long_context.batch_size", "10", ARRIVES(a.phases[1].largest_batch()), "10"},
      {"long_context.micro_batch_size", "5", ARRIVES(a.phases[1].micro_batch_size), "5"},
      {"long_context.lr", "0.0007", ARRIVES(a.late.lr.peak), "0.0007"},
      {"long_context.yarn_factor", "11", ARRIVES(a.late_model.rope_scaling.factor), "11"},
  };
  return all;
}

std::string long_context() {
  std::string keys;
  for (const Row& row : phase_rows())
    keys += fmt::format("{}{}={}", keys.empty() ? "" : ",", std::string_view(row.key).substr(13), row.value);
  return "long_context=[{" + keys + "}]";
}

Arrived arrived(const Row* alone = nullptr) {
  std::map<std::string, std::string> values;
  for (const Row& row : rows())
    if (!row.alone) values.try_emplace(row.key, row.value);
  if (alone) values[alone->key] = alone->value;
  // The losses of V2's devices go with "expert" only.
  if (values["balance.loss"] != "\"expert\"") values["balance.device_alpha"] = values["balance.comm_alpha"] = "0";
  std::vector<std::string> set{long_context()};
  for (const auto& [key, value] : values) set.push_back(key + "=" + value);
  return Arrived(parse_recipe(kModel, "r.toml", set));
}

TEST(Settings, EveryKeyArrives) {
  const Arrived together = arrived();
  for (const std::vector<Row>* list : {&rows(), &phase_rows()})
    for (const Row& row : *list)
      EXPECT_EQ(row.where(row.alone ? arrived(&row) : together), row.expected) << row.key << " = " << row.value;
}

TEST(Settings, EveryKeyHasARowWithAValueOfItsOwn) {
  std::map<std::string, std::string> value_of;
  for (const std::vector<Row>* list : {&rows(), &phase_rows()})
    for (const Row& row : *list) value_of.try_emplace(row.key, row.value);
  std::set<std::string> keys, values;
  const auto look_at = [&](const std::string& key, const std::string& default_value) {
    // Of other kinds of stages: tests/run/sft_test.cpp, tests/rl/, tests/app/pipeline_test.sh, tests/app/sample_test.sh.
    for (const char* section : {"sft.", "reward_model.", "grpo.", "ppo.", "eval.", "sample."})
      if (key.starts_with(section)) return;
    keys.insert(key);
    ASSERT_TRUE(value_of.count(key)) << key << " has no row: what does it set?";
    EXPECT_NE(value_of[key], default_value) << key;
    const bool is_number = value_of[key].find_first_of("0123456789") == 0;
    EXPECT_TRUE(!is_number || values.insert(value_of[key]).second) << key << " = " << value_of[key] << ", as another";
  };
  const Recipe defaults;
  recipe_fields(defaults,
                [&](const char* key, const auto& member, const char*, Range) { look_at(key, toml_of(member)); });
  const Recipe::LongContext phase;
  long_context_fields(phase,
                      [&](const char* key, const auto& member, const char*, Range) { look_at(key, toml_of(member)); });
  for (const auto& [key, value] : value_of) EXPECT_TRUE(keys.count(key)) << "no such key: " << key;
}

// The four balance losses as the papers have them: V3's per sequence and over
// the batch count all choices, V1's and V2's only those by affinity; none is none,
// whatever else is said.
TEST(Settings, BalanceLosses) {
  const auto of = [](const char* loss) {
    const Row row{"balance.loss", loss, {}, ""};
    return arrived(&row).train.balance;
  };
  const BalanceSettings sequence = of("\"sequence\""), batch = of("\"batch\""), none = of("\"none\"");
  EXPECT_EQ(sequence.terms.alpha_expert, 0.0019);
  EXPECT_TRUE(sequence.terms.normalise_affinity);
  EXPECT_TRUE(sequence.terms.count_unbiased);
  EXPECT_FALSE(sequence.whole_batch);
  EXPECT_EQ(batch.terms.alpha_expert, 0.0019);
  EXPECT_TRUE(batch.terms.count_unbiased);
  EXPECT_TRUE(batch.whole_batch);
  EXPECT_EQ(none.terms.alpha_expert, 0);
  EXPECT_EQ(none.terms.alpha_device, 0);
  EXPECT_EQ(none.terms.alpha_comm, 0);
}

// A long-context phase: its own constant rate, everything else as after the
// decay of [train].
TEST(Settings, OfALongContextPhase) {
  const Arrived a = arrived();
  for (double share : {0.0, 0.5, 1.0, 2.0})
    EXPECT_DOUBLE_EQ(learning_rate(a.late.lr, 0, share * a.phases[0].tokens), 0.0007);
  const double begin = a.phases[1].first_token;
  EXPECT_EQ(begin, a.phases[0].tokens);
  EXPECT_EQ(mtp_weight(a.late.mtp, a.late.lr, begin), 0.17);
  EXPECT_EQ(bias_speed(a.late.bias_speed, a.late.lr, begin), 0);
  EXPECT_EQ(a.late.adamw.beta1, 0.71);
  EXPECT_EQ(a.late.adamw.clip, 0.77);
  EXPECT_EQ(a.late.ema_decay, 0.87);
  EXPECT_EQ(a.late_model.rope_scaling.type, RopeType::yarn);
  EXPECT_EQ(a.late_model.rope_scaling.original_max_position_embeddings, 64);
  EXPECT_EQ(a.late_model.max_position_embeddings, 512);
  EXPECT_EQ(packing_options(a.recipe, a.phases[1], tokenizer(), 1).sequence_length, 512);
}

// Packing is told which tokens a document begins and ends with, and the three
// of fill-in-the-middle only where it is asked for.
TEST(Settings, PackingKnowsTheTokenizer) {
  const Arrived a = arrived();
  EXPECT_TRUE(a.packing.begins_with_bos);
  EXPECT_TRUE(a.packing.ends_with_eos);
  EXPECT_FALSE(packing_options(a.recipe, a.phases[0], tokenizer(), -1).ends_with_eos);
  EXPECT_EQ(a.packing.fim.begin, tokenizer().id_of("<｜fim▁begin｜>"));
  EXPECT_EQ(a.packing.fim.hole, tokenizer().id_of("<｜fim▁hole｜>"));
  EXPECT_EQ(a.packing.fim.end, tokenizer().id_of("<｜fim▁end｜>"));
  EXPECT_GE(a.packing.fim.begin, 0);
  EXPECT_TRUE(a.packing.shuffle);
  const std::string_view letters[] = {"the whale sings"};
  const Tokenizer characters =
      train_bpe(letters, {.vocab_size = 0, .pretokenizer = "characters", .special_tokens = {}});
  EXPECT_FALSE(
      packing_options(parse_recipe(kModel, "r", {"data.train=x", "train.steps=1"}), a.phases[0], characters, -1)
          .begins_with_bos);
}

}  // namespace
}  // namespace minke
