#!/usr/bin/env bash
# minke bench: figures of the machine, of kernels and of training steps, as JSON, too; mistakes are one message. How fast
# anything is decides nothing.
. "$(dirname "$0")/lib.sh"

# positive FILE KEY…: every KEY has a number above 0.
positive() {
  local file=$1 key
  shift
  for key; do
    grep -qE "^ *\"$key\": [0-9.e+-]*[1-9]" "$file" || fail "$file: $key is not above 0: $(grep "\"$key\"" "$file" || echo "it is not there")"
  done
}

$minke bench machine --seconds 0.05 --json machine.json >machine.txt
head -1 machine.txt | grep -q '^machine  *minke .* threads\? ' || fail "the first line does not name the machine: $(head -1 machine.txt)"
for part in f32 bf16 int8 read; do
  grep -q "^$part  *[0-9]" machine.txt && grep -q "^  \"$part\": {" machine.json || fail "no ceiling of $part: $(cat machine.txt)"
done
positive machine.json threads rate
grep -q '^memory nodes  *[1-9]' machine.txt && grep -q '"memory_nodes": \[' machine.json || fail "no memory nodes: $(cat machine.txt)"

tiny=(--set model.hidden_size=32 --set model.num_hidden_layers=2 --set model.moe_intermediate_size=16
  --set model.vocab_size=300 --set tokenizer.vocab_size=300 --set train.sequence_length=32 --set train.batch_size=4)
for precision in bf16 f32; do
  TMPDIR=$work $minke bench train --steps 1 --warmup 0 --seconds 0 "${tiny[@]}" --set train.precision=$precision \
    --json train.json >train.txt
  positive train.json threads parameters active_matmul_parameters tokens_per_step tokens_per_second \
    tokens_per_second_min tokens_per_second_max share_of_peak peak_flops matmul_flops_per_token \
    attention_flops_per_token experts_forward experts_dw optimizer data_loading peak_rss_bytes bytes_per_parameter \
    activation_bytes
  grep -q "\"precision\": \"$precision\"" train.json || fail "not in $precision"
  grep -q '"preset": "v3-11m"' train.json || fail "not the preset"
  grep -q '"tokens_per_step": 128' train.json || fail "--set was not heard"
  [ -z "$(find . -name '*.tokens*')" ] || fail "left behind: $(find . -name '*.tokens*')"
done
# Every line of the table has its twin: the parts of a step.
while read -r part _; do
  grep -q "^    \"$part\": " train.json || fail "train.json lacks $part"
done < <(grep '^  ' train.txt)

$minke bench gemm --seconds 0 --only 'dW 512x512' --json gemm.json >gemm.txt
[ "$(grep -c 'over 4096  ' gemm.txt)" = 2 ] || fail "not two rows: $(cat gemm.txt)"
positive gemm.json rate share ceiling cold_rate milliseconds
$minke bench attention --seconds 0 --only 'absorbed 4096 keys' >rows.txt
grep -q 'GB/s' rows.txt || fail "no row of attention"
$minke bench streams --seconds 0 --only 'adamw' >rows.txt
grep -q 'GB/s' rows.txt || fail "no row of streams"

# Without a checkpoint to speak of: the rows, and that they are JSON. What they count: tests/bench/infer_bench_test.cpp.
model=$source/tests/golden/v3
$minke bench infer -m $model -p 8 -n 4 --batch 1,2 -r 2 --seconds 0 >infer.txt
[ "$(grep -cE '^(pp8|tg4) +[12] ' infer.txt)" = 4 ] || fail "not four rows: $(cat infer.txt)"
$minke bench infer -m $model -p 0 -n 4 -r 1 --seconds 0 --cache-type f32 --json >infer.json 2>lines.txt
positive infer.json batch threads tok_s min max bytes_per_token bandwidth_share ceiling_share kv_bytes_per_token
for field in '"test": "tg4"' '"weights": "bf16"' '"path": "bf16"' '"acceptance": null' '"isa": "'; do
  grep -qF "$field" infer.json || fail "infer.json lacks $field: $(cat infer.json)"
done
[ "$(head -c 1 infer.json)" = '[' ] && grep -q '^machine ' lines.txt || fail "not a list alone: $(cat infer.json)"

# What inspect says of a token's cache is what the bench says that it takes.
for cache in bf16 fp8; do
  said=$($minke inspect -m $model --json | grep -o "\"bytes_per_token_$cache\": [0-9]*" | grep -o '[0-9]*$')
  $minke bench infer -m $model -p 0 -n 2 -r 1 --seconds 0 --cache-type $cache --json 2>lines.txt |
    grep -q "\"kv_bytes_per_token\": $said,\?$" || fail "$cache: inspect says $said bytes a token"
