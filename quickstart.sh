#!/usr/bin/env bash
# Builds the program, generates text, trains a tokenizer and a small DeepSeek-V3-style model on it, and prints samples of the
# model. Only missing Debian packages are downloaded.
#   ./quickstart.sh               at most 10 minutes on 2 cores after the build
#   ./quickstart.sh --minutes 30  trains longer, for better text
#   ./quickstart.sh --fresh       starts over instead of continuing the last run
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

run=runs/out/quickstart-$minutes
minke=build/release/bin/minke
[ $fresh = 0 ] || rm -rf "$run"

# shellcheck disable=SC2086  # a list of names, split on purpose
need_packages $build_packages
[ -x $minke ] || say "building minke with $(nproc) cores: the first time takes some minutes"
# ./test.sh uses the same build folder, so nothing is compiled twice.
tests=(-DMINKE_TESTS=OFF)
[ ! -e build/release/CMakeCache.txt ] || tests=()
configure release "${tests[@]}"
cmake --build --preset release --target minke -j "$(nproc)"

printf '\n[1/3] Text: a sample of what the model will read (minke corpus generates any amount)\n\n'
$minke corpus --bytes 1500 --seed 1
printf '\n[2/3] Tokenizer and model: MLA, mixture of experts, multi-token prediction; about %s minutes of training\n\n' "$minutes"
if [ -e "$run/.done" ]; then
  printf 'already trained: %s (./quickstart.sh --fresh starts over)\n' "$run"
else
  outcome=0
  $minke pretrain runs/quickstart.toml --out "$run" --minutes "$minutes" --resume || outcome=$?
  [ $outcome = 0 ] || die "stopped (exit code $outcome). ./quickstart.sh continues from here, ./quickstart.sh --fresh starts over." $outcome
  : >"$run/.done"
fi
printf '\n[3/3] Samples\n'
for prompt in "Once upon a time" "从前" "def " "Anna has 12 "; do
  printf '\n--- %s\n' "$prompt"
  $minke generate -m "$run/latest" -p "$prompt" -n 100 --temp 0.7 --top-p 0.95 --seed 1
done

cat <<END

Done. What to try next:
  $minke generate -m $run/latest -p "The little whale" --temp 0.8    your own prompt
  $run/report.html                                                   the curves of the run, for a browser
  $minke inspect -m $run/latest                                      the architecture and size of the model
  ./quickstart.sh --minutes 30                                       longer training, better text
  less runs/quickstart.toml                                          the recipe: change a line, train again
  ./test.sh                                                          the tests
END
