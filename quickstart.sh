#!/usr/bin/env bash
# Builds the program and goes through DeepSeek's whole recipe with a small model: a base from nothing, R1-Zero, R1, and a student
# that learns from it; then you can chat with it. Only missing Debian packages are downloaded.
#   ./quickstart.sh               about 20 minutes on 2 cores after the build
#   ./quickstart.sh --minutes 60  trains longer: more problems are solved
#   ./quickstart.sh --fresh       starts over instead of continuing the last run
. "$(dirname "$0")/tools/setup.sh"

usual=20 least=5
minutes=$usual fresh=0
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:?"--minutes needs a number"}; shift 2 ;;
    --fresh) fresh=1; shift ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $1 (./quickstart.sh --help lists them)" 2 ;;
  esac
done
[[ $minutes =~ ^[0-9]{1,5}(\.[0-9]+)?$ ]] && awk -v m="$minutes" -v l=$least 'BEGIN { exit !(m >= l) }' ||
  die "--minutes $minutes: expected a number from $least on, such as $usual: with less the model solves nothing that later stages could learn from" 2

run=runs/out/quickstart
[ "$minutes" = $usual ] || run+=-$minutes
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

# Longer or shorter: the steps of the stages that take most of the time. A run that has begun goes on with what it was begun with.
recipe=runs/quickstart.toml scaled=()
if [ -e "$run/pipeline.toml" ] && [ "$minutes" != $usual ]; then
  recipe=$run/pipeline.toml
elif [ "$minutes" != $usual ]; then
  while read -r stage steps; do
    scaled+=(--set "$stage.train.steps=$(awk -v s="$steps" -v m="$minutes" -v u=$usual 'BEGIN { printf "%d", s * m / u + 0.999 }')")
  done < <(awk '/^name = / { gsub(/"/, "", $3); stage = $3 } /^steps = / { print stage, $3 }' runs/quickstart.toml)
fi
outcome=0
$minke pipeline "$recipe" --out "$run" --resume "${scaled[@]}" || outcome=$?
[ $outcome = 0 ] || die "stopped (exit code $outcome). ./quickstart.sh continues from here, ./quickstart.sh --fresh starts over." $outcome

cat <<END

Done. What to try next:
  $minke chat -m $run/r1/latest                  the model: problems such as "Make 27 from 24 9 12." or "Compute (19+25)/4.", or small talk
  $run/report.html       the table of the stages and all curves, for a browser
  $minke inspect -m $run/r1/latest               its architecture and size
  ./quickstart.sh --minutes 60                   longer training
  less runs/quickstart.toml                      the recipe: change a line, then ./quickstart.sh --fresh
  ./test.sh                                      the tests
END
question="Make 27 from 24 9 12."
printf '\nIn the chat:\n\n> %s\n' "$question"
$minke chat -m "$run/r1/latest" --temp 0.6 --seed 1 --show-thoughts <<<"$question"
if [ -t 0 ] && [ -t 1 ]; then
  printf '\nNow you: %s, for example   (/help lists the commands, Ctrl-D ends)\n\n' "Make 40 from 3 13 1."
  exec $minke chat -m "$run/r1/latest" --temp 0.6 --show-thoughts
fi
