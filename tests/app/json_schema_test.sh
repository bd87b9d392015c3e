#!/usr/bin/env bash
# minke generate --json-schema: whatever the model would say, what it writes is JSON of that form; mistakes in schemas are named.
. "$(dirname "$0")/lib.sh"
python=$(command -v python3 || true)
[ -n "$python" ] || { echo "no python3 to read JSON with"; exit 77; }
echo "$text_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
cat >person.json <<'END'
{"type": "object", "properties": {
  "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
  "tags": {"type": "array", "items": {"enum": ["sea", "whale", "鲸"]}, "maxItems": 3}, "born": {"type": "string", "format": "date"}},
 "required": ["name", "age", "tags"], "additionalProperties": false}
END
ask() { "$minke" generate -m base/latest -p "The whale" -n 110 -q --json-schema person.json "$@"; }
# Each answer ends before its tokens are used up, and is of the form.
ask --count 20 --temp 1 --seed 3 >answers.txt 2>notes.txt
"$python" - answers.txt <<'END' || fail "$(cat answers.txt)"
import json, re, sys
texts = [t for t in re.split(r"\n(?=\s*\{)", open(sys.argv[1]).read().strip())]
complete = 0
for text in texts:
    try: d = json.loads(text)
    except ValueError: continue
    complete += 1
    assert set(d) <= {"name", "age", "tags", "born"} and list(d)[:3] == ["name", "age", "tags"], d
    assert isinstance(d["name"], str) and len(d["name"]) <= 12 and 0 <= d["age"] <= 150 and type(d["age"]) is int, d
    assert len(d["tags"]) <= 3 and all(t in ("sea", "whale", "鲸") for t in d["tags"]), d
    assert "born" not in d or re.fullmatch(r"\d{4}-\d\d-\d\d", d["born"]), d
assert complete >= 5, complete
END
# The same with drafts of the MTP module; greedily, too.
[ "$(ask --temp 0 2>/dev/null)" = "$(ask --temp 0 --spec mtp 2>/dev/null)" ] || fail "drafts change the answer"
[ "$(ask --temp 1 2>/dev/null)" = "$(ask --temp 1 --spec mtp --drafts 2 2>/dev/null)" ] || fail "drafts change the answer"
# Cut off: said.
"$minke" generate -m base/latest -p "The whale" -n 3 -q --json-schema person.json 2>err.txt >out.txt
grep -q 'the answer is cut off: it is no complete JSON; a larger -n lets it end' err.txt || fail "$(cat err.txt)"
echo '{"type": "object", "properties": {"a": {"pattern": "x"}}}' >bad.json
mistake 'at #/properties/a: pattern is not supported here' "$minke" generate -m base/latest -p x --json-schema bad.json
echo '{"type": ' >bad.json
mistake 'bad.json' "$minke" generate -m base/latest -p x --json-schema bad.json
mistake 'none.json' "$minke" generate -m base/latest -p x --json-schema none.json
echo ok
