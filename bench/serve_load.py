#!/usr/bin/env python3
"""Load for `minke serve`, from one process with the standard library alone.

  serve_load.py 127.0.0.1:8080 --streams 64 --seconds 60   as many streams at once: tokens, rates, waits
  serve_load.py 127.0.0.1:8080 --short 10000 --pid PID     as many short requests: the server's memory at every 1,000
  serve_load.py 127.0.0.1:8080 --turns 8                   a conversation: what each turn costs

Streams: each asks, reads to the end of its answer, and asks again. Counting begins when all of them have a first token, and ends so
many seconds later; then they are cut off. "by the clients" is what arrived here; "by the engine" are the tokens and the time of its
steps, from /metrics, so that it does not count what else the machine does. Where this program and the server share cores, give each
its own (taskset), or this one takes from what it measures.

The exit code is 1 if a request failed.
"""
import argparse
import asyncio
import json
import pathlib
import statistics
import sys
import time

# Of every event of a token, and of the first, which has none; within texts the quotation marks have backslashes.
TOKEN, END, BROKEN = b'"finish_reason":null', b"data: [DONE]", b'data: {"error"'


def request(path, body, address, key, method="POST"):
    text = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address}", f"Content-Length: {len(text)}", "Content-Type: application/json"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


class Client:
    """One request after the other on one connection; whole answers."""

    def __init__(self, options):
        self.options, self.reader = options, None

    async def ask(self, path, body=None, method="POST"):
        if self.reader is None:
            host, port = self.options.address.rsplit(":", 1)
            self.reader, self.writer = await asyncio.open_connection(host.strip("[]"), int(port))
        self.writer.write(request(path, body, self.options.address, self.options.key, method))
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        return int(head[9:12]), await self.reader.readexactly(length)

    async def metrics(self):
        status, text = await self.ask("/metrics", method="GET")
        if status != 200:
            raise SystemExit(f"/metrics answers {status}: {text.decode()[:300]}")
        lines = (line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


def memory_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))


