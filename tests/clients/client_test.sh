#!/usr/bin/env bash
# OpenAI's own client, unchanged, against minke serve with a real model, and against a script that says what no model at hand says for sure.
#   client_test.sh MINKE SOURCE SCRIPTED_SERVER python|node
# The packages: python3 -m venv DIR/venv && DIR/venv/bin/pip install openai; (cd DIR && npm install openai); export MINKE_CLIENT_TOOLS=DIR
. "$(dirname "$0")/../app/lib.sh"
scripted=$3 language=$4 tools=${MINKE_CLIENT_TOOLS:-}
case $language in
  python)
    client=("$tools/venv/bin/python")
    [ -x "${client[0]}" ] || client=(python3)
    "${client[@]}" -c 'import openai' 2>/dev/null || { echo "no package openai for Python"; exit 77; }
    client+=("$source/tests/clients/client.py")
    ;;
  node)
    export NODE_PATH=$tools/node_modules
    node -e 'require("openai")' 2>/dev/null || { echo "no package openai for node"; exit 77; }
    client=(node "$source/tests/clients/client.js")
    ;;
esac
export PYTHONDONTWRITEBYTECODE=1
pids=()
trap 'for p in "${pids[@]}"; do kill $p 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT

echo "$text_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
# started NAME COMMAND…: leaves its output in NAME.txt, and waits for its first line that has a number of a port.
started() {
  local name=$1
  shift
  mkfifo "$name.in"
  "$@" <"$name.in" >"$name.txt" 2>&1 & pids+=($!)
  exec {hold}>"$name.in"  # the scripted server ends with its input
  until grep -qE '^[0-9]+$|^listening' "$name.txt"; do kill -0 ${pids[-1]} 2>/dev/null || fail "$(cat "$name.txt")"; sleep 0.05; done
}
started real "$minke" serve -m base/latest --port 0 --alias whale --parallel 4
real=$(sed -n 's|^listening  *\(http://[^ ]*/v1\) .*|\1|p' real.txt)
started script "$scripted" "$source/tests/clients/script.json"
script=http://127.0.0.1:$(head -n 1 script.txt)/v1
started full "$scripted" "$source/tests/clients/full.json"
full=http://127.0.0.1:$(head -n 1 full.txt)/v1
"${client[@]}" "$real" "$script" "$full" || fail "the client of $language: $(cat real.txt)"
echo ok
