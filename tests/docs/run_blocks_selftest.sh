#!/usr/bin/env bash
# run_blocks_selftest.sh SOURCE_DIR: the runner must run what is marked, leave what is not, and fail where a command does.
set -euo pipefail
runner=$1/tests/docs/run_blocks.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '#!/bin/sh\necho "minke got $*"\n[ "$1" != bad ]\n' >"$folder/minke"
chmod +x "$folder/minke"
mkdir "$folder/runs"

# page NAME: its text on stdin; outcome and output of running it in $outcome and $output.
page() {
  cat >"$folder/$1"
  outcome=0
  output=$(bash "$runner" "$folder/minke" "$folder" "$folder/$1" 2>&1) || outcome=$?
}
expect() {
  if eval "$1"; then return; fi
  echo "expected: $1; exit $outcome; output:" >&2
  printf '%s\n' "$output" >&2
  exit 1
}

page good.md <<<$'```sh test\nminke one\n```\ntext\n```sh\nminke unmarked\n```\n```sh test\n$ ./build/release/bin/minke two > file\n```\n```sh test\ngrep two file\n```'
expect '[ $outcome = 0 ]'
expect '[[ $output == *"minke got one"*"minke got two"* && $output != *unmarked* ]]'
page bad.md <<<$'```sh test\nminke bad\nminke after\n```'
expect '[ $outcome != 0 ] && [[ $output == *"got bad"* && $output != *"got after"* ]]'
page pipe.md <<<$'```sh test\nminke bad | cat\n```'
expect '[ $outcome != 0 ]'
page script.md <<<$'```sh test\n./test.sh\n```'
expect '[ $outcome != 0 ]'
page README.md <<<$'```sh\nminke one\n```'
expect '[ $outcome != 0 ]'
page other.md <<<'no block'
expect '[ $outcome = 0 ]'
