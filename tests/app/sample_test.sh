#!/usr/bin/env bash
# minke sample, as a user goes: right answers become data that minke sft learns from; what was dropped is said; stopped and resumed;
# mistakes.
. "$(dirname "$0")/lib.sh"
echo "$thinking_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
sample=("$minke" sample -m base/latest --temp 0.7 --top-p 1 --max-new 60 --task chains:2 --task arithmetic:1 -n 200 -k 8)

"${sample[@]}" --out s.jsonl --counts c.json --responses r.jsonl --sometimes some.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^chain:2: .* % of 1600 answers are kept, for .* of .* questions; dropped: .* wrong' out.txt || fail "$(cat out.txt)"
grep -q '^all: .* % of 3200 answers' out.txt || fail "$(cat out.txt)"
grep -q 'answers .*/3200  right .* tok/s  ETA ' err.txt || fail "no progress: $(cat err.txt)"
[ "$(wc -l <r.jsonl)" = 3200 ] || fail "$(wc -l <r.jsonl) answers"
if python=$(command -v python3); then
  "$python" - <<'END' || fail "the data is not the right answers, or the counts are others"
import json
drawn = [json.loads(l) for l in open("r.jsonl")]
kept = [json.loads(l) for l in open("s.jsonl")]
counts = json.load(open("c.json"))
right = {(d["prompt"], d["response"].strip()) for d in drawn if d["strict"] == 1 and d["format"] == 1 and not d["truncated"]}
said = [("User: %s\nAssistant:" % k["messages"][0]["content"], k["messages"][1]["content"]) for k in kept]
assert set(said) == right and len(said) == len(right) > 8
key = lambda k: (k["task"] == "arithmetic", k["problem"], k["sample"])  # in the order of the flags
assert kept == sorted(kept, key=key)
c = counts["all"]
assert c["drawn"] == 3200 and c["kept"] == len(kept) and c["drawn"] == c["kept"] + sum(c["rejected"].values())
assert c["rejected"]["wrong"] == sum(d["strict"] < 1 and not d["truncated"] for d in drawn)
assert c["rejected"]["unfinished"] == sum(d["truncated"] for d in drawn)
assert c["questions_kept"] == len({q for q, _ in said}) and c["questions"] == len({d["prompt"] for d in drawn})
assert [(b["task"], b["level"]) for b in counts["by_level"]] == [("arithmetic", 1), ("chain", 2)]
assert sum(b["kept"] for b in counts["by_level"]) == c["kept"]
assert counts["settings"]["train_seed"] == 1
share = {}
for d in drawn: share.setdefault((d["task"], d["level"], d["problem"]), []).append(d["strict"] == 1 and not d["truncated"])
some = [(t["task"], t["level"], t["question"]) for t in map(json.loads, open("some.jsonl"))]
asked = {(d["task"], d["level"], d["problem"]): d["prompt"] for d in drawn}
assert len(some) > 8 and sorted(some) == sorted((k[0], k[1], asked[k][6:-11]) for k, r in share.items() if any(r) and not all(r))
END
fi
# No question of the test split is among them.
"$minke" corpus tasks --task chains:2 --split test --seed 1 -n 2000 --out test.jsonl >/dev/null
sed 's/.*"question":"\([^"]*\)".*/\1/' test.jsonl | sort -u >test.txt
sed 's/.*"content":"\(Compute[^"]*\)".*/\1/' s.jsonl | sort -u >train.txt
[ -s train.txt ] && [ -z "$(comm -12 test.txt train.txt)" ] || fail "test questions are trained on: $(comm -12 test.txt train.txt)"

# minke sft learns from it as it is.
"$minke" sft s.jsonl -m base/latest --out sft --set sft.chat_template=r1 --set sft.epochs=1 --set train.batch_size=2 --set train.sequence_length=128 >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '⟦.*<think>.*</answer>' out.txt || grep -q '</answer>' out.txt || fail "answers are no targets: $(cat out.txt)"

