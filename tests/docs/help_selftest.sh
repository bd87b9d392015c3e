#!/usr/bin/env bash
# help_selftest.sh SOURCE_DIR: help.sh must pass a good program and find each fault planted in another.
set -euo pipefail
help=$1/tests/docs/help.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/src/app"
echo 'void add_train_command(CLI::App& program) {}' >"$folder/src/app/cmd_train.cpp"

# program OPTION_LINE [EXIT_OF_BAD_FLAG] [VERB]: writes a program with one verb.
program() {
  cat >"$folder/minke" <<END
#!/bin/sh
case "\$*" in
  --help) printf 'a program\nUsage: minke VERB\n\nSubcommands:\n  ${3:-train}     trains\n' ;;
  --version) echo 1 ;;
  "${3:-train} --help") printf 'Usage: minke train\n\nOptions:\n  -h,--help                   Print this\n$1\n' ;;
  *) exit ${2:-2} ;;
esac
END
  chmod +x "$folder/minke"
}
passes() { bash "$help" "$folder/minke" "$folder" >"$folder/log" 2>&1; }

good='  --steps INT=100             how many steps\n  --a-very-long-name-of-an-option TEXT REQUIRED\n                              what it is'
program "$good"; passes || { cat "$folder/log" >&2; exit 1; }
for faulty in '  --steps INT                 how many steps' '  --steps INT=100'; do
  program "$faulty"; ! passes || { echo "not found: $faulty" >&2; exit 1; }
done
program "$good" 1; ! passes || { echo "not found: a wrong exit code" >&2; exit 1; }
program "$good" 2 other; ! passes || { echo "not found: a verb that --help leaves out" >&2; exit 1; }
