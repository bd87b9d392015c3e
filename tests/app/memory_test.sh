#!/usr/bin/env bash
# The memory that a run says it will take, against the most that its process has taken (VmHWM): within 5 %. What inference says
# is without the program itself, and is not exceeded.
. "$(dirname "$0")/lib.sh"
[ -z "${MINKE_SANITIZED:-}" ] || { echo "a sanitizer takes memory of its own"; exit 77; }

# close FILE: its last "memory peak A (estimated B)".
close() {
  local line
  line=$(grep -o 'memory  *peak [0-9.]* [KMG]iB (estimated [0-9.]* [KMG]iB)' "$1" | tail -1)
  [ -n "$line" ] || fail "no line with the memory: $(cat "$1")"
  awk -v line="$line" 'BEGIN {
    unit["KiB"] = 1 / 1024; unit["MiB"] = 1; unit["GiB"] = 1024
    gsub(/[()]/, "", line); split(line, w, " +")
    took = w[3] * unit[w[4]]; estimated = w[6] * unit[w[7]]
    limit = 0.05 * took
    difference = estimated > took ? estimated - took : took - estimated
    printf "%s: took %.1f MiB, estimated %.1f MiB: %.1f %%\n", ARGV[1], took, estimated, 100 * (estimated / took - 1)
    if (!(difference <= limit)) exit 1
  }' "$1" || fail "the memory of $1 was estimated wrongly: $line"
}

cat >run.toml <<END
[tokenizer]
vocab_size = 512
[data]
train = ["builtin:"]
builtin_bytes = 300_000
[train]
steps = 3
sequence_length = 128
batch_size = 16
ema_decay = 0.9
[log]
eval_tokens = 500
sample_tokens = 4
needle_lengths = []
$wide_model
num_hidden_layers = 4
n_routed_experts = 8
moe_intermediate_size = 128
num_nextn_predict_layers = 1
END
"$minke" pretrain run.toml --out plain >plain.txt
close plain.txt
# Everything in the other number format, and what is recomputed is not kept.
"$minke" pretrain run.toml --out f32 --set train.precision=f32 --set 'train.recompute=["attention", "ffn"]' >f32.txt
close f32.txt
{ cat run.toml; printf '[[long_context]]\nsteps = 2\nsequence_length = 512\nbatch_size = 8\nlr = 1e-4\n'; } >long.toml
"$minke" pretrain long.toml --out long >long.txt
close long.txt
# Reinforcement learning: a critic, and the engines that answer. So hot, all answers are as long as they may be.
cat >ppo.toml <<END
[train]
steps = 2
sequence_length = 128
batch_size = 16
[grpo]
tasks = ["chains:2"]
group = 2
max_new = 90
temperature = 20
END
"$minke" ppo ppo.toml -m plain/latest --out ppo >ppo.txt
close ppo.txt

# A reward model: another head, and texts as long as they may be.
words=$(for ((i = 0; i < 40; i++)); do printf 'whale %d ' $i; done)
for ((i = 0; i < 64; i++)); do printf '{"prompt":"%d?","chosen":"%.170s","rejected":"%.168s"}\n' $i "$words" "$words"; done >pairs.jsonl
"$minke" reward-model pairs.jsonl -m plain/latest --out judge --set train.steps=3 --set train.sequence_length=128 >judge.txt
close judge.txt

