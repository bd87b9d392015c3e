#include <gtest/gtest.h>

#include <map>

#include "recipe/recipe_fields.h"
#include "recipe/toml_text.h"

namespace minke {
namespace {

// What a recipe that says nothing gets. Results and documents stand on these numbers; most are V3's (docs/recipe).
TEST(Recipe, Defaults) {
  const std::map<std::string, std::string> expected{{"tokenizer.path", R"("")"},
                                                    {"tokenizer.kind", R"("bpe")"},
                                                    {"tokenizer.vocab_size", "4096"},
                                                    {"tokenizer.pretokenizer", R"("automatic")"},
                                                    {"tokenizer.tags", "[]"},
                                                    {"data.train", "[]"},
                                                    {"data.weights", "[]"},
                                                    {"data.text_keys", R"(["text"])"},
                                                    {"data.documents", R"("file")"},
                                                    {"data.held_out", R"("documents")"},
                                                    {"data.held_out_fraction", "0.01"},
                                                    {"data.builtin_bytes", "8000000"},
                                                    {"data.mask_documents", "false"},
                                                    {"data.fim_rate", "0.0"},
                                                    {"data.packing", R"("concatenate")"},
                                                    {"data.cache", R"("")"},
                                                    {"train.steps", "0"},
                                                    {"train.minutes", "0.0"},
                                                    {"train.sequence_length", "256"},
                                                    {"train.batch_size", "16"},
                                                    {"train.micro_batch_size", "0"},
                                                    {"train.precision", R"("bf16")"},
                                                    {"train.seed", "1"},
                                                    {"train.lr", "0.001"},
                                                    {"train.warmup", "0.02"},
                                                    {"train.schedule", R"("cosine")"},
                                                    {"train.drops", "[0.8,0.9]"},
                                                    {"train.drop_factor", "0.316"},
                                                    {"train.decay_begin", "0.5"},
                                                    {"train.decay_end", "1.0"},
                                                    {"train.low_ratio", "0.1"},
                                                    {"train.last_begin", "1.0"},
                                                    {"train.last_ratio", "0.1"},
                                                    {"train.beta1", "0.9"},
                                                    {"train.beta2", "0.95"},
                                                    {"train.eps", "1e-08"},
                                                    {"train.weight_decay", "0.1"},
                                                    {"train.clip", "1.0"},
                                                    {"train.dropout", "0.0"},
                                                    {"train.initializer_range", "0.02"},
                                                    {"train.mtp_weight", "0.3"},
                                                    {"train.mtp_weight_late", "0.1"},
                                                    {"train.batch_start", "0"},
                                                    {"train.batch_ramp", "0.03"},
                                                    {"train.moments", R"("f32")"},
                                                    {"train.ema_decay", "0.0"},
                                                    {"train.recompute", "[]"},
                                                    {"train.spike_jump", "2.0"},
                                                    {"train.max_rollbacks", "3"},
                                                    {"train.dense", "false"},
                                                    {"balance.bias_speed", "0.001"},
                                                    {"balance.loss", R"("sequence")"},
                                                    {"balance.alpha", "0.0001"},
                                                    {"balance.device_alpha", "0.0"},
                                                    {"balance.comm_alpha", "0.0"},
                                                    {"balance.devices", "1"},
                                                    {"balance.top_devices", "1"},
                                                    {"balance.capacity", "0.0"},
                                                    {"balance.protected", "0.1"},
                                                    {"log.eval_every", "0.1"},
                                                    {"log.eval_tokens", "65536"},
                                                    {"log.sample_tokens", "100"},
                                                    {"log.sample_prompts", "[]"},
                                                    {"eval.jsonl", "[]"},
                                                    {"eval.max_new", "1024"},
                                                    {"eval.problems", "0"},
                                                    {"eval.prompt", "\"brief\""},
                                                    {"eval.samples", "1"},
                                                    {"eval.seed", "0"},
                                                    {"eval.tasks", "[]"},
                                                    {"eval.temperature", "0.6"},
                                                    {"eval.test_seed", "1"},
                                                    {"eval.top_p", "0.95"},
                                                    {"grpo.accuracy_reward", "1.0"},
                                                    {"grpo.beta", "0.0"},
                                                    {"grpo.clip_high", "0.2"},
                                                    {"grpo.clip_low", "0.2"},
                                                    {"grpo.deviation", "\"population\""},
                                                    {"grpo.dynamic", "1"},
                                                    {"grpo.division", "\"tokens\""},
                                                    {"grpo.eval_problems", "64"},
                                                    {"grpo.format_reward", "0.0"},
                                                    {"grpo.group", "16"},
                                                    {"grpo.levels", "\"even\""},
                                                    {"grpo.max_new", "256"},
                                                    {"grpo.mini_batches", "1"},
                                                    {"grpo.prompt", "\"brief\""},
                                                    {"grpo.reference_every", "0"},
                                                    {"grpo.replay", "true"},
                                                    {"grpo.shuffle_rewards", "false"},
                                                    {"grpo.tasks", "[]"},
                                                    {"grpo.temperature", "1.0"},
                                                    {"grpo.truncated", "\"penalise\""},
                                                    {"log.choices", R"("")"},
                                                    {"log.needle_lengths", "[]"},
                                                    {"log.save_every", "0.25"},
                                                    {"sft.chat_template", "\"model\""},
                                                    {"sft.epochs", "2.0"},
                                                    {"log.keep", "2"},
                                                    {"long_context.steps", "0"},
                                                    {"long_context.sequence_length", "0"},
                                                    {"long_context.batch_size", "1"},
                                                    {"long_context.micro_batch_size", "0"},
                                                    {"long_context.lr", "0.0"},
                                                    {"long_context.yarn_factor", "1.0"}};
  std::map<std::string, std::string> found;
  const auto add = [&](const char* key, const auto& member, const char*, Range) { found[key] = toml_of(member); };
  const Recipe defaults;
  recipe_fields(defaults, add);
  const Recipe::LongContext phase;
  long_context_fields(phase, add);
  EXPECT_EQ(found, expected);
}

// What --help-recipe prints: each key with its default and its meaning, in this order.

}  // namespace
}  // namespace minke
