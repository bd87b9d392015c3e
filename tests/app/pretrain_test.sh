#!/usr/bin/env bash
# A run that is stopped by a signal and resumed ends with the bits of one that was not; its checkpoint is used by every
# other verb; mistakes are answered with one message.
. "$(dirname "$0")/lib.sh"

cat >small.toml <<'END'
[tokenizer]
vocab_size = 300
[data]
train = ["builtin:"]
builtin_bytes = 200_000
held_out_fraction = 0.05
[train]
steps = 40
sequence_length = 32
batch_size = 8
micro_batch_size = 4
[log]
eval_every = 0.5
eval_tokens = 500
save_every = 0.25
sample_tokens = 5
sample_prompts = ["Once"]
END
cat "$source/tests/app/small_model.toml" >>small.toml

$minke pretrain small.toml --out whole >whole.txt
grep -q 'bits per byte' whole.txt || fail "no held-out bits per byte: $(cat whole.txt)"
grep -q 'step 40/40' whole.txt || fail "no console line of the last step"
[ "$(grep -c '"lr"' whole/log.jsonl)" = 40 ] || fail "log.jsonl has not one line per step"
# Weights a token is multiplied with: two layers 2 · 2,816 + 6,144 + 4,736, head 9,600; MTP 2,048 + 2,816 + 4,736 + 9,600. Six
# operations each, and attention's 3 · 3 layers · 2 heads · 2 · (16 + 8) · 16 keys.
grep -q '"flops_per_token":285696.0' whole/log.jsonl || fail "work of a token: $(grep -m1 '"run"' whole/log.jsonl)"
peak=$(sed -n 's/.*"product_flops":\([0-9.e+]*\).*/\1/p' whole/log.jsonl)
sed -n 's|^step 40/40.* \([0-9,.]*\)\(k\{0,1\}\) tok/s (\([0-9]*\) % of peak).*|\1 \2 \3|p' whole.txt | awk -v peak="$peak" '
  { rate = $1 * (NF == 3 ? 1000 : 1); share = 100 * rate * 285696 / peak; off = share - $NF }
  END { if (NR != 1 || off > 0.52 || off < -0.52) { print "share of peak " $NF ", by hand " share; exit 1 } }' ||
  fail "the share of peak on the console: $(grep 'step 40/40' whole.txt)"
[ -e whole/latest/model.safetensors ] && [ -e whole/latest/tokenizer.json ] && [ -e whole/latest/train/state.json ] || fail "checkpoint incomplete"
[ "$(find whole/checkpoints -maxdepth 1 -name 'step-*' | wc -l)" = 2 ] || fail "log.keep = 2 checkpoints"

# Stopped by SIGTERM somewhere, then killed hard somewhere, then resumed.
$minke pretrain small.toml --out cut >cut.txt & pid=$!
while ! grep -qs '"step":8,' cut/log.jsonl; do kill -0 $pid 2>/dev/null || break; sleep 0.01; done
kill -TERM $pid 2>/dev/null || true
code=0; wait $pid || code=$?
[ $code = 130 ] || [ $code = 0 ] || fail "a stopped run exits with 130, not $code"
[ -e cut/latest/train/state.json ] || fail "a stopped run leaves a checkpoint"
$minke pretrain small.toml --out cut --resume >>cut.txt & pid=$!
while ! grep -qs '"step":25,' cut/log.jsonl; do kill -0 $pid 2>/dev/null || break; sleep 0.01; done
kill -KILL $pid 2>/dev/null || true
wait $pid || true
$minke pretrain small.toml --out cut --resume >>cut.txt
cmp whole/latest/model.safetensors cut/latest/model.safetensors || fail "the resumed run's weights differ"
cmp whole/latest/train/state.safetensors cut/latest/train/state.safetensors || fail "the resumed run's optimizer state differs"
# The losses as well, timings and the lines that each start writes aside.
strip() { grep -v '"run":' "$1" | sed -E 's/"(seconds|train_seconds|unix_time)":[^,}]*,?//g'; }
diff <(strip whole/log.jsonl) <(strip cut/log.jsonl) >/dev/null || fail "the resumed run's log differs"

# The same for sources mixed by weight; both runs find their token shards in one cache.
mix=(small.toml --set 'data.train=["builtin:story","builtin:math"]' --set 'data.weights=[3,1]' --set data.fim_rate=0.5 --set data.mask_documents=true
  --set data.packing=best-fit --set data.builtin_bytes=20000 --set data.cache=cache --set train.steps=16 --set log.sample_tokens=0)
$minke pretrain "${mix[@]}" --out mixed >mixed.txt
grep -q ' 75.0 % builtin:story' mixed.txt || fail "the shares of the sources are not said: $(cat mixed.txt)"
[ "$(grep -c tokenising mixed.txt)" = 2 ] || fail "each source is tokenised: $(cat mixed.txt)"
$minke pretrain "${mix[@]}" --out mixed2 >mixed2.txt & pid=$!
while ! grep -qs '"step":5,' mixed2/log.jsonl; do kill -0 $pid 2>/dev/null || break; sleep 0.01; done
kill -TERM $pid 2>/dev/null || true
wait $pid || true
$minke pretrain "${mix[@]}" --out mixed2 --resume >>mixed2.txt
! grep tokenising mixed2.txt || fail "what lies in the cache was tokenised again"
cmp mixed/latest/model.safetensors mixed2/latest/model.safetensors || fail "the resumed run on a mixture differs"
diff <(strip mixed/log.jsonl) <(strip mixed2/log.jsonl) >/dev/null || fail "the resumed run's log on a mixture differs"
mistake "one number for each source" $minke pretrain "${mix[@]}" whole.txt --out mixed3

$minke generate -m whole/latest -p "Once" -n 8 --seed 3 -q >a.txt
$minke generate -m whole/latest -p "Once" -n 8 --seed 3 -q >b.txt
cmp a.txt b.txt || fail "the same seed gives the same text"
$minke inspect -m whole/latest >/dev/null

mistake "already holds a run" $minke pretrain small.toml --out whole
mistake "did you mean train.lr?" $minke pretrain small.toml --out new --set train.lrr=1
[ ! -e new ] || fail "a mistake in the recipe leaves a folder behind"
mistake "no.txt" $minke pretrain small.toml no.txt --out new
[ ! -e new ] || fail "a missing file leaves a folder behind"
mistake "hidden_size" $minke pretrain small.toml --out new2 --set model.hidden_size=-4
[ ! -e new2 ] || fail "a mistake in [model] leaves a folder behind"
mistake "--ctx-size" $minke generate -m whole/latest -p x -c 100000
mistake "--top-p" $minke generate -m whole/latest -p x --top-p 3
mistake "nowhere" $minke generate -m nowhere -p x
printf 'not json' >whole/latest/config.json
mistake "config.json" $minke generate -m whole/latest -p x
MINKE_ISA=avx9 mistake "avx9" $minke score -m x --tokens y --out z
echo "ok"
