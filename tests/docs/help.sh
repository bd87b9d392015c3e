#!/usr/bin/env bash
# help.sh MINKE SOURCE_DIR: `minke --help` lists every verb that src/app/cmd_*.cpp defines; the help of each verb (and of
# what stands below it) works, describes each option, and gives each numeric option a default or says it is required;
# mistakes exit with 2.
set -uo pipefail
minke=$1 source=$2 faults=0
fault() { printf 'help: %s\n' "$*" >&2; faults=$((faults + 1)); }

# verbs_of HELP_TEXT: the names under "Subcommands:" or the headings of groups of them.
verbs_of() {
  awk '/^[^ ].*:$/ { inside = !/^(Options|Positionals):/; next } /^[^ ]/ { inside = 0 } inside && /^  [a-z]/ { print $1 }' <<<"$1"
}

# look VERB…: checks the help of one verb, then of those below it.
look() {
  local text verb line
  text=$("$minke" "$@" --help 2>&1) || { fault "minke $* --help exits with $?"; return; }
  # An option starts "  -x,--long TYPE[=default]"; its text may follow on the next line if the left side is long.
  while IFS= read -r line; do
    [[ $line =~ (INT|FLOAT|UINT|NUMBER)(\ |$|:) && $line != *REQUIRED* && $line != *=* ]] &&
      fault "minke $*: no default in: $line"
  done < <(grep -E '^  +-' <<<"$text")
  while IFS= read -r line; do
    fault "minke $*: no description: $line"
  done < <(awk 'function flush() { if (held != "") print held; held = "" }
    /^  +-/ { flush(); if ($0 !~ /^  +-[^ ].*  +[^ ]/ && length($0) < 32) held = $0; next }
    /^   / { held = ""; next } { flush() } END { flush() }' <<<"$text")
  for verb in $(verbs_of "$text"); do look "$@" "$verb"; done
}

help=$("$minke" --help 2>&1) || fault "minke --help exits with $?"
[[ $help == *"Usage:"* || $help == *"usage:"* ]] || fault "minke --help does not show its usage"
verbs=$(verbs_of "$help")
for file in "$source"/src/app/cmd_*.cpp; do
  [ -e "$file" ] || continue
  # A file may be one of several parts of a verb: the verb is declared where add_<verb>_command is defined.
  for verb in $(grep -oE '^void add_[a-z_]+_command' "$file" | sed 's/^void add_//; s/_command$//; s/_/-/g'); do
    grep -qx "$verb" <<<"$verbs" || fault "minke --help does not list $verb"
  done
done
for verb in $verbs; do look "$verb"; done

"$minke" --version >/dev/null || fault "minke --version exits with $?"
"$minke" no-such-verb >/dev/null 2>&1; [ $? = 2 ] || fault "an unknown verb does not exit with 2"
for verb in $verbs; do
  "$minke" "$verb" --no-such-flag >/dev/null 2>&1; [ $? = 2 ] || fault "minke $verb with an unknown flag does not exit with 2"
done
echo "help: looked at $(wc -w <<<"$verbs") verbs"
[ $faults = 0 ]
