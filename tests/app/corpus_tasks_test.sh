#!/usr/bin/env bash
# minke corpus tasks writes tasks that are apart by their split; levels and weights of the built-in text; a tokenizer in
# which digits, signs and tags are tokens of their own.
. "$(dirname "$0")/lib.sh"
# refused PART COMMAND…: exit code 2, one line that holds PART.
refused() {
  local part=$1 code=0
  shift
  "$@" >out.txt 2>err.txt || code=$?
  [ $code = 2 ] || fail "$*: exit code $code, not 2"
  [ "$(wc -l <err.txt)" = 1 ] || fail "$*: more than one line: $(cat err.txt)"
  grep -qF -- "$part" err.txt || fail "$*: '$part' is not in: $(cat err.txt)"
}

for task in arithmetic word_problem word_problem_zh countdown chain logic code chat chat_zh; do
  $minke corpus tasks --task $task --split test --seed 5 -n 20 --out $task.jsonl >said.txt
  [ "$(wc -l <$task.jsonl)" = 20 ] || fail "$task: $(wc -l <$task.jsonl) lines"
  grep -q "20 tasks $task of the test split (seed 5)" said.txt || fail "$task: $(cat said.txt)"
  [ "$(grep -c "\"task\":\"$task\",\"level\":[1-6],\"question\":" $task.jsonl)" = 20 ] || fail "$task: fields"
done
grep -q '"answer":{"numbers":\[[0-9,]*\],"target":[0-9]*}' countdown.jsonl || fail "countdown's answer"
grep -q '"answer":{"language":"python","entry_point":"[a-z_]*","test":"def check(candidate):' code.jsonl || fail "code's answer"
$minke corpus tasks --task countdown --split test --seed 5 -n 20 | cmp - countdown.jsonl || fail "the same tasks again"
$minke corpus tasks --task countdown --split test --seed 6 -n 20 | cmp -s - countdown.jsonl && fail "another seed gives the same"
$minke corpus tasks --task countdown --seed 5 -n 20 | cmp -s - countdown.jsonl && fail "the default is the training split"
$minke corpus tasks --task chains:2,4 -n 6 | grep -o '"level":.' | tr -d '\n' | grep -qx '"level":2"level":4"level":2"level":4"level":2"level":4' || fail "levels take turns"

