# For tests of the program: an empty folder, and checks that say what they saw.
set -Eeuo pipefail
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/} line $LINENO: exit code $?: $BASH_COMMAND" >&2' ERR
minke=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }
# The model section of a recipe, as small as one with experts can be.
tiny_model="[model]
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
q_lora_rank = 8
kv_lora_rank = 8
qk_nope_head_dim = 8
qk_rope_head_dim = 4
v_head_dim = 8
intermediate_size = 24
first_k_dense_replace = 1
n_routed_experts = 4
num_experts_per_tok = 2
moe_intermediate_size = 8
n_group = 2
topk_group = 1"
# The model section of a recipe whose matrices have whole blocks of weights; the test adds its layers and experts.
wide_model="[model]
hidden_size = 256
num_attention_heads = 4
q_lora_rank = 64
kv_lora_rank = 64
qk_nope_head_dim = 32
qk_rope_head_dim = 32
v_head_dim = 32
intermediate_size = 512
first_k_dense_replace = 1
n_shared_experts = 1
num_experts_per_tok = 2
n_group = 2
topk_group = 1"
# A recipe of a base that has read a little of everything, with an MTP module.
text_base="[tokenizer]
vocab_size = 400
[data]
train = [\"builtin:\"]
builtin_bytes = 100_000
[train]
steps = 2
sequence_length = 128
batch_size = 4
[log]
eval_tokens = 50
sample_tokens = 0
needle_lengths = []
$tiny_model
num_nextn_predict_layers = 1"
# A recipe whose model knows the format of thoughts and answers, after seconds; the test may add to its model.
thinking_base="[tokenizer]
vocab_size = 400
pretokenizer = \"single_signs\"
tags = [\"<answer>\", \"</answer>\"]
[data]
train = [\"builtin:facts,chains\"]
builtin_bytes = 400_000
packing = \"best-fit\"
mask_documents = true
[train]
steps = 150
sequence_length = 128
batch_size = 16
lr = 5e-3
[log]
eval_every = 1.0
eval_tokens = 500
sample_tokens = 0
[model]
hidden_size = 64
num_hidden_layers = 2
num_attention_heads = 2
q_lora_rank = 32
kv_lora_rank = 32
qk_nope_head_dim = 16
qk_rope_head_dim = 16
v_head_dim = 16
intermediate_size = 128
first_k_dense_replace = 1
n_routed_experts = 4
num_experts_per_tok = 2
moe_intermediate_size = 48
n_group = 2
topk_group = 1"
# The text that the recipe is trained on: whales 200 >text.txt
tiny_data='[tokenizer]
vocab_size = 270
[data]
train = ["text.txt"]
documents = "blank-lines"
held_out_fraction = 0.05'
whales() { local i; for ((i = 1; i <= $1; i++)); do printf 'The whale number %d sings, and the sea is blue.\n\n' "$i"; done; }
# No leftovers of interrupted writing in FOLDER.
nothing_left() { [ -z "$(find "$1" -name '*.tmp*' -o -name '*.old')" ] || fail "left behind: $(find "$1" -name '*.tmp*' -o -name '*.old')"; }
# killed_at_checkpoint FOLDER COMMAND…: runs it in out.txt, and kills it as soon as the run in FOLDER has a checkpoint.
killed_at_checkpoint() {
  local folder=$1 pid
  shift
  "$@" >out.txt 2>&1 & pid=$!
  until [ -e "$folder/latest" ]; do sleep 0.02; kill -0 $pid 2>/dev/null || break; done
  kill -KILL $pid 2>/dev/null || true
  wait $pid || true
}
# mistake EXPECTED COMMAND…: exit code 2, one message on stderr that holds EXPECTED.
mistake() {
  local expected=$1 code=0
  shift
  "$@" >out.txt 2>err.txt || code=$?
  [ $code = 2 ] || fail "exit code $code instead of 2: $*: $(cat err.txt)"
  grep -qF -- "$expected" err.txt || fail "message lacks '$expected': $*: $(cat err.txt)"
  [ "$(grep -c '^minke: ' err.txt)" -le 1 ] || fail "more than one message: $(cat err.txt)"
}
# refused EXPECTED COMMAND…: hostile input. As `mistake`, and: one line on stderr (beside those that name the machine and the memory),
# of bounded length; nothing written; within 10 seconds of computing and 4 GiB of addresses. Outputs stand outside of the folder that is compared.
seconds=10 refusals=0
[ -z "${MINKE_SANITIZED:-}" ] || seconds=100
mkdir inputs && cd inputs
listing() { find . -mindepth 1 -printf '%p %y %s %T@ %l\n' | sort; }
refused() {
  local expected=$1 code=0 before
  shift
  before=$(listing)
  (
    # Sanitizers reserve terabytes of addresses.
    [ -n "${MINKE_SANITIZED:-}" ] || ulimit -v $((4 << 20))
    ulimit -t $seconds
    timeout -k 1 $((12 * seconds)) "$@"  # for what waits instead of computing
  ) >../out.txt 2>../err.txt </dev/null || code=$?
  [ $code = 2 ] || fail "exit code $code instead of 2: $*: $(head -c 2000 ../err.txt)"
  grep -v '^minke [0-9]\|^memory  ' ../err.txt >../message.txt || fail "no message: $*"
  [ "$(wc -l <../message.txt)" = 1 ] && grep -q '^minke: ' ../message.txt || fail "not one message: $*: $(cat ../err.txt)"
  [ "$(wc -c <../message.txt)" -le 1200 ] || fail "a message of $(wc -c <../message.txt) bytes: $*"
  grep -qF -- "$expected" ../message.txt || fail "message lacks '$expected': $*: $(cat ../message.txt)"
  [ "$(listing)" = "$before" ] || fail "something was written: $*: $(diff <(echo "$before") <(listing))"
  refusals=$((refusals + 1))
  [ -z "${MINKE_SHOW:-}" ] || cat ../message.txt
}
