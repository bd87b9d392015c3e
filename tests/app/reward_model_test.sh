#!/usr/bin/env bash
# minke reward-model, as a user goes: a base, pairs of answers, scores afterwards; killed and resumed; a stage of a pipeline; mistakes.
. "$(dirname "$0")/lib.sh"
echo "$text_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"

# The better answer is the one in digits.
for ((i = 0; i < 120; i++)); do
  a=$((i % 7)) b=$((i % 11))
  printf '{"prompt":"%d+%d?","chosen":"%d.","rejected":"many of them"}\n' $a $b $((a + b))
done >p.jsonl
cat >rm.toml <<END
[data]
train = ["p.jsonl"]
held_out_fraction = 0.2
[train]
sequence_length = 64
batch_size = 8
micro_batch_size = 4
lr = 5e-3
[reward_model]
epochs = 4
chat_template = "r1"
[log]
save_every = 0.25
END
"$minke" reward-model rm.toml -m base/latest --out run >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^data  *120 pairs, [0-9]* held out' out.txt || fail "no word of the data: $(cat out.txt)"
grep -q '^sample  *chosen: .*<｜User｜>[0-9+]*?<｜Assistant｜>.*[0-9].<｜end▁of▁sentence｜>$' out.txt || fail "no text: $(cat out.txt)"
grep -q '^steps .*4 epochs of [0-9]* pairs' out.txt || fail "no word of the steps: $(cat out.txt)"
grep -q '^evaluation  *step 0: 50.0 % of [0-9]* held-out pairs right, 0.6931 nats per pair' out.txt || fail "no evaluation before: $(cat out.txt)"
right=$(sed -n 's/^final .*: \([0-9.]*\) % of .* held-out pairs right.*/\1/p' out.txt)
awk -v r="$right" 'BEGIN { exit !(r >= 90) }' || fail "$right % of the pairs right: $(cat out.txt)"
grep -q '^worst pairs .*+.*?' out.txt && grep -q '^  *rejected .*⟦.*many of them' out.txt || fail "no pairs are shown: $(cat out.txt)"
grep -q 'right [0-9]* %' out.txt || fail "no accuracy in the steps: $(cat out.txt)"
for key in eval_pair_accuracy eval_nats_per_pair eval_pairs pair_accuracy pair_margin; do
  grep -q "\"$key\":" run/log.jsonl || fail "no $key in the log"
done
grep -q 'Right pairs' run/report.html || fail "the report lacks the pairs"
grep -q '"DeepseekV3ForSequenceClassification"' run/latest/config.json && grep -q '"num_labels": 1' run/latest/config.json ||
  fail "config.json: $(cat run/latest/config.json)"
grep -q 'score.weight' run/latest/model.safetensors || fail "no score.weight"
! grep -q 'lm_head.weight' run/latest/model.safetensors || fail "an lm_head.weight"

# Killed, and resumed without the model that it began with: the same bits.
cp -r base lent
killed_at_checkpoint other "$minke" reward-model rm.toml -m lent/latest --out other
rm -r lent
mv p.jsonl kept.jsonl
"$minke" reward-model rm.toml -m lent/latest --out other --resume >out.txt 2>&1 || fail "$(cat out.txt)"
mv kept.jsonl p.jsonl
cmp run/latest/model.safetensors other/latest/model.safetensors || fail "killed and resumed: other weights"

# --- scores
"$minke" reward-model --score p.jsonl -m run/latest --out pairs.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^scored  *240 answers$' out.txt || fail "$(cat out.txt)"
right=$(sed -n 's/^pairs  *\([0-9.]*\) % of 120 right$/\1/p' out.txt)
awk -v r="$right" 'BEGIN { exit !(r >= 90) }' || fail "$right % right: $(cat out.txt)"
[ "$(grep -c '"chosen_score":-\{0,1\}[0-9].*"rejected_score":-\{0,1\}[0-9]' pairs.jsonl)" = 120 ] || fail "$(head -2 pairs.jsonl)"
long=$(printf 'x%.0s' {1..2000})
{ sed -n '1,3s/\("prompt":"[^"]*"\),"chosen":"\([^"]*\)".*/\1,"response":"\2","id":7}/p' p.jsonl; echo "{\"prompt\":\"1\",\"response\":\"$long\"}"; echo '{"prompt":"1","response":""}'; } >a.jsonl
"$minke" reward-model --score a.jsonl -m run/latest --out a.out >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^scored  *5 answers; 1 of more than 128 tokens have no score (null)$' out.txt || fail "$(cat out.txt)"
[ "$(grep -c '"id":7,"score":-\{0,1\}[0-9]' a.out)" = 3 ] && [ "$(grep -c '"score":null' a.out)" = 1 ] || fail "$(cut -c1-200 a.out)"
[ "$(head -1 a.out | grep -o '"score":.*}')" = "$(head -1 pairs.jsonl | grep -o '"chosen_score":[^,]*' | sed 's/chosen_//')}" ] ||
  fail "another score beside others: $(head -1 a.out), $(head -1 pairs.jsonl)"
