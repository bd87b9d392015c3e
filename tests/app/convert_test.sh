#!/usr/bin/env bash
# minke convert as a user runs it: a folder becomes a file that chats and scores the same, and the same folder again, from
# which training goes on. Then mistakes: one message, nothing written.
. "$(dirname "$0")/lib.sh"
export LC_ALL=C
echo 'the whale sings, and the sea is blue: 0123456789' >../text.txt
for golden in v3-mtp llama; do
  a=../$golden
  mkdir $a
  cp "$source"/tests/golden/$golden/{config.json,model.safetensors} $a
  $minke tokenizer train ../text.txt --kind characters --out $a >../out.txt 2>&1 || fail "$(cat ../out.txt)"
  $minke convert $a --out $a.gguf >../out.txt 2>../err.txt || fail "$(cat ../err.txt)"
  grep -q 'every tensor has the same values, and the logits of 8 tokens are the same' ../out.txt || fail "$(cat ../out.txt)"
  grep -q 'a rule that llama.cpp does not have' ../err.txt || fail "no word about the tokenizer: $(cat ../err.txt)"
  $minke convert $a.gguf --out $a-again >../out.txt 2>&1 || fail "$(cat ../out.txt)"
  cmp $a/tokenizer_config.json $a-again/tokenizer_config.json || fail "another tokenizer_config.json"
  for model in $a $a.gguf $a-again; do
    $minke generate -m $model -p the -n 4 --temp 0 --dtype f32 -q >$model.txt 2>../err.txt || fail "$(cat ../err.txt)"
    $minke score -m $model --tokens "$source/tests/golden/$golden/expected.safetensors" --out $model.scores >../out.txt 2>&1 || fail "$(cat ../out.txt)"
  done
  for model in $a.gguf $a-again; do
    cmp $a.txt $model.txt || fail "$model: another text"
    cmp $a.scores $model.scores || fail "$model: other scores"
  done
  nothing_left ..
done
$minke convert ../v3-mtp --out ../v3-bf16 --dtype bf16 >../out.txt 2>&1 || fail "$(cat ../out.txt)"
$minke convert ../v3-bf16 --out ../v3-fp8 --dtype fp8 >../out.txt 2>&1 || fail "$(cat ../out.txt)"
$minke inspect -m ../v3-fp8 --tensors | grep 'mlp.experts.3.up_proj.weight .* f8_e4m3$' >/dev/null || fail "no FP8"

# --- mistakes
refused 'exists already' $minke convert ../llama --out ../llama.gguf
refused 'say with --dtype what to change' $minke convert ../llama --out new
refused 'GGUF files have no FP8' $minke convert ../llama --out new.gguf --dtype fp8
refused 'give --out a name that ends in .gguf' $minke convert ../llama --out new --dtype q4_k
refused 'the model has no routed experts' $minke convert ../llama --out new.gguf --experts q4_0
refused 'there is no folder' $minke convert ../llama --out none/new.gguf
refused 'nothing' $minke convert nothing --out new.gguf
head -c 5000 ../llama.gguf >m.gguf
refused 'm.gguf' $minke convert m.gguf --out new
rm m.gguf
mistake '--out is missing' $minke convert ../llama
echo "refused: $refusals"
