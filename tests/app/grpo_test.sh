#!/usr/bin/env bash
# minke grpo, as a user goes: a base that knows the format, some steps, stopped and resumed; mistakes.
. "$(dirname "$0")/lib.sh"
{ echo "$thinking_base"; echo num_nextn_predict_layers = 1; } >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
cat >grpo.toml <<END
[train]
steps = 6
sequence_length = 128
batch_size = 64
micro_batch_size = 16
lr = 1e-3
weight_decay = 0
[grpo]
tasks = ["chains:2-3"]
group = 8
max_new = 64
format_reward = 1
eval_problems = 10
[log]
eval_every = 0.5
save_every = 0.5
keep = 3
END
"$minke" grpo grpo.toml -m base/latest --out run >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q 'step 6/6 .* reward [0-9.]*  right [0-9.]* %  length [0-9]*' out.txt || fail "no rewards in the lines: $(cat out.txt)"
grep -q '^final .*of 10 test problems right (chain:2 [0-9]* %, chain:3 [0-9]* %)' out.txt || fail "no evaluation: $(cat out.txt)"
grep -q '^evaluation  *step 0: .*of 10 test problems right' out.txt || fail "the base is not evaluated: $(cat out.txt)"
[ "$(grep -c '"problem":' run/log.jsonl)" = 24 ] && grep -q 'Early and late answers' run/report.html || fail "no early and late answers: $(grep problem run/log.jsonl)"
[ "$(grep '"problem":' run/log.jsonl | sed 's/.*"prompt":"\([^"]*\)".*/\1/' | sort | uniq -c | awk '$1 != 3' | wc -l)" = 0 ] || fail "other problems each time: $(grep problem run/log.jsonl)"
[ "$(grep -c '^MTP  *step [06]: [0-9.]* % of [0-9]* drafts' out.txt)" = 2 ] || fail "MTP's acceptance is not said before and after: $(cat out.txt)"
grep -q '^sample  *reward' out.txt || fail "no samples: $(cat out.txt)"
for key in reward reward_std rewards/accuracy/mean rewards/format/mean rewards/language/mean frac_reward_zero_std completions/mean_length \
  completions/clipped_ratio entropy clip_ratio delta_logp/max delta_logp/mean delta_logp/p99.9 delta_logp/above_0.05 flip_rate grad_norm; do
  [ "$(grep -c "\"$key\":" run/log.jsonl)" -ge 5 ] || fail "no $key in the log: $(head -3 run/log.jsonl)"
done
# The experts are replayed, so the update sees what was drawn; without, it does not.
mean() { sed -n "s|.*\"$1\":\([0-9.e-]*\).*|\1|p" "$2" | awk '{ s += $1 } END { print s / NR }'; }
awk -v m="$(mean delta_logp/mean run/log.jsonl)" 'BEGIN { exit !(m < 5e-3) }' || fail "the update sees other probabilities: $(mean delta_logp/mean run/log.jsonl)"
# In the form of training the update sees the very probabilities, and would choose the same experts.
"$minke" grpo grpo.toml -m base/latest --out exact --set train.steps=2 --set grpo.exact=true >out.txt 2>&1 || fail "$(cat out.txt)"
awk -v m="$(mean delta_logp/max exact/log.jsonl)" -v f="$(mean flip_rate exact/log.jsonl)" 'BEGIN { exit !(m < 1e-5 && f == 0) }' ||
  fail "grpo.exact: $(mean delta_logp/max exact/log.jsonl), $(mean flip_rate exact/log.jsonl)"
awk -v m="$(mean delta_logp/max run/log.jsonl)" 'BEGIN { exit !(m > 1e-5) }' || fail "another form has the same probabilities"
# What is not trained by RL is as it was: MTP's module and the router's bias.
if python=$(command -v python3); then
  "$python" - <<'END' || fail "MTP's module or the router's bias was trained"
import json, struct
def tensors(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    return {k: data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]
            for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"}
a, b = tensors("base/latest/model.safetensors"), tensors("run/latest/model.safetensors")
assert a.keys() == b.keys()
left = [k for k in a if k.startswith("model.layers.2.") and "embed" not in k and "shared_head.head" not in k or "bias" in k]
assert len(left) > 10 and all(a[k] == b[k] for k in left), [k for k in left if a[k] != b[k]]
assert sum(a[k] != b[k] for k in a) > 10
END
fi

# The same again, stopped on the way and resumed without the model: the same bits.
cp -r base lent
killed_at_checkpoint other "$minke" grpo grpo.toml -m lent/latest --out other
rm -r lent
"$minke" grpo grpo.toml -m lent/latest --out other --resume >out.txt 2>&1 || fail "$(cat out.txt)"
cmp run/latest/model.safetensors other/latest/model.safetensors || fail "stopped and resumed: other weights"

mkdir begun && cp -r other/recipe.toml other/base begun
mistake 'cannot open lent' "$minke" grpo grpo.toml -m lent/latest --out begun --resume

# Sequences of any length, filled by the answers.
"$minke" grpo grpo.toml -m base/latest --out odd --set train.sequence_length=99 --set train.steps=2 --set grpo.max_new=78 \
  --set grpo.temperature=1.7 >out.txt 2>&1 || fail "$(cat out.txt)"

# --- several updates with the same answers, a reference policy, levels and questions by what was right: killed and resumed, and
# stopped between two updates, which waits until the answers are used: the same bits.
cat >all.toml <<END
$(sed 's/^steps = 6/steps = 12/; s/^batch_size = 64/batch_size = 32/; s/^lr = .*/lr = 3e-3/; s/^tasks = .*/tasks = ["chains:2-4"]/' grpo.toml)
END
all=(--set grpo.mini_batches=4 --set grpo.beta=0.01 --set grpo.reference_every=8 --set grpo.levels=edge --set grpo.dynamic=2
  --set log.save_every=0.1 --set log.eval_every=0.5 --set grpo.temperature=1.4)  # hot: answers in and out of the format
"$minke" grpo all.toml -m base/latest --out whole "${all[@]}" >out.txt 2>&1 || fail "$(cat out.txt)"
[ "$(ls whole/checkpoints)" = "$(printf 'step-%06d\n' 4 8 12)" ] || fail "saved between updates with the same answers: $(ls whole/checkpoints)"
for key in kl clip_ratio ratio/mean entropy; do
  [ "$(grep -c "\"$key\":" whole/log.jsonl)" -ge 11 ] || fail "no $key in the log: $(head -3 whole/log.jsonl)"
done
for key in reward questions/asked delta_logp/mean; do
  [ "$(grep -c "\"$key\":" whole/log.jsonl)" = 3 ] || fail "$key belongs to what was drawn: $(cat whole/log.jsonl)"
done
sed -n 's/.*"clip_ratio":\([0-9.e-]*\).*/\1/p' whole/log.jsonl | awk '$1 > 0 { n++ } END { exit !(n > 4) }' || fail "nothing is ever clipped"
sed -n 's|.*"questions/asked":\([0-9]*\).*|\1|p' whole/log.jsonl | awk '$1 > 16 { n++ } $1 > 32 { exit 1 } END { exit !(n > 0) }' || fail "no more questions were asked"
killed_at_checkpoint killed "$minke" grpo all.toml -m base/latest --out killed "${all[@]}"
"$minke" grpo all.toml -m base/latest --out killed --resume >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^resumed ' out.txt || fail "not killed on the way: $(cat out.txt)"
for file in model.safetensors train/state.safetensors; do
  cmp whole/latest/$file killed/latest/$file || fail "killed and resumed: another $file"
done
"$minke" grpo all.toml -m base/latest --out stopped "${all[@]}" >out.txt 2>&1 & pid=$!
until grep -q '"step":1,' stopped/log.jsonl 2>/dev/null; do sleep 0.02; kill -0 $pid 2>/dev/null || break; done
kill -INT $pid || true
wait $pid || true
grep -q '^stopped  *at step [48]:' out.txt || fail "stopped between updates with the same answers: $(cat out.txt)"
"$minke" grpo all.toml -m base/latest --out stopped --resume >out.txt 2>&1 || fail "$(cat out.txt)"
for file in model.safetensors train/state.safetensors; do
  cmp whole/latest/$file stopped/latest/$file || fail "stopped and resumed: another $file"
done

# Weights that no answer can be drawn from: back to the checkpoint, with other questions, and in the end a message.
cp -r whole diverged && ln -sfn checkpoints/step-000004 diverged/latest
sed -i 's/^lr = .*/lr = 1e4/; s/^warmup = .*/warmup = 0.0/; s/^clip = .*/clip = 0.0/' diverged/recipe.toml
status=0
"$minke" grpo all.toml -m base/latest --out diverged --resume >out.txt 2>&1 || status=$?
[ $status = 2 ] || fail "exit code $status: $(cat out.txt)"
[ "$(grep -c '^rolled back to step 4 ([123] of 3 times)' out.txt)" = 3 ] || fail "not rolled back: $(cat out.txt)"
grep -q '^minke: step .*does not recover after 3 rollbacks' out.txt || fail "no message in the end: $(cat out.txt)"

# Programs are graded in the sandbox; without one the run is refused before it begins.
"$minke" pretrain base.toml --out long --set train.sequence_length=512 --set train.steps=2 --set train.batch_size=4 >out.txt 2>&1 || fail "$(cat out.txt)"
if "$minke" grpo grpo.toml -m long/latest --out code --set 'grpo.tasks=["code:1-2"]' --set train.steps=2 --set train.batch_size=16 \
  --set train.sequence_length=512 --set train.micro_batch_size=4 >out.txt 2>&1; then
  grep -q '^final .*(code:1 [0-9]* %, code:2 [0-9]* %)' out.txt || fail "no programs were graded: $(cat out.txt)"
else
  grep -q 'bubblewrap\|python3' out.txt || fail "$(cat out.txt)"
  [ ! -e code ] || fail "a run that cannot grade has left something: $(ls code)"
fi

# --- every setting does something
changed() {  # from the run $two, which lacks the setting
  "$minke" grpo grpo.toml -m base/latest --out changed --set train.steps=2 "$@" >out.txt 2>&1 || fail "$*: $(cat out.txt)"
  ! cmp -s changed/latest/model.safetensors $two/latest/model.safetensors || fail "$* changes nothing"
  rm -r changed
}
two=two
"$minke" grpo grpo.toml -m base/latest --out two --set train.steps=2 >out.txt 2>&1 || fail "$(cat out.txt)"
for set in 'tasks=["chains:2"]' group=16 max_new=30 temperature=1.2 deviation=none division=sequences \
  division=constant format_reward=0 exact=true shuffle_rewards=true mini_batches=2 beta=1 dynamic=3 \
  levels=edge; do
  changed --set "grpo.$set"
done
# Without replay an update chooses the experts itself: mostly the same ones, until another update has moved the routers.
two=halves
"$minke" grpo grpo.toml -m base/latest --out halves --set train.steps=2 --set grpo.mini_batches=2 --set train.lr=1e-2 >out.txt 2>&1 || fail "$(cat out.txt)"
changed --set grpo.mini_batches=2 --set train.lr=1e-2 --set grpo.replay=false
"$minke" grpo grpo.toml -m base/latest --out chosen --set train.steps=2 --set grpo.replay=false >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '"delta_logp/max":' chosen/log.jsonl && ! grep -q flip_rate chosen/log.jsonl || fail "experts are replayed: $(cat chosen/log.jsonl)"
grep -q flip_rate halves/log.jsonl || fail "experts are not replayed: $(cat halves/log.jsonl)"
two=cut_off  # some answers of nearly every group
"$minke" grpo grpo.toml -m base/latest --out cut_off --set train.steps=2 --set grpo.max_new=24 >out.txt 2>&1 || fail "$(cat out.txt)"
changed --set grpo.max_new=24 --set 'grpo.truncated="mask"'

# The schedule goes on by what a step may take, not by the shorter answers: at the last of four steps the rate is low.
"$minke" grpo grpo.toml -m base/latest --out decay --set train.steps=4 --set train.warmup=0 --set train.decay_begin=0 \
  --set train.decay_end=1 --set train.low_ratio=0.1 >out.txt 2>&1 || fail "$(cat out.txt)"
lr=$(sed -n 's/.*"lr":\([0-9.e-]*\).*/\1/p' decay/log.jsonl | tail -1)
awk -v lr="$lr" 'BEGIN { exit !(lr > 0 && lr < 0.4e-3) }' || fail "the learning rate of the last step is $lr of 1e-3"
# Each step draws by numbers of its own: with a rate of next to nothing, lengths still differ from step to step.
"$minke" grpo grpo.toml -m base/latest --out still --set train.steps=4 --set train.lr=1e-12 >out.txt 2>&1 || fail "$(cat out.txt)"
[ "$(grep -o '"completions/mean_length":[0-9.]*' still/log.jsonl | sort -u | wc -l)" -ge 3 ] || fail "every step draws the same answers"

# --- mistakes
mistake 'cannot open missing' "$minke" grpo grpo.toml -m missing --out new
mistake 'grpo.tasks' "$minke" grpo grpo.toml -m base/latest --out new --set 'grpo.tasks=["riddles"]'
mistake 'grpo.tasks: no rule grades answers to chats' "$minke" grpo grpo.toml -m base/latest --out new --set 'grpo.tasks=["chains:2","chat_zh"]'
mistake 'grpo.tasks names no task' "$minke" grpo grpo.toml -m base/latest --out new --set 'grpo.tasks=[]'
mistake 'no multiple of grpo.group 7' "$minke" grpo grpo.toml -m base/latest --out new --set grpo.group=7
mistake 'leaves no room' "$minke" grpo grpo.toml -m base/latest --out new --set grpo.max_new=128
mistake 'with grpo.max_new 112 that is more than train.sequence_length 128' "$minke" grpo grpo.toml -m base/latest --out new --set grpo.max_new=112
cp -rL base/latest large && sed -i 's/"User": *[0-9]*/"User": 500/' large/tokenizer.json
mistake 'its tokenizer is of another model' "$minke" grpo grpo.toml -m large --out new
mistake 'give train.steps' "$minke" grpo grpo.toml -m base/latest --out new --set train.steps=0
mistake "the model's 128 positions" "$minke" grpo grpo.toml -m base/latest --out new --set train.sequence_length=256
mistake 'train.dropout' "$minke" grpo grpo.toml -m base/latest --out new --set train.dropout=0.1
for set in tokenizer.vocab_size=300 model.hidden_size=64 data.fim_rate=0.5 sft.epochs=3 balance.capacity=1 balance.bias_speed=0.01 \
  train.mtp_weight=0.1 train.spike_jump=1 train.minutes=1 log.eval_tokens=8; do
  mistake "grpo: ${set%%=*} = " "$minke" grpo grpo.toml -m base/latest --out new --set "$set"
done
mistake 'are all 0' "$minke" grpo grpo.toml -m base/latest --out new --set grpo.accuracy_reward=0 --set grpo.format_reward=0
mistake 'chain:2 is named twice' "$minke" grpo grpo.toml -m base/latest --out new --set 'grpo.tasks=["chains:2-3","chain:2"]'
mistake 'already holds a run' "$minke" grpo grpo.toml -m base/latest --out run
# A run that goes on is checked as a new one is, and by the verb that it is of.
cp -r run edited && sed -i 's/^group *=.*/group = 7/' edited/recipe.toml
mistake 'no multiple of grpo.group 7' "$minke" grpo grpo.toml -m base/latest --out edited --resume
cp run/recipe.toml edited/recipe.toml && sed -i 's/^lambda *=.*/lambda = 0.5/' edited/recipe.toml
mistake 'grpo: ppo.lambda = ' "$minke" grpo grpo.toml -m base/latest --out edited --resume
mistake 'run is a run of minke grpo: continue it with minke grpo' "$minke" ppo grpo.toml -m base/latest --out run --resume
mistake 'base is a run of minke pretrain' "$minke" grpo grpo.toml -m base/latest --out base --resume
[ ! -e new ] || fail "something was left behind: $(ls new)"
