"""HTTP/1.1 by hand over the control socket: what http.client would not send, and answers one by one."""
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def json(self):
        return json.loads(self.body)


class Wire:
    """One connection. Fails with ConnectionError where it ends before an answer does."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # waits where many do; with a time limit it would fail at once
        self.socket.settimeout(timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """What is refused is not always read to its end."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def ask(self, method, path, body=b"", version="1.1", **fields):
        lines = [f"{method} {path} HTTP/{version}", "Host: control"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the connection has ended")
        self.buffer += data

    def until(self, end):
        while end not in self.buffer:
            self.more()
        text, self.buffer = self.buffer.split(end, 1)
        return text

    def head(self):
        first, *lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        return int(first.split()[1]), {name.lower(): value.strip()
                                       for name, value in (line.split(":", 1) for line in lines)}

    def answer(self, method="GET"):
        status, fields = self.head()
        size = 0 if method == "HEAD" else int(fields.get("content-length", 0))
        while len(self.buffer) < size:
            self.more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Answer(status, fields, body)

    def chunk(self):
        """Of an answer in chunks, without end."""
        size = int(self.until(b"\r\n"), 16)
        while len(self.buffer) < size + 2:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size + 2:]
        return data

    def has_ended(self):
        """Whether the peer has closed; waits for it, as long as for an answer."""
        end = time.monotonic() + self.socket.gettimeout()
        try:
            while data := self.socket.recv(1 << 16):
                self.buffer += data
                if time.monotonic() > end:
                    return False
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True


def as_account(path, requests, groups=(), account="nobody", group="nogroup"):
    """Each of `requests` (method, path, and perhaps a body and fields) asked by a process of that account:
    its pid, and [status, fields, body] of each."""
    code = Path(__file__).read_text()  # which that account may have no right to read
    done = subprocess.run([sys.executable, "-c", code, path], input=json.dumps(requests), user=account,
                          group=group, extra_groups=list(groups), cwd="/", capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told["pid"], [Answer(*answer) for answer in told["answers"]]


def ask_all(path, requests):
    answers = []
    for method, target, body, fields in requests:
        with Wire(path) as wire:
            text = b"" if body is None else json.dumps(body).encode()
            wire.ask(method, target, text, **fields)
            status, fields = wire.head()
            endless = fields.get("transfer-encoding") == "chunked"
            while not endless and len(wire.buffer) < int(fields.get("content-length", 0)):
                wire.more()
            answers.append([status, fields, wire.buffer.decode()])
    return {"pid": os.getpid(), "answers": answers}


if __name__ == "__main__":
    print(json.dumps(ask_all(Path(sys.argv[1]), json.load(sys.stdin))))
