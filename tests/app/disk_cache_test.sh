#!/usr/bin/env bash
# minke serve --disk-cache: a conversation goes on after the server has been ended and begun again, with the same bits.
. "$(dirname "$0")/lib.sh"
python=$(command -v python3 || true)
[ -n "$python" ] || { echo "no python3 to ask with"; exit 77; }
echo "$text_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"
"$minke" pretrain base.toml --out other --set train.seed=2 >out.txt 2>&1 || fail "$(cat out.txt)"
cp -rL base/latest copy

# ask MODEL FLAGS…: a server that answers one long question, with log-probabilities, then ends. Prints how many tokens of it were known.
ask() {
  local model=$1 pid address
  shift
  : >serve.txt  # not what the last one said
  "$minke" serve -m "$model" --port 0 "$@" >serve.txt 2>&1 & pid=$!
  until grep -q '^listening' serve.txt; do kill -0 $pid 2>/dev/null || fail "$(cat serve.txt)"; sleep 0.05; done
  address=$(sed -n 's|^listening  *http://\([^/]*\)/v1 .*|\1|p' serve.txt)
  "$python" - "$address" <<'END' || fail "$(cat serve.txt)"
import http.client, json, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=60)
question = " ".join(f"Whale {i} swims to island {i * 7 % 10}." for i in range(5))
c.request("POST", "/v1/completions", json.dumps(dict(prompt=question, max_tokens=8, temperature=0, logprobs=3)))
a = json.loads(c.getresponse().read())
json.dump(a["choices"], open("answer.json", "w"))
print(a["usage"]["prompt_tokens_details"]["cached_tokens"])
END
  [ -z "${mistake_beside:-}" ] || mistake "$mistake_beside" "$minke" serve -m "$model" --port 0 "$@"
  kill -INT $pid
  wait $pid || fail "exit code $?: $(cat serve.txt)"
}
[ "$(ask base/latest)" = 0 ] || fail "known without having been asked"
cp answer.json computed.json
[ "$(ask base/latest --disk-cache kv)" = 0 ] || fail "known without having been asked"
cmp answer.json computed.json
[ "$(stat -c %a kv)" = 700 ] || fail "others may read the folder"
pages=$(ls kv | wc -l)
[ "$pages" -ge 1 ] || fail "nothing was written"

# Another process, of a copy of the model elsewhere: what was computed is read. A second server is told off meanwhile.
mistake_beside='another process is using kv' ask copy --disk-cache kv >known.txt
[ "$(cat known.txt)" = $((pages * 64)) ] || fail "known: $(cat known.txt), pages: $pages"
cmp answer.json computed.json
[ "$(ls kv | wc -l)" = "$pages" ] || fail "written twice"
# Other weights, another cache, another rule: nothing is taken from the first.
[ "$(ask other/latest --disk-cache kv)" = 0 ] || fail "of another model"
[ "$(ask base/latest --disk-cache kv --cache-type f32)" = 0 ] || fail "of another cache"
[ "$(ask base/latest --disk-cache kv --no-reuse-answers)" = 0 ] || fail "of another rule"
# A damaged file is as none.
for page in kv/*.kv; do printf x | dd of="$page" bs=1 seek=900 conv=notrunc status=none; done
[ "$(ask base/latest --disk-cache kv)" = 0 ] || fail "from a damaged file"
cmp answer.json computed.json
[ "$(ask base/latest --disk-cache kv)" = $((pages * 64)) ] || fail "a damaged file was not written anew"
mkdir read-only && chmod 555 read-only
[ "$(id -u)" = 0 ] || mistake 'nothing can be written there' "$minke" serve -m base/latest --port 0 --disk-cache read-only
mistake '--disk-cache base.toml: the folder cannot be made' "$minke" serve -m base/latest --port 0 --disk-cache base.toml
echo ok