"$minke" reward-model --score a.jsonl -m run/latest --out /dev/stdout 2>err.txt | cmp - a.out || fail "standard output"

# --- a stage of a pipeline
cat >p.toml <<END
[[stage]]
name = "rm"
kind = "reward-model"
from = "base/latest"
$(sed 's/^\[/[stage./' rm.toml)
END
"$minke" pipeline p.toml --out all --set rm.reward_model.epochs=1 >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '"pair_accuracy":' all/stages.json && grep -q '"pair_accuracy_before": 0.5' all/stages.json || fail "$(cat all/stages.json)"
grep -q '[0-9.]* % of [0-9]* pairs right, before 50.0 %' out.txt || fail "$(cat out.txt)"
{ cat p.toml; printf '[[stage]]\nname = "next"\nkind = "sft"\nfrom = "rm"\n[stage.data]\ntrain = ["c.jsonl"]\n'; } >wrong.toml
mistake 'which makes no model' "$minke" pipeline wrong.toml --out new

# --- mistakes
for verb in "generate -p hi" "chat" "sft p.jsonl --out new" "reward-model p.jsonl --out new --set train.sequence_length=64" "inspect"; do
  # shellcheck disable=SC2086
  mistake 'run/latest is a reward model' "$minke" $verb -m run/latest </dev/null
done
mistake 'base/latest is no reward model' "$minke" reward-model --score a.jsonl -m base/latest --out new
set -- "$minke" reward-model p.jsonl -m base/latest --out new
mistake 'cannot open missing' "$minke" reward-model p.jsonl -m missing --out new
mistake 'train.batch_size = 3 would cut a pair' "$@" --set train.batch_size=3
mistake "the model's 128 positions" "$@" --set train.sequence_length=512
mistake 'reward_model.chat_template' "$@" --set reward_model.chat_template=other
mistake 'builtin: holds no pairs' "$minke" reward-model builtin: -m base/latest --out new
for set in tokenizer.vocab_size=300 sft.epochs=3 grpo.group=8 log.sample_tokens=3 data.packing=best-fit; do
  mistake "reward-model: ${set%%=*} = " "$@" --set "$set"
done
printf '{"prompt":"x","chosen":"y"}\n' >half.jsonl
mistake 'half.jsonl, line 1: ' "$minke" reward-model half.jsonl -m base/latest --out new --set train.sequence_length=64
mistake '"rejected" must be' "$minke" reward-model half.jsonl -m base/latest --out new --set train.sequence_length=64
printf '{"prompt":"x","chosen":"y","rejected":"y"}\n' >same.jsonl
mistake 'no pair to train on' "$minke" reward-model same.jsonl -m base/latest --out new --set train.sequence_length=64
printf '{"prompt":"x"}\n' >asked.jsonl
mistake 'asked.jsonl, line 1: ' "$minke" reward-model --score asked.jsonl -m run/latest --out new
echo >empty.jsonl
mistake '--score empty.jsonl holds no lines' "$minke" reward-model --score empty.jsonl -m run/latest --out new
mistake 'data.train: stage:right: only a stage of minke pipeline can name another stage' "$minke" reward-model stage:right -m base/latest --out new
mistake 'a.jsonl to be read' "$minke" reward-model --score a.jsonl -m run/latest --out a.jsonl
mistake '--score' "$minke" reward-model --score a.jsonl -m run/latest --out new --resume
mistake 'leave out p.jsonl' "$minke" reward-model p.jsonl --score a.jsonl -m run/latest --out new
mistake '--out' "$minke" reward-model --score a.jsonl -m run/latest
mistake 'is a run of minke reward-model' "$minke" sft rm.toml -m base/latest --out run --resume
mistake 'already holds a run' "$minke" reward-model p.jsonl -m base/latest --out run --set train.sequence_length=64
[ ! -e new ] || fail "something was left behind: $(ls new)"
