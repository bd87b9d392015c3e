"""Clients that mean it ill, each kind beside streams that must not notice: python3 hostile_clients.py test_scripted_server

What a correct server owes them is a 4xx or a closed connection. Afterwards nothing of them may be left: no answer, no page of the
cache, no connection, no memory."""
import json
import os
import sys
import threading
import time

import hostile_fields
from wire import PATIENCE, Server, WellBehaved, Wire, chat, post, soon

SANITIZED = bool(os.environ.get("MINKE_SANITIZED"))
HEADER_MS = 3000  # of the server: a client that says nothing whole for so long is closed
CHAT = "/v1/chat/completions"
ROUTES = (CHAT, "/v1/completions", "/tokenize", "/detokenize", "/apply-template")
FOREVER, SHORT = "round and round we go, ", "Hello, you: <script>alert('鲸')</script> \"quoted\"\\ \n" * 3


def is_error(status, head, body, of=None):
    """A 4xx of OpenAI's form."""
    assert 400 <= status < 500, (of, status, body[:300])
    assert "content-type: application/json" in head, (of, head)
    error = json.loads(body)["error"]
    assert error["message"] and error["type"], (of, error)
    return error


def malformed_bodies(server):
    nested = 10_000
    bodies = [b"", b" ", b"null", b"[]", b"[{}]", b'"x"', b"7", b"{", b"}", b'{"messages"', b'{"messages": [', b"{]", b"{,}",
              b'{"a": 1,}', b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b'{"temperature": 1e999}', b'{"max_tokens": -}',
              b'{"max_tokens": 0x10}', b'{"a": 01}', b'{} {}', b'{"messages": []}\0', b'\0{}', b'{"a\0b": 1}', b"\xff\xfe{\0}\0",
              b'{"a": "\xff"}', b'{"a": "\xc0\x80"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\xf4\x90\x80\x80"}', b'{"a": "\xe9"}',
              b'{"\x80": 1}', b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"a": "\\x"}', b'{"a": "\n"}', b"/* */ {}",
              b"[" * nested, b'{"a":' * nested, b"[" * nested + b"]" * nested, b'{"a":' * nested + b"1" + b"}" * nested,
              b'{"messages": ' + b"[" * 300 + b"]" * 300 + b"}", b"{" + b",".join(b'"%d": 1' % i for i in range(5000)) + b"}",
              b'{"messages": [' + b"0," * (1 << 20) + b"0]}", bytes(range(256)) * 40]
    c = Wire(server.port)
    for route in ROUTES:
        for body in bodies:
            assert c.say(post(route, body)), (route, body[:50])
            is_error(*c.answer(), of=(route, body[:50]))
    c.close()
    # A key that is there twice: the last one counts, as in Python and JavaScript.
    status, _, body = server.ask("POST", CHAT, b'{"messages": 7, "max_tokens": 1, "max_tokens": 2, "messages": [{"role": "user", "content": "short"}]}')
    assert status == 200 and json.loads(body)["usage"]["completion_tokens"] == 2, body
    # Text that would be a tag, a header or a script elsewhere is a text here.
    for path in ("/<script>alert(1)</script>", "/%3Cscript%3E", "/x%0d%0aSet-Cookie:%20a=b"):
        status, headers, body = server.ask("GET", path)
        assert status == 404 and headers["content-type"].startswith("application/json") and "set-cookie" not in headers
    status, headers, body = server.ask("POST", CHAT, chat("short"))
    assert headers["content-type"].startswith("application/json") and json.loads(body)["choices"][0]["message"]["content"] == SHORT
    assert headers["x-content-type-options"] == "nosniff", headers


