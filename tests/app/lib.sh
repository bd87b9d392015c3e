# For tests of the program: an empty folder, and checks that say what they saw.
set -euo pipefail
minke=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }
# mistake EXPECTED COMMAND…: exit code 2, one message on stderr that holds EXPECTED.
mistake() {
  local expected=$1 code=0
  shift
  "$@" >out.txt 2>err.txt || code=$?
  [ $code = 2 ] || fail "exit code $code instead of 2: $*: $(cat err.txt)"
  grep -qF -- "$expected" err.txt || fail "message lacks '$expected': $*: $(cat err.txt)"
  [ "$(grep -c '^minke: ' err.txt)" -le 1 ] || fail "more than one message: $(cat err.txt)"
}