refused 'there is no task "poem". Use one of arithmetic, word_problem, word_problem_zh, countdown, chain, logic, code, chat, chat_zh' $minke corpus tasks --task poem
refused 'names no levels from 3 to 6' $minke corpus tasks --task countdown:7
refused 'names no levels from 2 to 6' $minke corpus tasks --task chain:
refused '--task is missing' $minke corpus tasks
refused '--split' $minke corpus tasks --task chain --split dev
refused '--count' $minke corpus tasks --task chain -n 0
refused '--seed comes before tasks, but flags come after it' $minke corpus --seed 3 tasks --task chain
refused 'there is no verb "corpus task"; did you mean minke corpus tasks?' $minke corpus task
refused 'no-such' $minke corpus tasks --task chain --out /dev/null/no-such/x.jsonl
refused 'corpus kind "chain:9": "9" names no levels from 2 to 6' $minke corpus --kind chain:9
refused '"0" is no weight' $minke corpus --kind 'chain*0'
refused 'story, dialogue, word_problem, arithmetic, code, needle, fact, questions, chain, attempt, check, countdown, logic, exercise, chat, worked, math, r1_zero' $minke corpus --kind poem
# Chats and pairs of answers.
$minke corpus chats --seed 5 -n 20 --out new/chats.jsonl >said.txt
grep -q '20 conversations of the train split (seed 5)' said.txt || fail "chats: $(cat said.txt)"
grep -c '^{"messages":\[{"role":"user","content":"[^"]' new/chats.jsonl | grep -qx 20 || fail "fields of chats"
[ "$(grep -c '"language":"en"' new/chats.jsonl)" = 10 ] || fail "languages take turns"
$minke corpus chats --seed 5 -n 20 | cmp - new/chats.jsonl || fail "the same chats again"
$minke corpus chats --seed 5 -n 20 --split test | cmp -s - new/chats.jsonl && fail "chats of the test split"
[ "$($minke corpus chats --language zh -n 6 | grep -c '"language":"zh"')" = 6 ] || fail "Chinese chats"
$minke corpus pairs --seed 5 -n 70 --out pairs.jsonl >said.txt
grep -q '70 pairs of the train split (seed 5)' said.txt || fail "pairs: $(cat said.txt)"
grep -c '^{"prompt":"..*","chosen":"..*","rejected":"..*","fault":"[a-z_]*","family":"[a-z_]*","language":"..")*}$' pairs.jsonl | grep -qx 70 || fail "fields of pairs"
[ "$(grep -o '"fault":"[a-z_]*"' pairs.jsonl | sort -u | wc -l)" = 7 ] || fail "faults"
grep -q '"task":"chat","level":1,.*"grader":"judge"' chat.jsonl || fail "chats as tasks: $(head -1 chat.jsonl)"
refused '--language: there is no language "fr". Use en, zh or en,zh' $minke corpus chats --language fr
refused '--language: en is named twice' $minke corpus pairs --language en,en
refused '--language' $minke corpus pairs --language ''
refused '--split' $minke corpus chats --split dev
refused '--count' $minke corpus pairs -n 0
refused '--seed comes before pairs, but flags come after it' $minke corpus --seed 3 pairs
refused '--task chat:2: chats have one level, 1, and their language is in their name, chat or chat_zh' $minke corpus tasks --task chat:2
$minke corpus --kind chats --bytes 1k | grep -q '^Assistant: ' || fail "chats as text"
# The verb itself is as before, with and without flags.
$minke corpus --bytes 2k | head -c 20 | grep -q . || fail "corpus prints"
[ "$($minke corpus | wc -c)" -gt 100000 ] || fail "corpus without flags"
$minke corpus --bytes 3k --kind countdown:5 | grep -q '^User: Make [0-9]* from [0-9]* [0-9]* [0-9]* [0-9]* [0-9]*\.$' || fail "levels of the text"

# In a recipe: kinds with levels and weights, and the tokenizer for them.
cat >base.toml <<END_OF_RECIPE
[tokenizer]
vocab_size = 300
pretokenizer = "single_signs"
tags = ["<answer>", "</answer>"]
[data]
train = ["builtin:countdown:3-4*0.5,fact", "builtin:chains:2,3"]
weights = [3, 1]
builtin_bytes = 20000
[train]
steps = 1
sequence_length = 128
batch_size = 1
[log]
sample_tokens = 0
$tiny_model
END_OF_RECIPE
$minke pretrain base.toml --out run >run.txt 2>&1 || fail "pretrain: $(cat run.txt)"
grep -q '75.0 % builtin:countdown:3-4\*0.5,fact' run.txt || fail "the shares: $(cat run.txt)"
$minke tokenizer encode -t run/latest 'Assistant:<think>12+7=19
19*3=57 ok</think>
<answer>(12+7)*3</answer>' >ids.txt
# No two signs, digits or tags are ever one token.
tags=$($minke tokenizer encode -t run/latest '<answer></answer>' | wc -w)
[ "$tags" = 2 ] || fail "a tag is $tags/2 tokens"
signs='12+7=19*(3-4)/5=)*(
'
[ "$($minke tokenizer encode -t run/latest "$signs" | wc -w)" = ${#signs} ] || fail "signs are merged"
$minke tokenizer decode -t run/latest --skip-special $(cat ids.txt) | grep -q '<answer>(12+7)\*3</answer>' || fail "tags are left out"
refused 'tokenizer.pretokenizer' $minke pretrain base.toml --set tokenizer.pretokenizer=sings --out no
refused 'tokenizer.pretokenizer and tokenizer.tags are for' $minke pretrain base.toml --set tokenizer.kind=characters --out no
refused 'corpus kind "countdown:2"' $minke pretrain base.toml --set 'data.train=["builtin:countdown:2"]' --set 'data.weights=[]' --out no
[ ! -e no ] || [ -z "$(find no -name '*.safetensors')" ] || fail "something is left of a refused run"
