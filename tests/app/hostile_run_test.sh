#!/usr/bin/env bash
# Damaged and contradictory recipes, documents, token shards and states of stopped runs: `minke pretrain` refuses with
# one message and writes nothing. MINKE_SHOW=1 prints the messages.
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

recipe='[tokenizer]
vocab_size = 300
[data]
train = ["text.txt"]
documents = "blank-lines"
held_out_fraction = 0.0
[train]
steps = 2
sequence_length = 16
batch_size = 4
[log]
sample_tokens = 0
'"$tiny_model"
whales 100 >text.txt
echo "$recipe" >good.toml
$minke pretrain good.toml --out ../run -t 1 >../out.txt 2>&1 || fail "the good recipe must pass: $(cat ../out.txt)"

# --- recipes
bad_recipe() { printf '%s' "$2" >bad.toml; refused "$1" $minke pretrain bad.toml --out new -t 1; }
edit() {  # EXPECTED FROM TO
  [ "${recipe/"$2"/}" != "$recipe" ] || fail "no $2"
  bad_recipe "$1" "${recipe/"$2"/"$3"}"
}
bad_recipe 'bad.toml:1: not valid TOML' '[train'
bad_recipe 'bad.toml:1: not valid TOML' 'x'
bad_recipe 'bad.toml:2: not valid TOML' "$(printf '[train]\nlr = 1\x01')"
bad_recipe 'not valid TOML' "$(printf '\xff\xfe')"
bad_recipe 'not valid TOML' "$(printf '[a]\n[a]\n')"
bad_recipe 'not valid TOML' "$(head -c 1000000 /dev/zero | tr '\0' =)"
bad_recipe 'not valid TOML' "a = $(printf '[%.0s' {1..100000})"
bad_recipe 'not valid TOML' "a = $(printf '[#]\n%.0s' {1..100000})"
bad_recipe 'not valid TOML' "a = $(printf '{a=%.0s' {1..100000})"
bad_recipe 'too deeply nested' "a$(printf '.a%.0s' {1..100000}) = 1"
bad_recipe 'too deeply nested' "[a$(printf '.a%.0s' {1..100000})]"
bad_recipe 'data.train is missing' ''
bad_recipe 'at most 4194304 are allowed' "# $(head -c 5000000 /dev/zero | tr '\0' x)"
rm bad.toml; mkdir bad.toml; refused 'is a folder' $minke pretrain bad.toml --out new; rmdir bad.toml
refused 'none.toml' $minke pretrain none.toml --out new
edit 'there is no key train.batchsize (did you mean train.batch_size?)' batch_size batchsize
edit 'there is no section trains (did you mean train?)' '[train]' '[trains]'
edit 'there is no key model.hiden_size (did you mean model.hidden_size?)' hidden_size hiden_size
edit 'long_context.batch_size = 1000000000000 is out of range' '[log]' $'[[long_context]]\nsteps = 2\nsequence_length = 16\nlr = 1e-4\nbatch_size = 1_000_000_000_000\n[log]'
edit 'bad.toml:8: train.steps must be a whole number' 'steps = 2' 'steps = "2"'
edit 'train.steps must be a whole number' 'steps = 2' 'steps = 2.5'
edit 'train.steps must be a whole number' 'steps = 2' 'steps = nan'
edit 'train.steps must be a whole number' 'steps = 2' 'steps = 1979-05-27'
edit 'not valid TOML' 'steps = 2' 'steps = 99999999999999999999'
edit 'train.steps = -2 is out of range: it must be at least 0' 'steps = 2' 'steps = -2'
edit 'train.steps = 9223372036854775807 is out of range: it must be at most' 'steps = 2' 'steps = 9223372036854775807'
edit 'give train.steps or train.minutes' 'steps = 2' 'steps = 0'
edit 'train.batch_size = 1000000000000 is out of range' 'batch_size = 4' 'batch_size = 1_000_000_000_000'
edit 'train.sequence_length 10000000 × 4 sequences processed at once are more than' 'sequence_length = 16' 'sequence_length = 10_000_000'
edit 'train.lr must be a number' 'steps = 2' $'steps = 2\nlr = nan'
edit 'train.lr must be a number' 'steps = 2' $'steps = 2\nlr = inf'
edit 'train.lr = -1 is out of range' 'steps = 2' $'steps = 2\nlr = -1.0'
edit 'train.minutes = 1e+300 is out of range' 'steps = 2' 'minutes = 1e300'
edit 'train.precision = "f8" is unknown' 'steps = 2' $'steps = 2\nprecision = "f8"'
edit 'not a multiple of train.micro_batch_size 3' 'batch_size = 4' $'batch_size = 4\nmicro_batch_size = 3'
edit 'data.train must be a list of strings' '["text.txt"]' '[["text.txt"]]'
edit 'data.train must be a list of strings' '["text.txt"]' '3'
edit 'no.txt does not exist' text.txt no.txt
edit 'no file matches no*.txt' text.txt 'no*.txt'
edit 'tokenizer.vocab_size = 2 is out of range' 'vocab_size = 300' 'vocab_size = 2'
edit 'cannot open nowhere' 'vocab_size = 300' 'path = "nowhere"'
edit 'hidden_size is -16; it must be between' 'hidden_size = 16' 'hidden_size = -16'
edit 'hidden_size is "x", but a whole number' 'hidden_size = 16' 'hidden_size = "x"'
edit "hidden_size is $((1 << 40))" 'hidden_size = 16' "hidden_size = $((1 << 40))"
refused 'make the model smaller' $minke pretrain good.toml --out new --set model.hidden_size=262144 --set model.intermediate_size=1048576
edit 'cannot be split into n_group 3 equal groups' 'n_group = 2' 'n_group = 3'
edit 'model_type "mamba" is not known' 'hidden_size = 16' $'hidden_size = 16\nmodel_type = "mamba"'
edit 'is more than model.max_position_embeddings 8' 'hidden_size = 16' $'hidden_size = 16\nmax_position_embeddings = 8'
for set in 'train.steps' 'train.lrr=1' 'train.steps=x' 'model.hidden_size={' '=' "$(printf 'a%.0s' {1..5000})=1" "a$(printf '.a%.0s' {1..50000})=1" $'data.train=\xff'; do
  refused '' $minke pretrain good.toml --out new --set "$set"
