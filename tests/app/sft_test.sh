#!/usr/bin/env bash
# minke sft, as a user goes: a base model, conversations, a chat afterwards; stopped and resumed; mistakes.
. "$(dirname "$0")/lib.sh"
echo "$text_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"

for ((i = 0; i < 60; i++)); do
  a=$((i % 7)) b=$((i % 5))
  printf '{"messages":[{"role":"user","content":"%d+%d?"},{"role":"assistant","reasoning_content":"%d and %d","content":"%d"}]}\n' \
    $a $b $a $b $((a + b))
done >c.jsonl
cat >sft.toml <<END
[data]
train = ["c.jsonl"]
held_out_fraction = 0.1
[train]
sequence_length = 64
batch_size = 4
lr = 3e-3
[sft]
epochs = 15
chat_template = "r1"
[log]
sample_tokens = 5
save_every = 0.5
END
"$minke" sft sft.toml -m base/latest --out run >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^data  *60 conversations, [0-9]* held out' out.txt || fail "no word of the data: $(cat out.txt)"
grep -q 'sample  *⟦what is learned⟧: .*<｜User｜>0+0?<｜Assistant｜><think>\\n⟦0 and 0\\n</think>\\n\\n0<｜end▁of▁sentence｜>⟧$' out.txt ||
  fail "no masked sample: $(grep sample out.txt)"
grep -q '^steps .*15 epochs' out.txt || fail "no word of the steps: $(cat out.txt)"
grep -q '^final .*nats per target' out.txt || fail "no evaluation: $(cat out.txt)"
# Of the conversations that were held out, and of nothing else.
all=$(sed -n 's/^data .* tokens, \([0-9]*\) of them targets$/\1/p' out.txt) out=$(sed -n 's/^final .*per target (\([0-9]*\) targets.*/\1/p' out.txt)
[ "$out" -gt 0 ] && [ "$((2 * out))" -lt "$all" ] || fail "$out of $all targets were held out"
first=$(sed -n 's/.*step 1\/.* loss \([0-9.]*\) .*/\1/p' out.txt | head -1) last=$(sed -n 's/.*step [0-9]*\/.* loss \([0-9.]*\) .*/\1/p' out.txt | tail -1)
awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < 0.6 * a) }' || fail "the loss does not fall: $first, then $last"
# What is left is a model with its template: it can be talked to.
printf '1+2?\n' | "$minke" chat -m run/latest -n 8 >chat.txt 2>err.txt || fail "$(cat err.txt)"
grep -q 'think' run/latest/chat_template.jinja || fail "the template of the run is not in its checkpoint"

# Stopped, and resumed without the model that it began with: the same bits.
cp -r base lent
"$minke" sft sft.toml -m lent/latest --out other --set log.sample_tokens=5 >out.txt 2>&1 & pid=$!
until [ -e other/latest ]; do sleep 0.02; kill -0 $pid 2>/dev/null || break; done
kill -INT $pid 2>/dev/null || true
wait $pid || true
rm -r lent c.jsonl
"$minke" sft sft.toml -m lent/latest --out other --resume >out.txt 2>&1 || fail "$(cat out.txt)"
cmp run/latest/model.safetensors other/latest/model.safetensors || fail "stopped and resumed: other weights"

# Killed before its first checkpoint it has no weights of its own: without the model it does not go on.
mkdir begun && cp -r other/recipe.toml other/base other/data begun
mistake 'cannot open lent' "$minke" sft sft.toml -m lent/latest --out begun --resume
"$minke" sft sft.toml -m base/latest --out begun --resume >out.txt 2>&1 || fail "$(cat out.txt)"
cmp run/latest/model.safetensors begun/latest/model.safetensors || fail "begun again: other weights"

# Built-in conversations, beside a file.
printf '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}\n' >one.jsonl
"$minke" sft one.jsonl 'builtin:chats:en*30' -m base/latest --out chats --set sft.chat_template=v3 --set train.steps=2 \
  --set train.sequence_length=128 --set train.batch_size=2 --set log.sample_tokens=0 >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^data  *31 conversations, ' out.txt || fail "built-in conversations: $(cat out.txt)"

# --- mistakes
mistake 'cannot open missing' "$minke" sft one.jsonl -m missing --out new
[ ! -e new ] || fail "something was written"
printf '{"text":"x"}\n' >text.jsonl
mistake 'text.jsonl' "$minke" sft text.jsonl -m base/latest --out new --set sft.chat_template=r1 --set train.sequence_length=64
printf '{"messages":[{"role":"user","content":"x"}]}\n' >asked.jsonl
mistake 'asked.jsonl, line 1: nothing here is to be learned' "$minke" sft asked.jsonl -m base/latest --out new \
  --set train.sequence_length=64
cp -rL base/latest endless && sed -i '/"eos_token/d' endless/*.json
mistake 'nothing ends an answer' "$minke" sft one.jsonl -m endless --out new --set sft.chat_template=r1 --set train.sequence_length=64
mistake 'sft.chat_template' "$minke" sft one.jsonl -m base/latest --out new --set sft.chat_template=other
mistake "the model's 128 positions" "$minke" sft one.jsonl -m base/latest --out new --set train.sequence_length=512
for text in builtin: builtin:chat builtin:pairs builtin:story,chats; do
  mistake "sft: data.train: $text holds no conversations" "$minke" sft $text -m base/latest --out new
done
mistake 'sft: data.train: "builtin:chats:fr": there is no language "fr". Use en, zh or en,zh' "$minke" sft builtin:chats:fr -m base/latest --out new
mistake 'sft: data.train: "builtin:chats*0": "0" is no number from 1 to' "$minke" sft 'builtin:chats*0' -m base/latest --out new
for set in tokenizer.vocab_size=300 model.hidden_size=64 grpo.group=8 data.weights=[1] data.fim_rate=0.5 train.dense=true \
  'log.choices="x"' log.needle_lengths=[32]; do
  mistake "sft: ${set%%=*} = " "$minke" sft one.jsonl -m base/latest --out new --set "$set"
done
mistake 'data.train: stage:right: only a stage of minke pipeline can name another stage' "$minke" sft stage:right -m base/latest --out new
mistake 'already holds a run' "$minke" sft one.jsonl -m base/latest --out run --set train.sequence_length=64
[ ! -e new ] || fail "something was left behind: $(ls new)"
