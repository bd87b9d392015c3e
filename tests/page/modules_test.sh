#!/usr/bin/env bash
# The pure parts of the page, by node: modules_test.sh SOURCE
set -euo pipefail
command -v node >/dev/null || { echo "no node"; exit 77; }
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || { echo "node $(node --version) has no test runner"; exit 77; }
node --test "$1"/tests/page/*.test.mjs