done
$minke bench infer -m $source/tests/golden/v3-yarn -p 8 -n 4 --depth 64 --batch 2 -r 1 --seconds 0 >infer.txt
[ "$(grep -cE '^(pp8|tg4) @ 64 +2 ' infer.txt)" = 2 ] || fail "not two rows: $(cat infer.txt)"
mistake 'must be a multiple of 64' $minke bench infer -m $model -p 8 -n 4 --depth 63
mistake 'choose bf16 or f32' $minke bench infer -m $source/tests/golden/qwen2 --cache-type fp8 -p 4 -n 2

# Drafts, with a text and without; a model without modules has none.
mtp=$source/tests/golden/v3-mtp
$minke bench infer -m $mtp -p 0 -n 8 -r 1 --seconds 0 --spec mtp --json >infer.json 2>lines.txt
grep -qE '^tg8 +1 ' lines.txt && grep -qE '^tg8 spec +1 ' lines.txt || fail "not two rows: $(cat lines.txt)"
grep -qE '^ +[0-9.]+ x as fast as without; drafts: [0-9]+ of [0-9]+ accepted' lines.txt || fail "no drafts: $(cat lines.txt)"
grep -qE '"acceptance": (0\.[0-9]+|1\.0),' infer.json && grep -qE '"gain_bound": [0-9]+\.' infer.json || fail "$(cat infer.json)"
[ "$($minke bench infer -m $model -p 0 -n 4 -r 1 --seconds 0 --spec auto | grep -c '^tg4 ')" = 1 ] || fail "auto without a module"
mistake 'has no MTP module: use --spec off, or auto' $minke bench infer -m $model -p 0 -n 4 --spec mtp
mistake 'this shape has no MTP module' $minke bench infer --random-weights $model/config.json -p 0 -n 4 --spec mtp
# Nobody reads standard error: the rows come all the same.
$minke bench infer -m $model -p 0 -n 4 -r 1 --seconds 0 --json 2>&- | grep -q '"test": "tg4"' || fail "no rows without standard error"

# Random weights of a shape: in memory, and in a file that gives the same rows.
shape=$source/tests/golden/v2/config.json
$minke bench infer --random-weights $shape -p 4 -n 2 -r 1 --seconds 0 --weights fp8 >random.txt
[ "$(grep -cE '^(pp4|tg2) +1 ' random.txt)" = 2 ] || fail "not two rows: $(cat random.txt)"
for out in random random.gguf; do
  $minke init $shape --out $out --dtype bf16 2>init.txt || fail "$(cat init.txt)"
  grep -q ' will be written$' init.txt || fail "no size: $(cat init.txt)"
  $minke bench infer -m $out -p 4 -n 2 -r 1 --seconds 0 >random.txt
  [ "$(grep -cE '^(pp4|tg2) +1 ' random.txt)" = 2 ] || fail "not two rows: $(cat random.txt)"
done
[ -z "$(find . -name '*.tmp.*')" ] || fail "left behind: $(find . -name '*.tmp.*')"
mistake 'exists already' $minke init $shape --out random.gguf
mistake 'keep: there are no weights whose type could be kept' $minke init $shape --out new.gguf --dtype keep
mistake 'GGUF files have no FP8' $minke init $shape --out new.gguf --dtype fp8
mistake 'nothing.json' $minke init nothing.json --out new.gguf
mistake '--random-weights' $minke bench infer -m random --random-weights $shape
mistake 'or --random-weights' $minke bench infer

mistake 'leave nothing to measure' $minke bench infer -m $model -p 0 -n 0
mistake 'need 513 positions, but the model supports at most' $minke bench infer -m $model
mistake 'there is no preset v3-12m' $minke bench train --preset v3-12m
mistake 'there is no key train.stepz' $minke bench train --set train.stepz=3
mistake 'no row has "nothing" in its name' $minke bench streams --seconds 0 --only nothing
# Before anything is measured.
$minke bench streams --seconds 0 --json none/x.json >rows.txt 2>err.txt && fail "written into no folder"
[ ! -s rows.txt ] && grep -q 'there is no folder none' err.txt || fail "$(cat rows.txt err.txt)"
mistake 'lower train.micro_batch_size or make the model smaller' \
  $minke bench train --set model.hidden_size=8192 --set model.n_routed_experts=64
echo "bench: done"
