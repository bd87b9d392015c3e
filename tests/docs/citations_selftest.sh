#!/usr/bin/env bash
# citations_selftest.sh SOURCE_DIR: citations.sh passes a tree whose citations hold and refuses each planted bad one.
set -euo pipefail
check=$(cd "$1" && pwd)/tests/docs/citations.sh
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p src/core src/train docs/recipe tests/core
printf '# Page\n\n## 1. One\n\n### 1.1 Inner\n\n## 12. Twelve\n' >docs/recipe/training.md
echo 'See training.md §1.1 and docs/recipe/training.md.' >docs/recipe/other.md
echo '// Test: tests/core/error_test.cpp; src/*/README.md, runs/out/x; docs/recipe/training.md §1, §1.1 and §12.' >src/core/error.h
echo '// As core/error.h says (V3 §9.9).' >tests/core/error_test.cpp
bash "$check" . || { echo "what is there was refused" >&2; exit 1; }
while IFS= read -r line; do
  echo "// $line" >src/train/planted.h
  if bash "$check" . 2>planted.log; then echo "not noticed: $line" >&2; exit 1; fi
  grep -q 'src/train/planted.h cites' planted.log || { echo "another reason: $line: $(cat planted.log)" >&2; exit 1; }
done <<'BAD'
Test: tests/core/no_such_test.cpp
(tests/core/no_such_test.cpp)
`docs/none.md`
docs/none/
core/none.h
(recipe/training.md §1)
docs/recipe/training.md §2
docs/recipe/training.md §1.2
docs/recipe/training.md §1, §3
docs/recipe/training.md §1–3
docs/recipe/training.md §1 and §4
training.md §9
none.md §1
BAD
