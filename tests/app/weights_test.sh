#!/usr/bin/env bash
# Weights in quantised blocks, as a user asks for them: the text is that of a model with the decoded weights. Under a memory
# cgroup, routed experts that do not fit into memory are read from the file, and what does not fit at all is refused.
. "$(dirname "$0")/lib.sh"
cat >../run.toml <<END
[tokenizer]
vocab_size = 512
[data]
train = ["builtin:"]
builtin_bytes = 100_000
[train]
steps = 1
sequence_length = 256
batch_size = 1
[log]
eval_tokens = 50
sample_tokens = 0
needle_lengths = []
$wide_model
num_hidden_layers = 5
n_routed_experts = 32
num_nextn_predict_layers = 1
moe_intermediate_size = 512
END
cd ..
"$minke" pretrain run.toml --out run >out.txt 2>&1 || fail "$(cat out.txt)"
"$minke" convert run/latest --out q8.gguf --dtype q8_0 >out.txt 2>&1 || fail "$(cat out.txt)"
"$minke" convert q8.gguf --out decoded --dtype f32 >out.txt 2>&1 || fail "$(cat out.txt)"
rm -rf run

# --- what ends a conversion leaves nothing behind: Ctrl-C, and a source that is cut short
# stopped CODE MESSAGE COMMAND…: the command runs as soon as the conversion has begun to write
stopped() {
  local expected=$1 message=$2 code=0
  shift 2
  rm -f err.txt
  "$minke" convert decoded --out stopped.gguf --dtype q4_k >out.txt 2>err.txt & pid=$!
  until grep -qs '^writing' err.txt; do sleep 0.01; kill -0 $pid || fail "$(cat err.txt)"; done
  "$@"
  wait $pid || code=$?
  nothing_left .
  [ $code = "$expected" ] && grep -q "^minke: .*$message" err.txt || fail "$*: exit code $code: $(tail -1 err.txt)"
  [ ! -e stopped.gguf ] || fail "$*: there is a file"
}
interrupt() { kill -INT $pid; }
terminate() { kill -TERM $pid; }
stopped 130 'interrupted: nothing was written' interrupt
stopped 143 'interrupted: nothing was written' terminate
cp decoded/model.safetensors whole
stopped 2 'model.safetensors can no longer be read' truncate -s 5000 decoded/model.safetensors
mv whole decoded/model.safetensors

generate=("$minke" generate -p 'Once upon a' -n 24 --temp 0 -c 256 --dtype f32 --activations dtype)
integers=("${generate[@]:0:12}" --activations int8)
"${generate[@]}" -m decoded >expected.txt 2>err.txt
"${generate[@]}" -m q8.gguf >kept.txt 2>err.txt
cmp expected.txt kept.txt || fail "blocks in the file give another text"
grep -qE '^memory .* MiB weights in the file \+ [0-9.]+ [KM]iB weights' err.txt || fail "no word of the weights in the file: $(cat err.txt)"
# Q8_0 made from the values that it can say: the same blocks again.
"${generate[@]}" -m decoded --weights int8 >made.txt 2>err.txt
cmp expected.txt made.txt || fail "blocks made at loading give another text"
for weights in bf16 fp8 int4; do
  "${generate[@]}" -m decoded --weights $weights >text.txt 2>err.txt || fail "$weights: $(cat err.txt)"
  [ -s text.txt ] || fail "$weights: no text"
done
mistake '--weights' "${generate[@]}" -m decoded --weights int5

# --- activations in 8 bits, the default: weights interleaved in memory, where they lie in the file, and made when loaded
"${integers[@]}" -m q8.gguf >integers.txt 2>err.txt
! grep -q 'MiB weights in the file' err.txt || fail "interleaved weights are in memory: $(cat err.txt)"
"${integers[@]}" -m q8.gguf --no-repack >in_file.txt 2>err.txt
cmp integers.txt in_file.txt || fail "blocks in the file give another text in 8 bits"
grep -q 'MiB weights in the file' err.txt || fail "no word of the weights in the file: $(cat err.txt)"
"${integers[@]}" -m decoded --weights int8 >made.txt 2>err.txt
cmp integers.txt made.txt || fail "blocks made at loading give another text in 8 bits"
# Over 2,000 drawn tokens: the few of a greedy text can be the same ones by chance.
drawn=("$minke" generate -p 'Once upon a' -n 250 --count 8 --temp 1 -c 256 --dtype f32 -m q8.gguf)
"${drawn[@]}" >default.txt 2>err.txt
"${drawn[@]}" --activations int8 >drawn.txt 2>err.txt
cmp drawn.txt default.txt || fail "the default is other than 8 bits"
"${drawn[@]}" --activations dtype >drawn.txt 2>err.txt
! cmp -s drawn.txt default.txt || fail "activations in 8 bits give the text of FP32, to the letter"

