#!/usr/bin/env bash
# minke grade --kind code: programs run in the sandbox; where that cannot be, it says so.
. "$(dirname "$0")/lib.sh"
cat >in.jsonl <<'END'
{"response": "```python\ndef f(n):\n    return n + 1\n```", "answer": {"entry_point": "f", "test": "assert f(1) == 2"}}
{"response": "```python\nimport sys\nsys.exit(0)\n```", "answer": {"entry_point": "f", "test": "assert f(1) == 2"}}

{"response": "def f(n): return 2", "answer": {"entry_point": "f", "test": "assert f(1) == 2"}}
END
if "$minke" doctor --seconds 0.01 | grep -q '^sandbox  *no'; then
  mistake "Code that nobody has read runs only in a sandbox" "$minke" grade --kind code --jsonl in.jsonl --out out.jsonl
  [ ! -e out.jsonl ] || fail "a file without grades"
  [ "${CI:-}" != true ] || fail "no sandbox, although this is CI"
  exit 77
fi
"$minke" grade --kind code --jsonl in.jsonl --out out.jsonl 2>err.txt || fail "$(cat err.txt)"
[ "$(grep -c . out.jsonl)" = 3 ] || fail "$(cat out.jsonl)"
sed -n 1p out.jsonl | grep -qF '"strict":1.0,"lenient":1.0,"reason":"all tests pass"}' || fail "$(cat out.jsonl)"
sed -n 2p out.jsonl | grep -qF '"strict":0.0,"lenient":0.0,"reason":"the program fails: SystemExit: 0"}' || fail "$(cat out.jsonl)"
grep -qF '"strict":0.0,"lenient":1.0,"reason":"there is no fenced block of code; all tests pass"}' out.jsonl || fail "$(cat out.jsonl)"
grep -qF '3 responses: strict 1 (33.3 %), lenient 2 (66.7 %)' err.txt || fail "$(cat err.txt)"
echo '{"response": "x", "answer": {"language": "perl", "test": "x"}}' >perl.jsonl
mistake 'perl.jsonl, line 1: language "perl" of a code task; there are python, cpp' "$minke" grade --kind code --jsonl perl.jsonl --out none.jsonl
[ ! -e none.jsonl ] || fail "a file in spite of the mistake"
nothing_left .
