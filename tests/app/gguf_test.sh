#!/usr/bin/env bash
# A GGUF file in every verb with -m: the results of the folder it was made from. Then damaged files, a missing part, and
# folders that hold GGUF files: one message each.
. "$(dirname "$0")/lib.sh"
export LC_ALL=C
gguf_of=$3
echo 'the whale sings, and the sea is blue: 0123456789' >../text.txt
make() {  # GOLDEN: ../GOLDEN is its folder with a tokenizer, ../GOLDEN.gguf the same as a file
  mkdir ../$1
  cp "$source"/tests/golden/$1/{config.json,model.safetensors} ../$1
  $minke tokenizer train ../text.txt --kind characters --out ../$1 >../out.txt 2>&1 || fail "$(cat ../out.txt)"
  $gguf_of ../$1 ../$1.gguf ../$1
  cp "$source/tests/golden/$1/expected.safetensors" ../$1.tokens
}
# alike GOLDEN VERB…: the same from both.
alike() {
  local golden=$1; shift
  "$minke" "$@" -m ../$golden >../a.txt 2>../a.err || fail "$* on the folder: $(cat ../a.err)"
  "$minke" "$@" -m ../$golden.gguf >../b.txt 2>../b.err || fail "$* on the file: $(cat ../b.err)"
  diff ../a.txt <(sed "s/$golden.gguf/$golden/; s/the metadata/config.json/" ../b.txt) || fail "$*: another result"
}
for golden in v3 v2 llama qwen2; do
  make $golden
  alike $golden inspect
  alike $golden generate -p the -n 4 --temp 0 --dtype f32
  alike $golden generate -p the -n 4 --temp 0
  alike $golden eval text ../text.txt
  for model in ../$golden ../$golden.gguf; do
    $minke score -m $model --tokens ../$golden.tokens --out ../scores-$(basename $model) --grad >../out.txt 2>&1 || fail "$(cat ../out.txt)"
  done
  cmp ../scores-$golden ../scores-$golden.gguf || fail "score: other bits"
done
echo '{"question": "the sea is", "choices": ["blue", "the whale"], "answer": 0}' >../questions.jsonl
alike v3 eval choices ../questions.jsonl
$minke inspect -m ../v3.gguf --tensors | grep 'model.layers.1.mlp.experts.3.up_proj.weight .* F32$' >/dev/null || fail "inspect --tensors"
[ "$($minke tokenizer encode -t ../v3 'the whale')" = "$($minke tokenizer encode -t ../v3.gguf 'the whale')" ] || fail encode
[ "$($minke tokenizer decode -t ../v3.gguf $($minke tokenizer encode -t ../v3.gguf 'blue whale'))" = 'blue whale' ] || fail decode

# --- damaged files
inspect="$minke inspect -m" generate="$minke generate -p the -n 2 -m" encode="$minke tokenizer encode the -t"
score="$minke score --tokens ../v3.tokens --out scores.safetensors -m"
refused_file() { for verb in "$inspect" "$generate" "$score"; do refused "$1" $verb $2; done; }
bytes=$(wc -c <../v3.gguf)
for length in 0 3 10 100 1000 5000 $((bytes / 2)) $((bytes - 1)); do
  head -c $length ../v3.gguf >m.gguf
  refused_file 'm.gguf: ' m.gguf
done
echo 'no GGUF at all' >m.gguf; refused_file 'm.gguf: ' m.gguf; refused 'm.gguf: ' $encode m.gguf
rm m.gguf; refused_file 'm.gguf' m.gguf
echo text >m
for verb in "$generate" "$score"; do refused 'm is no GGUF file; of a Hugging Face checkpoint give the folder' $verb m; done
rm m
mkdir m.gguf; refused_file 'm.gguf' m.gguf; rmdir m.gguf
mkfifo m.gguf; refused_file 'm.gguf is a pipe or a device' m.gguf; rm m.gguf
little_endian() { local i; for ((i = 0; i < $2; i++)); do printf "\\x$(printf %x $(($1 >> 8 * i & 255)))"; done; }
text() { little_endian ${#1} 8; printf %s "$1"; }
number() { text $1; little_endian 4 4; little_endian $2 4; }  # KEY U32
word() { text $1; little_endian 8 4; text $2; }
header() { printf GGUF; little_endian 3 4; little_endian $1 8; little_endian $2 8; }  # TENSORS KEYS
tensor() { text token_embd.weight; little_endian 2 4; little_endian $1 8; little_endian $2 8; little_endian 0 4; little_endian 0 8; }
{ header 1 1; word general.architecture llama; tensor $((1 << 30)) $((1 << 30)); head -c 4096 /dev/zero; } >m.gguf
refused_file 'token_embd.weight' m.gguf
{ header 1 1; word general.architecture llama; tensor $((1 << 62)) 16; head -c 4096 /dev/zero; } >m.gguf
refused_file 'token_embd.weight' m.gguf
{ header $((1 << 60)) 1; word general.architecture llama; } >m.gguf; refused_file 'm.gguf: ' m.gguf
{ header 0 $((1 << 60)); word general.architecture llama; } >m.gguf; refused_file 'm.gguf: ' m.gguf
{ header 0 1; word general.architecture mamba; } >m.gguf; refused_file '"mamba"; minke reads deepseek2' m.gguf
{ header 0 1; word general.architecture llama; } >m.gguf; refused_file 'm.gguf: ' m.gguf
refused 'has no tokenizer' $encode m.gguf
edited() {  # EXPECTED FROM TO: the file with other bytes
  sed "s/$2/$3/" ../v3.gguf >m.gguf
  cmp -s m.gguf ../v3.gguf && fail "no $2"
  for verb in "$generate" "$encode"; do refused "$1" $verb m.gguf; done
}
edited 'tokenizer.ggml.pre is "deepseek-v9"' deepseek-v3 deepseek-v9
edited 'tokenizer.ggml.model is "bert"' gpt2 bert
sed 's/blk.1.attn_norm/blk.1.attn_nerm/' ../v3.gguf >m.gguf; refused_file 'blk.1.attn_nerm.weight has no place' m.gguf
rm m.gguf

# --- parts
part() { header 0 3; word general.architecture llama; number split.no $1; number split.count 2; }
part 0 >m-00001-of-00002.gguf
refused_file 'part 2 of 2, m-00002-of-00002.gguf, is missing; download it into the same folder' m-00001-of-00002.gguf
part 0 >m-00002-of-00002.gguf; refused_file 'its metadata says part 1 of 2' m-00001-of-00002.gguf
mv m-00001-of-00002.gguf m.gguf; refused_file 'names must end in -00001-of-00002.gguf' m.gguf
rm ./*.gguf

# --- folders
mkdir folder
cp ../v3.gguf folder/b.gguf; cp ../v3.gguf folder/a.gguf
for verb in "$inspect" "$generate" "$score" "$encode"; do refused 'give folder/a.gguf' $verb folder; done
cp ../v3/config.json folder; refused 'it has a GGUF file: give folder/a.gguf' $generate folder
rm -r folder

# --- a tokenizer of another model
$minke tokenizer train ../text.txt --vocab-size 300 --out ../larger >../out.txt 2>&1 || fail "$(cat ../out.txt)"
cp -r ../v3 larger; cp ../larger/* larger
for verb in "$generate larger" "$minke eval text ../text.txt -m larger"; do refused 'tokens, the model only 41: they do not belong together' $verb; done
echo "refused: $refusals"
