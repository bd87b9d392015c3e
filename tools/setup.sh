# Sourced by quickstart.sh and test.sh: installs the Debian packages that are missing, and builds a preset.
# Needs only bash and apt. Asks dpkg once, so a second run takes about 20 ms.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build_packages="g++ cmake ninja-build ccache pkg-config libcli11-dev nlohmann-json3-dev libtomlplusplus-dev libfmt-dev \
libicu-dev libzstd-dev zlib1g-dev libedit-dev libgmp-dev libboost-dev libxxhash-dev libjs-marked libjs-katex \
libjs-highlight.js"
test_packages="libgtest-dev binutils bubblewrap python3"
ci_packages="clang-14 libclang-rt-14-dev clang-format-14"

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
die() { printf "%s: %s\n" "$(basename "$0")" "$1" >&2; exit "${2:-1}"; }  # MESSAGE [EXIT_CODE]

# need_packages NAME…: installs the missing packages and prints their names.
need_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "this system is not Debian (it has no apt-get). Install the contents of these Debian packages, then build by hand
  ($*):
  cmake --preset release && cmake --build --preset release && ctest --preset release"
  local have missing=() as_root=() name
  have=" $(dpkg-query -W -f '${Package}:${db:Status-Status} ' "$@" 2>/dev/null || true) "
  for name in "$@"; do
    [[ $have == *" $name:installed "* ]] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "packages are missing, and installing them needs root or sudo. As root, run
  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}
and then run this script again."
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  local log; log=$(mktemp)
  # A failed update may still leave usable lists (one dead source among several): the install decides.
  "${apt[@]}" update >"$log" 2>&1 || say "apt-get update failed; trying to install anyway"
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    rm -f "$log"
    die "could not install ${missing[*]} (see the last lines of apt-get above). Is the network up, and is this Debian 12?"
  }
  rm -f "$log"
}

# configure PRESET [-D…]: quiet unless it fails.
configure() {
  local preset=$1 output
  shift
  output=$(cmake --preset "$preset" "$@" 2>&1) || { printf '%s\n' "$output" >&2; die "cmake --preset $preset failed"; }
}
