#!/usr/bin/env bash
# minke eval tasks, as a user goes: figures, answers with reasons, stopped and resumed; mistakes.
. "$(dirname "$0")/lib.sh"
{ echo "$thinking_base"; echo num_nextn_predict_layers = 1; } >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
tasks=("$minke" eval tasks -m base/latest --temp 1 --top-p 1 --max-new 60)

"${tasks[@]}" --task chains:2-3 -n 12 -k 4 --out f.json --responses r.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^chain:2: 12 problems, 4 answers each: pass@1 .* % \[.*\], pass@4 .*, cons@4 ' out.txt || fail "$(cat out.txt)"
grep -q 'answers .*/96  right .* tok/s  ETA ' err.txt || fail "no progress: $(cat err.txt)"
[ "$(wc -l <r.jsonl)" = 96 ] || fail "$(wc -l <r.jsonl) answers"
# The grades are those of minke grade, and the figures follow from them.
"$minke" grade --kind math --jsonl r.jsonl --out g.jsonl 2>grade.txt || fail "$(cat grade.txt)"
strict=$(grep -c '"strict":1.0,' r.jsonl || true)
grep -q "^96 responses: strict $strict " grade.txt || fail "minke grade: $(cat grade.txt), here $strict"
if python=$(command -v python3); then
  "$python" - <<'END' || fail "the figures are not those of the answers"
import json, math
lines = [json.loads(l) for l in open("r.jsonl")]
results = json.load(open("f.json"))["results"]
assert [(r["task"], r["level"], r["n"], r["k"]) for r in results] == [("chain", 2, 12, 4), ("chain", 3, 12, 4)]
for r in results:
    mine = [l for l in lines if l["level"] == r["level"]]
    assert len({(l["problem"], l["sample"]) for l in mine}) == 48
    assert all(l["reason"] and l["prompt"].startswith("User: ") for l in mine)
    right = [sum(l["strict"] for l in mine if l["problem"] == p) for p in range(12)]
    for k in (1, 2, 4):
        want = sum(1 - math.comb(4 - int(c), k) / math.comb(4, k) for c in right) / 12
        assert abs(r[f"pass@{k}"] - want) < 1e-9, (r, want)
    assert r["pass@k"] == r["pass@4"] and r["strict"] == r["pass@1"] and r["lenient"] >= r["strict"]
    assert r["ci95"][0] <= r["pass@1"] <= r["ci95"][1] and r["ci95"][0] < r["ci95"][1]
    assert abs(r["mean_tokens"] - sum(l["tokens"] for l in mine) / 48) < 1e-9
    assert 0 <= r["cons@k"] <= r["pass@k"]
END
fi

# With the MTP module's drafts: the same answers, also where tokens were drafted behind their end.
"${tasks[@]}" --task chains:2-3 -n 12 -k 4 --spec mtp --responses drafted.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
for f in r drafted; do sed 's/"settings".*//' $f.jsonl | sort >$f.txt; done
cmp r.txt drafted.txt || fail "with drafts: other answers"

# Stopped, with half a line, and resumed: the same answers. More of them later: the first stay.
sort r.jsonl >whole.txt
{ head -n 30 r.jsonl; sed -n 31p r.jsonl | head -c 100; } >part.jsonl
"${tasks[@]}" --task chains:2-3 -n 12 -k 4 -b 5 --out p.json --responses part.jsonl --resume >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^30 of 96 answers are in part.jsonl' err.txt || fail "$(cat err.txt)"
sort part.jsonl | cmp - whole.txt || fail "stopped and resumed: other answers"
cmp f.json p.json || fail "stopped and resumed: other figures"
"${tasks[@]}" --task chains:2-3 -n 13 -k 5 --responses part.jsonl --resume >out.txt 2>err.txt || fail "$(cat err.txt)"
[ "$(wc -l <part.jsonl)" = 130 ] || fail "$(wc -l <part.jsonl) answers"
head -n 96 part.jsonl | sort | cmp - whole.txt || fail "the answers that were there have changed"

# Every setting of an answer counts.
one=("$minke" eval tasks -m base/latest --task chains:2 -n 4)
answers() { "${one[@]}" "$@" --responses set.jsonl >/dev/null 2>err.txt || fail "$*: $(cat err.txt)"; sed 's/"settings".*//' set.jsonl; rm set.jsonl; }
answers >usual.txt
for set in '--test-seed 2' '--seed 2' '--temp 2' '--top-p 0.1' '--max-new 5'; do
  # shellcheck disable=SC2086
  answers $set >set.txt
  ! cmp -s set.txt usual.txt || fail "$set changes nothing"
done

