#!/usr/bin/env bash
# The page in a headless Chromium: browser_test.mjs. browser_test.sh PAGE_SERVER SOURCE
set -euo pipefail
server=$1 source=$2
command -v node >/dev/null || { echo "no node"; exit 77; }
why=$(node --input-type=module -e "import {missing} from '$source/tests/page/browser.mjs'; console.log(missing())")
[ -z "$why" ] || { echo "skipped: $why"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PAGE_SERVER=$server PAGE_WORK=$work node --test "$source/tests/page/browser_test.mjs"
