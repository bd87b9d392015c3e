#!/usr/bin/env bash
# links.sh SOURCE_DIR: in README.md, docs/ and src/*/README.md, every relative link leads to a file, and every file
# named in backticks by its path from the root (`src/core/error.h`) exists.
set -euo pipefail
cd "$1"
missing=0
look() { # PAGE TARGET
  [ -e "$2" ] || { echo "$1: $2 does not exist" >&2; missing=$((missing + 1)); }
}
for page in README.md docs/*.md docs/recipe/*.md src/*/README.md; do
  [ -e "$page" ] || continue
  while IFS= read -r target; do
    case $target in http:* | https:* | '#'* | '') continue ;; esac
    look "$page" "$(dirname "$page")/${target%%#*}"
  done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//' || true)
  while IFS= read -r target; do
    look "$page" "$target"
  done < <(grep -oE '`(src|tests|docs|runs|tools|cmake)/[A-Za-z0-9_./-]+[a-z0-9]`' "$page" | tr -d '`' | grep -v '^runs/out' || true)
done
[ $missing = 0 ]
