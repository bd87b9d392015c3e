#!/usr/bin/env bash
# What is in the folder of a run: nothing of the user's is taken or replaced; a run that starts again after a mistake has
# what the new recipe and text ask for; damaged checkpoints are left for whole ones; shards that vanish end the run with
# their name.
. "$(dirname "$0")/lib.sh"
cat >tiny.toml <<END_OF_RECIPE
$tiny_data
[train]
steps = 16
sequence_length = 16
batch_size = 4
[log]
save_every = 0.25
keep = 3
sample_tokens = 0
$tiny_model
END_OF_RECIPE
whales 200 >text.txt
train() { $minke pretrain tiny.toml "$@"; }

# Somebody's folder. What stands where a run writes is not replaced, and what else there is stays.
mkdir -p own/data own/data.old own/data.tmp own/tokenizer.tmp own/backup.old own/sub/my.tmp own/tokenizer own/checkpoints
echo mine | tee own/data/corpus.txt own/data.old/a own/data.tmp/a own/tokenizer.tmp/a own/notes.tmp.1 own/tokenizer/tokenizer.json >/dev/null
for entry in data data.old data.tmp tokenizer tokenizer.tmp checkpoints; do
  mkdir one_of
  cp -r own/$entry one_of
  before=$(find one_of | sort)
  mistake "one_of/$entry already exists and was not written by a run" $minke pretrain tiny.toml --out one_of
  [ "$(find one_of | sort)" = "$before" ] || fail "changed: $(find one_of)"
  rm -r one_of
done
# Nor are the parts of another run, and models, places for a run.
mkdir -p model && touch model/model-00001-of-00002.safetensors
before=$(find model | sort)
mistake 'model holds model-00001-of-00002.safetensors, which is part of a model' $minke pretrain tiny.toml --out model
[ "$(find model | sort)" = "$before" ] || fail "changed: $(find model)"
rm -r own/data* own/tokenizer* own/checkpoints
mv own run
train --out run >run/output.txt
for part in latest checkpoints/step-000016 checkpoints data tokenizer; do
  before=$(find run | sort)
  for resume in "" --resume; do
    mistake "run/$part holds " $minke pretrain tiny.toml --out run/$part $resume
    [ "$(find run | sort)" = "$before" ] || fail "changed: $(find run)"
  done
done
mkdir run/checkpoints/best.old
# What a kill before the recipe has left is no obstacle.
mkdir -p killed/tokenizer.tmp killed/data.tmp
touch killed/tokenizer.tmp/{tokenizer.json,trained-from.txt.tmp.7} killed/data.tmp/{train-00000.bin.tmp.7,dataset.json}
train --out killed --set train.steps=1 >out.txt
train --out run --resume >out.txt
for own in backup.old sub/my.tmp notes.tmp.1 checkpoints/best.old output.txt; do [ -e run/$own ] || fail "$own is gone"; done
rm -r run/backup.old run/sub run/notes.tmp.1 run/checkpoints/best.old

# A start that was refused after the tokenizer was made; then other text. As if it had never been.
mistake "log.needle_lengths" $minke pretrain tiny.toml --out again --set 'log.needle_lengths=[16]'
[ -e again/tokenizer/tokenizer.json ] || fail "refused before there was a tokenizer: this tests nothing"
cp text.txt before.txt
sed -i 's/whale/otter/; s/sea/river/' text.txt
train --out again >out.txt
train --out fresh >out.txt
cmp again/tokenizer/tokenizer.json fresh/tokenizer/tokenizer.json || fail "the tokenizer of the text before"
cmp again/latest/model.safetensors fresh/latest/model.safetensors || fail "another run"
mv before.txt text.txt
# The tokenizer sees all of a long text, also what comes last.
lines() { awk -v text="$1" -v n="$2" 'BEGIN { for (i = 0; i < n; i++) print text }'; }
lines 'The whale sings, and the sea is blue.' 950000 >a.txt
lines '从前有一只青蛙，它住在大树下。' 20000 >b.txt
train a.txt b.txt --out both --set data.documents=file --set tokenizer.vocab_size=400 --set train.steps=1 >out.txt
tokens=$(echo "从前有一只青蛙，它住在大树下。" | $minke tokenizer encode --tokenizer both/tokenizer | wc -w)
[ "$tokens" -lt 20 ] || fail "the second text was not seen: $tokens tokens"
rm -r both a.txt

# Two of three checkpoints are damaged: the message names the third, and with that it goes on to the same end.
cp -r run copy
[ "$(ls copy/checkpoints)" = $'step-000008\nstep-000012\nstep-000016' ] || fail "checkpoints: $(ls copy/checkpoints)"
for step in 12 16; do printf x | dd of=copy/checkpoints/step-0000$step/model.safetensors bs=1 seek=500 conv=notrunc 2>/dev/null; done
mistake "model.safetensors of the same checkpoint is damaged" $minke pretrain tiny.toml --out copy --resume
grep -qF 'ln -sfn checkpoints/step-000008 copy/latest' err.txt || fail "$(cat err.txt)"
eval "$(sed -n 's/.*to continue from an older one: //p' err.txt)"
train --out copy --resume >out.txt
cmp run/latest/train/state.safetensors copy/latest/train/state.safetensors || fail "another end"
# Back at a checkpoint in the middle, which is damaged: only an older one is named, though a later one is whole.
rm -r copy
cp -r run copy
ln -sfn checkpoints/step-000012 copy/latest
printf x | dd of=copy/checkpoints/step-000012/model.safetensors bs=1 seek=500 conv=notrunc 2>/dev/null
mistake "model.safetensors of the same checkpoint is damaged" $minke pretrain tiny.toml --out copy --resume
grep -qF 'ln -sfn checkpoints/step-000008 copy/latest' err.txt || fail "$(cat err.txt)"
# None is whole.
for f in copy/checkpoints/*/model.safetensors; do printf x | dd of="$f" bs=1 seek=500 conv=notrunc 2>/dev/null; done
mistake "no other checkpoint is intact: start again with another --out" $minke pretrain tiny.toml --out copy --resume
# A copy that followed the links.
rm -r copy
cp -rL run copy
mistake "copy/latest is not a link to a checkpoint" $minke pretrain tiny.toml --out copy --resume
eval "$(sed -n 's/.*to continue from an older one: //p' err.txt)"
train --out copy --resume >out.txt
cmp run/latest/train/state.safetensors copy/latest/train/state.safetensors || fail "another end of a copy"

# A shard is cut short while it is read.
train --out cut --set train.steps=1000000 --set log.eval_every=1 --set log.save_every=1 >out.txt 2>err.txt & pid=$!
until grep -qs '"step":3,' cut/log.jsonl; do sleep 0.01; kill -0 $pid || fail "$(cat err.txt)"; done
truncate -s 0 cut/data/train-00000.bin
code=0
wait $pid || code=$?
[ $code = 2 ] && [ "$(grep -c '^minke: ' err.txt)" = 1 ] && grep -q 'cut/data/train-00000.bin can no longer be read' err.txt ||
  fail "exit code $code: $(cat err.txt)"
nothing_left .
echo ok
