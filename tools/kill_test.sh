#!/usr/bin/env bash
# Does a run survive kills? A small run with everything that has state (growing batch, two long-context phases, averaged
# parameters, BF16 moments, a mixture with fill-in-the-middle) is killed with SIGKILL many times and resumed each time. The
# kills are spread over its length; some come during a start, every third one while a checkpoint is being saved. After every
# kill each checkpoint must be complete. At the end weights, average, optimizer state and log must equal those of a run that
# was never stopped, bit by bit.
#   tools/kill_test.sh [KILLS] [PROGRAM] [SEED]     default: 50 build/release/bin/minke 1
set -euo pipefail
kills=${1:-50} minke=$(realpath "${2:-build/release/bin/minke}")
model=$(dirname "$(realpath "$0")")/../tests/app/small_model.toml
RANDOM=${3:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED (kill ${k:-0}): $*" >&2; exit 1; }

cat >recipe.toml <<'END_OF_RECIPE'
[tokenizer]
vocab_size = 300
[data]
train = ["builtin:story", "builtin:math"]
weights = [3, 1]
builtin_bytes = 40_000
held_out_fraction = 0.02
fim_rate = 0.5
mask_documents = true
packing = "best-fit"
[train]
steps = 60
sequence_length = 32
batch_size = 8
batch_start = 4
batch_ramp = 0.3
micro_batch_size = 4
ema_decay = 0.9
moments = "bf16"
recompute = ["attention", "ffn"]
[[long_context]]
steps = 10
sequence_length = 64
batch_size = 4
micro_batch_size = 2
lr = 1e-4
yarn_factor = 2
[[long_context]]
steps = 10
sequence_length = 128
batch_size = 2
lr = 1e-4
yarn_factor = 4
[log]
eval_every = 0.1
eval_tokens = 500
save_every = 0.05
sample_tokens = 5
sample_prompts = ["Once"]
END_OF_RECIPE
cat "$model" >>recipe.toml
steps=80

run=("$minke" pretrain recipe.toml --out)
# A log without the parts that differ between runs: times, and the line that each start writes.
strip() { grep -v '"run":' "$1" | sed -E 's/"(seconds|train_seconds|unix_time)":[^,}]*,?//g'; }
same_state() { diff <(grep -v train_seconds "$1") <(grep -v train_seconds "$2") >/dev/null; }
last_step() {
  local line
  line=$(tail -c 4000 cut/log.jsonl 2>/dev/null | grep -o '"step":[0-9]*' | tail -n 1 || true)
  [ -n "$line" ] && echo "${line##*:}" || echo 0
}

# Complete: the same files, with the same bytes, as that checkpoint of the run that was never stopped.
check_checkpoints() {
  local folder name
  for folder in cut/checkpoints/step-*; do
    [ -e "$folder" ] || continue
    name=${folder##*/}
    case $name in *.tmp | *.old) continue ;; esac  # under way when it was killed; no name of a checkpoint
    diff <(cd "$folder" && find . -type f | sort) <(cd "whole/checkpoints/$name" && find . -type f | sort) || fail "$name is torn"
    (cd "$folder" && find . -type f ! -name state.json) | while read -r file; do
      cmp "$folder/$file" "whole/checkpoints/$name/$file" || exit 1
    done || fail "$name is damaged"
    same_state "$folder/train/state.json" "whole/checkpoints/$name/train/state.json" || fail "$name: state.json is damaged"
  done
  [ ! -L cut/latest ] || [ -e cut/latest/train/state.json ] || fail "latest names no checkpoint"
}

"${run[@]}" whole --set log.keep=1000 >whole.txt
starting=0 saving=0 training=0 missed=0
for ((k = 1; k <= kills; ++k)); do
  "${run[@]}" cut --resume >cut.txt 2>&1 & pid=$!
  target=$((steps * k / (kills + 1)))
  [ $((k % 5)) != 1 ] || target=0  # at a start
  while [ "$(last_step)" -lt $target ] && kill -0 $pid 2>/dev/null; do sleep 0.005; done
  if [ $((k % 3)) = 0 ]; then  # at the next save; what the last kill left half-saved is gone once it has resumed
    until grep -q '^resumed\|^compute' cut.txt || ! kill -0 $pid 2>/dev/null; do sleep 0.005; done
    until compgen -G 'cut/checkpoints/*.tmp' >/dev/null || ! kill -0 $pid 2>/dev/null; do :; done
  else
    sleep 0.$(printf %03d $((RANDOM % 100)))
  fi
  if ! kill -KILL $pid 2>/dev/null; then  # the run had already ended: start again
    wait $pid && [ $((++missed)) -le "$kills" ] || fail "the run ended before the kill: $(tail -n 3 cut.txt)"
    rm -rf cut
    k=$((k - 1))
    continue
  fi
  wait $pid 2>/dev/null || true
  if compgen -G 'cut/checkpoints/*.tmp' >/dev/null; then saving=$((saving + 1))
  elif grep -q '^step' cut.txt; then training=$((training + 1))
  else starting=$((starting + 1)); fi
  check_checkpoints
done
"${run[@]}" cut --resume >cut.txt 2>&1 || fail "$(tail -n 3 cut.txt)"
check_checkpoints
for file in model.safetensors average/model.safetensors train/state.safetensors; do
  cmp whole/latest/$file cut/latest/$file || fail "$file differs"
done
diff <(strip whole/log.jsonl) <(strip cut/log.jsonl) >log.diff || fail "the logs differ: $(head -n 5 log.diff)"
[ -z "$(find cut -name '*.tmp*' -o -name '*.old')" ] || fail "left behind: $(find cut -name '*.tmp*' -o -name '*.old')"
echo "$kills kills of a run of $steps steps: $saving while saving, $training between saves, $starting during a start."
echo "The run was resumed each time; weights, average, optimizer state and log equal those of a run that was never stopped."
