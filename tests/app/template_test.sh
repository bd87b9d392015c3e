#!/usr/bin/env bash
# minke template render: each line's conversation, an error where the template has one; mistakes are one message.
. "$(dirname "$0")/lib.sh"

mkdir t
printf '%s' "{% for m in messages %}<{{ m.role }}>{{ m['content'] | trim }}{% endfor %}{{ strftime_now('%d %b %Y') }}" >t/good.jinja
printf '%s' '{{ raise_exception("only \"user\"") }}' >t/refuses.jinja
printf '%s' '{% include "x" %}' >t/odd.jinja
cat >in.jsonl <<'END'
{"template": "good.jinja", "inputs": {"messages": [{"role": "user", "content": " 你好 \n"}]}}
{"template": "refuses.jinja", "inputs": {}}

{"template": "odd.jinja", "inputs": {}}
{"template": "good.jinja", "inputs": {"messages": [{"content": 3}]}}
END
cat >wanted.jsonl <<'END'
{"text":"<user>你好20 Jan 2025"}
{"error":"refuses.jinja: line 1: only \\\"user\\\""}
{"error":"odd.jinja: line 1: the tag {% include %} is not supported"}
{"text":"<>320 Jan 2025"}
END
render="$minke template render --templates t --jsonl in.jsonl --out out.jsonl"
$render --now 2025-01-20T12:00:00 2>said.txt
diff wanted.jsonl out.jsonl || fail "other texts"
grep -qF '2 conversations rendered, 2 refused by their template' said.txt || fail "said: $(cat said.txt)"
$render && grep -q "$(date +%Y)" out.jsonl || fail "not the clock's year: $(cat out.jsonl)"

rm out.jsonl
mistake 'template needs a verb after it: render' $minke template
mistake '"yesterday" is no time; it must be like 2025-01-20T12:00:00' $render --now yesterday
mistake 'cannot' $minke template render --templates none --jsonl in.jsonl --out out.jsonl
mistake 'none.jsonl' $minke template render --templates t --jsonl none.jsonl --out out.jsonl
for line in '{"inputs": {}}' '{"template": 3, "inputs": {}}' '{"template": "good.jinja"}' '{"template": "good.jinja", "inputs": []}' \
  '{"template": "../t/good.jinja", "inputs": {}}' '{"template": "", "inputs": {}}' '[]' '{'; do
  echo "$line" >bad.jsonl
  mistake 'bad.jsonl' $minke template render --templates t --jsonl bad.jsonl --out out.jsonl
done
mistake 'it would be lost' $minke template render --templates t --jsonl in.jsonl --out in.jsonl
[ ! -e out.jsonl ] || fail "a mistake leaves a file behind"
nothing_left .
echo "ok"
