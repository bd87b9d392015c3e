#!/usr/bin/env bash
# minke serve, as its clients meet it: a real model behind the API. What the API does exactly: tests/serve.
. "$(dirname "$0")/lib.sh"
python=$(command -v python3 || true)
[ -n "$python" ] || { echo "no python3 to ask with"; exit 77; }
echo "$text_base" >base.toml
"$minke" pretrain base.toml --out base >out.txt 2>&1 || fail "$(cat out.txt)"

# serve FLAGS…: starts it, and leaves its address in $address.
serve() {
  : >serve.txt  # not what the last one said
  "$minke" serve -m base/latest --port 0 "$@" >serve.txt 2>&1 & pid=$!
  until grep -q '^listening' serve.txt; do kill -0 $pid 2>/dev/null || fail "$(cat serve.txt)"; sleep 0.05; done
  address=$(sed -n 's|^listening  *http://\([^/]*\)/v1 .*|\1|p' serve.txt)
}
cat >client.py <<'END'
import http.client, json, sys
class Client:
    def __init__(self, address, key=None): self.address, self.key = address, key
    def ask(self, path, body=None):
        c = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"Content-Type": "application/json"}
        if self.key: headers["Authorization"] = "Bearer " + self.key
        c.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        r = c.getresponse()
        text = r.read().decode()
        return r.status, text
    def json(self, path, body=None):
        status, text = self.ask(path, body)
        return status, json.loads(text)
    def chat(self, question, **more):
        messages = question if isinstance(question, list) else [{"role": "user", "content": question}]
        status, a = self.json("/v1/chat/completions", dict(messages=messages, **more))
        assert status == 200, a
        return a
    def stream(self, question, **more):
        status, text = self.ask("/v1/chat/completions", dict(messages=[{"role": "user", "content": question}], stream=True, **more))
        assert status == 200 and text.endswith("data: [DONE]\n\n"), text
        events = [json.loads(e[6:]) for e in text.split("\n\n")[:-2] if e.startswith("data: ")]
        return "".join(e["choices"][0]["delta"].get("content", "") for e in events)
