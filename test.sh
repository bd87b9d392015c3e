#!/usr/bin/env bash
# Builds minke and runs its tests; installs the Debian packages it lacks.
#   ./test.sh                 everything, release build
#   ./test.sh --unit          only the unit tests (under a minute once built)
#   ./test.sh --preset asan   another build: release dev asan ubsan tsan
#   ./test.sh -- -R mla       passes everything after -- to ctest
# With CI=true: warnings are errors, the formatting is checked, and the unit tests and the fuzz targets are built and
# run by clang 14 with AddressSanitizer and UBSan first.
. "$(dirname "$0")/tools/setup.sh"

preset=release target=all labels=()
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:?"--preset needs a name: release dev asan ubsan tsan"}; shift 2 ;;
    --unit) target=unit_tests labels=(-L '^unit$'); shift ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --) shift; break ;;
    *) die "unknown option $1 (./test.sh --help lists them)" 2 ;;
  esac
done
[[ " release dev asan ubsan tsan " == *" $preset "* ]] || die "there is no preset $preset; the presets are release dev asan ubsan tsan" 2

# shellcheck disable=SC2086  # lists of names, split on purpose
need_packages $build_packages $test_packages
cores=$(nproc)
options=(-DMINKE_TESTS=ON)
[ "${CI:-}" != true ] || options+=(-DMINKE_WERROR=ON)

# build_and_test PRESET TARGET [ctest arguments…]
build_and_test() {
  local name=$1 target=$2 begin=$SECONDS
  local list=build/$name/Testing/Temporary/LastTestsFailed.log
  shift 2
  rm -f "$list"
  [ -e "build/$name/.ninja_log" ] || say "building $name with $cores cores: the first time takes minutes"
  configure "$name" "${options[@]}"
  cmake --build --preset "$name" -j "$cores" --target "$target" || return
  say "built $name in $((SECONDS - begin)) s; testing"
  ctest --test-dir "build/$name" --output-on-failure --no-tests=error --no-label-summary -j "$cores" "$@" && return
  # Named again at the very end: where only the last lines of a log are kept, another build's tests would hide them.
  mapfile -t -O "${#failed_tests[@]}" failed_tests < <(sed "s/^[0-9]*:/$name: /" "$list" 2>/dev/null)
  return 1
}

failed=() failed_tests=()
if [ "${CI:-}" = true ]; then
  # shellcheck disable=SC2086
  need_packages $ci_packages
  tools/format.sh --check || failed+=(formatting)
  [ "$preset" != release ] || CXX=clang++-14 build_and_test asan unit_tests -L '^(unit|fuzz)$' || failed+=("unit tests or fuzzing with clang and asan")
fi
build_and_test "$preset" "$target" "${labels[@]}" "$@" || failed+=("$preset")
[ ${#failed_tests[@]} = 0 ] || printf '%s\n' 'test.sh: failed tests:' "${failed_tests[@]/#/  }" >&2
[ ${#failed[@]} = 0 ] || die "FAILED: $(printf '%s; ' "${failed[@]}")see above"
