#!/usr/bin/env bash
# Distillation on a teacher's log-probabilities, as a user goes: minke sample --top-logprobs, sft.soft_targets, minke distill with both;
# a student learns from them; stopped and resumed; mistakes.
. "$(dirname "$0")/lib.sh"
echo "$thinking_base" >base.toml
"$minke" pretrain base.toml --out teacher >out.txt 2>&1 || fail "$(cat out.txt)"
"$minke" pretrain base.toml --out small --set train.seed=2 --set train.steps=20 --set tokenizer.path=teacher/latest >out.txt 2>&1 || fail "$(cat out.txt)"
sample=("$minke" sample -m teacher/latest --temp 0.7 --top-p 1 --max-new 60 --task chains:2 --task arithmetic:1 -n 60 -k 8)

"${sample[@]}" --out plain.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
"${sample[@]}" --top-logprobs 4 --out s.jsonl --responses r.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
if python=$(command -v python3); then
  "$python" - <<'END' || fail "the lines are not what was drawn, with its log-probabilities"
import json, math
plain = [json.loads(l) for l in open("plain.jsonl")]
kept = [json.loads(l) for l in open("s.jsonl")]
drawn = {(d["task"], d["level"], d["problem"], d["sample"]): d for d in map(json.loads, open("r.jsonl"))}
assert len(drawn) == 960
for k in kept:
    assert k["top_logprobs"] == drawn[k["task"], k["level"], k["problem"], k["sample"]]["top_logprobs"]
    del k["top_logprobs"]
assert kept == plain and kept
likeliest = tokens = 0
for d in drawn.values():
    top = d["top_logprobs"]
    assert len(top["tokens"]) == len(top["ids"]) == len(top["logprobs"]) == d["tokens"]
    for token, ids, logs in zip(top["tokens"], top["ids"], top["logprobs"]):
        assert len(set(ids)) == len(logs) == 4 and logs == sorted(logs, reverse=True)
        assert 4 / 400 < sum(map(math.exp, logs)) < 1.001
        tokens += 1
        likeliest += token == ids[0]
assert 0.4 < likeliest / tokens < 1  # drawn at temperature 0.7
assert len({d["top_logprobs"]["vocabulary"] for d in drawn.values()}) == 1
END
fi
# Stopped and resumed, and by fewer at once: the same bytes.
head -n 200 r.jsonl >part.jsonl
"${sample[@]}" --top-logprobs 4 --out p.jsonl --responses part.jsonl --resume >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^200 of 960 answers are in part.jsonl' err.txt || fail "$(cat err.txt)"
cmp s.jsonl p.jsonl || fail "stopped and resumed: other data"
"${sample[@]}" --top-logprobs 4 -b 7 --out q.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
cmp s.jsonl q.jsonl || fail "other data with a smaller batch"

# A small teacher is seldom right. What a student learns of it does not depend on that: here all its answers are.
sed 's/"strict":0.0/"strict":1.0/' r.jsonl >forged.jsonl
"${sample[@]}" --top-logprobs 4 --out all.jsonl --responses forged.jsonl --resume >out.txt 2>err.txt || fail "$(cat err.txt)"
[ "$(wc -l <all.jsonl)" -gt 300 ] || fail "only $(wc -l <all.jsonl) answers: $(cat out.txt)"
sed 's/,"top_logprobs":.*/}/' all.jsonl >bare.jsonl

# A run that does not ask for them has the weights that it would have without them.
sft=("$minke" sft -m small/latest --set train.sequence_length=128 --set train.batch_size=8 --set sft.chat_template=r1 --set sft.epochs=1
  --set log.sample_tokens=0 --set log.save_every=0.5 --set log.eval_every=0.25 --set data.held_out_fraction=0.1 --set train.lr=3e-3)
"${sft[@]}" bare.jsonl --out without >out.txt 2>&1 || fail "$(cat out.txt)"
"${sft[@]}" all.jsonl --out unread --set sft.soft_targets=0 >out.txt 2>&1 || fail "$(cat out.txt)"
! grep -q '^teacher' out.txt || fail "a teacher is named that is not read: $(cat out.txt)"
cmp without/latest/model.safetensors unread/latest/model.safetensors || fail "lines with log-probabilities: other weights"

# The student comes nearer to its teacher, and nearer than by its answers alone.
"${sft[@]}" all.jsonl --out soft --set sft.soft_targets=1 >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^teacher  *[0-9.k]* of the targets have its distribution, 1 of their loss; [0-9]* answers are not all of its tokens$' out.txt || fail "$(cat out.txt)"
grep -q '^final .*: held-out .* nats per target, [0-9.]* from the teacher.s distribution (' out.txt || fail "$(cat out.txt)"
"${sft[@]}" all.jsonl --out hard --set sft.soft_targets=0.001 >hard.txt 2>&1 || fail "$(cat hard.txt)"
if [ -n "$python" ]; then
  "$python" - <<'END' || fail "the student does not come nearer to the teacher"
