"""An HTTP/2 client that says anything: its frames are made by hyperframe and hpack,
which write what they are told."""
import hpack
from hyperframe import frame as frames

from .http_client import RawTls

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def serialized(*some):
    return b"".join(frame.serialize() for frame in some)


class RawH2:
    """A connection whose client says anything. What the server says is gathered by `read`."""

    def __init__(self, gateway, name, settings=None, greet=True, seconds=10):
        self.tls = RawTls(gateway, name, alpn=("h2",), seconds=seconds)
        self.name = name
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.heads, self.resets, self.ended = {}, {}, set()
        self.goaway = None
        self.closed = False
        if greet:
            self.tls.send(PREFACE)
            self.send(frames.SettingsFrame(0, settings=settings or {}))

    def send(self, *some):
        self.send_bytes(serialized(*some))

    def send_bytes(self, data):
        try:
            self.tls.send(data)
        except OSError:  # ssl.SSLError is one
            self.closed = True

    def request(self, stream, fields=None, end=True, extra=()):
        self.send(self.head(stream, fields or self.fields(extra=extra), end))

    def fields(self, extra=(), **changes):
        pseudo = {":method": "GET", ":scheme": "https", ":authority": self.name, ":path": "/", **changes}
        return [(name, value) for name, value in pseudo.items() if value is not None] + list(extra)

    def head(self, stream, fields, end=True):
        flags = {"END_HEADERS", "END_STREAM"} if end else {"END_HEADERS"}
        return frames.HeadersFrame(stream, data=self.encoder.encode(fields), flags=flags)

    def part_of_head(self, stream, data=None):
        """HEADERS that do not end the head (of a GET, unless it is given): CONTINUATION must follow."""
        data = self.encoder.encode(self.fields()) if data is None else data
        return frames.HeadersFrame(stream, data=data, flags={"END_STREAM"})

    def read(self):
        """Takes what comes; False at the end of the connection."""
        try:
            data = self.tls.recv()
        except TimeoutError:
            raise AssertionError("the server says nothing, and does not close") from None
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        self.buffer += data
        while len(self.buffer) >= 9:
            frame, length = frames.Frame.parse_frame_header(memoryview(self.buffer)[:9])
            if len(self.buffer) < 9 + length:
                break
            frame.parse_body(memoryview(self.buffer)[9:9 + length])
            self.buffer = self.buffer[9 + length:]
            self._take(frame)
        return True

    def _take(self, frame):
        if isinstance(frame, frames.GoAwayFrame):
            self.goaway = frame.error_code
        elif isinstance(frame, frames.RstStreamFrame):
            self.resets[frame.stream_id] = frame.error_code
        elif isinstance(frame, frames.HeadersFrame):
            self.heads[frame.stream_id] = dict(self.decoder.decode(bytes(frame.data)))
        if "END_STREAM" in frame.flags:
            self.ended.add(frame.stream_id)

    def outcome(self, stream):
        """How that stream ended: its status, "reset", or "closed" with the connection."""
        while not (self.closed or self.goaway is not None or stream in self.resets or stream in self.ended):
            self.read()
        if stream in self.heads and stream in self.ended:
            return int(self.heads[stream][":status"])
        return "reset" if stream in self.resets else "closed"

    def until_closed(self):
        while not self.closed:
            self.read()
        return self.goaway

    def until_wrong(self):
        """Until the server says that something was wrong;
        returns the error of the connection, or of a stream."""
        while not self.closed and self.goaway is None and not self.resets:
            self.read()
        return self.goaway or next(iter(self.resets.values()), None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tls.close()
