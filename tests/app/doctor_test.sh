#!/usr/bin/env bash
# What minke doctor says of a machine with little memory: it measures what fits.
. "$(dirname "$0")/lib.sh"
"$minke" doctor --seconds 0.01 >out.txt || fail "$(cat out.txt)"
grep -qE '^memory  .* free, ([0-9.]+ GB/s when read|not measured)' out.txt || fail "no line with the memory: $(cat out.txt)"
grep -qE '^sandbox  +(works, by bubblewrap; languages: |no: )' out.txt || fail "no line with the sandbox: $(cat out.txt)"
[ -z "${MINKE_SANITIZED:-}" ] || { echo "a sanitizer takes memory of its own"; exit 0; }
. "$source/tests/app/memory_limit.sh"
within 100 "$minke" doctor --seconds 0.01 >out.txt 2>err.txt || fail "with 100 MiB: $(cat out.txt err.txt)"
grep -q '^memory  *100.0 MiB' out.txt || { echo "the limit of a memory cgroup cannot be seen here: $(cat out.txt)"; exit 0; }
grep -q '^memory .* speed not measured: that takes 256.0 MiB' out.txt || fail "what is not measured is not said: $(cat out.txt)"
grep -q '^to change ' out.txt || fail "the rest is missing: $(cat out.txt)"