import json
def distances(run): return [j["eval_teacher_kl"] for j in map(json.loads, open(run + "/log.jsonl")) if "eval_teacher_kl" in j]
soft, hard = distances("soft"), distances("hard")
print("from the teacher, nats per target: soft", soft, "hard", hard)
assert len(soft) >= 3 and soft[-1] < 0.9 * soft[0] and soft[-1] < hard[-1]
END
fi
! cmp -s soft/latest/model.safetensors without/latest/model.safetensors || fail "the share has no effect"
"$minke" generate -m soft/latest -p 'User: Compute 1+2' -n 5 >out.txt 2>&1 || fail "$(cat out.txt)"

# Killed and resumed, and without the file: the same bits.
cp all.jsonl lent.jsonl
killed_at_checkpoint stopped "${sft[@]}" lent.jsonl --out stopped --set sft.soft_targets=1
rm lent.jsonl
"${sft[@]}" lent.jsonl --out stopped --resume --set sft.soft_targets=1 >out.txt 2>&1 || fail "$(cat out.txt)"
cmp soft/latest/model.safetensors stopped/latest/model.safetensors || fail "killed and resumed: other weights"

# minke distill does both.
distill=("$minke" distill -m small/latest --teacher teacher/latest --task chains:2 --task arithmetic:1 -n 60 -k 8 --prompt brief
  --set teach.sample.temperature=0.7 --set teach.sample.top_p=1.0 --set teach.sample.max_new=60)
student=()
for set in train.sequence_length=128 train.batch_size=2 sft.chat_template=r1 sft.epochs=1 log.sample_tokens=0 data.held_out_fraction=0; do
  distill+=(--set "student.$set") student+=(--set "$set")
done
"${distill[@]}" --top-logprobs 4 --soft-targets 1 --out both >out.txt 2>&1 || fail "$(cat out.txt)"
cmp s.jsonl both/teach/samples.jsonl || fail "minke distill keeps other answers"
"$minke" sft s.jsonl -m small/latest --out alone --set sft.soft_targets=1 "${student[@]}" >out.txt 2>&1 || fail "$(cat out.txt)"
cmp alone/latest/model.safetensors both/latest/model.safetensors || fail "minke distill makes another student"
"${distill[@]}" --top-logprobs 4 --out half >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '^soft_targets = 0.5$' half/pipeline.toml && grep -q '^top_logprobs = 4$' half/pipeline.toml || fail "$(cat half/pipeline.toml)"
grep -q 'have its distribution, 0.5 of their loss' out.txt || fail "$(cat out.txt)"

# --- mistakes
mistake '--readable rewrites the answers, and --top-logprobs 4 is of the tokens' "${sample[@]}" --top-logprobs 4 --readable --out x.jsonl
mistake '--top-logprobs' "${sample[@]}" --top-logprobs 65 --out x.jsonl
mistake 'was answered with other settings (top_logprobs 4, now 5)' "${sample[@]}" --top-logprobs 5 --out x.jsonl --responses r.jsonl --resume
mistake 'was answered with other settings (top_logprobs 4, now none)' "${sample[@]}" --out x.jsonl --responses r.jsonl --resume
[ ! -e x.jsonl ] || fail "something was written"
bad() { local expected=$1; shift; mistake "$expected" "${sft[@]}" "$@" --out new; rm -rf new; }
bad 'bare.jsonl, line 1: no "top_logprobs", which sft.soft_targets learns from' bare.jsonl --set sft.soft_targets=0.5
bad 'no teacher has written builtin:chats' all.jsonl builtin:chats --set sft.soft_targets=0.5
bad 'sft.soft_targets' all.jsonl --set sft.soft_targets=1.5
sed 's/"vocabulary":"[^"]*"/"vocabulary":"ffff"/' all.jsonl >other.jsonl
bad 'other.jsonl, line 1: the teacher has another vocabulary (ffff) than the student' other.jsonl --set sft.soft_targets=0.5
sed 's/"ids":\[\[/"ids":[[-/' all.jsonl >damaged.jsonl
bad 'damaged.jsonl, line 1: "top_logprobs": ' damaged.jsonl --set sft.soft_targets=0.5
sed 's/"content":"[^"]*think/"content":"No <think/' all.jsonl >otherwise.jsonl
bad 'is the answer made of the tokens that the teacher has drawn' otherwise.jsonl --set sft.soft_targets=0.5
mistake 'give --top-logprobs' "${distill[@]}" --soft-targets 0.5 --out new
mistake 'but stage:teach writes no log-probabilities: set teach.sample.top_logprobs=8' "${distill[@]}" --set student.sft.soft_targets=0.5 --out new
mistake 'sample.readable rewrites the answers' "${distill[@]}" --top-logprobs 4 --set teach.sample.readable=true --out new
"$minke" pretrain base.toml --out stranger --set train.steps=2 --set tokenizer.vocab_size=280 >out.txt 2>&1 || fail "$(cat out.txt)"
mistake 'have other tokens: the log-probabilities of stage teach mean nothing to this student' \
  "$minke" distill -m stranger/latest --teacher teacher/latest --task chains:2 --prompt brief --top-logprobs 4 --set student.sft.chat_template=r1 \
  --set student.train.sequence_length=128 --out new
[ ! -e new ] || fail "something was left behind: $(ls new)"
echo ok
