#!/usr/bin/env bash
# Formats our C++ with clang-format 14 (.clang-format). --check changes nothing and fails if a file would change.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-format-14 >/dev/null || { echo "format.sh: needs the Debian package clang-format-14" >&2; exit 1; }
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run --Werror)
folders=()
for folder in src tests bench; do [ ! -d $folder ] || folders+=($folder); done
find "${folders[@]}" \( -name '*.h' -o -name '*.cpp' \) -print0 | xargs -0 -r -n 8 -P "$(nproc)" clang-format-14 "${mode[@]}"
