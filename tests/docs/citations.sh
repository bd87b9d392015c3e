#!/usr/bin/env bash
# citations.sh ROOT: what src/, docs/, tests/ and tools/ cite is there. Looked for, in comments and text alike:
#   tests/core/json_test.cpp     a path from the root: a file or folder
#   train/executor.h             a header by its path under src/ or tests/
#   architecture.md §5.1, §7     a page, from the root, from the citing file's folder or beside docs/recipe's others, and
#                                its sections: a heading "## 7. …" or "### 5.1 …" ("§2–§4" and "§2.1.2–2.1.3": both ends)
# A path that stands for many or for one to be made (*, <>, {}, $, runs/out) is not looked for.
set -euo pipefail
export LC_ALL=C.UTF-8  # a "–" is one character
cd "$1"
missing=0
bad() { echo "$1" >&2; missing=$((missing + 1)); }
folders=()
for folder in src docs tests tools bench README.md; do [ ! -e $folder ] || folders+=($folder); done
# Tests of such tests hold planted names.
cited() { grep -rIoE "$1" "${folders[@]}" | grep -vE '^tests/(docs/|data/|layering/layering_test.cpp)' | sort -u || true; }

# Paths from the root. What precedes or follows tells a citation from a part of something longer.
while IFS=: read -r file path; do
  path=${path#[!A-Za-z]}
  case $path in *[\*\<\>{}\$]* | runs/out*) continue ;; esac
  path=${path%%[.,/]}
  [ -e "$path" ] || bad "$file cites $path, which is not there"
done < <(cited '(^|[^A-Za-z0-9_./$}*"-])(src|docs|tests|tools|bench|runs)/[][A-Za-z0-9_./*<>{}$-]*[A-Za-z0-9_*<>{}$/]')

# Headers by their path under src/ or tests/.
while IFS=: read -r file path; do
  path=${path#[!A-Za-z]}
  [[ $path == *.html ]] && continue
  [ -e "src/$path" ] || [ -e "tests/$path" ] || [ -e "$(dirname "$file")/$path" ] || bad "$file cites $path, which is not there"
done < <(cited '(^|[^A-Za-z0-9_./$}"*<-])(core|spec|formats|tokenize|corpus|data|kernels|model|recipe|train|infer|eval|report|run|app|support|bench)/[a-z0-9_/]+\.(html|h|cpp)')

# Pages and their sections.
page_of() { # PAGE CITING_FILE
  local at
  for at in "$1" "$(dirname "$2")/$1" "docs/recipe/$1"; do [ ! -f "$at" ] || { echo "$at"; return; }; done
}
while IFS=: read -r file citation; do
  name=${citation%%.md*}.md
  case $name in *[\*\<\>{}\$]*) continue ;; esac
  page=$(page_of "$name" "$file")
  [ -n "$page" ] || { bad "$file cites $name, which is not there"; continue; }
  for section in $(grep -oE '[0-9]+(\.[0-9]+)*' <<<"${citation#*.md}" || true); do
    # A paper's "§2.1.2–2.1.3" has three numbers; our pages have two.
    grep -qE "^##+ $section[. ]" "$page" || bad "$file cites $name §$section, which has no heading there"
  done
done < <(cited '[A-Za-z0-9_./*<>{}$-]*[A-Za-z0-9_*>}-]\.md( §[0-9.]*[0-9](–§?[0-9.]*[0-9])?((,| and) §[0-9.]*[0-9](–§?[0-9.]*[0-9])?)*)?')
[ $missing = 0 ]