# Readable: the same answers, one sentence a line, and told to the user; graded as right by a chat's rules.
"${sample[@]}" --readable --responses readable.jsonl --out readable.out >out.txt 2>err.txt || fail "$(cat err.txt)"
[ "$(wc -l <readable.out)" = "$(wc -l <s.jsonl)" ] && [ "$(grep -c 'content":"<think>\\n.*</think>\\n\\nThe answer is \\\\boxed{[^"]*}\."' readable.out)" -ge 8 ] || fail "not readable: $(head -2 readable.out)"

# Stopped and resumed: the same data.
head -n 1000 r.jsonl >part.jsonl
"${sample[@]}" --out p.jsonl --counts p.json --responses part.jsonl --resume >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^1000 of 3200 answers are in part.jsonl' err.txt || fail "$(cat err.txt)"
cmp s.jsonl p.jsonl || fail "stopped and resumed: other data"
cmp c.json p.json || fail "stopped and resumed: other counts"
# Without --responses, by fewer at once: the same.
"${sample[@]}" -b 7 --out q.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
cmp s.jsonl q.jsonl || fail "other data with a smaller batch"
# Every rule counts.
for rule in '--per-question 1' '--longest 22' '--train-seed 2'; do
  # shellcheck disable=SC2086
  "${sample[@]}" $rule --responses rule.jsonl --out rule.out >out.txt 2>err.txt || fail "$rule: $(cat err.txt)"
  ! cmp -s rule.out s.jsonl || fail "$rule changes nothing"
  rm rule.jsonl
done
"${sample[@]}" --per-question 1 --prefer longest --out long.jsonl >out.txt 2>err.txt && "${sample[@]}" --per-question 1 --prefer shortest --out short.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
tokens() { awk -F'"tokens":' '{ sum += $NF } END { print sum }' "$1"; }
[ "$(tokens long.jsonl)" -gt "$(tokens short.jsonl)" ] || fail "the longest are not longer: $(tokens long.jsonl) $(tokens short.jsonl)"
"${sample[@]}" --language-share 0.5 --out other.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
cmp s.jsonl other.jsonl || fail "sums have words?"
# Files of problems, answers with and without their tags, in two languages: the answers are given by a file.
printf '{"question": "How many are 2 and 3?", "answer": "#### 5"}\n' >sums.jsonl
given=("$minke" sample -m base/latest --jsonl sums.jsonl -k 3 --temp 1 --top-p 1 --max-new 9 --out given.jsonl)
"${given[@]}" --responses g.jsonl >out.txt 2>err.txt || grep -q 'no answer is worth learning' err.txt || fail "$(cat err.txt)"
[ "$(wc -l <g.jsonl)" = 3 ] || fail "$(cat g.jsonl)"
forged() {  # RESPONSE…, all right, by their format
  local i=0 text
  for text; do
    i=$((i + 1))
    sed -n "${i}p" g.jsonl | sed "s|\"response\":\"[^\"]*\"|\"response\":\"$text\"|; s|\"strict\":[0-9.]*|\"strict\":1.0|; s|\"truncated\":true|\"truncated\":false|; s|\"format\":[0-9.]*|\"format\":$(grep -q '<think>.*</think>' <<<"$text" && echo 1.0 || echo 0.0)|"
  done >forged.jsonl
}
kept() { rm -f given.jsonl; "${given[@]}" --responses forged.jsonl --resume "$@" >out.txt 2>err.txt || fail "$*: $(cat err.txt)"; wc -l <given.jsonl; }
forged '<think>two and three</think><answer>5</answer>' '5' '<think>two 和 三</think><answer>5</answer>'
[ "$(kept)" = 1 ] || fail "kept: $(cat given.jsonl)"
grep -q '1 malformed, 1 mixed languages' out.txt || fail "$(cat out.txt)"
[ "$(kept --any-format)" = 2 ] && [ "$(kept --language-share 0.3)" = 2 ] && [ "$(kept --any-format --language-share 0)" = 3 ] || fail "rules: $(cat out.txt)"
"${sample[@]}" --per-question 1 --out one.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q ' surplus' out.txt || fail "$(cat out.txt)"
sed 's/.*"content":"\(Compute[^"]*\)".*/\1/' one.jsonl | sort | uniq -d | grep -q . && fail "two answers to a question"

