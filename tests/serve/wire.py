"""For tests of the server from outside: the scripted server, connections that say any bytes, and a client that means well."""
import http.client
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time

PATIENCE = 240  # seconds that anything may take on a busy machine; nothing is measured by it


def soon(what, why):
    """Until it is true: a test waits for what must come, never for a while."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, why() if callable(why) else why
        time.sleep(0.02)


class Server:
    """test_scripted_server with a script (scripted_server.cpp says of what form)."""

    def __init__(self, program, **script):
        file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(script, file)
        file.flush()
        self.process = subprocess.Popen([program, file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        assert line.strip(), "the scripted server did not start"
        self.port = int(line)
        self.key = script.get("keys", [None])[0]
        soon(lambda: self.ask("GET", "/health")[0] == 200, "the scripted server does not become healthy")
        file.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        assert kind or code == 0, f"the scripted server ended with {code}"

    def ask(self, method, path, body=None, headers={}):
        """Status, headers and body, with the standard library's client."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = dict(headers)
        if self.key:
            headers.setdefault("Authorization", "Bearer " + self.key)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, path, body, headers)
        r = c.getresponse()
        try:
            return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()
        finally:
            c.close()

    def metrics(self):
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        return {k: float(v) for k, _, v in (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def most_memory(self):
        """The largest resident size so far, in MB."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))


class Wire:
    """A connection that says exactly what it is told to."""

    def __init__(self, port, say=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.got = b""
        if say:
            self.say(say)

    def say(self, data):
        """False where the server has closed."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.got += data
        return bool(data)

    def until(self, end):
        while end not in self.got and self.more():
            pass
        head, found, self.got = self.got.partition(end)
        return head + found

    def answer(self):
        """Status, head and body of one answer; status 0 where the server has closed without one."""
        head = self.until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 "):
            assert not head, head[:200]
            return 0, "", b""
        status, text = int(head[9:12]), head.decode("latin-1").lower()
        if status == 100 or status == 204:
            return status, text, b""
        if "transfer-encoding: chunked" in text:
            body = b""
            while (n := int(self.until(b"\r\n"), 16)) > 0:
                while len(self.got) < n + 2 and self.more():
                    pass
                body, self.got = body + self.got[:n], self.got[n + 2:]
            self.until(b"\r\n")
            return status, text, body
        n = int(text.split("content-length: ")[1].split("\r\n")[0])
        while len(self.got) < n and self.more():
            pass
        body, self.got = self.got[:n], self.got[n:]
        return status, text, body

    def is_closed(self):
        """Whether the server closes, and says nothing more."""
        while self.more():
            pass
        return self.got == b""

    def close(self, reset=False):
        if reset:  # what is on its way is lost
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def post(path, body, *headers):
    """The bytes of a request."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chat(content, **more):
    return dict(messages=[{"role": "user", "content": content}], **more)


class WellBehaved(threading.Thread):
    """Reads streams while others do what they like: one that never ends, or short ones again and again. All they say must be
    what the script has, in its order."""

    def __init__(self, server, content, text, ends):
        super().__init__(daemon=True)
        self.server, self.content, self.text, self.ends = server, content, text, ends
        self.tokens, self.streams, self.error, self.over = 0, 0, None, False
        self.start()

    def run(self):
        try:
            while not self.over:
                self.stream()
        except Exception as e:
            self.error = e

    def stream(self):
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        c.request("POST", "/v1/chat/completions", json.dumps(chat(self.content, stream=True)))
        r = c.getresponse()
        assert r.status == 200, (r.status, r.read())
        at, finish = 0, None
        while not (self.over and not self.ends):
            line = r.readline()
            assert line, "the stream broke off"
            if line in (b"\n", b": ping\n"):
                continue
            assert line.startswith(b"data: "), line
            if line == b"data: [DONE]\n":
                assert self.ends and finish == "stop" and at == len(self.text), (finish, at)
                break
            choice = json.loads(line[6:])["choices"][0]
            assert finish is None, line
            finish = choice["finish_reason"]
            said = choice["delta"].get("content", "")
            whole = self.text if self.ends else self.text * (2 + len(said) // len(self.text))
            assert whole.startswith(said, at), f"{said!r} at {at} of {self.text!r}"
            at = at + len(said) if self.ends else (at + len(said)) % len(self.text)
            self.tokens += 1
        self.streams += 1
        c.close()

    def check(self):
        """It has not noticed, and goes on."""
        now = self.tokens
        soon(lambda: self.error or self.tokens > now, "a well-behaved stream stands still")
        if self.error:
            raise AssertionError("a well-behaved stream noticed") from self.error

    def end(self):
        self.over = True
        self.join(PATIENCE)
        assert not self.is_alive(), "a well-behaved stream does not end"
        if self.error:
            raise AssertionError("a well-behaved stream noticed") from self.error
        assert self.streams > 0
