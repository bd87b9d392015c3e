#!/usr/bin/env bash
# --spec: with drafts of the MTP module a model writes the same text, says what became of them, and takes the memory that it says.
. "$(dirname "$0")/lib.sh"
cd ..
whales 200 >text.txt
printf '%s\n[train]\nsteps = 60\nsequence_length = 48\nbatch_size = 4\nlr = 1e-2\nmtp_weight = 1.0\n[log]\nsample_tokens = 0\nneedle_lengths = []\n%s\nnum_nextn_predict_layers = 1\n' \
  "$tiny_data" "$tiny_model" >run.toml
"$minke" pretrain run.toml --out run >out.txt 2>&1 || fail "$(cat out.txt)"
model=run/latest

for flags in "--temp 0" "--temp 0.8 --seed 5" "--temp 1 --top-p 0.9 --repeat-penalty 1.2 --strict" "--temp 0 --cache-type fp8"; do
  for spec in off mtp auto; do
    "$minke" generate -m $model -p 'The whale' -n 30 -c 48 $flags --spec $spec >$spec.txt 2>$spec.err || fail "$(cat $spec.err)"
  done
  cmp off.txt mtp.txt && cmp off.txt auto.txt || fail "$flags: drafts change the text"
  ! grep -q drafts off.err || fail "drafts without --spec"
  grep -qE '^drafts: [0-9]+ of [0-9]+ accepted \([0-9]+ %\), [12]\.[0-9]+ tokens a step; by the bytes of the weights at most [0-9.]+ x' mtp.err ||
    fail "$flags: no word of drafts: $(cat mtp.err)"
done
# A text that it has learned by heart: many drafts are right.
"$minke" generate -m $model -p 'The whale' -n 30 -c 48 --temp 0 --spec mtp >mtp.txt 2>mtp.err
accepted=$(grep -oE '\([0-9]+ %\)' mtp.err | tr -dc 0-9)
[ "$accepted" -ge 30 ] || fail "only $accepted % accepted: $(cat mtp.err)"
# The module and its layer of the cache are in memory only if they are asked for.
cache() { grep -oE '[0-9.]+ KiB cache' $1.err | grep -oE '^[0-9.]+'; }
[ "$(cache off)" != "$(cache mtp)" ] || fail "no layer of the cache for the module: $(cat mtp.err)"

# GGUF files carry the module.
"$minke" convert $model --out model.gguf --dtype f32 >out.txt 2>&1 || fail "$(cat out.txt)"
"$minke" generate -m model.gguf -p 'The whale' -n 30 -c 48 --temp 0 --spec off >off.txt 2>off.err
"$minke" generate -m model.gguf -p 'The whale' -n 30 -c 48 --temp 0 --spec mtp >mtp.txt 2>mtp.err
cmp off.txt mtp.txt && grep -q '^drafts: ' mtp.err || fail "GGUF: $(cat mtp.err)"

# A model without a module: said, or done without.
without=$source/tests/golden/llama
cp -r "$without" plain && cp $model/tokenizer* plain/
sed -i 's/"vocab_size": [0-9]*/"vocab_size": 41/' plain/config.json
mistake 'drafts requires --spec' "$minke" generate -m $model -p x --drafts 2
mistake 'has no MTP module: use --spec off, or auto' "$minke" bench infer -m $without -p 0 -n 2 --spec mtp
"$minke" bench infer -m $without -p 0 -n 2 -r 1 --seconds 0 --spec auto >out.txt || fail "auto without a module"
mistake '--spec' "$minke" generate -m $model --spec sometimes
: >empty.txt
mistake 'empty.txt: the file is empty' "$minke" bench infer -m $model -p 0 -n 2 --spec mtp --text empty.txt
mistake 'only answers with drafts go on with a text' "$minke" bench infer -m $model -p 0 -n 2 --text text.txt
echo "speculation: done"