done
rm -f bad.toml
echo "recipes: $refusals"; refusals=0

# --- documents
documents() { refused "$1" $minke pretrain good.toml "$2" --out new -t 1; rm -rf "$2"; }
jsonl() { printf "$2" >bad.jsonl; documents "$1" bad.jsonl; }
good_line='{"text": "The whale sings."}\n'
jsonl 'bad.jsonl, line 2: not valid JSON' "${good_line}not json\n"
jsonl 'bad.jsonl, line 2: not valid JSON' "${good_line}{\"text\": \"\xff\xfe\"}\n"
jsonl 'bad.jsonl, line 2: not valid JSON' "${good_line}{\"text\": \"cut"
jsonl 'bad.jsonl, line 2: a JSON object is needed' "${good_line}[1]\n"
jsonl 'bad.jsonl, line 3: no key "text"; the keys are: txt' "${good_line}\n{\"txt\": 1}\n"
jsonl '"text" must be a string' '{"text": ["a"]}\n'
jsonl 'nested deeper' "{\"text\": $(printf '[%.0s' {1..100000})\n"
jsonl 'no text' '{"text": ""}\n'
jsonl 'no text' ''
{ printf '{"'; head -c 1000000 /dev/zero | tr '\0' a; printf '": 1}'; } >bad.jsonl; documents 'no key "text"' bad.jsonl
{ printf '{"x": ['; head -c 2000000 /dev/zero | tr '\0' ,; printf ']}'; } >bad.jsonl; documents 'more than 1048576 values' bad.jsonl
head -c 300000000 /dev/zero | tr '\0' x >bad.txt; documents 'longer than 268435456 bytes' bad.txt
head -c 300000000 /dev/zero | tr '\0' x >bad.jsonl; documents 'longer than 268435456 bytes' bad.jsonl
head -c 300000000 /dev/zero | tr '\0' x | gzip -1 >bad.jsonl.gz; documents 'longer than 268435456 bytes' bad.jsonl.gz
head -c 300000000 /dev/zero | tr '\0' x | gzip -1 >bad.txt.gz; documents 'longer than 268435456 bytes' bad.txt.gz
gzip -c text.txt >whole.gz; head -c 100 whole.gz >bad.txt.gz; rm whole.gz; documents 'bad.txt.gz: the gzip data is cut off' bad.txt.gz
gzip -c text.txt | { head -c 50; head -c 4 >/dev/null; printf xxxx; cat; } >bad.txt.gz; documents 'bad.txt.gz: damaged gzip' bad.txt.gz
echo 'not gzip' >bad.txt.gz; documents 'bad.txt.gz: damaged gzip' bad.txt.gz
: >bad.txt.gz; documents 'bad.txt.gz: the gzip data is cut off' bad.txt.gz
echo 'not zstd' >bad.txt.zst; documents 'bad.txt.zst: damaged zstd' bad.txt.zst
: >bad.txt.zst; documents 'bad.txt.zst: the zstd data is cut off' bad.txt.zst
printf '\x28\xb5\x2f\xfd\x24\xff' >bad.txt.zst; documents 'bad.txt.zst: the zstd data is cut off' bad.txt.zst
mkdir empty; documents 'empty has no file that ends in' empty
ln -s bad.txt bad.txt; documents 'bad.txt' bad.txt
documents 'does not exist' $'\xff.txt'
mkfifo bad.txt; documents 'bad.txt is a pipe or a device, not a file: save what it gives in a file' bad.txt
documents 'does not exist' ''
echo "documents: $refusals"; refusals=0

