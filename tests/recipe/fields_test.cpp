// Every key of a recipe stands for the member of its name, and for no other.
#include <gtest/gtest.h>

#include <map>

#include "recipe/recipe_fields.h"

namespace minke {
namespace {

TEST(RecipeFields, AreTheMembersOfTheirNames) {
  Recipe r;
  Recipe::LongContext long_context;
  std::map<std::string, const void*> bound;
  const auto add = [&](const char* key, const auto& member, const char*, Range) {
    EXPECT_TRUE(bound.emplace(key, &member).second) << key << " is there twice";
  };
  recipe_fields(std::as_const(r), add);
  long_context_fields(std::as_const(long_context), add);
  std::map<std::string, const void*> expected{{"balance.protected", &r.balance.protected_fraction}};
#define MINKE_FIELD(section, name) expected[#section "." #name] = &r.section.name
  MINKE_FIELD(tokenizer, path);
  MINKE_FIELD(tokenizer, kind);
  MINKE_FIELD(tokenizer, vocab_size);
  MINKE_FIELD(tokenizer, pretokenizer);
  MINKE_FIELD(tokenizer, tags);
  MINKE_FIELD(data, train);
  MINKE_FIELD(data, weights);
  MINKE_FIELD(data, text_keys);
  MINKE_FIELD(data, documents);
  MINKE_FIELD(data, held_out);
  MINKE_FIELD(data, held_out_fraction);
  MINKE_FIELD(data, builtin_bytes);
  MINKE_FIELD(data, mask_documents);
  MINKE_FIELD(data, fim_rate);
  MINKE_FIELD(data, packing);
  MINKE_FIELD(data, cache);
  MINKE_FIELD(train, steps);
  MINKE_FIELD(train, minutes);
  MINKE_FIELD(train, sequence_length);
  MINKE_FIELD(train, batch_size);
  MINKE_FIELD(train, micro_batch_size);
  MINKE_FIELD(train, precision);
  MINKE_FIELD(train, seed);
  MINKE_FIELD(train, lr);
  MINKE_FIELD(train, warmup);
  MINKE_FIELD(train, schedule);
  MINKE_FIELD(train, drops);
  MINKE_FIELD(train, drop_factor);
  MINKE_FIELD(train, decay_begin);
  MINKE_FIELD(train, decay_end);
  MINKE_FIELD(train, low_ratio);
  MINKE_FIELD(train, last_begin);
  MINKE_FIELD(train, last_ratio);
  MINKE_FIELD(train, beta1);
  MINKE_FIELD(train, beta2);
  MINKE_FIELD(train, eps);
  MINKE_FIELD(train, weight_decay);
  MINKE_FIELD(train, clip);
  MINKE_FIELD(train, dropout);
  MINKE_FIELD(train, initializer_range);
  MINKE_FIELD(train, mtp_weight);
  MINKE_FIELD(train, mtp_weight_late);
  MINKE_FIELD(train, batch_start);
  MINKE_FIELD(train, batch_ramp);
  MINKE_FIELD(train, moments);
  MINKE_FIELD(train, ema_decay);
  MINKE_FIELD(train, recompute);
  MINKE_FIELD(train, spike_jump);
  MINKE_FIELD(train, max_rollbacks);
  MINKE_FIELD(train, dense);
  MINKE_FIELD(sft, epochs);
  MINKE_FIELD(sft, chat_template);
  MINKE_FIELD(sft, soft_targets);
  MINKE_FIELD(reward_model, epochs);
  MINKE_FIELD(reward_model, chat_template);
  MINKE_FIELD(grpo, tasks);
  MINKE_FIELD(grpo, jsonl);
  MINKE_FIELD(grpo, prompt);
  MINKE_FIELD(grpo, levels);
  MINKE_FIELD(grpo, dynamic);
  MINKE_FIELD(grpo, group);
  MINKE_FIELD(grpo, mini_batches);
  MINKE_FIELD(grpo, max_new);
  MINKE_FIELD(grpo, exact);
  MINKE_FIELD(grpo, judge);
  MINKE_FIELD(grpo, temperature);
  MINKE_FIELD(grpo, clip_low);
  MINKE_FIELD(grpo, clip_high);
  MINKE_FIELD(grpo, beta);
  MINKE_FIELD(grpo, reference_every);
  MINKE_FIELD(grpo, deviation);
  MINKE_FIELD(grpo, division);
  MINKE_FIELD(grpo, accuracy_reward);
  MINKE_FIELD(grpo, format_reward);
  MINKE_FIELD(grpo, language_reward);
  MINKE_FIELD(grpo, truncated);
  MINKE_FIELD(grpo, replay);
  MINKE_FIELD(grpo, shuffle_rewards);
  MINKE_FIELD(grpo, eval_problems);
  MINKE_FIELD(ppo, gamma);
  MINKE_FIELD(ppo, lambda);
  MINKE_FIELD(ppo, critic_lr);
  MINKE_FIELD(ppo, critic_warmup);
  MINKE_FIELD(ppo, whiten);
  MINKE_FIELD(eval, tasks);
  MINKE_FIELD(eval, jsonl);
  MINKE_FIELD(eval, problems);
  MINKE_FIELD(eval, samples);
  MINKE_FIELD(eval, prompt);
  MINKE_FIELD(eval, max_new);
  MINKE_FIELD(eval, temperature);
  MINKE_FIELD(eval, top_p);
  MINKE_FIELD(eval, seed);
  MINKE_FIELD(eval, judge);
  MINKE_FIELD(eval, test_seed);
  MINKE_FIELD(sample, any_format);
  MINKE_FIELD(sample, readable);
  MINKE_FIELD(sample, jsonl);
  MINKE_FIELD(sample, language_share);
  MINKE_FIELD(sample, longest);
  MINKE_FIELD(sample, max_new);
  MINKE_FIELD(sample, per_question);
  MINKE_FIELD(sample, prefer);
  MINKE_FIELD(sample, problems);
  MINKE_FIELD(sample, prompt);
  MINKE_FIELD(sample, samples);
  MINKE_FIELD(sample, seed);
  MINKE_FIELD(sample, judge);
  MINKE_FIELD(sample, tasks);
  MINKE_FIELD(sample, temperature);
  MINKE_FIELD(sample, top_p);
  MINKE_FIELD(sample, top_logprobs);
  MINKE_FIELD(sample, train_seed);
  MINKE_FIELD(balance, bias_speed);
  MINKE_FIELD(balance, loss);
  MINKE_FIELD(balance, alpha);
  MINKE_FIELD(balance, device_alpha);
  MINKE_FIELD(balance, comm_alpha);
  MINKE_FIELD(balance, devices);
  MINKE_FIELD(balance, top_devices);
  MINKE_FIELD(balance, capacity);
  MINKE_FIELD(log, eval_every);
  MINKE_FIELD(log, eval_tokens);
  MINKE_FIELD(log, sample_tokens);
  MINKE_FIELD(log, sample_prompts);
  MINKE_FIELD(log, choices);
  MINKE_FIELD(log, needle_lengths);
  MINKE_FIELD(log, save_every);
  MINKE_FIELD(log, keep);
  expected["long_context.steps"] = &long_context.steps;
  expected["long_context.sequence_length"] = &long_context.sequence_length;
  expected["long_context.batch_size"] = &long_context.batch_size;
  expected["long_context.micro_batch_size"] = &long_context.micro_batch_size;
  expected["long_context.lr"] = &long_context.lr;
  expected["long_context.yarn_factor"] = &long_context.yarn_factor;
#undef MINKE_FIELD
  for (const auto& [key, member] : bound) EXPECT_TRUE(expected.contains(key)) << key << " is missing in this test";
  for (const auto& [key, member] : expected) EXPECT_EQ(bound[key], member) << key << " is bound to another member";
}

}  // namespace
}  // namespace minke
