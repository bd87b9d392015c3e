#!/usr/bin/env bash
# A run leaves its page, its log and an event file; minke report makes the page again from a log that a kill has cut,
# compares runs, and writes one curve; what is no run is one message.
. "$(dirname "$0")/lib.sh"

cat >small.toml <<END_OF_RECIPE
[tokenizer]
vocab_size = 300
[data]
train = ["builtin:"]
builtin_bytes = 100_000
held_out_fraction = 0.05
[train]
steps = 12
sequence_length = 16
batch_size = 4
[log]
eval_every = 0.5
eval_tokens = 200
sample_tokens = 5
sample_prompts = ["<b>Once</b>"]
$tiny_model
num_nextn_predict_layers = 1
END_OF_RECIPE
$minke pretrain small.toml --out one >one.txt
$minke pretrain small.toml --out two --set train.lr=1e-4 >two.txt

[ "$(ls one/events.out.tfevents.*.minke | wc -l)" = 1 ] || fail "not one event file"
grep -q '"load":{' one/log.jsonl || fail "the log has no load of the experts"
for part in 'finished, step 12' 'Bits per byte' 'Load of the fullest expert' 'Layer 1' '&lt;b&gt;Once&lt;/b&gt;'; do
  grep -qF "$part" one/report.html || fail "report.html of the run lacks '$part'"
done
grep -q '<b>Once' one/report.html && fail "a prompt became markup"

cp one/report.html by_the_run.html
$minke report one >/dev/null
cmp one/report.html by_the_run.html || fail "the report of a run is not the one that the run made"

# Killed in the middle of a line.
size=$(stat -c %s one/log.jsonl)
head -c $((size - 30)) one/log.jsonl >cut.jsonl && mv cut.jsonl one/log.jsonl
$minke report one --out cut.html >/dev/null
grep -q '1 lines of the log could not be read' cut.html || fail "a cut line is not mentioned"

$minke report one two >compare.txt
grep -qF '<th>train.lr</th>' compare.html || fail "the differing key is missing"
$minke report one two --svg loss --x minute --title "A & B" --out loss.svg >/dev/null
grep -qF 'A &amp; B' loss.svg || fail "the title of the curve"

mistake "nowhere" $minke report nowhere
mkdir empty && mistake "it has no log.jsonl" $minke report one empty
echo '{"step":1' >empty/log.jsonl && mistake "no step has been logged yet" $minke report empty
mistake "grad_norm" $minke report one --svg los
mistake "it would be lost" $minke report one --out one/log.jsonl
mistake "it would be lost" $minke report one --svg loss --out one/recipe.toml
mistake "cannot write" $minke report one --out no/such/folder/x.html
[ ! -e empty/report.html ] || fail "a mistake leaves a page behind"

# What cannot be written does not end a run.
rm two/report.html && mkdir two/report.html && touch two/report.html/in-the-way
$minke pretrain small.toml --out two --resume >two.txt || fail "a report that cannot be written ended the run"
grep -q 'warning: report.html was not written' two.txt || fail "no warning: $(cat two.txt)"
# Questions and needles of a run are on its page; what cannot be asked is said before anything is read.
echo '{"question": "The sky is", "choices": [" blue", " seven"], "answer": 0}' >questions.jsonl
$minke pretrain small.toml --out asked --set train.sequence_length=256 --set train.steps=2 --set train.batch_size=1 \
  --set log.choices=questions.jsonl --set 'log.needle_lengths=[256]' >asked.txt
grep -q '^needles     found .* % at 256 tokens' asked.txt || fail "no needles: $(cat asked.txt)"
for part in 'Needle in a haystack' 'Multiple choice'; do grep -qF "$part" asked/report.html || fail "no $part"; done
for bad in 'log.needle_lengths=[16]' 'log.sample_prompts=["'"$(printf 'word %.0s' {1..100})"'"]'; do
  mistake "${bad%%=*}: " $minke pretrain small.toml --out refused --set "$bad"
  [ ! -e refused/data ] || fail "the text was tokenised before: $bad"
done
# Without held-out text a run ends as well.
$minke pretrain small.toml --out three --set data.held_out_fraction=0 >three.txt
grep -q 'no text is held out' three.txt && grep -qF 'finished, step 12' three/report.html || fail "not finished: $(cat three.txt)"
echo "ok"