END
serve --alias whale --parallel 4
"$python" - "$address" <<'END' || fail "$(cat serve.txt)"
import json, sys, threading
from client import Client
c = Client(sys.argv[1])
assert c.json("/health") == (200, {"status": "ok"})
assert c.json("/v1/models")[1]["data"][0]["id"] == "whale"
# The same question with the same seed: the same text at once, as a stream, and among others.
alone = c.chat("How is the sea?", seed=3, max_tokens=40, temperature=1)
said = alone["choices"][0]["message"]["content"]
assert c.stream("How is the sea?", seed=3, max_tokens=40, temperature=1) == said
among = [None] * 12
def ask(i): among[i] = c.chat("How is the sea?" if i % 2 else f"Number {i}?", seed=3 if i % 2 else i, max_tokens=40, temperature=1)
threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
for t in threads: t.start()
for t in threads: t.join()
assert all(a["choices"][0]["message"]["content"] == said for a in among[1::2]), among
assert c.chat("How is the sea?", seed=4, max_tokens=40, temperature=1)["choices"][0]["message"]["content"] != said
two = c.chat("How is the sea?", seed=3, n=2, max_tokens=40, temperature=1)["choices"]
assert two[0]["message"]["content"] == said and two[1]["message"]["content"] != said
# A second turn computes its new tokens alone.
history = [{"role": "user", "content": "How is the sea? " * 3}]
first = c.chat(history, seed=1, max_tokens=3)
history += [{"role": "assistant", "content": first["choices"][0]["message"]["content"]}, {"role": "user", "content": "And?"}]
second = c.chat(history, seed=1, max_tokens=3)["usage"]
assert second["prompt_tokens_details"]["cached_tokens"] >= first["usage"]["prompt_tokens"] // 64 * 64, (first["usage"], second)
again = c.chat(history, seed=1, max_tokens=3)["usage"]
assert again["prompt_cache_miss_tokens"] <= 1 and again["prompt_cache_hit_tokens"] == again["prompt_tokens"] - again["prompt_cache_miss_tokens"], again
# JSON of a given form.
schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "n": {"type": "integer", "maximum": 9}}, "required": ["name", "n"]}
a = c.chat("Say", seed=2, temperature=1, max_tokens=90, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
assert a["choices"][0]["finish_reason"] == "stop", a
value = json.loads(a["choices"][0]["message"]["content"])
assert list(value) == ["name", "n"] and value["n"] <= 9, value
status, a = c.json("/v1/completions", {"prompt": "The whale", "max_tokens": 5, "temperature": 0})
assert status == 200 and a["usage"]["completion_tokens"] == 5, a
status, a = c.json("/v1/chat/completions", {"messages": [{"role": "user", "content": "x " * 500}]})
assert status == 400 and a["error"]["type"] == "exceed_context_size_error", a
metrics = c.ask("/metrics")[1]
assert "minke_engine_step_seconds_total" in metrics and "minke_requests_running 0" in metrics, metrics
END
# Greedily, as minke generate continues it.
prompt="The whale sings"
"$minke" generate -m base/latest -p "$prompt" -n 12 --temp 0 -q >generated.txt 2>/dev/null
"$python" - "$address" "$prompt" <<'END' >served.txt || fail "$(cat serve.txt)"
import sys
from client import Client
print(Client(sys.argv[1]).json("/v1/completions", {"prompt": sys.argv[2], "max_tokens": 12, "temperature": 0})[1]["choices"][0]["text"])
END
# JSON has no half characters: ASCII alone.
cmp <(LC_ALL=C tr -cd '[:print:]' <generated.txt) <(LC_ALL=C tr -cd '[:print:]' <served.txt) || fail "served: $(cat served.txt), generated: $(cat generated.txt)"
# Another server in its place; it ends when it is told to.
mistake 'Is another program there?' "$minke" serve -m base/latest --port "${address##*:}"
kill -INT $pid
wait $pid || fail "exit code $?: $(cat serve.txt)"
grep -q '^stopped$' serve.txt || fail "$(cat serve.txt)"

# The page, and the run that the model comes from; no other folder is read.
serve --run base
"$python" - "$address" <<'END' || fail "$(cat serve.txt)"
import json, sys
from client import Client
c = Client(sys.argv[1])
status, page = c.ask("/")
assert status == 200 and "/page/app.js" in page, page
runs = c.json("/training")[1]["runs"]
assert [(r["name"], r["state"], r["step"]) for r in runs] == [("base", "done", 2)], runs
charts = c.json("/training/0")[1]["charts"]
assert {"loss", "load"} <= {chart["id"] for chart in charts}, charts
assert c.ask("/training/1")[0] == 404
END
kill -INT $pid
wait $pid || fail "exit code $?: $(cat serve.txt)"
mistake '--run nowhere: no such folder' "$minke" serve -m base/latest --run nowhere --port 0

# Keys.
printf '# of friends\nsesame\n\n' >keys.txt
serve --api-key-file keys.txt
"$python" - "$address" <<'END' || fail "$(cat serve.txt)"
import sys
from client import Client
assert Client(sys.argv[1]).ask("/v1/models")[0] == 401
assert Client(sys.argv[1], "sesame").ask("/v1/models")[0] == 200
END
kill -TERM $pid
wait $pid || fail "exit code $?: $(cat serve.txt)"
echo '#' >none.txt
mistake 'no key is in it' "$minke" serve -m base/latest --api-key-file none.txt
mistake '--api-key-file: the value is empty' "$minke" serve -m base/latest --api-key-file ''
mistake '--host nowhere: no IP address' "$minke" serve -m base/latest --host nowhere --port 0
# The folder's name is the model's, also from within it.
cd base
"$minke" serve -m latest --port 0 --host '[::1]' >../named.txt 2>&1 & pid=$!
cd ..
until grep -q '^listening' named.txt; do kill -0 $pid 2>/dev/null || break; sleep 0.05; done
if kill -0 $pid 2>/dev/null; then  # a machine without IPv6 has no such address
  grep -q '^listening  *http://\[::1\]:[0-9]*/v1 as base,' named.txt || fail "$(cat named.txt)"
  kill -INT $pid
  wait $pid || fail "exit code $?: $(cat named.txt)"
  grep -q '^stopping  *answers that are under way have 10 s' named.txt || fail "$(cat named.txt)"
fi
echo ok