# Files of problems; the chat template; programs, where they can run.
cat >sums.jsonl <<END
{"question": "What is 2 + 3?", "answer": "2 + 3 = 5 #### 5"}
{"question": "What is 2 + 4?", "answer": "2 + 4 = 6 #### 6"}
END
"${tasks[@]}" --jsonl sums.jsonl --prompt chat -k 2 --responses chat.jsonl >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^sums: 2 problems, 2 answers each' out.txt || fail "$(cat out.txt)"
[ "$(grep -c 'final answer within .*boxed{}' chat.jsonl)" = 4 ] || fail "the question does not ask for a box: $(head -1 chat.jsonl)"
cat >code.jsonl <<'END'
{"task_id": "T/0", "prompt": "def f():\n", "canonical_solution": "  return 1\n", "test": "def check(f):\n  assert f() == 1\n", "entry_point": "f"}
END
code=0
"${tasks[@]}" --jsonl code.jsonl -k 2 --out c.json >out.txt 2>err.txt || code=$?
if [ $code = 0 ]; then grep -q '"cons@k": null' c.json || fail "a vote on programs: $(cat c.json)"
else [ $code = 2 ] && grep -q 'bubblewrap\|bwrap\|namespaces\|python3' err.txt || fail "$(cat err.txt)"; fi

# --- mistakes; the files stay as they are
cp r.jsonl before.jsonl
mistake 'give --task NAME' "${tasks[@]}"
mistake 'riddles' "${tasks[@]}" --task riddles
mistake '--task: no rule grades answers to chats' "${tasks[@]}" --task chains:2 --task chat
mistake 'or give -k 0 for their bits per byte alone' "${tasks[@]}" --task chat
mistake '-k 0 asks for the bits per byte of chats alone, and chain:2, problem 0 is none' "${tasks[@]}" --task chat --task chains:2 -k 0
mistake '--judge has no effect with -k 0' "${tasks[@]}" --task chat -k 0 --judge base/latest
mistake '--responses new.jsonl has no effect with -k 0' "${tasks[@]}" --task chat -k 0 --responses new.jsonl
mistake 'chat:1, problem 0: its prompt and its good answer have' "${tasks[@]}" --task chat -n 1 -k 0 -c 50
mistake 'r.jsonl exists already: --resume' "${tasks[@]}" --task chains:2-3 -n 12 -k 4 --responses r.jsonl
mistake 'goes on only with the same' "${tasks[@]}" --task chains:2-3 -n 12 -k 4 --seed 9 --responses r.jsonl --resume
mistake '--responses names' "${tasks[@]}" --task chains:2 --resume
mistake 'name the same file' "${tasks[@]}" --task chains:2 --out a.json --responses ./a.json
mistake 'it would be lost' "${tasks[@]}" --task chains:2 --out base/latest/config.json
mistake 'asked twice' "${tasks[@]}" --task chains:2 --task chains:2-3
mistake 'would be the same; use -k 1' "${one[@]}" -k 2 --temp 0
mistake 'leaves no room' "${tasks[@]}" --task chains:2 -c 8
mistake 'leaves no room' "${tasks[@]}" --task chains:2 --prompt r1-zero  # whose words alone are longer
mistake 'there is no folder missing' "${tasks[@]}" --task chains:2 --out missing/f.json
mistake 'cannot write to --responses missing/r.jsonl' "${tasks[@]}" --task chains:2 --responses missing/r.jsonl
mistake 'cannot open missing.jsonl' "${tasks[@]}" --jsonl missing.jsonl
for bad in '7' '{' '{"settings": 3}' "$(head -1 r.jsonl | sed 's/"strict":[0-9.]*/"strict":7/')" \
  "$(head -1 r.jsonl | sed 's/"prompt":"User/"prompt":"Usar/')" "$(head -1 r.jsonl; head -1 r.jsonl)"; do
  echo "$bad" >bad.jsonl
  mistake 'bad.jsonl, line' "${tasks[@]}" --task chains:2-3 -n 12 -k 4 --responses bad.jsonl --resume
  cmp -s bad.jsonl <(echo "$bad") || fail "a file that is refused has been changed"
done
cmp r.jsonl before.jsonl || fail "a file that is refused has been changed"

# --- two models' answers to the same problems
"$minke" eval compare r.jsonl before.jsonl --draws 200 --out compared.json >out.txt 2>err.txt || fail "$(cat err.txt)"
[ "$(grep -c ' → .* p = 1 (0 problems differ)' out.txt)" = 3 ] && [ ! -s err.txt ] || fail "$(cat out.txt err.txt)"
# One more is right: the last of its answers was not.
line=$(grep -n '"strict":0.0' r.jsonl | tail -1 | cut -d: -f1)
sed "${line}s/\"strict\":0.0/\"strict\":1.0/; s/\"max_new\":[0-9]*/\"max_new\":7/" r.jsonl >better.jsonl
"$minke" eval compare r.jsonl better.jsonl --draws 200 >out.txt 2>err.txt || fail "$(cat err.txt)"
grep -q '^all: 24 problems, strict .* p = 1 (1 problem differs)' out.txt && grep -q 'asked otherwise: max_new differ' err.txt || fail "$(cat out.txt err.txt)"
mistake 'this is a file that is compared' "$minke" eval compare r.jsonl better.jsonl --out ./r.jsonl
cmp r.jsonl before.jsonl || fail "answers that were compared are overwritten"
grep -v '"problem":0,' r.jsonl >fewer.jsonl
mistake 'compare evaluations of the same problems' "$minke" eval compare r.jsonl fewer.jsonl
echo '{"question": "?"}' >bad.jsonl
mistake 'no graded answer' "$minke" eval compare r.jsonl bad.jsonl
