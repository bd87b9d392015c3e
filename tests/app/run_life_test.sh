#!/usr/bin/env bash
# The life of a run: killed at random moments it ends with the bits of one that was left alone, with any number of
# threads; Ctrl-C saves; it saves before it evaluates; losses that diverge are skipped, dumped, rolled back from and
# given up on with one message; folders, data and files that vanish are answered with one message.
. "$(dirname "$0")/lib.sh"
bash "$source/tools/kill_test.sh" 4 "$minke" "$RANDOM" || fail "tools/kill_test.sh"

cat >tiny.toml <<END_OF_RECIPE
$tiny_data
[train]
steps = 12
sequence_length = 16
batch_size = 4
ema_decay = 0.5
[[long_context]]
steps = 4
sequence_length = 32
batch_size = 2
lr = 1e-4
yarn_factor = 2
[log]
eval_every = 0.25
eval_tokens = 100
save_every = 0.25
sample_tokens = 2
sample_prompts = ["The"]
$tiny_model
END_OF_RECIPE
whales 200 >text.txt
start() { local out=$1; shift; $minke pretrain tiny.toml --out "$out" "$@" >"$out.txt" 2>"$out.err" & pid=$!; }
wait_for() {  # PATTERN FILE
  until grep -qs -- "$1" "$2"; do
    kill -0 $pid 2>/dev/null || grep -qs -- "$1" "$2" || fail "it ended before '$1': $(cat "${2%%/*}.err" 2>/dev/null)"
    sleep 0.01
  done
}
# ACTION CODE OUT [FLAGS…]: starts a run, does ACTION after its second step, and it ends with CODE. So short a run may be
# over before that; then it is started again. $prepare, if set, is done before each start.
caught() {
  local action=$1 expected=$2 out=$3 code try
  for try in {1..50}; do
    code=0
    rm -rf "$out"
    ${prepare:-:}
    start "${@:3}"
    wait_for '"step":2,' "$out/log.jsonl"
    eval "$action" 2>/dev/null || true
    wait $pid || code=$?
    [ $code != 0 ] || continue
    [ $code = "$expected" ] || fail "exit code $code instead of $expected: $(cat "$out.err")"
    return
  done
  fail "in 50 runs none was caught under way: $action"
}
ended() {  # CODE: of the run that was started
  local code=0
  wait $pid || code=$?
  [ $code = "$1" ] || fail "exit code $code instead of $1: $(cat ./*.err)"
}
same() {  # FOLDER FOLDER
  for file in model.safetensors average/model.safetensors train/state.safetensors; do
    cmp "$1/latest/$file" "$2/latest/$file" || fail "$1 and $2: $file differs"
  done
}

# Threads.
$minke pretrain tiny.toml --out one -t 1 >one.txt
$minke pretrain tiny.toml --out two -t 2 >two.txt
same one two

# Minutes become steps, which the stored recipe keeps, and so many are done.
sed '/^\[\[long_context/,/^yarn/d' tiny.toml >minutes.toml
$minke pretrain minutes.toml --out minutes --set train.steps=0 --minutes 0.02 --set log.eval_every=1 --set log.save_every=1 >minutes.txt
steps=$(sed -n 's/^steps  *\([0-9]*\) steps of [0-9]* ms$/\1/p' minutes.txt)
[ "${steps:-0}" -ge 1 ] || fail "no steps from minutes: $(cat minutes.txt)"
grep -q "^steps = $steps$" minutes/recipe.toml && grep -q '^minutes = 0' minutes/recipe.toml || fail "$(grep -E '^(steps|minutes)' minutes/recipe.toml)"
[ "$(grep -c '"lr"' minutes/log.jsonl)" = "$steps" ] || fail "$(grep -c '"lr"' minutes/log.jsonl) steps instead of $steps"

# Ctrl-C: saved, 130; the run goes on from there to the same end. Twice: at once, and nothing is saved.
caught 'kill -INT $pid' 130 stopped --set log.save_every=1
grep -q '^stopped     at step .*continue with --resume' stopped.txt || fail "the end is not said: $(cat stopped.txt)"
$minke pretrain tiny.toml --out stopped --resume >stopped.txt
same one stopped
# What is asked for beside the recipe of a run that goes on: refused if it was said here, mentioned if it is in the file.
mistake "train.lr is 0.001 in the stored recipe of the run and 0.5 here: edit stopped/recipe.toml" \
  $minke pretrain tiny.toml --out stopped --resume --set train.lr=0.5
mistake 'data.train is ["text.txt"] in the stored recipe of the run' $minke pretrain tiny.toml other.txt --out stopped --resume
$minke pretrain tiny.toml --out stopped --resume >stopped.txt
grep -q '^note .*stopped/recipe.toml; the recipe given here differs in log.save_every$' stopped.txt || fail "$(head -n 3 stopped.txt)"
$minke pretrain tiny.toml --out stopped --resume --minutes 3 --set log.save_every=1 >stopped.txt
! grep -q '^note' stopped.txt || fail "the minutes were steps at once: $(grep ^note stopped.txt)"
# A run keeps the instruction set it began with, for its bits; another one is named, and the one that is asked for is taken.
MINKE_ISA=baseline $minke pretrain tiny.toml --out baseline >baseline.txt
grep -q 'cpu baseline (MINKE_ISA)' baseline.txt || fail "$(head -n 1 baseline.txt)"
! cmp -s one/latest/model.safetensors baseline/latest/model.safetensors || fail "baseline computes what the default does"
export MINKE_ISA=baseline
caught 'kill -INT $pid' 130 moved --set log.save_every=1
unset MINKE_ISA
$minke pretrain tiny.toml --out moved --resume >moved.txt
grep -q 'cpu baseline (as the run began)' moved.txt || fail "$(head -n 1 moved.txt)"
grep -q '^note .*goes on with baseline, as it began; for a new run this machine takes ' moved.txt || fail "$(head -n 3 moved.txt)"
same baseline moved
if grep -qw avx2 /proc/cpuinfo; then
  MINKE_ISA=avx2 $minke pretrain tiny.toml --out baseline --resume >baseline.txt
  grep -q '^note .*computed with baseline so far, MINKE_ISA names another: it goes on with avx2' baseline.txt ||
    fail "$(head -n 3 baseline.txt)"
fi
slow=(--set train.batch_size=1000000 --set train.micro_batch_size=16)  # a step takes longer than any test
start twice "${slow[@]}"
wait_for '"run":' twice/log.jsonl
sleep 0.2
kill -INT $pid
sleep 0.2
kill -INT $pid
ended 130
[ ! -e twice/latest ] || fail "the second Ctrl-C waited for the end of the step"
# Whoever read the output is gone: saved as well.
set +o pipefail
$minke pretrain tiny.toml --out piped --set log.save_every=1 2>piped.err | sed "/^step 2/q" >/dev/null
set -o pipefail
[ -e piped/latest/train/state.json ] || fail "a run whose output nobody reads is not saved: $(cat piped.err)"

# One process at a time.
start busy "${slow[@]}"
wait_for '"run":' busy/log.jsonl
mistake "another process is using busy" $minke pretrain tiny.toml --out busy --resume
kill -KILL $pid
wait $pid 2>/dev/null || true

# Saved before evaluated.
printf '{"question": "The whale", "choices": [" sings", " is blue"], "answer": 0}\n' >choices.jsonl
cp choices.jsonl good.jsonl
prepare='cp good.jsonl choices.jsonl' caught 'echo broken >choices.jsonl' 2 asked --set log.choices=choices.jsonl
[ "$(wc -l <asked.err)" = 1 ] && grep -q '^minke: choices.jsonl' asked.err || fail "not one message: $(cat asked.err)"
last=$(grep -o '"step":[0-9]*' asked/log.jsonl | tail -n 1)
[ "$(readlink asked/latest)" = "checkpoints/step-$(printf %06d "${last#*:}")" ] || fail "saved is $(readlink asked/latest) after $last"
mistake "choices.jsonl" $minke pretrain tiny.toml --out asked --resume
mistake "choices.jsonl" $minke pretrain tiny.toml --out asked2 --set log.choices=choices.jsonl
[ ! -e asked2 ] || fail "broken choices are found before the run begins"
cp good.jsonl choices.jsonl
$minke pretrain tiny.toml --out asked --resume >asked.txt
same one asked
[ "$(grep -c '"eval_choices":' asked/log.jsonl)" = 4 ] || fail "the evaluation that failed is made after all: $(grep eval_ asked/log.jsonl)"

# The text is gone, or another one: a run that has begun has its tokens. The same with a cache, until that is gone.
caught 'kill -KILL $pid' 137 orphan
$minke pretrain tiny.toml --out cached --set data.cache=cache --set train.steps=4 >cached.txt
sed -i 's/^steps = 4$/steps = 12/' cached/recipe.toml
mv text.txt away.txt
mistake "text.txt does not exist" $minke pretrain tiny.toml --out other
$minke pretrain tiny.toml --out orphan --resume >orphan.txt
same one orphan
echo "Another text." >text.txt
rm -r cached/checkpoints cached/latest
$minke pretrain tiny.toml --out cached --resume >cached.txt
rm -r cache
mistake "cached/data" $minke pretrain tiny.toml --out cached --resume
mv away.txt text.txt
# A named tokenizer is copied into the run: the run goes on whatever becomes of it.
cp -r one/tokenizer named
rm named/trained-from.txt
caught 'kill -KILL $pid' 137 named_run --set tokenizer.path=named --set log.save_every=0.1
rm -r named
$minke pretrain tiny.toml --out named_run --resume >named.txt
same one named_run

# The folder of a run that is under way is deleted.
start gone "${slow[@]}" --set train.batch_size=64 --set train.steps=100000
wait_for '"step":2,' gone/log.jsonl
rm -rf gone
ended 2
[ "$(wc -l <gone.err)" = 1 ] && grep -q '^minke: .*gone' gone.err || fail "not one message: $(cat gone.err)"
[ ! -e gone ] || fail "the folder was made again: $(find gone)"

# More memory than there is: the message names a micro-batch that fits.
mistake "set train.micro_batch_size = " $minke pretrain tiny.toml --out large --set train.sequence_length=4096 --set train.batch_size=4096 \
  --set model.hidden_size=256 --set model.intermediate_size=1024 --set model.num_hidden_layers=8 --set long_context=[]
fits=$(sed -n 's/.*train.micro_batch_size = \([0-9]*\).*/\1/p' err.txt)
[ "$fits" -ge 1 ] && [ "$fits" -lt 4096 ] && [ $((4096 % fits)) = 0 ] || fail "micro-batch of $fits: $(cat err.txt)"

# Losses that diverge.
code=0
$minke pretrain tiny.toml --out wild --set train.steps=400 --set train.lr=3 --set train.clip=0 --set train.warmup=1 \
  --set train.spike_jump=0.5 --set train.max_rollbacks=2 --set log.save_every=0.01 --set log.eval_every=1 \
  --set log.sample_tokens=0 >wild.txt 2>wild.err || code=$?
[ $code = 2 ] || fail "exit code $code: $(tail -n 3 wild.txt wild.err)"
[ "$(wc -l <wild.err)" = 1 ] && grep -q 'does not recover after 2 rollbacks' wild.err || fail "not one message: $(cat wild.err)"
[ "$(grep -c '^rolled back to step' wild.txt)" = 2 ] || fail "rollbacks: $(grep rolled wild.txt)"
grep '^step .* skipped' wild.txt | tail -n 5 >first.txt
mistake "does not recover after 2 rollbacks" $minke pretrain tiny.toml --out wild --resume
diff first.txt <(grep '^step .* skipped' out.txt | tail -n 5) || fail "continued, it does not come to the same end"
for folder in wild/skipped/step-*; do  # JSON, as our own reader sees it
  [ "$(ls "$folder")" = $'batch.jsonl\nnorms.json' ] || fail "$folder holds $(ls "$folder")"
  grep -q '"gradient"' "$folder/norms.json" && [ "$(wc -l <"$folder/batch.jsonl")" = 4 ] || fail "$folder lacks something"
  tr -d '\n' <"$folder/norms.json" >norms.jsonl
  rm -rf dumped dumped-batch
  $minke tokenizer train norms.jsonl --text-key why --vocab-size 270 --out dumped >/dev/null || fail "$folder/norms.json"
  $minke tokenizer train "$folder/batch.jsonl" --vocab-size 270 --out dumped-batch >/dev/null || fail "$folder/batch.jsonl"
done
[ "$(find wild/skipped -name norms.json | wc -l)" -ge 5 ] || fail "dumps: $(find wild/skipped)"
# At the beginning of a phase: back to the end of the one before, and on with other data each time.
wild_phase=(--set train.steps=60 --set train.spike_jump=0.5 --set train.clip=0 --set log.save_every=1 --set log.sample_tokens=0
  --set 'long_context=[{steps=60, sequence_length=32, batch_size=2, lr=30}]')
mistake "does not recover after 3 rollbacks" $minke pretrain tiny.toml --out wild_phase "${wild_phase[@]}"
[ "$(grep -c '^rolled back to step 60 ' out.txt)" = 3 ] || fail "rollbacks: $(grep rolled out.txt)"
[ "$(grep -c '^phase       2 of 2' out.txt)" = 4 ] || fail "phases: $(grep ^phase out.txt)"
grep -o '^step .* skipped' out.txt | sort | uniq -d >twice.txt
[ ! -s twice.txt ] || fail "the same batches again: $(cat twice.txt)"
# The last step is one that is skipped: it is made again with other data, and what is saved is good.
constant=(--set train.lr=3 --set train.clip=0 --set train.warmup=0 --set train.decay_begin=1 --set train.spike_jump=0.5
  --set log.eval_every=1 --set log.sample_tokens=0 --set log.keep=1 --set long_context=[])
$minke pretrain tiny.toml --out wild_end --set train.steps=400 "${constant[@]}" >out.txt 2>err.txt || true
last=$(sed -n 's/^step \([0-9]*\): .* skipped.*/\1/p' out.txt | head -n 1)
[ "${last:-0}" -gt 1 ] || fail "no step was skipped: $(tail -n 3 out.txt err.txt)"
rm -r wild_end
code=0
$minke pretrain tiny.toml --out wild_end --set train.steps="$last" "${constant[@]}" >out.txt 2>err.txt || code=$?
grep "\"step\":$last,\"loss\"" wild_end/log.jsonl >tries.txt
grep -q "^step $last: .* skipped" out.txt || fail "the last step was not skipped: $(tail -n 3 out.txt)"
if [ $code = 0 ]; then
  tail -n 1 tries.txt >final.txt
  ! grep -q skipped final.txt || fail "the last step: $(cat tries.txt)"
else
  [ "$(readlink wild_end/latest)" != "checkpoints/step-$(printf %06d "$last")" ] || fail "bad weights are saved: $(cat err.txt)"
fi
# Stopped in the last evaluation, of all that is held out: nothing of the training is lost, and it is made at the resume.
whales 20000 >long.txt
long=(--set 'data.train=["long.txt"]' --set data.held_out_fraction=0.9 --set train.ema_decay=0 --set log.eval_every=1)
caught 'until grep -qs ^saved_last last; do [ -e at_end/checkpoints/step-000016 ] && echo saved_last >last; done; rm last; kill -INT $pid' \
  130 at_end "${long[@]}"
grep -q '^stopped     in the last evaluation' at_end.txt || fail "$(cat at_end.txt)"
! grep -q '"final":true' at_end/log.jsonl || fail "an evaluation that was not made"
$minke pretrain tiny.toml --out at_end --resume >at_end.txt
grep -q '^final       step 16' at_end.txt && grep -q '"final":true' at_end/log.jsonl || fail "$(cat at_end.txt)"
nothing_left .
echo ok