# As a stage of a pipeline, whose answers the next one learns: the same data, and the same model as the verbs make; killed and resumed.
cat >p.toml <<'END'
[[stage]]
name = "right"
kind = "sample"
from = "base/latest"
[stage.sample]
tasks = ["chains:2", "arithmetic:1"]
problems = 200
samples = 8
max_new = 60
temperature = 0.7
top_p = 1

[[stage]]
name = "tuned"
kind = "sft"
from = "base/latest"
[stage.data]
train = ["stage:right"]
[stage.train]
batch_size = 2
sequence_length = 128
[stage.sft]
chat_template = "r1"
epochs = 1

[[stage]]
name = "rl"
kind = "grpo"
from = "base/latest"
[stage.train]
steps = 1
batch_size = 8
sequence_length = 128
lr = 1e-4
[stage.grpo]
jsonl = ["stage:right"]
group = 4
max_new = 40
eval_problems = 2
END
"$minke" pipeline p.toml --out p >out.txt 2>&1 || fail "$(cat out.txt)"
cmp s.jsonl p/right/samples.jsonl || fail "a stage keeps other answers than the verb"
cmp sft/latest/model.safetensors p/tuned/latest/model.safetensors || fail "a stage learns another model than the verb"
cmp some.jsonl p/right/sometimes.jsonl || fail "a stage finds other problems right sometimes than the verb"
echo "" >empty.toml
"$minke" grpo empty.toml -m base/latest --out rl --set train.steps=1 --set train.batch_size=8 --set train.sequence_length=128 --set train.lr=1e-4 --set 'grpo.jsonl=["some.jsonl"]' --set grpo.group=4 --set grpo.max_new=40 --set grpo.eval_problems=2 >grpo.txt 2>&1 || fail "$(cat grpo.txt)"
grep -q 'of 2 test problems right (some ' grpo.txt || fail "$(grep evaluation grpo.txt)"
# The run has its own copy of the problems.
mv some.jsonl elsewhere.jsonl
"$minke" grpo empty.toml -m base/latest --out rl --resume >grpo.txt 2>&1 || fail "a run needs the file that it began with: $(cat grpo.txt)"
mv elsewhere.jsonl some.jsonl
cmp rl/latest/model.safetensors p/rl/latest/model.safetensors || fail "a stage of GRPO learns from other problems than the verb"
grep -q '^results  *right  *sample .* of 3200 answers kept, for .* of .* questions$' out.txt || fail "no result: $(tail -4 out.txt)"
"$minke" pipeline p.toml --out k >k.txt 2>&1 & pid=$!
until [ -s k/right/responses.jsonl ]; do kill -0 $pid || fail "$(cat k.txt)"; done
kill -KILL $pid
wait $pid 2>/dev/null || true
"$minke" pipeline p.toml --out k --resume >k.txt 2>&1 || fail "$(cat k.txt)"
grep -q ' of 3200 answers are in ' k.txt || fail "the answers that were there were drawn again: $(cat k.txt)"
cmp p/right/samples.jsonl k/right/samples.jsonl && cmp p/tuned/latest/model.safetensors k/tuned/latest/model.safetensors || fail "killed and resumed: others"
# Beside a file.
printf '{"messages":[{"role":"user","content":"1+1?"},{"role":"assistant","content":"2"}]}\n' >more.jsonl
"$minke" pipeline p.toml --out m --set 'tuned.data.train=["stage:right","more.jsonl"]' --set tuned.data.held_out_fraction=0 >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q "^data  *$(($(wc -l <s.jsonl) + 1)) conversations, 0 held out" out.txt || fail "$(grep ^data out.txt), not $(wc -l <s.jsonl) and one more"
# Every key of the stage counts.
rm -r k
sed '/^$/,$d' p.toml >one.toml
for set in per_question=1 longest=22 train_seed=2 seed=2 samples=7 problems=20 temperature=1 max_new=20 top_p=0.1 'tasks=["chains:2"]'; do
  "$minke" pipeline one.toml --out k --set "right.sample.$set" >out.txt 2>&1 || fail "$set: $(cat out.txt)"
  ! cmp -s p/right/samples.jsonl k/right/samples.jsonl || fail "sample.$set changes nothing"
  rm -r k