# --- a stopped run: shards, recipe, state, checkpoint
sed -i 's/^steps = .*/steps = 4/' ../run/recipe.toml
resume() { refused "$1" $minke pretrain good.toml --out run --resume -t 1; }
stopped() { rm -rf run && cp -a ../run run; }
stopped; $minke pretrain good.toml --out run --resume -t 1 >../out.txt 2>&1 || fail "the run must resume: $(cat ../out.txt)"
grep -q 'resumed     at step 2 of 4' ../out.txt || fail "not resumed: $(cat ../out.txt)"
flip() { printf '\x55' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
shard=run/data/train-00000.bin state=run/latest/train/state.json tensors=run/latest/train/state.safetensors
stopped; flip $shard 3; resume 'train-00000.bin: not a token shard'
stopped; flip $shard 8; resume 'train-00000.bin: shard version'
for at in 12 17 30 33 41 50 60; do stopped; flip $shard $at; resume 'train-00000.bin: the header is damaged'; done
for at in 64 700; do stopped; flip $shard $at; resume 'the tokens are damaged (checksum)'; done
for bytes in 0 10 64 1000; do stopped; truncate -s $bytes $shard; resume 'train-00000.bin'; done
stopped; truncate -s +8 $shard; resume 'bytes, expected'
stopped; rm $shard; resume 'train-00000.bin'
stopped; rm $shard; mkdir $shard; resume 'is a folder'
for text in '' '[]' '{"version": 1e99}' '{"version": 7}' '{"version": 1, "train_shards": -1}' '{"version": 1, "train_shards": 1000000}'; do
  stopped; echo "$text" >run/data/dataset.json; resume 'dataset.json'
done
for text in '' 'x' '[train]' 'train.steps = "x"'; do stopped; echo "$text" >run/recipe.toml; resume 'run/recipe.toml'; done
stopped; rm run/latest/train/state.json; resume 'state.json'
for text in '' '[]' '3' '{"step": 2}' '{"step": "2"}'; do stopped; echo "$text" >$state; resume 'state.json'; done
json() { stopped; sed -i "s/\"$2\": [^,]*/\"$2\": $3/" $state; resume "$1"; }
json 'step -1 of a run with 4' step -1
json 'step 5 of a run with 4' step 5
json 'step 9223372036854775807 of' step 9223372036854775807
json 'sequence 18446744073709551615 of epoch 0' sequence 18446744073709551615
json 'of epoch 18446744073709551615' epoch 18446744073709551615
json 'wrong type' sequence '"1"'
for field in files load_window good_losses; do stopped; sed -i "s/\"$field\":/\"$field\": 3, \"old\":/" $state; resume 'wrong type'; done
stopped; sed -zi 's/,\n[^\n]*state.safetensors": [^\n]*//' $state; resume 'no checksum of train/state.safetensors'
json 'phase 7 at step 2' phase 7
json 'phase -1 at step 2' phase -1
stopped; sed -i 's/\(state.safetensors": "\)../\1zz/' $state; resume 'is damaged (checksum)'
stopped; sed -i 's/"[^"]*\(state.safetensors": \)/"..\/..\/x\1/' $state; resume 'is not a file of a checkpoint'
stopped; sed -i 's/"[^"]*\(state.safetensors": \)/"train\/none\1/' $state; resume 'train/none'
stopped; flip $tensors $(($(stat -c %s $tensors) - 7)); resume 'state.safetensors of the same checkpoint is damaged'
stopped; truncate -s 100 $tensors; resume 'state.safetensors'
stopped; rm $tensors; resume 'state.safetensors'
stopped; sed -i 's/^intermediate_size = .*/intermediate_size = 32/' run/recipe.toml; resume 'state.safetensors'
stopped; rm run/latest; ln -s checkpoints/none run/latest; resume 'run/latest'
stopped; rm run/latest; ln -s latest run/latest; resume 'latest'
stopped; rm run/tokenizer/tokenizer.json; resume 'tokenizer.json'
stopped; echo x >run/tokenizer/tokenizer.json; resume 'tokenizer.json'
echo "stopped runs: $refusals"
