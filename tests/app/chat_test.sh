#!/usr/bin/env bash
# minke chat through a pipe and in a terminal, with a model that minke has trained.
. "$(dirname "$0")/lib.sh"
cat >tiny.toml <<END_OF_RECIPE
$tiny_data
[train]
steps = 2
sequence_length = 64
batch_size = 2
[log]
sample_tokens = 0
$tiny_model
END_OF_RECIPE
whales 60 >text.txt
$minke pretrain tiny.toml --out run >/dev/null 2>&1 || fail "pretrain"
chat="$minke chat -m run/latest --seed 3 -n 8"

# A pipe: an answer a question on standard output, no colours, notes on the other side; the same again.
printf 'The whale\nsings\n/stats\n' | $chat >out.txt 2>err.txt || fail "pipe: $(cat err.txt)"
! grep -q $'\033' out.txt err.txt || fail "colours in a pipe"
grep -q 'weights + .* cache of .* tokens + .* buffers and scratch = ' err.txt || fail "memory is not said: $(cat err.txt)"
grep -q 'prompt tokens, [1-9][0-9]* of them known already' err.txt || fail "the first turn was computed again: $(cat err.txt)"
printf 'The whale\nsings\n/stats\n' | $chat -q >again.txt 2>err.txt
diff out.txt again.txt || fail "another answer with the same seed"
! grep -q 'minke 0' err.txt || fail "--quiet is not quiet"

# Saved, loaded, gone on with; a mistake has one line and exit code 2, and the rest is answered.
printf 'The whale\n/save c.jsonl\n' | $chat -q >/dev/null 2>&1 || fail "save"
grep -q '^{"messages":\[{"role":"user","content":"The whale"},{"role":"assistant","content":' c.jsonl || fail "$(cat c.jsonl)"
printf 'sings\n' | $chat -q --load c.jsonl >loaded.txt 2>err.txt || fail "load: $(cat err.txt)"
code=0; printf '/sav x\nThe whale\n' | $chat -q >out.txt 2>err.txt || code=$?
[ $code = 2 ] && grep -q '^there is no command /sav; did you mean /save? (/help lists all' err.txt && [ -s out.txt ] || fail "a wrong command: $code $(cat err.txt)"

# A full context is said; --trim goes on.
long="$(for i in $(seq 40); do printf 'The whale sings. '; done)"
code=0; echo "$long" | $chat -q -c 24 >out.txt 2>err.txt || code=$?
[ $code = 2 ] && grep -q 'but the context holds 24: /trim' err.txt || fail "a full context: $code $(cat err.txt)"
for i in 1 2 3 4 5 6; do echo "whale $i"; done | $chat -q -c 40 --trim >out.txt 2>err.txt || fail "--trim: $(cat err.txt)"
grep -q 'of the oldest questions had to go' err.txt || fail "--trim: $(cat err.txt)"

# Without a template: chat names generate, and generate goes on.
cp -rL run/latest bare
sed -i 's/"chat_template": ".*"\(,*\)$/"chat_template": null\1/' bare/tokenizer_config.json
mistake 'has no chat template' $minke chat -m bare
$minke generate -m bare -p The -n 2 -q >/dev/null || fail "generate without a template"
mistake '--ctx-size 100000: the model supports at most' $minke chat -m run/latest -c 100000
mistake '--temp -1: must be from 0' $minke chat -m run/latest --temp -1
mistake 'nowhere' $minke chat -m run/latest --load nowhere
[ ! -e err.core ] || fail

# In a terminal: a prompt, an answer, its end.
if command -v script >/dev/null; then
  printf 'The whale\n/stats\n/quit\n' | HOME=$PWD XDG_STATE_HOME= timeout 60 script -qec "$chat" /dev/null >term.txt 2>&1 || fail "terminal: $(cat term.txt)"
  grep -q 'new tokens' term.txt && grep -q '/help lists the commands' term.txt || fail "terminal: $(cat term.txt)"
  grep -q 'The.*whale' .local/state/minke/chat_history || fail "no history"
fi
