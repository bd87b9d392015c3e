#!/usr/bin/env bash
# Where the program writes: standard output that is full is said, with exit code 2; a reader that goes away is not; --out
# writes through devices, pipes and links, and leaves nothing else behind.
. "$(dirname "$0")/lib.sh"
whales 40 >text.txt
cat >tiny.toml <<END_OF_RECIPE
$tiny_data
[train]
steps = 3
sequence_length = 16
batch_size = 2
[log]
sample_tokens = 2
sample_prompts = ["The"]
$tiny_model
END_OF_RECIPE
$minke pretrain tiny.toml --out run >/dev/null 2>&1
model=run/latest
echo '{"question": "The", "choices": [" a", " b"], "answer": 0}' >questions.jsonl

# full EXPECTED_CODE COMMAND…: with standard output on a full disk.
full() {
  local code=0
  "$@" >/dev/full 2>err.txt || code=$?
  [ $code = 2 ] || fail "exit code $code on a full disk: $*: $(cat err.txt)"
  grep -q 'minke: cannot write to standard output' err.txt || fail "not said: $*: $(cat err.txt)"
  [ "$(grep -c '^minke: ' err.txt)" = 1 ] || fail "more than one message: $*: $(cat err.txt)"
}
if [ -w /dev/full ]; then
  full $minke
  full $minke --help
  full $minke --version
  full $minke generate --help
  full $minke pretrain --help-recipe
  full $minke corpus --bytes 1M
  full $minke corpus --bytes 10k --out corpus.txt
  full $minke tokenizer encode -t $model "The whale"
  full $minke tokenizer decode -t $model 20 21
  full $minke tokenizer inspect -t $model text.txt
  full $minke generate -m $model -p The -n 3
  full $minke eval text -m $model text.txt
  full $minke eval choices -m $model questions.jsonl
  full $minke inspect -m $model
  full $minke report run
  full $minke pretrain tiny.toml --out other
  [ -e other/latest ] || fail "a run whose output is lost was not finished"
fi
# A closed one: nothing that is opened later takes its place.
mistake 'cannot write to standard output' bash -c "'$minke' report run --out closed.html >&-"
grep -q -i '^<!doctype' closed.html && ! grep -q 'closed.html (' closed.html || fail "printed into the file"

# A reader that goes away.
for how in "" "trap '' PIPE;"; do
  bash -c "$how set -o pipefail; { '$minke' corpus --bytes 5M; echo \$? >code.txt; } 2>err.txt | head -c 10 >/dev/null" || true
  [ "$(cat code.txt)" = 141 ] && [ ! -s err.txt ] || fail "a closed pipe: exit code $(cat code.txt), $(cat err.txt)"
done

# --out.
evaluate() { $minke eval text -m $model text.txt --out "$1"; }
if mknod -m 666 null c 1 3 2>/dev/null; then  # never the machine's own
  evaluate null >/dev/null 2>&1
  [ -c null ] || fail "the device is gone"
  $minke report run --out null >/dev/null
  [ -c null ] || fail "the device is gone"
  rm null
fi
mkfifo pipe
$minke corpus --bytes 2k --out pipe >/dev/null & cat pipe | head -c 20 | grep -q . || fail "corpus into a pipe"
wait
cat pipe >from-pipe &
evaluate pipe >/dev/null 2>&1
wait
[ -p pipe ] && grep -q bits_per_byte from-pipe || fail "the pipe: $(ls -l pipe)"
echo old >target
ln -s target link
ln -s link second
chmod 640 target
$minke report run --out second >/dev/null
[ -L link ] && [ -L second ] && grep -q -i '^<!doctype' target || fail "a link: $(ls -l link target)"
[ "$(stat -c %a target)" = 640 ] || fail "the file's mode has changed"
mkdir far
ln -s far/new.html dangling
$minke report run --out dangling >/dev/null
[ -L dangling ] && grep -q -i '^<!doctype' far/new.html || fail "a link to nothing"
nothing_left .
ln -s loop loop
mistake 'loop' $minke report run --out loop
mistake 'far: it is a folder' $minke report run --out far
mistake 'far is a folder' evaluate far

# Standard output as a file: at its place, and nothing else there.
$minke report run >/dev/null
for out in /dev/stdout /dev/fd/1 /proc/self/fd/1; do
  { echo before; $minke report run --out $out 2>/dev/null; echo after; } >all.txt
  [ "$(head -1 all.txt)" = before ] && [ "$(tail -1 all.txt)" = after ] || fail "$out: $(head -c 100 all.txt)"
  cmp run/report.html <(sed '1d;$d' all.txt) || fail "$out is not the report"
  echo kept >all.txt
  $minke report run --out $out >>all.txt 2>/dev/null
  [ "$(head -1 all.txt)" = kept ] || fail "$out: what was there is gone"
  $minke report run --out $out 2>/dev/null | cmp - run/report.html || fail "$out in a pipe"
done
ln -s /proc/self/fd/1 stdout
$minke report run --out stdout 2>/dev/null | cmp - run/report.html && [ -L stdout ] || fail "a link to standard output"
$minke eval text -m $model text.txt --out /dev/stdout 2>/dev/null | grep '^{' >/dev/null || fail "eval --out /dev/stdout"
$minke tokenizer encode -t $model "The" --out /dev/stdout | grep -E '^[0-9 ]+$' >/dev/null || fail "encode --out /dev/stdout"