# --- other verbs: the same figures too, with the modules of MTP
tokens=$source/tests/golden/v3/expected.safetensors
whales 20 >text.txt
# figures of MODEL [FLAGS]: into a file
figures() {
  local into=$1
  shift
  "$minke" score --tokens "$tokens" --out $into.scores -m "$@" >out.txt 2>err.txt || fail "score $*: $(cat err.txt)"
  "$minke" eval text text.txt -c 64 --dtype f32 --out $into.eval -m "$@" >out.txt 2>err.txt || fail "eval $*: $(cat err.txt)"
}
figures expected decoded
figures kept q8.gguf
figures made decoded --weights int8
for which in kept made; do
  for of in scores eval; do cmp expected.$of $which.$of || fail "$of of blocks that are $which are others"; done
done
for weights in bf16 fp8 int4; do
  figures other decoded --weights $weights
  for of in scores eval; do ! cmp -s expected.$of other.$of || fail "$of of $weights are those of f32"; done
done
figures rounded q8.gguf --activations int8
for of in scores eval; do ! cmp -s expected.$of rounded.$of || fail "$of with activations in 8 bits are those of f32"; done
rm ./*.scores
mistake '--weights int8 goes without --grad' "$minke" score --tokens "$tokens" --out x --grad -m decoded --weights int8
mistake '--activations int8 goes without --grad' "$minke" score --tokens "$tokens" --out x --grad -m decoded --activations int8

# --- with less memory than weights
[ -z "${MINKE_SANITIZED:-}" ] || { echo "a sanitizer takes memory of its own"; exit 0; }
. "$source/tests/app/memory_limit.sh"
within 200 "${generate[@]}" -m q8.gguf >out.txt 2>err.txt || fail "with 200 MiB: $(cat err.txt)"
# Not everybody sees the limit from inside.
grep -q ' 0.2 GiB memory' err.txt || { echo "the limit of a memory cgroup cannot be seen here: $(head -1 err.txt)"; exit 0; }
within 40 "${generate[@]}" -m q8.gguf >paged.txt 2>err.txt || fail "with 40 MiB: $(cat err.txt)"
cmp expected.txt paged.txt || fail "experts that are read again give another text"
grep -q 'of the routed experts do not fit into' err.txt || fail "no word about experts that do not fit: $(cat err.txt)"
within 40 "${integers[@]}" -m q8.gguf >paged.txt 2>err.txt || fail "with 40 MiB, in 8 bits: $(cat err.txt)"
cmp integers.txt paged.txt || fail "experts that are read again give another text in 8 bits"
code=0
within 40 "${generate[@]}" -m decoded >out.txt 2>err.txt || code=$?
[ $code = 2 ] || fail "exit code $code instead of 2: $(cat err.txt)"
grep -q 'no context fits' err.txt || fail "what does not fit is not said: $(cat err.txt)"
code=0
within 120 "${generate[@]}" -m decoded >out.txt 2>err.txt || code=$?
[ $code = 2 ] || fail "exit code $code instead of 2: $(cat err.txt)"
grep -q -- 'no context fits; --weights [a-z0-9]* would' err.txt || fail "no word about the weights that would fit: $(cat err.txt)"
# Neither other weights alone nor another context alone: both.
sed -i 's/"max_position_embeddings": [0-9]*/"max_position_embeddings": 200000/' decoded/config.json
code=0
within 120 "$minke" generate -p 'Once upon a' -n 24 -c 200000 --dtype f32 -m decoded >out.txt 2>err.txt || code=$?
[ $code = 2 ] || fail "exit code $code instead of 2: $(cat err.txt)"
grep -q -- 'no context fits; --weights [a-z0-9]* and a smaller --ctx-size would' err.txt ||
  fail "no word about weights and context: $(cat err.txt)"
echo "paged within 40 MiB: $(ls -l q8.gguf | awk '{printf "%.0f MiB", $5 / 1048576}') in the file"