python=$(command -v python3 || true)
[ -n "$python" ] || { echo "score and generate are not tried: no python3 to write tokens and to read the peak of a process with"; exit 0; }
"$python" - <<'END'
import json, struct
b, t = 16, 128
head = json.dumps({"tokens": {"dtype": "I32", "shape": [b, t], "data_offsets": [0, 4 * b * t]}}).encode()
with open("tokens.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + struct.pack("<%di" % (b * t), *[i % 500 for i in range(b * t)]))
END
"$minke" score -m plain/latest --tokens tokens.safetensors --out out.safetensors >score.txt 2>&1
close score.txt
"$minke" score -m plain/latest --tokens tokens.safetensors --out out.safetensors --weights int8 >int8.txt 2>&1
close int8.txt
"$minke" score -m plain/latest --tokens tokens.safetensors --out out.safetensors --grad --dtype bf16 >grad.txt 2>&1
close grad.txt

# Formats of the cache; a text that is too short.
whales 50 >text.txt
"$minke" bench cache -m plain/latest --text text.txt --window 100 --tokens 500 >cache.txt 2>err.txt || fail "$(cat err.txt)"
[ "$(grep -cE '^(bf16|fp8) +[0-9]+ +250 ' cache.txt)" = 2 ] || fail "not two rows of 250 tokens: $(cat cache.txt)"
code=0
"$minke" bench cache -m plain/latest --text text.txt --window 100 --tokens 50 >/dev/null 2>err.txt || code=$?
[ $code = 2 ] && grep -q 'give more text or a smaller --window' err.txt || fail "exit code $code: $(cat err.txt)"
mistake 'the model supports at most' "$minke" bench cache -m plain/latest --text text.txt --window 5000

# peak_of COMMAND…: the most anonymous memory that its process has held, in MiB. Pages of the program, its libraries and the
# checkpoint are not in it: how many of those are touched varies. Read every 2 ms, because nothing is left to read of a process
# that has ended. What the command prints goes to out.txt and err.txt.
peak_of() {
  "$python" - "$@" <<'END'
import re, subprocess, sys, time
peak = 0
with open("out.txt", "w") as out, open("err.txt", "w") as err:
    process = subprocess.Popen(sys.argv[1:], stdout=out, stderr=err)
    while process.poll() is None:
        with open(f"/proc/{process.pid}/status") as file:
            kib = re.search(r"^RssAnon:\s+(\d+) kB", file.read(), re.M)
        peak = max(peak, int(kib[1]) if kib else 0)
        time.sleep(0.002)
print(peak / 1024)
sys.exit(process.returncode)
END
}
# A prompt that nearly fills a context of 4,096 tokens.
cp -rL plain/latest wide
sed -i 's/\("max_position_embeddings":\) *[0-9]*/\1 4096/' wide/config.json
prompt=$(for ((i = 0; i < 290; i++)); do printf 'the whale sings in the sea and '; done)
# What is no part of the estimate: the program itself, the tokenizer, stacks. Taken from one word to a model of next to nothing
# with such a tokenizer: by one thread (the scratch of others is in the estimate), and the most of five runs, because one of few
# milliseconds may end between two readings.
{ sed '/^hidden_size/,$d; /^\[model\]/d' run.toml; echo "$tiny_model"; } >tiny.toml
"$minke" pretrain tiny.toml --out tiny --set train.steps=1 --set train.ema_decay=0 >tiny.txt
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
for ((i = 0; i < 5; i++)); do
  peak_of taskset -c "$cpu" "$minke" generate -m tiny/latest -n 50 -c 64 -p hi || fail "$(cat err.txt)"
done >peaks.txt
program=$(sort -g peaks.txt | tail -1)
for types in "--dtype bf16" "--dtype f32 --cache-type f32" "--weights int8" "--weights fp8" "--cache-type fp8"; do
  # shellcheck disable=SC2086
  peak=$(peak_of "$minke" generate -m wide -n 20 -p "$prompt" $types) || fail "$types: $(cat err.txt)"
  line=$(grep -o '^memory .* cache of 4096 tokens .* = [0-9.]* MiB$' err.txt) || fail "no line with the memory: $(cat err.txt)"
  # Half a MiB: freed pieces that malloc keeps, which vary with threads.
  awk -v types="$types" -v took="$peak" -v program="$program" -v estimated="$(echo "$line" | sed 's/.* = //')" 'BEGIN {
    took -= program; estimated += 0
    printf "generate %s: took %.1f MiB, estimated %.1f MiB: %.1f %%\n", types, took, estimated, 100 * (estimated / took - 1)
    if (!(took <= estimated + 0.5 && took >= 0.7 * estimated)) exit 1
  }' || fail "the memory of generate $types was estimated wrongly: $line"
done
