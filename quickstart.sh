#!/usr/bin/env bash
# minke's main job, from nothing: builds the program, makes text, trains a tokenizer and a small DeepSeek-V3-style model
# on it, and lets the model write. Nothing is downloaded but the Debian packages that are missing.
#   ./quickstart.sh               at most 10 minutes on 2 cores after the build
#   ./quickstart.sh --minutes 30  trains longer: more minutes, better text
#   ./quickstart.sh --fresh       starts over instead of going on where the last run stopped
. "$(dirname "$0")/tools/setup.sh"

minutes=8 fresh=0
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:?"--minutes needs a number"}; shift 2 ;;
    --fresh) fresh=1; shift ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $1 (./quickstart.sh --help lists them)" 2 ;;
  esac
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ && $minutes =~ [1-9] ]] || die "--minutes $minutes: expected a number above 0, such as 8 or 0.5" 2

out=runs/out/quickstart
text=$out/corpus.jsonl tokenizer=$out/tokenizer model=$out/model
minke=build/release/bin/minke
[ $fresh = 0 ] || rm -rf "$out"
mkdir -p "$out"

# stage TITLE MARK COMMAND…: runs the command unless an earlier run completed it; MARK is written when it is complete.
stages=4 stage_idx=0
stage() {
  local title=$1 mark=$2
  shift 2
  stage_idx=$((stage_idx + 1))
  if [ -e "$mark" ]; then
    printf '\n[%d/%d] %s: done before\n' $stage_idx $stages "$title"
    return
  fi
  printf '\n[%d/%d] %s\n      %s\n' $stage_idx $stages "$title" "$*"
  local begin=$SECONDS outcome=0
  "$@" || outcome=$?
  [ $outcome = 0 ] || die "stopped (exit code $outcome). ./quickstart.sh goes on from here, ./quickstart.sh --fresh starts over." $outcome
  : >"$mark"
  printf '      %d s\n' $((SECONDS - begin))
}

# shellcheck disable=SC2086  # a list of names, split on purpose
need_packages $build_packages
build() {
  # The tests' build is the same one: whoever runs ./test.sh next, or ran it before, compiles nothing twice.
  local tests=(-DMINKE_TESTS=OFF)
  [ ! -e build/release/CMakeCache.txt ] || tests=()
  configure release "${tests[@]}"
  cmake --build --preset release --target minke -j "$(nproc)"
}
[ -x $minke ] || say "building minke with $(nproc) cores: the first time takes some minutes"
build

stage "Text: 8 MB of stories, dialogues, word problems, arithmetic and code in English and Chinese (seconds)" \
  "$out/.text" \
  $minke corpus --bytes 8000000 --seed 1 --out "$text"
stage "Tokenizer: a byte-level BPE of 4096 tokens, learned from that text (seconds)" \
  "$out/.tokenizer" \
  $minke tokenizer train --vocab-size 4096 --out "$tokenizer" "$text"
stage "Model: MLA, mixture of experts and multi-token prediction, trained for $minutes minutes" \
  "$out/.model-$minutes" \
  $minke pretrain runs/quickstart.toml --out "$model" --minutes "$minutes"

printf '\n[%d/%d] Samples\n' $stages $stages
for prompt in "Once upon a time" "从前" "Question: "; do
  printf '\n--- %s\n' "$prompt"
  $minke generate -m "$model" -p "$prompt" -n 80 --temp 0.7 --seed 1
  echo
done

cat <<END

Done. What to try next:
  $minke generate -m $model -p "The little whale" --temp 0.8    your own prompt
  $minke inspect -m $model                                      what it is made of
  ./quickstart.sh --minutes 30                                  longer training, better text
  less runs/quickstart.toml                                     the recipe: change a line, train again
  ./test.sh                                                     the tests
END