done

"$minke" pipeline one.toml --out k --set 'right.sample.jsonl=["sums.jsonl"]' >out.txt 2>&1 || fail "$(cat out.txt)"
grep -q '"drawn": 3208' k/right/sample.json || fail "the file is not asked: $(cat k/right/sample.json)"
rm -r k

# --- mistakes
mistake 'it is of the test split' "$minke" sample -m base/latest --jsonl test.jsonl -k 2 --out new.jsonl
mistake 'none is right only sometimes' "$minke" sample -m base/latest --task chains:2 -k 1 --sometimes new.jsonl --out new2.jsonl
bad() { local expected=$1; shift; mistake "$expected" "$minke" pipeline p.toml --out new "$@"; [ ! -e new ] || fail "something was left behind: $(ls new)"; }
bad 'stage right: sample: give sample.tasks' --set right.sample.tasks=[]
bad 'stage right: sample: sample.samples 8 with sample.temperature 0' --set right.sample.temperature=0
bad 'stage right: sample: eval.samples = 3 has no effect' --set right.eval.samples=3
bad 'stage right: longest answers can be preferred only where not all are kept' --set right.sample.prefer=longest
bad 'stage right: chain:2 is asked twice' --set 'right.sample.tasks=["chains:2","chains:2"]'
bad 'finds problems that are right sometimes, for which right.sample.samples is at least 2' --set right.sample.samples=1
bad 'stage rl: grpo.jsonl: stage:tuned must name an earlier stage of kind "sample"' --set 'rl.grpo.jsonl=["stage:tuned"]'
bad 'stage rl: grpo: grpo.tasks names no task' --set 'rl.grpo.jsonl=[]'
bad 'stage tuned: data.train: stage:wrong must name an earlier stage of kind "sample"' --set 'tuned.data.train=["stage:wrong"]'
mistake 'stage right: no answer is worth learning' "$minke" pipeline p.toml --out fails --set right.sample.max_new=3
mistake 'sample: --out is missing' "${sample[@]}"
mistake 'give --task NAME' "$minke" sample -m base/latest --out x.jsonl
mistake 'there is no folder none' "${sample[@]}" --out none/x.jsonl
mistake 'name the same file' "${sample[@]}" --out x.jsonl --counts x.jsonl
ln -s r.jsonl link.jsonl
mistake '--out and --responses name the same file' "${sample[@]}" --out link.jsonl --responses r.jsonl --resume
mistake 'was answered with other settings (train_seed 1, now 5)' "${sample[@]}" --train-seed 5 --out x.jsonl --responses r.jsonl --resume
mistake 'File name too long' "${sample[@]}" --out "$(printf '%0300d' 0)"
mistake '--resume goes on from the file that --responses names' "${sample[@]}" --out x.jsonl --resume
mistake 'no answer is worth learning: 0.0 % of 8 answers' "$minke" sample -m base/latest --task chains:2 -n 2 -k 4 --max-new 3 --out x.jsonl
mistake '-k 4 with --temp 0' "$minke" sample -m base/latest --task chains:2 --temp 0 --out x.jsonl
[ ! -e x.jsonl ] || fail "something was written: $(cat x.jsonl)"
echo ok
