// Every key of a recipe once: its name, member, meaning and range. Parsing, --set, the resolved recipe and --help-recipe
// all walk this list. Private to recipe/. Test: tests/recipe/recipe_test.cpp.
#pragma once
#include "recipe/recipe.h"

namespace minke {

// The one list. f(key, member, meaning, check) for every field; check: the smallest and largest allowed number.
struct Range {
  double low = -1e300, high = 1e300;
};
template <class A, class F> void asked_fields(A& a, const std::string& section, const char* tasks, F&& f) {
  const auto field = [&](const char* key, auto& member, const char* meaning, Range range) {
    f((section + "." + key).c_str(), member, meaning, range);
  };
  field("tasks", a.tasks, tasks, {});
  field("jsonl", a.jsonl, "files of problems: GSM8K's, HumanEval's or minke's lines", {});
  field("problems", a.problems, "problems of each level, and of each file; 0: 100, and all of a file", {0, 1e6});
  const bool evaluates = section == "eval";
  field("samples", a.samples,
        evaluates ? "answers to each problem; 0: none, only the bits per byte of chats" : "answers to each problem",
        {evaluates ? 0.0 : 1.0, 4096});
  field("prompt", a.prompt,
        "how a question is put: \"brief\", \"r1-zero\" (in its words), or by the chat template: \"chat\", "
        "\"chat-plain\" (the question alone)",
        {});
  field("max_new", a.max_new, "tokens of an answer at most; 0: what the context holds", {0, 1 << 30});
  field("temperature", a.temperature, "of the answers; 0: always the most likely token", {0, 100});
  field("top_p", a.top_p, "only the most likely tokens that together reach this probability", {1e-6, 1});
  field("seed", a.seed, "seed of the answers", {0, 1e12});
  field("judge", a.judge,
        "folder of a reward model that judges chats, or \"stage:NAME\", an earlier stage that made one", {});
}

template <class R, class F> void recipe_fields(R& r, F&& f) {
  constexpr Range any{}, positive{1e-300}, not_negative{0}, share{0, 1}, count{1, 1e12}, count0{0, 1e12};
  f("tokenizer.path", r.tokenizer.path, "folder of an existing tokenizer; empty: train a new one on the data", any);
  f("tokenizer.kind", r.tokenizer.kind, "\"bpe\" or \"characters\" (one token per distinct character)", any);
  f("tokenizer.vocab_size", r.tokenizer.vocab_size, "vocabulary size of a new BPE tokenizer", Range{258, 1e7});
  f("tokenizer.pretokenizer", r.tokenizer.pretokenizer,
    "how a new BPE tokenizer cuts text: \"single_signs\" (arithmetic: each digit and sign a token), \"smollm\" …; "
    "\"automatic\": \"deepseek_v3\", or \"qwen2\" where the model's type asks for it",
    any);
  f("tokenizer.tags", r.tokenizer.tags,
    "more tokens of a new tokenizer that are never split, such as \"<answer>\"; <think> and </think> are there always",
    any);
  f("data.train", r.data.train,
    "files, folders, globs (.txt, .jsonl, .gz, .zst), \"builtin:\", or built-in text of some kinds, levels and "
    "weights: "
    "\"builtin:story,countdown:3-4*0.5\" (minke corpus --help lists the kinds); sft: conversations, or built-in ones "
    "of "
    "some languages and number: \"builtin:chats\", \"builtin:chats:en*2000\"",
    any);
  f("data.weights", r.data.weights, "shares of the sources in data.train; empty: all their text once per epoch", any);
  f("data.text_keys", r.data.text_keys, "JSONL keys whose values, joined by a newline, are a document", any);
  f("data.documents", r.data.documents, "plain text: one document per \"file\", or split at \"blank-lines\"", any);
  f("data.held_out", r.data.held_out, "evaluation text: \"documents\" by hash, or the \"tail\" of a single text", any);
  f("data.held_out_fraction", r.data.held_out_fraction, "share of the text that is held out", Range{0, 0.9});
  f("data.builtin_bytes", r.data.builtin_bytes, "bytes of built-in text for \"builtin:\"", Range{10000, 1e12});
  f("data.mask_documents", r.data.mask_documents, "no attention from one document to another in a sequence", any);
  f("data.fim_rate", r.data.fim_rate, "share of documents turned into fill-in-the-middle (V3: 0.1)", share);
  f("data.packing", r.data.packing, "\"concatenate\", or \"best-fit\": documents stay whole where possible", any);
  f("data.cache", r.data.cache, "folder for token shards shared by several runs; empty: the run's own folder", any);
  f("train.steps", r.train.steps, "optimizer steps; 0: worked out from train.minutes", Range{0, 1e9});
  f("train.minutes", r.train.minutes,
    "length of the run with its [[long_context]] phases; steps are timed at the start to find train.steps",
    Range{0, 1e6});
  f("train.sequence_length", r.train.sequence_length, "tokens per sequence", Range{2, 1e7});
  f("train.batch_size", r.train.batch_size, "sequences per optimizer step", Range{1, 1e6});
  f("train.micro_batch_size", r.train.micro_batch_size, "sequences processed at once; 0: batch_size", Range{0, 1e6});
  f("train.precision", r.train.precision, "\"bf16\" (FP32 masters, BF16 products) or \"f32\"", any);
  f("train.seed", r.train.seed, "seed of everything random", count0);
  f("train.lr", r.train.lr, "peak learning rate", positive);
  f("train.warmup", r.train.warmup, "share of the run with linear warm-up", share);
  f("train.schedule", r.train.schedule,
    "after the warm-up: \"cosine\" (V3: constant, cosine, constant), or \"step\" (V1, V2: a drop at each of "
    "train.drops)",
    any);
  f("train.drops", r.train.drops, "shares of the run at which \"step\" lowers the rate (V1: 0.8, 0.9; V2: 0.6, 0.9)",
    any);
  f("train.drop_factor", r.train.drop_factor, "factor of the learning rate at each drop", Range{1e-300, 1});
  f("train.decay_begin", r.train.decay_begin, "share of the run at which the cosine decay begins (V3: 0.676)", share);
  f("train.decay_end", r.train.decay_end, "… and at which it ends (V3: 0.966)", share);
  f("train.low_ratio", r.train.low_ratio, "learning rate after the decay, relative to the peak", share);
  f("train.last_begin", r.train.last_begin, "share of the run at which the last constant rate begins (V3: 0.989)",
    share);
  f("train.last_ratio", r.train.last_ratio, "the last constant rate, relative to the peak (V3: 0.033)", share);
  f("train.beta1", r.train.beta1, "AdamW", Range{0, 0.99999});
  f("train.beta2", r.train.beta2, "AdamW", Range{0, 0.9999999});
  f("train.eps", r.train.eps, "AdamW", positive);
  f("train.weight_decay", r.train.weight_decay, "AdamW; only on matrices", not_negative);
  f("train.clip", r.train.clip, "largest global gradient norm; 0: no clipping", not_negative);
  f("train.dropout", r.train.dropout,
    "share of the embedding and of the outputs of attention and FFN that a training step drops (GPT-2); 0: none",
    Range{0, 0.9});
  f("train.initializer_range", r.train.initializer_range, "standard deviation of the initial matrices (V3: 0.006)",
    positive);
  f("train.mtp_weight", r.train.mtp_weight,
    "weight λ of the MTP loss until the decay of the learning rate begins (\"step\": until the first drop)",
    not_negative);
  f("train.mtp_weight_late", r.train.mtp_weight_late, "… and from then on", not_negative);
  f("train.batch_start", r.train.batch_start, "sequences per step at the start of the batch ramp; 0: no ramp", count0);
  f("train.batch_ramp", r.train.batch_ramp,
    "share of the tokens during which the batch grows to batch_size (V3: 0.032)", share);
  f("train.moments", r.train.moments,
    "AdamW's moments: \"f32\", or \"bf16\" (V3 §3.3), which saves 4 bytes a parameter", any);
  f("train.ema_decay", r.train.ema_decay, "decay of the averaged parameters, ramped up from 0.1; 0: no average is kept",
    Range{0, 0.9999999});
  f("train.recompute", r.train.recompute,
    "parts computed again in the backward pass to save memory: \"attention\", \"ffn\"", any);
  f("train.spike_jump", r.train.spike_jump,
    "skip a step whose loss is this many nats above the mean of the last 50; 0: off", not_negative);
  f("train.max_rollbacks", r.train.max_rollbacks, "how often to go back to the last checkpoint if spikes continue",
    Range{0, 1000});
  f("train.dense", r.train.dense, "train a dense model with as many parameters as [model] has active", any);
  f("sft.epochs", r.sft.epochs,
    "minke sft: times that the conversations are seen, where train.steps and train.minutes are 0", Range{1e-6, 1e6});
  f("sft.chat_template", r.sft.chat_template,
    "minke sft: \"model\", the one that the model has; \"r1\" or \"v3\", DeepSeek's turns, with the thought opened or "
    "not; or a "
    ".jinja file",
    any);
  f("sft.soft_targets", r.sft.soft_targets,
    "minke sft: share of the loss that is the distribution of a teacher, whose answers have their log-probabilities "
    "(minke sample --top-logprobs); 0: the answers alone",
    share);
  f("reward_model.epochs", r.reward_model.epochs,
    "minke reward-model: times that the pairs are seen, where train.steps and train.minutes are 0", Range{1e-6, 1e6});
  f("reward_model.chat_template", r.reward_model.chat_template, "as sft.chat_template", any);
  f("grpo.tasks", r.grpo.tasks, "minke grpo: tasks with their levels, such as \"countdown:3\", \"chains:2-3\"", any);
  f("grpo.jsonl", r.grpo.jsonl,
    "files of problems (GSM8K's, HumanEval's or minke's lines), and in a pipeline \"stage:NAME\", a sample stage: the "
    "problems that it found "
    "right sometimes",
    any);
  f("grpo.prompt", r.grpo.prompt,
    "how a question is put: \"brief\", \"r1-zero\" (in its words), or by the chat template: \"chat\", \"chat-plain\" "
    "(the question alone)",
    any);
  f("grpo.levels", r.grpo.levels,
    "levels of a task: \"even\", each as often; \"edge\", in proportion to p(1 − p) + 0.05, p being how often its "
    "answers are "
    "right",
    any);
  f("grpo.dynamic", r.grpo.dynamic,
    "ask up to so many times as many questions, until groups whose answers all have the same reward are replaced "
    "(DAPO); "
    "1: not",
    Range{1, 1000});
  f("grpo.group", r.grpo.group, "answers to each question (G); train.batch_size is a multiple of it", Range{2, 65536});
  f("grpo.mini_batches", r.grpo.mini_batches,
    "updates with the answers that are drawn at once, train.batch_size of them in each (R1: 16)", Range{1, 1024});
  f("grpo.max_new", r.grpo.max_new, "tokens of an answer at most", Range{1, 1e7});
  f("grpo.temperature", r.grpo.temperature, "of the answers, and of the probabilities that are trained",
    Range{0.01, 100});
  f("grpo.clip_low", r.grpo.clip_low, "ε below 1; above 1 it never acts (R1: 10)", not_negative);
  f("grpo.clip_high", r.grpo.clip_high, "ε above 1 (DAPO: 0.28)", not_negative);
  f("grpo.beta", r.grpo.beta, "β of the KL term (R1: 0.001); 0: there is no reference policy", not_negative);
  f("grpo.reference_every", r.grpo.reference_every,
    "the reference is the policy of this many steps ago at most (R1: 400); 0: always that of the start", count0);
  f("grpo.deviation", r.grpo.deviation,
    "what advantages are divided by: the \"population\" or the \"sample\" deviation of the group, or \"none\" (Dr. "
    "GRPO)",
    any);
  f("grpo.division", r.grpo.division,
    "what a token weighs: \"tokens\", all the same; \"sequences\", each answer the same (V2 eq. 32); \"constant\" (Dr. "
    "GRPO)",
    any);
  f("grpo.accuracy_reward", r.grpo.accuracy_reward, "for a right answer", not_negative);
  f("grpo.format_reward", r.grpo.format_reward, "for <think>…</think>, then <answer>…</answer>", not_negative);
  f("grpo.language_reward", r.grpo.language_reward,
    "times the share of the thought's words that are of the question's language (R1 §2.3.2)", not_negative);
  f("grpo.judge", r.grpo.judge,
    "folder of a reward model that judges chats, or \"stage:NAME\"; what it gives counts as accuracy", any);
  f("grpo.truncated", r.grpo.truncated,
    "answers without an end: \"score\" them like others, \"penalise\": reward 0, \"mask\": leave them out", any);
  f("grpo.exact", r.grpo.exact,
    "compute answers in the form of training: they are drawn with the very probabilities of the update, more slowly",
    any);
  f("grpo.replay", r.grpo.replay, "use the experts again that were chosen at sampling", any);
  f("grpo.shuffle_rewards", r.grpo.shuffle_rewards,
    "a control: deal the rewards of a step out at random among its answers", any);
  f("grpo.eval_problems", r.grpo.eval_problems, "problems of the test split for each of grpo.tasks in an evaluation",
    Range{1, 1e6});
  f("ppo.gamma", r.ppo.gamma, "minke ppo, which also reads [grpo]: γ, what a reward is worth one token earlier",
    Range{0, 1});
  f("ppo.lambda", r.ppo.lambda, "λ of the advantages: 1, the reward less the critic's value; 0, one token ahead",
    Range{0, 1});
  f("ppo.critic_lr", r.ppo.critic_lr, "learning rate of the critic at its peak; 0: train.lr", not_negative);
  f("ppo.critic_warmup", r.ppo.critic_warmup, "steps at the start in which only the critic learns", count0);
  f("ppo.whiten", r.ppo.whiten, "advantages less their mean, divided by their deviation, of all tokens that are drawn",
    any);
  asked_fields(r.eval, "eval", "minke pipeline, kind eval: problems of the test split, such as \"countdown:3-4\"", f);
  f("eval.test_seed", r.eval.test_seed, "seed of the generated problems; any is disjoint from all training", count0);
  asked_fields(r.sample, "sample", "minke pipeline, kind sample: problems of the training split", f);
  f("sample.train_seed", r.sample.train_seed, "seed of the generated problems", count0);
  f("sample.per_question", r.sample.per_question, "keep so many answers to a question at most; 0: all", Range{0, 4096});
  f("sample.prefer", r.sample.prefer,
    "which those are: \"first\", \"longest\" (R1's cold start: long thoughts) or \"shortest\"", any);
  f("sample.longest", r.sample.longest, "drop answers of more tokens; 0: none", Range{0, 1 << 30});
  f("sample.language_share", r.sample.language_share,
    "least share of a thought's words that are of the question's language", share);
  f("sample.readable", r.sample.readable,
    "write what is kept in a readable form (R1's cold start): a thought of one step a line, in words, then the answer "
    "in a box",
    any);
  f("sample.any_format", r.sample.any_format, "also keep answers without <think>…</think><answer>…</answer>", any);
  f("sample.top_logprobs", r.sample.top_logprobs,
    "beside each answer, the log-probabilities of so many tokens at each of its places, for sft.soft_targets; 0: none",
    Range{0, 64});
  f("balance.bias_speed", r.balance.bias_speed,
    "γ of the loss-free balancing; it is 0 after train.decay_end (\"step\": after the last drop)", not_negative);
  f("balance.loss", r.balance.loss,
    "\"sequence\" (V3 eq. 17), \"batch\" (the same over a micro-batch), \"expert\" (V1, V2) or \"none\"", any);
  f("balance.alpha", r.balance.alpha, "α of that loss (V3: 0.0001; V2: 0.003)", not_negative);
  f("balance.device_alpha", r.balance.device_alpha, "V2: α2 of the device-level loss (0.05), with loss \"expert\"",
    not_negative);
  f("balance.comm_alpha", r.balance.comm_alpha, "V2: α3 of the communication loss (0.02), with loss \"expert\"",
    not_negative);
  f("balance.devices", r.balance.devices, "groups of experts that losses and token dropping treat as devices (V2: 8)",
    count);
  f("balance.top_devices", r.balance.top_devices, "devices a token may be sent to (V2: 3)", count);
  f("balance.capacity", r.balance.capacity,
    "token dropping: largest load of a device, relative to the mean (V2: 1); 0: none", not_negative);
  f("balance.protected", r.balance.protected_fraction, "share of the sequences whose tokens are never dropped", share);
  f("log.eval_every", r.log.eval_every, "evaluate each time this share of the run is done", Range{1e-6, 1});
  f("log.eval_tokens", r.log.eval_tokens, "held-out tokens per evaluation during the run (at its end: all)", count);
  f("log.sample_tokens", r.log.sample_tokens, "tokens per sample; 0: no samples", count0);
  f("log.sample_prompts", r.log.sample_prompts, "prompts of the samples", any);
  f("log.choices", r.log.choices,
    "file of multiple-choice questions to answer at evaluations (minke eval choices); empty: none", any);
  f("log.needle_lengths", r.log.needle_lengths,
    "lengths in tokens of the needle tests, made after each phase with long enough sequences", any);
  f("log.save_every", r.log.save_every, "save a checkpoint each time this share of the run is done", Range{1e-6, 1});
  f("log.keep", r.log.keep, "number of newest checkpoints that are kept", count);
}

template <class P, class F> void long_context_fields(P& p, F&& f) {
  constexpr Range positive{1e-300};
  f("long_context.steps", p.steps, "optimizer steps of this phase", Range{1, 1e9});
  f("long_context.sequence_length", p.sequence_length, "tokens per sequence in this phase", Range{2, 1e7});
  f("long_context.batch_size", p.batch_size, "sequences per optimizer step", Range{1, 1e6});
  f("long_context.micro_batch_size", p.micro_batch_size, "sequences processed at once; 0: batch_size", Range{0, 1e6});
  f("long_context.lr", p.lr, "constant learning rate (V3: the last one of pre-training)", positive);
  f("long_context.yarn_factor", p.yarn_factor, "YaRN's s over the length of [train] (V3: 40 in both phases)",
    Range{1, 1e6});
}

}  // namespace minke
