#!/usr/bin/env bash
# planted_fault.sh PROGRAM: fuzzing must find the planted fault, save the input, and fail again on the saved file alone;
# an innocent seed without mutations must pass.
set -uo pipefail
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
fail() { echo "planted_fault: $*" >&2; cat log >&2; exit 1; }
mkdir found seeds
printf 'MINK 0' >seeds/one
"$program" -runs=0 found seeds >log 2>&1 || fail "a good seed failed"
"$program" -runs=2000000 -seed=1 found seeds >log 2>&1 && fail "the fault was not found"
saved=$(compgen -G 'crash-*' | head -1)
[ -n "$saved" ] || fail "the failing input was not saved"
[ "$(head -c 4 "$saved")" = MING ] || fail "the saved input is not the failing one"
"$program" "$saved" >log 2>&1 && fail "the saved input passes"
exit 0
