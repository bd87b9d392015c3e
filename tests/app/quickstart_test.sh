#!/usr/bin/env bash
# runs/quickstart.toml, the recipe of ./quickstart.sh: all of its stages are checked before the first begins, each says what it is about.
# What the kinds of stages do after one another: pipeline_test.sh, sample_test.sh, judge_test.sh, distill_test.sh.
. "$(dirname "$0")/lib.sh"
recipe=$source/runs/quickstart.toml
stages=$(grep -c '^name = ' "$recipe")
[ "$stages" = "$(grep -c '^about = ' "$recipe")" ] || fail "a stage says nothing about itself"
"$minke" pipeline "$recipe" --out q >out.txt 2>&1 & pid=$!
until grep -q '^step 1/' out.txt; do kill -0 $pid || fail "$(cat out.txt)"; sleep 0.1; done
kill -KILL $pid
wait $pid 2>/dev/null || true
[ "$(sed -n '/^stages/,/^$/p' out.txt | grep -c .)" = "$stages" ] || fail "not every stage is planned: $(cat out.txt)"
grep -q "^stage 1 of $stages: base, pretrain$" out.txt || fail "$(cat out.txt)"
# Scaled as ./quickstart.sh --minutes does it.
while read -r stage steps; do set+=(--set "$stage.train.steps=$((steps / 4))"); done < <(
  awk '/^name = / { gsub(/"/, "", $3); stage = $3 } /^steps = / { print stage, $3 }' "$recipe")
[ "${#set[@]}" -ge 10 ] || fail "stages with steps: ${set[*]}"
"$minke" pipeline "$recipe" --out r "${set[@]}" >out.txt 2>&1 & pid=$!
until grep -q '^step 1/' out.txt; do kill -0 $pid || fail "$(cat out.txt)"; sleep 0.1; done
kill -KILL $pid
wait $pid 2>/dev/null || true
grep -q 'base  *pretrain  *1050 steps' out.txt || fail "not scaled: $(head -3 out.txt)"
# The script's own mistakes.
script() { bash "$source/quickstart.sh" "$@" 2>&1 || true; }
grep -q 'expected a number from 5 on' <<<"$(script --minutes 1)" || fail "$(script --minutes 1)"
grep -q 'unknown option --hours' <<<"$(script --hours 1)" || fail "$(script --hours 1)"
grep -q 'about 20 minutes' <<<"$(script --help)" || fail "$(script --help)"
echo ok
