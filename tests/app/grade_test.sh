#!/usr/bin/env bash
# minke grade: every line comes out with its grade, in its place; mistakes are one message and leave nothing behind.
. "$(dirname "$0")/lib.sh"

cat >math.jsonl <<'END2'
{"id": 1, "prompt": "6 · 7?", "response": "so \\boxed{42}", "answer": "42"}
{"id": 2, "prompt": "6 · 7?", "response": "I think 42", "answer": 42}

{"id": 3, "prompt": "6 · 7?", "response": "\\boxed{41} or \\boxed{42}", "answer": "36 + 6 = 42\n#### 42"}
{"id": 4, "prompt": "6 · 7? <think>\n", "response": "hm</think><answer>42.0</answer>", "answer": "42", "more": [1.50]}
END2
cat >wanted.jsonl <<'END2'
{"id": 1, "prompt": "6 · 7?", "response": "so \\boxed{42}", "answer": "42","strict":1.0,"lenient":1.0,"reason":"right"}
{"id": 2, "prompt": "6 · 7?", "response": "I think 42", "answer": 42,"strict":0.0,"lenient":1.0,"reason":"right, but not marked as the answer"}

{"id": 3, "prompt": "6 · 7?", "response": "\\boxed{41} or \\boxed{42}", "answer": "36 + 6 = 42\n#### 42","strict":0.0,"lenient":0.0,"reason":"several answers"}
{"id": 4, "prompt": "6 · 7? <think>\n", "response": "hm</think><answer>42.0</answer>", "answer": "42", "more": [1.50],"strict":1.0,"lenient":1.0,"reason":"right"}
END2
$minke grade --kind math --jsonl math.jsonl --out out.jsonl >said.txt 2>&1
diff wanted.jsonl out.jsonl || fail "other grades"
[ "$(cat said.txt)" = "4 responses: strict 2 (50.0 %), lenient 3 (75.0 %)" ] || fail "said: $(cat said.txt)"
$minke grade --kind math --jsonl math.jsonl 2>said.txt | diff wanted.jsonl - || fail "other lines on standard output"
$minke grade --kind math --jsonl out.jsonl 2>/dev/null | cmp -s - <($minke grade --kind math --jsonl math.jsonl 2>/dev/null) && fail "a graded file is written anew"
[ "$($minke grade --kind math --jsonl out.jsonl 2>/dev/null | grep -c strict)" = 4 ] || fail "a graded file cannot be graded again"

echo '{"response": "<answer>6 + 1 + 5</answer>", "numbers": [6, 1, 5], "target": 12}' >one.jsonl
$minke grade --kind countdown --jsonl one.jsonl 2>&1 | grep -q '"strict":1.0' || fail "countdown"
echo '{"response": "<think>a</think><answer>b</answer>"}' >one.jsonl
$minke grade --kind format --jsonl one.jsonl 2>&1 | grep -q '"strict":1.0' || fail "format"
echo '{"response": "<think>yes 是</think>", "answer": "zh"}' >one.jsonl
$minke grade --kind language --jsonl one.jsonl 2>&1 | grep -q '"strict":0.5' || fail "language"
: >empty.jsonl
[ "$($minke grade --kind math --jsonl empty.jsonl 2>&1)" = "0 responses: strict 0 (0.0 %), lenient 0 (0.0 %)" ] || fail "an empty file"

rm out.jsonl
grade="$minke grade --kind math --jsonl"
mistake 'it would be lost' $grade math.jsonl --out math.jsonl
mistake 'none.jsonl' $grade none.jsonl --out out.jsonl
mistake '--jsonl' $minke grade --kind math
mistake 'prose' $minke grade --kind prose --jsonl math.jsonl
for line in '{"answer": "3"}' '{"response": 3, "answer": "3"}' '{"response": "3"}' '{"response": "3", "answer": {}}' '[]' '{' \
  '{"response": "3", "answer": 1e99}'; do
  { cat math.jsonl; echo "$line"; } >bad.jsonl
  mistake 'bad.jsonl, line 6' $grade bad.jsonl --out out.jsonl
done
for more in '"grader": "judge"' '"preference": 0.7'; do
  echo "{\"response\": \"They sing.\", \"answer\": \"They sing.\", $more}" >bad.jsonl
  for kind in math countdown; do
    mistake 'bad.jsonl, line 1: an answer to a chat, which no rule grades' "$minke" grade --kind $kind --jsonl bad.jsonl --out out.jsonl
  done
done
[ ! -e out.jsonl ] || fail "a mistake leaves a file behind"
nothing_left .
echo "ok"
