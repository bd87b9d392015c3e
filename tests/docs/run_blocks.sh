#!/usr/bin/env bash
# run_blocks.sh MINKE SOURCE_DIR PAGE.md: runs the blocks of PAGE that are fenced as ```sh test, in order, in one temporary
# folder that looks like a built checkout (build/release/bin/minke, runs/), with minke in PATH. The first command that
# fails ends it. A page without such a block passes, except README.md, whose commands are the first a reader types.
set -euo pipefail
minke=$1 source=$2 page=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
script=$(awk '/^```sh test$/ { inside = 1; next } /^```/ { inside = 0 } inside { sub(/^\$ /, ""); print }' "$page")
if [ -z "$script" ]; then
  [ "$(basename "$page")" != README.md ] || { echo "README.md has no \`\`\`sh test block" >&2; exit 1; }
  echo "$(basename "$page"): no block to run"
  exit 0
fi
if grep -nE '(^|[^a-z])(quickstart|test)\.sh' <<<"$script"; then
  echo "$(basename "$page"): the two scripts build, so they are no part of a test block" >&2
  exit 1
fi
mkdir -p "$folder/build/release/bin"
ln -s "$minke" "$folder/build/release/bin/minke"
[ ! -d "$source/runs" ] || { mkdir "$folder/runs"; find "$source/runs" -maxdepth 1 -type f -exec cp {} "$folder/runs/" \; ; }
cd "$folder"
printf '%s\n' "$script" >.blocks
PATH=$folder/build/release/bin:$PATH bash -euxo pipefail .blocks </dev/null
