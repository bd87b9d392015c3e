#!/usr/bin/env bash
# tools/mutate.py on a small project: what its tests see is noticed, what they do not see is listed, nothing of the tree
# changes, and a start with --resume goes on. Usage: mutate_test.sh SOURCE_DIR
set -euo pipefail
root=$1 sample=$1/tests/tools/mutate_sample
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "mutate_test: $1" >&2; cat "$dir/out" >&2; exit 1; }
cp -r "$sample" "$dir/project"
if ! command -v python3 >"$dir/out"; then  # a tool for developers: no Python, no tool; but the sample stays sound
  "${CXX:-c++}" -std=c++20 "$sample/sample.cpp" "$sample/sample_test.cpp" -o "$dir/sample_test"
  "$dir/sample_test" value && "$dir/sample_test" bounds && ! "$dir/sample_test" broken
  exit
fi
mutate() { "$root/tools/mutate.py" sample.cpp sample.h --root "$dir/project" --sample 0 --jobs 2 "$@" >"$dir/out" 2>&1 || fail "failed"; }

mutate
out=$(cat "$dir/out")
results=$dir/project/build/mutate/results.jsonl
has() { [[ $out == *"$1"* ]] || fail "nothing of: $1"; }
has "left out, as it fails without a fault: sample.broken"
has $'sample.cpp:11  statement dropped\n    - ++logged;\n    + (nothing)'
has $'operator, no test reaches it\n    - x - 1\n    + x + 1'
noticed() { grep -F "\"before\": \"$1\", \"after\": \"$2\"" "$results" | grep -q '"noticed": true' || fail "not noticed: $1 → $2"; }
noticed "sum += values[i];" "sum -= values[i];"
noticed "settings.rate * sum" "settings.rate / sum"
noticed "std::min(settings.rate * sum, limit)" "std::max(settings.rate * sum, limit)"
noticed "0.5" "1.0"  # a default in the header
diff -r -x build "$sample" "$dir/project" >"$dir/out" || fail "the tree was changed"

count=$(wc -l <"$results")
head -n 5 "$results" >"$results.new" && mv "$results.new" "$results"
mutate --resume
[ "$(wc -l <"$results")" = "$count" ] || fail "--resume made $(wc -l <"$results") results, not $count"
mutate --list --seed 2
