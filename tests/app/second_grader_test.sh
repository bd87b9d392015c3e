#!/usr/bin/env bash
# minke grade and a second grader, which was written from docs/grading.md alone, agree on 6,000 responses: right, wrong,
# malformed, and cheating.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "no python3"; exit 77; }

second="python3 $source/tests/reward/second_grader.py"
for seed in 1 2 3 4 5; do
  mkdir $seed
  $second generate 1200 $seed $seed
  for kind in math countdown format; do
    $minke grade --kind $kind --jsonl $seed/$kind.jsonl --out $seed/$kind.graded 2>/dev/null
    $second check $kind $seed/$kind.graded >said.txt || fail "they disagree: $(head -c 2000 said.txt)"
    tail -n 1 said.txt
    # A check that cannot fail checks nothing.
    sed 's/"strict":1.0,"lenient":1.0/"strict":0.0,"lenient":1.0/' $seed/$kind.graded >wrong.jsonl
    ! $second check $kind wrong.jsonl >said.txt || fail "wrong grades are not noticed"
  done
done
echo "ok"
