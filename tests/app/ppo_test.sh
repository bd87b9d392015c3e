#!/usr/bin/env bash
# minke ppo, as a user goes: some steps with a critic, killed and resumed; what the critic costs; mistakes.
. "$(dirname "$0")/lib.sh"
{ echo "$thinking_base"; echo num_nextn_predict_layers = 1; } >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
cat >ppo.toml <<END
[train]
steps = 12
sequence_length = 128
batch_size = 32
micro_batch_size = 16
lr = 1e-3
weight_decay = 0
[grpo]
tasks = ["chains:2-3"]
group = 2
max_new = 64
mini_batches = 2
format_reward = 1
eval_problems = 10
[ppo]
lambda = 0.95
critic_lr = 2e-3
critic_warmup = 4
[log]
eval_every = 0.5
save_every = 0.25
END
"$minke" ppo ppo.toml -m base/latest --out run >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^memory .* MiB critic ' out.txt || fail "the critic's memory is not announced: $(grep ^memory out.txt)"
grep -q 'step 12/12 .* reward [0-9.]*  right [0-9.]* %  length [0-9]*  critic [0-9.]*' out.txt || fail "no critic in the lines: $(cat out.txt)"
grep -q '^final .*of 10 test problems right (chain:2 [0-9]* %, chain:3 [0-9]* %)' out.txt || fail "no evaluation: $(cat out.txt)"
for key in critic/loss critic/grad_norm; do
  [ "$(grep -c "\"$key\":" run/log.jsonl)" = 12 ] || fail "no $key in the log: $(head -3 run/log.jsonl)"
done
[ "$(grep -c '"critic/explained_variance":' run/log.jsonl)" = 6 ] || fail "the critic is judged once for each drawing: $(cat run/log.jsonl)"
[ "$(grep -c '"entropy":' run/log.jsonl)" = 8 ] || fail "the policy learns while the critic warms up: $(cat run/log.jsonl)"
grep -q 'The critic' run/report.html || fail "no chart of the critic"
# It learns what answers get.
losses() { sed -n 's|.*"critic/loss":\([0-9.e-]*\).*|\1|p' run/log.jsonl; }
awk -v first="$(losses | head -1)" -v last="$(losses | tail -1)" 'BEGIN { exit !(last < first) }' || fail "the critic does not learn: $(losses)"

# Killed and resumed: the same bits, the critic's included.
killed_at_checkpoint killed "$minke" ppo ppo.toml -m base/latest --out killed
"$minke" ppo ppo.toml -m base/latest --out killed --resume >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^resumed ' out.txt || fail "not killed on the way: $(cat out.txt)"
for file in model.safetensors train/state.safetensors; do
  cmp run/latest/$file killed/latest/$file || fail "killed and resumed: another $file"
done
grep -q 'c.w.value_head' run/latest/train/state.safetensors || fail "the checkpoint lacks the critic"
! grep -q value_head run/latest/model.safetensors || fail "the model holds a part of the critic"

mistake 'run is a run of minke ppo: continue it with minke ppo' "$minke" grpo ppo.toml -m base/latest --out run --resume

# As a stage of a pipeline: what the verb makes alone.
{ printf '[[stage]]\nname = "rl"\nkind = "ppo"\nfrom = "base/latest"\n'; sed 's/^\[/[stage./' ppo.toml; } >p.toml
"$minke" pipeline p.toml --out line >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^ *rl  *ppo .* % right, before .* %$\|^results  *rl  *ppo .* % right, before .* %$' out.txt || fail "no results of ppo: $(tail -4 out.txt)"
for file in model.safetensors train/state.safetensors; do
  cmp run/latest/$file line/rl/latest/$file || fail "in a pipeline: another $file"
done
mistake 'stage rl: ppo: grpo.beta = ' "$minke" pipeline p.toml --out new --set rl.grpo.beta=0.1

# --- every setting does something
changed() {
  "$minke" ppo ppo.toml -m base/latest --out changed --set train.steps=4 --set ppo.critic_warmup=0 "$@" >out.txt 2>&1 || fail "$*: $(cat out.txt)"
  ! cmp -s changed/latest/model.safetensors four/latest/model.safetensors || fail "$* changes nothing"
  rm -r changed
}
"$minke" ppo ppo.toml -m base/latest --out four --set train.steps=4 --set ppo.critic_warmup=0 >out.txt 2>&1 || fail "$(cat out.txt)"
for set in gamma=0.9 lambda=0.5 critic_lr=1e-4 critic_warmup=2 whiten=false; do
  changed --set "ppo.$set"
done

# --- mistakes
mistake 'ppo: ppo.critic_warmup 12 leaves no step' "$minke" ppo ppo.toml -m base/latest --out new --set ppo.critic_warmup=12
for set in grpo.beta=0.1 'grpo.deviation="none"' balance.alpha=1 sft.epochs=3; do
  mistake "ppo: ${set%%=*} = " "$minke" ppo ppo.toml -m base/latest --out new --set "$set"
done
mistake 'grpo: ppo.critic_lr = ' "$minke" grpo ppo.toml -m base/latest --out new
mistake 'ppo.lambda' "$minke" ppo ppo.toml -m base/latest --out new --set ppo.lambda=1.5
[ ! -e new ] || fail "something was left behind: $(ls new)"
