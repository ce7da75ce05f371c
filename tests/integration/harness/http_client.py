"""HTTP clients: curl as a customer would run it, and raw TLS for what curl would never send."""
import json
import socket
import ssl

from .machine import SLOW, debian_tool
from .process import run


class Answer:
    def __init__(self, done):
        self.body = done.stdout
        messages, _, report = done.stderr.rpartition(b"\n{")
        self.report = json.loads(b"{" + report)
        self.status = int(self.report["http_code"])
        self.seconds = done.seconds
        self.exit = done.returncode
        self.error = messages.decode(errors="replace")  # what curl said, if it failed

    def header(self, name):
        """Every value of a header of the answer (of the last, where there were redirects or a 100)."""
        return self.report["headers"].get(name.lower(), [])

    def json(self):
        return json.loads(self.body)


def curl(gateway, host, path="/", *options, http2=False, check=True, scheme="https", seconds=60):
    """Runs curl against the gateway for a public host name.
    `check` is about curl's own exit status, not HTTP's."""
    port = gateway.https_port if scheme == "https" else gateway.http_port
    argv = [debian_tool("curl"), "-sS", "--noproxy", "*", "--cacert", gateway.ca.file,
            "--resolve", f"*:{port}:127.0.0.1", "-w",
            '%{stderr}\n{"headers":%{header_json},"http_code":"%{http_code}","http_version":"%{http_version}"'
            ',"size_download":%{size_download},"num_connects":%{num_connects}}\n',
            "--http2" if http2 else "--http1.1", *options, f"{scheme}://{host}:{port}{path}"]
    return Answer(run(argv, seconds=seconds, check=check))


class RawTls:
    """A TLS connection on which a test writes and reads bytes itself."""

    def __init__(self, gateway, name, alpn=("http/1.1",), seconds=10, port=None, verify=True, prefix=b"",
                 version=None):
        context = ssl.create_default_context(cafile=str(gateway.ca.file))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if version:
            context.minimum_version = context.maximum_version = version
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", port or gateway.https_port), seconds * SLOW)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if prefix:
            raw.sendall(prefix)
        self.sock = context.wrap_socket(raw, server_hostname=name)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)

    def recv(self, size=65536):
        """b"" at the end, and also where the peer closed without a close_notify."""
        try:
            return self.sock.recv(size)
        except (ssl.SSLEOFError, ConnectionResetError):
            return b""

    def recv_until(self, mark):
        """Up to and including `mark`; what follows stays for the next call. At the end: what there was."""
        while mark not in self.buffer:
            data = self.recv()
            if not data:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += data
        end = self.buffer.index(mark) + len(mark)
        out, self.buffer = self.buffer[:end], self.buffer[end:]
        return out

    def recv_all(self):
        out, self.buffer = self.buffer, b""
        while data := self.recv():
            out += data
        return out

    def recv_exactly(self, size):
        while len(self.buffer) < size:
            data = self.recv()
            if not data:
                raise AssertionError(f"ended after {len(self.buffer)} of {size} bytes: {self.buffer!r}")
            self.buffer += data
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def response(self):
        """(status, {header: value}, body) of an HTTP/1.1 answer with Content-Length or chunked coding."""
        head = self.recv_until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if status < 200 or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, headers, self._chunked()
        return status, headers, self.recv_exactly(int(headers["content-length"]))

    def _chunked(self):
        body = b""
        while size := int(self.recv_until(b"\r\n").split(b";")[0], 16):
            body += self.recv_exactly(size)
            assert self.recv_exactly(2) == b"\r\n"
        while self.recv_until(b"\r\n") != b"\r\n":
            pass
        return body

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
