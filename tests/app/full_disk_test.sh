#!/usr/bin/env bash
# A disk that is full, at every stage of a run: one message that names the path and the reason, exit code 2, nothing
# half-written, and `latest` goes on once there is room. The same for a disk that cannot be written. Needs to mount a
# tmpfs of its own: as root, or in a user namespace; where neither is allowed it is skipped (77).
if [ -z "${MINKE_DISK_TEST:-}" ]; then
  for own in "unshare -m" "unshare -rm"; do
    $own sh -c 'mount -t tmpfs none /mnt' 2>/dev/null && MINKE_DISK_TEST=1 exec $own bash "$0" "$@"
  done
  echo "SKIPPED: no file system may be mounted here"
  exit 77
fi
. "$(dirname "$0")/lib.sh"
mkdir disk
cat >tiny.toml <<END_OF_RECIPE
$tiny_data
[train]
steps = 20
sequence_length = 16
batch_size = 4
ema_decay = 0.5
[log]
eval_every = 0.5
eval_tokens = 100
save_every = 0.25
sample_tokens = 2
sample_prompts = ["The"]
$tiny_model
END_OF_RECIPE
whales 2000 >text.txt
disk() { ! mountpoint -q disk || umount disk; mount -t tmpfs -o "size=$1" none disk; }
fill() { dd if=/dev/zero of=disk/filler bs=4096 2>/dev/null || true; }  # to the last page
train() { $minke pretrain tiny.toml --out disk/run "$@"; }
# REASON PATH COMMAND…: one message with the path and the reason.
disk_error() {
  local reason=$1 path=$2
  shift 2
  mistake "$reason" "$@"
  grep -v '^minke [0-9]' err.txt >message.txt || true
  [ "$(wc -l <message.txt)" = 1 ] && grep -q "$path" message.txt || fail "not one message with $path: $(cat err.txt)"
  [ -z "${MINKE_SHOW:-}" ] || cat message.txt
  nothing_left disk
}
full() { disk_error 'No space left on device' "$@"; }

train -t 1 >whole.txt
cp -r disk/run whole
size=$(du -sk whole | cut -f1)
rm -rf disk/run

# With ever more room: the tokenizer, the shards, the recipe, the log, the first checkpoint, a later one. Each time more
# is there than the time before, and in the end a run that is like any other.
places=""
for ((kb = 4; ; kb += kb < 64 ? 8 : size / 12)); do
  [ $kb -lt $((3 * size)) ] || fail "never enough room"
  disk ${kb}k
  code=0
  train >out.txt 2>err.txt || code=$?
  [ $code != 0 ] || break
  full disk/run train --resume
  [[ $(<message.txt) =~ disk/run[^:\ ]* ]] || fail "no place: $(cat message.txt)"
  places+=${BASH_REMATCH[0]}$'\n'
  if [ -e disk/run/recipe.toml ]; then  # room is made
    mount -o remount,size=64m disk
    train --resume >out.txt 2>&1 || fail "it must go on: $(cat out.txt)"
    cmp disk/run/latest/train/state.safetensors whole/latest/train/state.safetensors || fail "another end"
    nothing_left disk
  fi
done
for place in tokenizer data checkpoints; do grep -q "disk/run/$place" <<<"$places" || fail "never full in $place: $places"; done

# Full in the midst of training: the log says it, at once.
disk 64m
train --set train.steps=100000 --set log.save_every=1 --set log.eval_every=1 >out.txt 2>err.txt & pid=$!
until grep -qs '"step":3,' disk/run/log.jsonl; do sleep 0.01; kill -0 $pid || fail "$(cat err.txt)"; done
fill
code=0
wait $pid || code=$?
[ $code = 2 ] && grep -q 'cannot write disk/run/.*No space left on device' err.txt || fail "exit code $code: $(cat err.txt)"
# A disk that cannot be written: before, and while it runs.
disk 64m
mount -o remount,ro disk
disk_error 'Read-only file system' disk/run train
[ ! -e disk/run ] || fail "a folder on a read-only disk"
mount -o remount,rw disk
cp -r whole disk/run
mount -o remount,ro disk
disk_error 'Read-only file system' disk/run train --resume
umount disk
echo ok
