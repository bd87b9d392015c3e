#!/usr/bin/env bash
# papers.sh SOURCE_DIR [PAGE]: every `path:name` of docs/papers.md is a file that contains the name.
set -euo pipefail
cd "$1"
page=${2:-docs/papers.md} found=0 missing=0
while IFS=: read -r file name; do
  found=$((found + 1))
  grep -qw -- "$name" "$file" 2>/dev/null || { echo "$page: $file has no $name" >&2; missing=$((missing + 1)); }
done < <(grep -oE '`(src|tests)/[A-Za-z0-9_./-]+:[A-Za-z0-9_]+`' "$page" | tr -d '`')
[ $found -gt 0 ] || { echo "$page names nothing" >&2; exit 1; }
[ $missing = 0 ]