def percentiles(values):
    if not values:
        return None
    v = sorted(values)
    return {f"p{p}": v[min(len(v) - 1, len(v) * p // 100)] * 1000 for p in (50, 90, 99)} | {"most": v[-1] * 1000}


class Load:
    """What the streams of a run have in common."""

    def __init__(self, options):
        self.options, self.counting, self.over = options, False, False
        self.errors, self.first, self.between, self.prompts, self.answers = [], [], [], [], []


class Stream(asyncio.Protocol):
    """Asks again and again. A piece of an answer costs one count of bytes; no JSON is read but at the end."""

    def __init__(self, load, number):
        self.load, self.number, self.tokens, self.asked_times = load, number, 0, 0

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        o = self.load.options
        text = f"{self.number}.{self.asked_times}: {o.prompt}"  # no two have a beginning in common but the template's
        body = {"messages": [{"role": "user", "content": text}], "stream": True, "stream_options": {"include_usage": True},
                "temperature": o.temperature, **o.extra}
        if o.tokens:
            body["max_tokens"] = o.tokens
        self.asked_times += 1
        self.head, self.last, self.seen, self.begun, self.before = b"", b"", -1, time.perf_counter(), None
        self.transport.write(request("/v1/chat/completions", body, o.address, o.key))

    def data_received(self, data):
        now, load = time.perf_counter(), self.load
        if self.head is not None:
            self.head += data
            at = self.head.find(b"\r\n\r\n")
            if at < 0:
                return
            if not self.head.startswith(b"HTTP/1.1 200"):
                return self.fail(self.head[at + 4:].decode(errors="replace")[:300] or self.head.decode(errors="replace")[:300])
            data, self.head = self.head[at + 4:], None
        with_last = self.last[-len(TOKEN) + 1:] + data
        new = with_last.count(TOKEN)
        self.last = (self.last + data)[-2000:]
        if new and self.seen < 0:
            self.seen, new = 0, new - 1
        if new:
            self.seen += new
            if load.counting:
                self.tokens += new
                if self.before is not None:
                    load.between.append(now - self.before)
                else:
                    load.first.append(now - self.begun)
            self.before = now
        if BROKEN in self.last:
            return self.fail(self.last[self.last.find(BROKEN):].decode(errors="replace"))
        if END in self.last and self.last.endswith(b"0\r\n\r\n"):
            usage = json.loads(self.last[self.last.rindex(b'"usage":') + 8:self.last.rindex(b',"timings"')])
            load.prompts.append(usage["prompt_tokens"])
            load.answers.append(usage["completion_tokens"])
            self.ask()

    def fail(self, why):
        if not self.load.over:
            self.load.errors.append(why)
        self.transport.abort()

    def connection_lost(self, error):
        if not self.load.over and (not self.load.errors or error):
            self.load.errors.append(f"stream {self.number}: the connection ended: {error}")


async def streams(o):
    load = Load(o)
    loop = asyncio.get_running_loop()
    host, port = o.address.rsplit(":", 1)
    all_of_them = [(await loop.create_connection(lambda i=i: Stream(load, i), host.strip("[]"), int(port)))[1] for i in range(o.streams)]
    waiting = time.perf_counter()
    while any(s.seen < 1 and s.asked_times < 2 for s in all_of_them) and not load.errors:
        if time.perf_counter() - waiting > o.patience:
            raise SystemExit(f"after {o.patience:.0f} s not all of {o.streams} streams have a first token: does the server compute as many at once (--parallel)?")
        await asyncio.sleep(0.01)
    before, begin = await Client(o).metrics(), time.perf_counter()
    load.counting, memory = True, []
    while (passed := time.perf_counter() - begin) < o.seconds and not load.errors:
        if o.pid:
            memory.append(memory_mb(o.pid))
        await asyncio.sleep(min(1.0, o.seconds - passed))
    after, seconds = await Client(o).metrics(), time.perf_counter() - begin  # the server closes connections that are idle for a minute
    load.counting, load.over = False, True
    for s in all_of_them:
        s.transport.abort()
    rates = [s.tokens / seconds for s in all_of_them]
    steps, step_seconds, tokens = (after[f"minke_engine_{k}_total"] - before[f"minke_engine_{k}_total"] for k in ("steps", "step_seconds", "tokens"))
    result = {"streams": o.streams, "seconds": seconds, "errors": load.errors, "tokens": sum(s.tokens for s in all_of_them),
              "clients_tok_s": sum(rates), "engine_tokens": tokens, "engine_steps": steps, "engine_step_seconds": step_seconds,
              "engine_tok_s": tokens / step_seconds if step_seconds else 0, "batch": tokens / steps if steps else 0,
              "slowest_to_mean": min(rates) / statistics.mean(rates) if sum(rates) else 0,
              "first_token_ms": percentiles(load.first), "between_tokens_ms": percentiles(load.between),
              "requests": len(load.answers), "prompt_tokens": statistics.mean(load.prompts) if load.prompts else None,
              "answer_tokens": statistics.mean(load.answers) if load.answers else None, "memory_mb": memory}
    print(f"{o.streams} streams, {seconds:.1f} s: {result['tokens']} tokens, {len(load.errors)} errors, {result['requests']} answers to their end")
    print(f"by the clients   {result['clients_tok_s']:8.1f} tok/s; slowest stream / mean {result['slowest_to_mean']:.3f}")
    print(f"by the engine    {result['engine_tok_s']:8.1f} tok/s of its steps; {tokens:.0f} tokens in {steps:.0f} steps, {step_seconds:.1f} s ({100 * step_seconds / seconds:.0f} %)")
    for name, title in (("first_token_ms", "first token"), ("between_tokens_ms", "between tokens")):
        if result[name]:
            print(f"{title:16} " + ", ".join(f"{k} {v:.1f} ms" for k, v in result[name].items()))
    if load.prompts:
        print(f"prompts of {result['prompt_tokens']:.1f} tokens, answers of {result['answer_tokens']:.1f} in the mean")
    if memory:
        print(f"memory           {memory[0]:.1f} MB at first, {max(memory):.1f} at most, {memory[-1]:.1f} at last")
    return result


async def short(o):
    errors, done, memory = [], 0, []
    begin = time.perf_counter()

    async def some():
        nonlocal done
        client = Client(o)
        while done < o.short and len(errors) < 10:
            done += 1
            number = done
            body = {"messages": [{"role": "user", "content": f"{number}: {o.prompt}"}], "max_tokens": o.tokens or 4, "temperature": o.temperature, **o.extra}
            status, text = await client.ask("/v1/chat/completions", body)
            if status != 200:
                errors.append(text.decode(errors="replace")[:300])
            if number % 1000 == 0:
                memory.append(memory_mb(o.pid) if o.pid else None)
                print(f"{number:7} requests, {time.perf_counter() - begin:7.1f} s" + (f", {memory[-1]:9.2f} MB" if o.pid else ""), flush=True)

    await asyncio.gather(*[some() for _ in range(o.streams)])
    m = await Client(o).metrics()
    print(f"{len(errors)} errors; {m['minke_requests_running']:.0f} running, {m['minke_kv_pages'] - m['minke_kv_pages_free']:.0f} pages held")
    return {"requests": done, "errors": errors, "memory_mb": memory, "seconds": time.perf_counter() - begin}


async def turns(o):
    client, messages, rows, errors = Client(o), [], [], []
    print("turn   prompt   cached      new   prompt ms   answer")
    for turn in range(o.turns):
        messages.append({"role": "user", "content": f"{turn}: {o.prompt}"})
        body = {"messages": messages, "max_tokens": o.tokens or 32, "temperature": o.temperature, **o.extra}
        status, text = await client.ask("/v1/chat/completions", body)
        a = json.loads(text)
        if status != 200:
            errors.append(a["error"]["message"])
            break
        messages.append({"role": "assistant", "content": a["choices"][0]["message"]["content"] or ""})
        u = a["usage"]
        row = {"prompt": u["prompt_tokens"], "cached": u["prompt_cache_hit_tokens"], "new": u["prompt_cache_miss_tokens"],
               "prompt_ms": a["timings"]["prompt_ms"], "answer": u["completion_tokens"]}
        rows.append(row)
        print(f"{turn + 1:4} {row['prompt']:8} {row['cached']:8} {row['new']:8} {row['prompt_ms']:11.1f} {row['answer']:8}", flush=True)
    return {"turns": rows, "errors": errors}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("address", help="HOST:PORT of the server")
    p.add_argument("--streams", type=int, default=8, help="at once, at most 1024 (8)")
    p.add_argument("--seconds", type=float, default=60, help="that are counted (60)")
    p.add_argument("--short", type=int, default=0, help="so many short requests instead")
    p.add_argument("--turns", type=int, default=0, help="a conversation of so many turns instead")
    p.add_argument("--tokens", type=int, default=0, help="of an answer: max_tokens (as many as the context holds; --short 4, --turns 32)")
    p.add_argument("--prompt", default="Tell me of the sea.", help="what is asked, behind a number that makes each one new")
    p.add_argument("--temperature", type=float, default=1.0)
    p.add_argument("--extra", type=json.loads, default={}, help='more fields of each request, such as \'{"logit_bias": {"2": -100}}\': no end token')
    p.add_argument("--pid", type=int, help="of the server on this machine: its memory is watched")
    p.add_argument("--key", help="API key")
    p.add_argument("--patience", type=float, default=120, help="seconds until all streams must have begun (120)")
    p.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    o = p.parse_args()
    if not 1 <= o.streams <= 1024:
        p.error("--streams: from 1 to 1024")
    o.address = o.address.removeprefix("http://").removesuffix("/").removesuffix("/v1")
    try:
        result = asyncio.run(turns(o) if o.turns else short(o) if o.short else streams(o))
    except (OSError, asyncio.IncompleteReadError) as e:
        raise SystemExit(f"{o.address}: {e}")
    if o.json:
        o.json.write_text(json.dumps(result, indent=1) + "\n")
    for why in result["errors"][:5]:
        print("error:", why, file=sys.stderr)
    return 1 if result["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