def large_bodies(server):
    size, piece = 100_000_000, b"x" * 1_000_000
    before = server.most_memory()

    def pour(head, piece, times, status):
        """Says more than it should, and may learn so at once or in the end."""
        c = Wire(server.port, head)
        for _ in range(times):
            if not c.say(piece):
                break
        got = c.answer()
        assert got[0] in status, (head, got)
        c.close()

    chunked = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    pour(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode(), piece, 100, (413,))
    pour(chunked, b"%x\r\n%s\r\n" % (len(piece), piece), 100, (413, 0))
    pour(chunked + b"%x\r\n" % size, piece, 100, (413,))
    pour(chunked + b"5;x=", piece, 100, (400, 413, 431, 0))  # what stands beside the length of a chunk
    pour(chunked + b"0\r\n", b"X-%s: a\r\n" % (b"y" * 1000), 100_000, (400, 413, 431, 0))  # headers behind the body
    pour(b"GET / HTTP/1.1\r\n", b"X-%s: a\r\n" % (b"y" * 1000), 100_000, (431, 0))
    pour(b"GET / HTTP/1.1\r\nX-A: ", piece, 100, (431, 0))
    pour(b"GET /", piece, 100, (400, 431, 0))
    pour(b"", piece, 100, (400, 431, 0))
    c = Wire(server.port, f"POST {CHAT} HTTP/1.1\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert c.answer()[0] == 413  # and no 100 before it
    c.close()
    grown = server.most_memory() - before
    assert SANITIZED or grown < 64, f"{grown} MB more than before"


def http_forms(server):
    """Requests that are no HTTP, or HTTP that only a liar writes."""
    get, body = b"GET /health HTTP/1.1\r\n", b'{"content": "a"}'
    hidden = b"GET /v1/models HTTP/1.1\r\n\r\n"  # what must not be taken for a request
    smuggled = [
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + hidden, b"Content-Length: 0\r\nContent-Length: 27\r\n\r\n" + hidden,
        b"Content-Length: 0, 27\r\n\r\n" + hidden, b"Content-Length: +27\r\n\r\n" + hidden, b"Content-Length: 0x1b\r\n\r\n" + hidden,
        b"Content-Length: -1\r\n\r\n" + hidden, b"Content-Length: 18446744073709551617\r\n\r\n" + hidden,
        b"Content-Length : 27\r\n\r\n" + hidden, b"Content-Length: 27\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, b"Transfer-Encoding: gzip\r\n\r\n" + hidden,
        b"Transfer-Encoding: identity\r\n\r\n" + hidden, b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + hidden, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden, b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden,
        b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + hidden, b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + hidden,
        b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" + hidden,
        b"X-A: a\r\n Content-Length: 27\r\n X: \x00\r\n\r\n" + hidden, b"X-A: a\rX-B: b\r\n\r\n" + hidden, b"X-A: a\nX-B: b\n\n" + hidden,
        b"X A: b\r\n\r\n" + hidden, b": b\r\n\r\n" + hidden, b"X-A\r\n\r\n" + hidden, b"\x00: b\r\n\r\n" + hidden, b"X-\xff: \xff\r\n\r\n" + hidden]
    for headers in smuggled:
        c = Wire(server.port, b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\n" + headers)
        status, _, got = c.answer()
        assert status in (0, 400, 413), (headers, status, got)
        assert c.is_closed(), (headers, c.got)
        c.close()
    lines = [b"nonsense\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
             b"GET /health\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"GET /health HTTP/1.1 x\r\n\r\n", b"GET  /health HTTP/1.1\r\n\r\n",
             b"GET /hea lth HTTP/1.1\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n", b"G\x00T / HTTP/1.1\r\n\r\n", b" GET / HTTP/1.1\r\n\r\n",
             b"GET /health HTTP/1.1\n\n", b"GET / http/1.1\r\n\r\n"]
    for line in lines:
        c = Wire(server.port, line)
        c.socket.shutdown(1)
        status, _, got = c.answer()
        assert status in (0, 400), (line, status, got)
        assert c.is_closed(), (line, c.got)
        c.close()
    for target in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/v1/../../etc/passwd", "//etc/passwd", "/./health",
                   "/health/..", "/health%00", "/v1/models/x/", "file:///etc/passwd", "/health\\..\\..", "etc/passwd", "*", "?", "/" + "a" * 8000):
        status, head, got = Wire(server.port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).answer()
        assert status == 404, (target, status, got)
        is_error(status, head, got)
    # What is unusual, but right.
    for line, status in ((b"GET http://x/health HTTP/1.1\r\n\r\n", 200), (b"GET http://x:80 HTTP/1.1\r\n\r\n", 200), (b"OPTIONS * HTTP/1.1\r\n\r\n", 204),
                         (b"OPTIONS /health HTTP/1.1\r\n\r\n", 204), (b"BREW /health HTTP/1.1\r\n\r\n", 405), (b"DELETE /health HTTP/1.1\r\n\r\n", 405),
                         (b"POST /health HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405), (b"GET /v1/completions HTTP/1.1\r\n\r\n", 405),
                         (b"CONNECT x:80 HTTP/1.1\r\n\r\n", 404), (b"TRACE /nothing HTTP/1.1\r\n\r\n", 404), (b"GET /health?a=/../b HTTP/1.1\r\n\r\n", 200),
                         (b"POST /tokenize HTTP/1.1\r\nContent-Length: 16\r\n\r\n" + body, 200),
                         (b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n10;a=b\r\n" + body + b"\r\n0\r\nX: y\r\n\r\n", 200)):
        c = Wire(server.port, line + get + b"\r\n")
        assert (got := c.answer())[0] == status, (line, got)
        assert c.answer()[0] == 200, line  # the next one on the same connection
        c.close()
    c = Wire(server.port, b"HEAD /health HTTP/1.1\r\n\r\n")
    assert b"200 OK" in c.until(b"\r\n\r\n")
    c.say(get + b"\r\n")
    assert c.answer()[0] == 200  # where a body would have been
    c.close()
    # Of HTTP/1.0 each answer ends its connection, unless it is kept.
    c = Wire(server.port, b"GET /health HTTP/1.0\r\n\r\n")
    assert c.answer()[0] == 200 and c.is_closed()
    c = Wire(server.port, b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert c.answer()[0] == 200 and c.say(get + b"\r\n") and c.answer()[0] == 200
    c.close()
    c = Wire(server.port, b"POST /tokenize HTTP/1.1\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n")
    assert c.answer()[0] == 100 and c.say(body) and c.answer()[0] == 200
    c.close()
    # A thousand at once on one connection: answered one after the other.
    c = Wire(server.port)
    sent = threading.Thread(target=c.say, args=(b"".join(post("/detokenize", {"tokens": [i % 200]}) for i in range(1000)),))
    sent.start()
    one = [json.loads(server.ask("POST", "/detokenize", {"tokens": [i]})[2]) for i in range(200)]
    for i in range(1000):
        status, _, got = c.answer()
        assert status == 200 and json.loads(got) == one[i % 200], (i, got)
    sent.join()
    c.close()


def aborted_streams(server, how_many=2000):
    ways = [lambda c: None, lambda c: c.until(b"data: "), lambda c: c.say(post(CHAT, chat("short"))), lambda c: c.say(b"\r\n"),
            lambda c: [c.until(b"data: ") for _ in range(5)]]
    bodies = [post(CHAT, chat("forever", stream=True)), post(CHAT, chat("forever")), post(CHAT, chat("forever", stream=True, n=3)),
              post(CHAT, chat("short", stream=True)), post(CHAT, chat("forever", stream=True))[:-7],
              post("/v1/completions", {"prompt": "forever", "stream": True, "max_tokens": 100_000})]
    errors = []

    def some(begin):
        try:
            for i in range(begin, how_many, 4):
                c = Wire(server.port, bodies[i % len(bodies)])
                way = ways[i % len(ways)]
                if b'"stream": true' in bodies[i % len(bodies)] and i % len(bodies) != 4 or way in (ways[0], ways[2], ways[3]):
                    way(c)
                c.close(reset=i % 3 == 0)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=some, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors


def slow_clients(server, over):
    """Some bytes now and then, for ever: closed, one and all. Runs beside all others."""
    heads = [b"GET /health HTTP/1.1\r\nX-A: ", b"POST /tokenize HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b"",
             b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", b"GET"]
    wires = [Wire(server.port, heads[i % len(heads)]) for i in range(100)]
    try:
        end = time.monotonic() + PATIENCE
        while wires:
            assert time.monotonic() < end, f"{len(wires)} slow clients are still there"
            for c in list(wires):
                c.socket.settimeout(0.001)
                try:
                    said = c.say(b"a") if c.got != b"silent" else True
                    open_still = said and (c.more() or not said)
                except TimeoutError:
                    open_still = True
                if not open_still:
                    wires.remove(c)
                    c.close()
            time.sleep(0.1)
    except Exception as e:
        over.append(e)


def nothing_left(server, running):
    def is_so():
        m = server.metrics()
        return (m["minke_requests_running"] == running and m["minke_requests_queued"] == 0 and m["minke_connections"] <= running + 2
                and m["minke_kv_pages"] - m["minke_kv_pages_free"] == running)

    soon(is_so, lambda: f"left behind: {server.metrics()}")


def main(program):
    begin = time.monotonic()
    with Server(program, context=10_000_000, parallel=8, step_us=200, header_ms=HEADER_MS, answers=[
            {"if": "forever", "say": FOREVER, "ends": False}, {"if": "short", "say": SHORT}]) as server:
        streams = [WellBehaved(server, "forever", FOREVER, False), WellBehaved(server, "short", SHORT, True)]
        slow = []
        slow_thread = threading.Thread(target=slow_clients, args=(server, slow))
        slow_thread.start()
        for kind in (malformed_bodies, hostile_fields.wrong_fields, hostile_fields.large_schemas, http_forms, large_bodies, aborted_streams):
            kind(server)
            for s in streams:
                s.check()
            print(f"{kind.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
        slow_thread.join()
        assert not slow, slow
        streams[1].end()
        nothing_left(server, 1)
        streams[0].check()
        streams[0].end()
        nothing_left(server, 0)
        print(f"{streams[0].tokens} tokens of one stream, {streams[1].streams} short ones; at most {server.most_memory():.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
