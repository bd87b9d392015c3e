#!/usr/bin/env bash
# Folders as transformers makes and reads them: DeepSeek-V3 saved without its MTP modules, but with the field that names
# them; hidden_act "swish"; a tokenizer that transformers does not read as it is written.
. "$(dirname "$0")/lib.sh"
cat >tiny.toml <<END_OF_RECIPE
$tiny_data
[train]
steps = 2
sequence_length = 16
batch_size = 2
[log]
sample_tokens = 0
$tiny_model
END_OF_RECIPE
whales 60 >text.txt
$minke pretrain tiny.toml --out run >/dev/null 2>&1
cp -rL run/latest folder
grep -q '"num_nextn_predict_layers": 0' folder/config.json || fail "the field has moved"
sed -i 's/"num_nextn_predict_layers": 0/"num_nextn_predict_layers": 1/; s/"silu"/"swish"/' folder/config.json
# tokens of int32 [1,8]: 0 to 7
python_free_tokens() {
  local header='{"tokens":{"dtype":"I32","shape":[1,8],"data_offsets":[0,32]}}'
  printf "\\x$(printf '%x' ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
  local i; for i in 10 11 12 13 14 15 16 17; do printf "\\x$(printf '%x' $i)\\0\\0\\0"; done
}
python_free_tokens >tokens.safetensors
# alike VERB…: the folder is used like the one it was made from, and one line says what is missing.
alike() {
  "$minke" "$@" -m run/latest >plain.txt 2>plain.err || fail "$*: $(cat plain.err)"
  "$minke" "$@" -m folder >out.txt 2>err.txt || fail "$* on the folder: $(cat err.txt)"
  [ "$(grep -c 'num_nextn_predict_layers 1, but its weights have no MTP module' err.txt)" = 1 ] || fail "$*: not said once: $(cat err.txt)"
  diff <(sed 's/run.latest/folder/' plain.txt) out.txt || fail "$*: another result"
}
alike inspect
alike inspect --tensors --json
alike generate -p "The whale" -n 4 --temp 0
alike eval text text.txt
alike score --tokens tokens.safetensors --out scores.safetensors --grad
sed -i 's/"swish"/"gelu"/' folder/config.json
mistake 'hidden_act is "gelu"' $minke inspect -m folder

# A tokenizer of characters has those of the text and no others.
$minke pretrain tiny.toml --out letters --set tokenizer.kind=characters >letters.txt 2>&1 || fail "$(cat letters.txt)"
$minke tokenizer inspect -t letters/latest >inspected.txt
[ "$(awk '/^ids/ { print $2 }' inspected.txt)" = "$(sed 's/./&\n/g; s/$/\n/' text.txt | sort -u | grep -c .)" ] ||
  fail "characters: $(cat inspected.txt)"

# A qwen2 model gets Qwen's splitter; another one in its folder is said to be read otherwise.
dense="[model]
model_type = \"qwen2\"
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 24"
sed '/^\[model\]/,$d' tiny.toml >dense.toml
echo "$dense" >>dense.toml
$minke pretrain dense.toml --out qwen >qwen.txt 2>&1 || fail "$(cat qwen.txt)"
! grep -q transformers qwen.txt || fail "a note on its own tokenizer: $(cat qwen.txt)"
grep -q '"NFC"' qwen/latest/tokenizer.json || fail "no NFC"
$minke tokenizer inspect -t qwen/latest 2>err.txt | grep 'pre-tokenizer   qwen2' >/dev/null && [ ! -s err.txt ] || fail "inspect: $(cat err.txt)"
$minke pretrain dense.toml --out other --set tokenizer.path=run/latest >other.txt 2>&1 || fail "$(cat other.txt)"
[ "$(grep -c 'transformers 5 gives other ids than' other.txt)" = 1 ] || fail "pretrain: not said once: $(cat other.txt)"
cp run/latest/tokenizer.json run/latest/tokenizer_config.json qwen/latest/
for verb in "generate -m qwen/latest -p The -n 1" "tokenizer encode -t qwen/latest The" "eval text -m qwen/latest text.txt"; do
  $minke $verb >out.txt 2>err.txt || fail "$verb: $(cat err.txt)"
  [ "$(grep -c 'transformers 5 gives other ids than' err.txt)" = 1 ] || fail "$verb: not said once: $(cat err.txt)"
done
