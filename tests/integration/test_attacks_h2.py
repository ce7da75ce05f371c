# ctest: timeout=300 processors=2
"""What a stranger's HTTP/2 frames get: fields that HTTP/1.1 could not carry, lengths that lie, floods. Frames
are made by hyperframe and hpack, which write whatever they are told. Each attack ends its stream or its
connection, in bounded memory, while another client is served."""
import contextlib
import threading
import time

import h11
import hpack
import pytest
from hyperframe import frame as frames

from harness import SLOW, EchoTarget, Gateway, RawTls, RouteFile, need, wait_for
from harness.h2_client import H2Client
from harness.readers import h11_requests
from harness.routes import http

ENV = "victim"
MIB = 1 << 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CALM = 11  # ENHANCE_YOUR_CALM


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
        self.send_bytes(b"".join(frame.serialize() for frame in some))

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
        while not self.closed and self.goaway is None and stream not in self.resets and stream not in self.ended:
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


def answer_each(connection):
    """A good server. /hints/N is answered with N large 103s first."""
    server = h11.Connection(h11.SERVER)
    hints = 0
    with contextlib.suppress(h11.RemoteProtocolError):
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                server.receive_data(connection.recv())
            elif isinstance(event, h11.Request):
                hints = int(event.target.split(b"/")[2]) if event.target.startswith(b"/hints/") else 0
            elif isinstance(event, h11.EndOfMessage):
                connection.send((b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 15000 + b"\r\n\r\n") * hints)
                connection.send(server.send(h11.Response(status_code=200, headers=[("content-length", "2")])) +
                                server.send(h11.Data(data=b"ok")) + server.send(h11.EndOfMessage()))
                server.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return


@pytest.fixture(scope="module")
def target():
    with EchoTarget(answer_each) as server:
        yield server


@pytest.fixture(scope="module")
def front(tmp_path_factory, ca, target):
    directory = tmp_path_factory.mktemp("attacks")
    routes = RouteFile(directory / "routes.yaml")
    # connections are not kept, so that what came of one request stands by itself
    with Gateway(directory, ca, {"target": {"pool_idle": "0"}, "log": {"level": "warn"}}) as gateway:
        gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
        yield gateway


@pytest.fixture
def name(front):
    return front.host(ENV, 8888)


@contextlib.contextmanager
def meanwhile(gateway, name, most_memory=48 * MIB, slowest=2.0):
    """While the block runs, another client asks and is answered;
    afterwards memory is near to where it was."""
    over = threading.Event()
    times, failures = [], []

    def other():
        while not over.is_set():
            began = time.monotonic()
            try:
                with H2Client(gateway, name, seconds=20) as client:
                    assert client.get(name)[::2] == (200, b"ok")
            except Exception as failure:  # of any kind: it is shown below
                failures.append(repr(failure))
                return
            times.append(time.monotonic() - began)
    before = gateway.rss()
    thread = threading.Thread(target=other)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failures and times, failures
    assert max(times) < slowest * SLOW, f"another client waited {max(times):.2f} s"
    grown = gateway.rss() - before
    print(f"memory +{grown / MIB:.1f} MiB, {len(times)} requests of another, the slowest in {max(times):.3f} s")
    if gateway.memory_means_something():
        assert grown < most_memory


# -- heads: none of these reaches the target

def without(**gone):
    return dict.fromkeys((f":{key}" for key in gone), None)


HEADS = {
    "a name in capitals": {"extra": [("X-A", "b")]}, "one capital": {"extra": [("x-A", "b")]},
    "connection": {"extra": [("connection", "close")]}, "keep-alive": {"extra": [("keep-alive", "1")]},
    "proxy-connection": {"extra": [("proxy-connection", "close")]}, "upgrade": {"extra": [("upgrade", "h2c")]},
    "transfer-encoding": {"extra": [("transfer-encoding", "chunked")]}, "te": {"extra": [("te", "gzip")]},
    "CR in a value": {"extra": [("x-a", "b\rc")]}, "LF in a value": {"extra": [("x-a", "b\nc")]},
    "a field in a value": {"extra": [("x-a", "b\r\nx-real-ip: 6.6.6.6")]},
    "a request in a value": {"extra": [("x-a", "b\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n")]},
    "NUL in a value": {"extra": [("x-a", "b\0c")]}, "a space before a value": {"extra": [("x-a", " b")]},
    "a space behind a value": {"extra": [("x-a", "b ")]}, "no name": {"extra": [("", "b")]},
    "a colon in a name": {"extra": [("x:a", "b")]}, "CRLF in a name": {"extra": [("x-a: b\r\nx-b", "c")]},
    "a space in a name": {"extra": [("x a", "b")]}, "NUL in a name": {"extra": [("x\0a", "b")]},
    "a name that is not ASCII": {"extra": [("x-ä", "b")]},
    "a pseudo-field behind a field": {"extra": [("x-a", "b"), (":path", "/evil")]},
    "two paths": {"extra": [(":path", "/evil")]}, "an unknown pseudo-field": {"extra": [(":evil", "1")]},
    "the answer's pseudo-field": {"extra": [(":status", "200")]},
    "no method": without(method=1), "no scheme": without(scheme=1), "no path": without(path=1), "no authority": without(authority=1),
    "an empty path": {":path": ""}, "a path without a slash": {":path": "evil"}, "an absolute path": {":path": "https://evil/"},
    "a space in the path": {":path": "/a b"}, "a request in the path": {":path": "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /hidden"},
    "a fragment in the path": {":path": "/#a"}, "* for GET": {":path": "*"},
    "a request in the method": {":method": "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\nGET"}, "a space in the method": {":method": "G T"},
    "TRACE": {":method": "TRACE"}, "CONNECT": {":method": "CONNECT"},
    "CONNECT without the rest": {":method": "CONNECT", **without(path=1, scheme=1)},
    "another scheme": {":scheme": "gopher"}, "a user in the authority": {":authority": "evil@{H}"},
    "a path in the authority": {":authority": "{H}/evil"}, "CRLF in the authority": {":authority": "{H}\r\nX-A: b"},
    "an authority that is not the host": {"extra": [("host", "evil.example")]},
    "two hosts": {"extra": [("host", "{H}"), ("host", "{H}")]},
    "two lengths": {"extra": [("content-length", "0"), ("content-length", "1")]},
    "a length of letters": {"extra": [("content-length", "x")]}, "a negative length": {"extra": [("content-length", "-1")]},
    "a length and no data": {"extra": [("content-length", "5")]},
    "an expectation nobody knows": {"extra": [("expect", "more")]},
    "a protocol without CONNECT": {"extra": [], ":protocol": "websocket"},
    "a protocol nobody knows": {"extra": [], ":method": "CONNECT", ":protocol": "evil"},
    "too many fields": {"extra": [("x-a", str(n)) for n in range(500)]},
    "a field too long": {"extra": [("x-a", "b" * 15000), ("x-b", "b" * 15000)]}, "a path too long": {":path": "/" + "a" * 9000},
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_is_refused(front, target, name, case):
    changes = {key: value.replace("{H}", name) if value else value for key, value in HEADS[case].items() if key != "extra"}
    extra = [(key, value.replace("{H}", name)) for key, value in HEADS[case].get("extra", ())]
    before = len(target.connections)
    with RawH2(front, name) as client:
        data = client.encoder.encode(client.fields(extra, **changes))
        first = frames.HeadersFrame(1, data=data[:16000], flags={"END_STREAM"} if len(data) > 16000 else {"END_STREAM", "END_HEADERS"})
        client.send(first)
        if len(data) > 16000:
            client.send(frames.ContinuationFrame(1, data=data[16000:32000], flags={"END_HEADERS"}))
        outcome = client.outcome(1)
    assert outcome in ("reset", "closed") or 400 <= outcome < 506, outcome
    assert not b"".join(target.seen()[before:]), "it came to the target"


@pytest.mark.parametrize("extra, has, has_not", [
    ([("te", "trailers")], b"te: trailers", b"\0"), ([("host", "{H}")], b"host: {H}", b"\0"),
    ([("cookie", "a=1"), ("cookie", "b=2")], b"cookie: a=1; b=2\r\n", b"\0"),
    ([("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "6.6.6.6"), ("x_real_ip", "6.6.6.6")], b"x-real-ip: 127.0.0.1", b"6.6.6.6"),
    ([("http2-settings", "gone"), ("trailer", "gone"), ("proxy-authorization", "gone"), ("x-yours", "here")], b"x-yours: here", b"gone")],
    ids=["te: trailers", "host like the authority", "cookies are joined", "who is who", "hop by hop"])
def test_a_head_that_passes(front, target, name, extra, has, has_not):
    """One HTTP/1.1 request, and nothing else, is what it becomes."""
    before = len(target.connections)
    with RawH2(front, name) as client:
        client.request(1, extra=[(key, value.replace("{H}", name)) for key, value in extra])
        assert client.outcome(1) == 200
    wait_for(lambda: len(target.connections) > before, "nothing came")
    saw, = target.seen()[before:]
    assert h11_requests(saw) == [("GET", "/", b"")] and saw.lower().count(b"\r\nhost: ") == 1
    assert has.replace(b"{H}", name.encode()) in saw.lower() and has_not not in saw.lower()


# -- bodies

@pytest.mark.parametrize("length, data", [("3", b"hello"), ("10", b"hello"), ("0", b"hello")], ids=["more", "less", "none said"])
def test_a_length_that_lies(front, target, name, length, data):
    before = len(target.connections)
    with RawH2(front, name) as client:
        client.request(1, client.fields([("content-length", length)], **{":method": "POST"}), end=False)
        client.send(frames.DataFrame(1, data=data, flags={"END_STREAM"}))
        outcome = client.outcome(1)
        assert outcome in ("reset", "closed", 400)
    for connection in target.connections[before:]:
        assert connection.ended.wait(10 * SLOW)
        assert not connection.received or h11_requests(bytes(connection.received))[0][0] == "unfinished"


@pytest.mark.parametrize("trailers", [[(":path", "/evil")], [("X-A", "b")], [("x-a", "b\r\nc: d")], [("connection", "close")],
                                      [("content-length", "3"), ("x-a", "evil")], [("host", "evil")]],
                         ids=["a pseudo-field", "a name in capitals", "CRLF", "connection", "a length", "host"])
def test_trailers_that_are_refused(front, target, name, trailers):
    """Dropped or the end of the stream: never at the target."""
    before = len(target.connections)
    with RawH2(front, name) as client:
        client.request(1, client.fields(**{":method": "POST"}), end=False)
        client.send(frames.DataFrame(1, data=b"hello"), client.head(1, trailers))
        client.outcome(1)
    for connection in target.connections[before:]:
        assert connection.ended.wait(10 * SLOW)
    saw = b"".join(target.seen()[before:])
    assert b"evil" not in saw and b"X-A" not in saw and b"c: d" not in saw and b"connection: close" not in saw.lower()


def test_trailers_that_say_who(front, target, name):
    before = len(target.connections)
    with RawH2(front, name) as client:
        client.request(1, client.fields(**{":method": "POST"}), end=False)
        client.send(frames.DataFrame(1, data=b"hello"),
                    client.head(1, [("x-real-ip", "evil"), ("cookie", "evil"), ("x-forwarded-for", "evil"), ("x-sum", "1")]))
        assert client.outcome(1) == 200
    saw, = target.seen()[before:]
    assert h11_requests(saw) == [("POST", "/", b"hello")] and b"evil" not in saw
    assert saw.endswith(b"0\r\nx-sum: 1\r\n\r\n")


# -- frames that break the connection's rules

BROKEN = {
    "no preface": lambda c: c.send_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "no SETTINGS first": lambda c: c.send_bytes(PREFACE + frames.PingFrame(0, opaque_data=b"12345678").serialize()),
}
BROKEN_LATER = {
    "DATA on stream 0": lambda c: c.send(_on_stream_0(frames.DataFrame(1, data=b"x"))),
    "HEADERS on stream 0": lambda c: c.send(_on_stream_0(c.head(1, c.fields()))),
    "HEADERS on an even stream": lambda c: c.request(2),
    "a frame too large": lambda c: c.send(frames.DataFrame(1, data=b"x" * 20000)),
    "DATA on an idle stream": lambda c: c.send(frames.DataFrame(7, data=b"x")),
    "CONTINUATION from nowhere": lambda c: c.send(frames.ContinuationFrame(1, data=b"x")),
    "a frame between HEADERS and CONTINUATION": lambda c: c.send(
        frames.HeadersFrame(1, data=c.encoder.encode(c.fields())[:5], flags=set()), frames.PingFrame(0, opaque_data=b"12345678")),
    "a block that is no HPACK": lambda c: c.send(frames.HeadersFrame(1, data=b"\xff" * 40, flags={"END_HEADERS", "END_STREAM"})),
    "the connection's window overflows": lambda c: c.send(*[frames.WindowUpdateFrame(0, window_increment=2**31 - 1)] * 2),
    "a window update of zero": lambda c: c.send_bytes(b"\0\0\4\x08\0\0\0\0\0\0\0\0\0"),
    "an initial window beyond all": lambda c: c.send(frames.SettingsFrame(0, settings={4: 2**32 - 1})),
    "a push promise": lambda c: c.send(frames.PushPromiseFrame(1, promised_stream_id=2, data=c.encoder.encode(c.fields()), flags={"END_HEADERS"})),
    "PING of seven bytes": lambda c: c.send_bytes(b"\0\0\7\x06\0\0\0\0\0" + b"1234567"),
    "more DATA than the window": lambda c: (c.request(1, c.fields(**{":method": "POST"}), end=False),
                                            c.send(*[frames.DataFrame(0 + 1, data=b"x" * 16384)] * 200)),
}


def _on_stream_0(frame):
    frame.stream_id = 0
    return frame


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_beginning(front, name, what):
    with RawH2(front, name, greet=False) as client:
        BROKEN[what](client)
        client.until_closed()
    with H2Client(front, name) as other:
        assert other.get(name)[0] == 200


@pytest.mark.parametrize("what", BROKEN_LATER)
def test_a_frame_against_the_rules(front, name, what):
    with RawH2(front, name) as client:
        BROKEN_LATER[what](client)
        assert client.until_wrong() not in (None, 0)
    with H2Client(front, name) as other:
        assert other.get(name)[0] == 200


# -- floods

def flood(client, burst, times):
    """Sends burst(n) until the server ends it; what comes back is read only at the end."""
    client.tls.sock.settimeout(20 * SLOW)
    for n in range(times):
        client.send_bytes(burst(n))
        if client.closed:
            break
    return client.until_closed()


def serialized(*some):
    return b"".join(frame.serialize() for frame in some)


def rapid_resets(client):
    def burst(n):
        streams = range(1 + 20 * n, 21 + 20 * n, 2)
        return b"".join(serialized(client.head(s, client.fields()), frames.RstStreamFrame(s, error_code=8)) for s in streams)
    return burst, 2000


def held_resets(client):
    """As above, but in separate writes, so that each request has begun."""
    def burst(n):
        stream = 1 + 2 * (n // 2)
        return serialized(client.head(stream, client.fields())) if n % 2 == 0 else serialized(frames.RstStreamFrame(stream, error_code=8))
    return burst, 20000


def provoked_by_overflow(client):
    """Our own resets, for windows that overflow (CVE-2025-8671)."""
    def burst(n):
        stream = 1 + 2 * n
        return serialized(client.head(stream, client.fields()), *[frames.WindowUpdateFrame(stream, window_increment=2**31 - 1)] * 2)
    return burst, 20000


def provoked_by_length(client):
    def burst(n):
        stream = 1 + 2 * n
        return serialized(client.head(stream, client.fields([("content-length", "1")], **{":method": "POST"}), end=False),
                          frames.DataFrame(stream, data=b"too long"))
    return burst, 20000


def provoked_by_names(client):
    return lambda n: serialized(client.head(1 + 2 * n, client.fields([("X-A", "b")]))), 20000


def continuations(client):
    def burst(n):
        if n == 0:
            return serialized(frames.HeadersFrame(1, data=client.encoder.encode(client.fields()), flags={"END_STREAM"}))
        return serialized(*[frames.ContinuationFrame(1, data=b"\x00\x03x-a\x01b")] * 100)
    return burst, 20000


def empty_continuations(client):
    def burst(n):
        if n == 0:
            return serialized(frames.HeadersFrame(1, data=client.encoder.encode(client.fields()), flags={"END_STREAM"}))
        return serialized(*[frames.ContinuationFrame(1, data=b"")] * 100)
    return burst, 20000


def large_continuations(client):
    def burst(n):
        if n == 0:
            return serialized(frames.HeadersFrame(1, data=client.encoder.encode(client.fields()), flags={"END_STREAM"}))
        return serialized(frames.ContinuationFrame(1, data=(b"\x00\x03x-a\x7f\x81\x0f" + b"b" * 2048) * 7))
    return burst, 20000


def pings(client):
    return lambda n: serialized(frames.PingFrame(0, opaque_data=b"12345678")) * 200, 5000


def settings(client):
    return lambda n: serialized(frames.SettingsFrame(0, settings={4: 65535 + n})) * 200, 5000


def empty_data(client):
    def burst(n):
        if n == 0:
            return serialized(client.head(1, client.fields(**{":method": "POST"}), end=False))
        return serialized(frames.DataFrame(1, data=b"")) * 200
    return burst, 5000


def priorities(client):
    return lambda n: serialized(frames.PriorityFrame(1, depends_on=0, stream_weight=n % 255, exclusive=False)) * 200, 1000


def unknown_frames(client):
    return lambda n: (b"\0\0\1\xee\0\0\0\0\0x") * 200, 1000


FLOODS = [rapid_resets, held_resets, provoked_by_overflow, provoked_by_length, provoked_by_names, continuations,
          empty_continuations, large_continuations, pings, settings, empty_data, priorities,
          unknown_frames]


@pytest.mark.parametrize("kind", FLOODS, ids=lambda kind: kind.__name__)
def test_a_flood(front, target, name, kind):
    before = len(target.connections)
    mischief = sum(front.refused(reason) for reason in ("h2_flood", "h2_resets", "h2_stream_error", "h2_protocol_error"))
    with meanwhile(front, name):
        with RawH2(front, name) as client:
            assert flood(client, *kind(client)) != 0
    assert sum(front.refused(reason) for reason in ("h2_flood", "h2_resets", "h2_stream_error", "h2_protocol_error")) > mischief
    assert len(target.connections) - before < 20000
    wait_for(lambda: not [c for c in target.connections[before:] if not c.ended.is_set()], "requests of the flood live on", 20)


@pytest.mark.parametrize("connections", [1, 20])
def test_a_small_head_that_unpacks_to_a_large_one(front, name, connections):
    """HPACK: one long field in the table, named a thousand times by a byte each."""
    with meanwhile(front, name):
        clients = [RawH2(front, name) for _ in range(connections)]
        for client in clients:
            stored = b"\x40\x03x-a\x7f\xa1\x1e" + b"b" * 4000  # literal with incremental indexing, 4000 bytes
            client.send(frames.HeadersFrame(1, data=client.encoder.encode(client.fields()) + stored + b"\xbe" * 10000,
                                            flags={"END_HEADERS", "END_STREAM"}))
        for client in clients:
            with client:
                assert client.outcome(1) in (431, "reset", "closed")


def test_more_streams_than_are_allowed(front, name):
    with meanwhile(front, name):
        with RawH2(front, name) as client:
            for stream in range(1, 2000, 2):
                client.request(stream, client.fields(**{":method": "POST"}), end=False)
            for stream in range(1, 2000, 2):
                if stream in client.resets or client.goaway is not None or client.closed:
                    break
                client.read()
            assert client.resets or client.goaway is not None


def test_a_client_that_takes_no_answer(front, target, name):
    """A hundred streams ask, nothing is ever read: each answer waits, in bounded memory."""
    before = len(target.connections)
    with meanwhile(front, name, most_memory=16 * MIB):
        clients = [RawH2(front, name, settings={4: 2**31 - 1}) for _ in range(5)]
        for client in clients:
            client.send(frames.WindowUpdateFrame(0, window_increment=2**30))
            for stream in range(1, 200, 2):
                client.request(stream)
        wait_for(lambda: len([c for c in target.connections[before:] if c.received]) >= 500, "not every request came", 30)
    for client in clients:
        client.tls.close()


def test_a_client_that_takes_no_hints(front, target, name):
    """1xx answers are not held back by windows:
    a target and a client of one mind must not fill our memory with them."""
    need(front.memory_means_something(), "memory under a sanitizer says nothing")
    before, memory = len(target.connections), front.rss()
    clients = [RawH2(front, name) for _ in range(5)]
    for client in clients:
        for stream in range(1, 240, 2):
            client.request(stream, client.fields(**{":path": "/hints/16"}))
    # each target has sent all it has to say, or waits for us to take it
    wait_for(lambda: len([c for c in target.connections[before:] if c.received]) == 600, "the requests were not sent on", 30)
    most = most_memory_while_it_grows(front)
    print(f"memory while nothing is read: +{(most - memory) / MIB:.0f} MiB")
    for client in clients:
        client.tls.close()
    assert most - memory < 60 * MIB


def most_memory_while_it_grows(gateway):
    """Resident memory, once it has stood still for half a second."""
    most, since = gateway.rss(), time.monotonic()
    while time.monotonic() - since < 0.5:
        now = gateway.rss()
        if now > most + MIB:
            most, since = now, time.monotonic()
        time.sleep(0.02)
    return most


# -- slowly

@pytest.fixture(scope="module")
def hasty(tmp_path_factory, ca, target):
    directory = tmp_path_factory.mktemp("hasty")
    routes = RouteFile(directory / "routes.yaml")
    short = {"handshake": "500ms", "request_head": "500ms", "request_body": "500ms", "idle": "500ms"}
    with Gateway(directory, ca, {"timeouts": short}) as gateway:
        gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
        yield gateway


def slow_preface(client):
    yield PREFACE[:3]
    yield from (PREFACE[3 + n % 10:4 + n % 10] if n < 10 else b"" for n in range(100))


def slow_settings(client):
    yield PREFACE
    yield from (b"\0" for _ in range(100))


def slow_head(client):
    yield PREFACE + serialized(frames.SettingsFrame(0))
    data = client.encoder.encode(client.fields())
    yield serialized(frames.HeadersFrame(1, data=data, flags={"END_STREAM"}))
    yield from (serialized(frames.PingFrame(0, opaque_data=b"12345678"))[:0] or b"" for _ in range(100))


def slow_continuations(client):
    yield PREFACE + serialized(frames.SettingsFrame(0))
    yield serialized(frames.HeadersFrame(1, data=client.encoder.encode(client.fields()), flags={"END_STREAM"}))
    yield from (serialized(frames.ContinuationFrame(1, data=b"\x00\x03x-a\x01b")) if n % 10 == 0 else b"" for n in range(100))


def idle_with_pings(client):
    yield PREFACE + serialized(frames.SettingsFrame(0))
    yield from (serialized(frames.PingFrame(0, opaque_data=b"12345678")) for _ in range(100))


@pytest.mark.parametrize("kind", [slow_preface, slow_settings, slow_head, slow_continuations, idle_with_pings], ids=lambda kind: kind.__name__)
def test_a_slow_connection(hasty, kind):
    with RawH2(hasty, hasty.host(ENV, 8888), greet=False) as client:
        began = time.monotonic()
        for n, piece in enumerate(kind(client)):
            if piece:
                client.send_bytes(piece)
            while not client.closed and time.monotonic() < began + 0.05 * n:
                client.tls.sock.settimeout(0.02)
                with contextlib.suppress(AssertionError):
                    client.read()
            if client.closed:
                break
        assert client.closed and time.monotonic() - began < 4.5 * SLOW


def test_a_slow_body(hasty):
    name = hasty.host(ENV, 8888)
    with RawH2(hasty, name) as client:
        client.request(1, client.fields([("content-length", "1000000")], **{":method": "POST"}), end=False)
        stop = threading.Event()

        def trickle():
            while not stop.wait(0.05):
                client.send(frames.DataFrame(1, data=b"x"))
        thread = threading.Thread(target=trickle)
        began = time.monotonic()
        thread.start()
        try:
            assert client.outcome(1) in (408, "reset", "closed")
        finally:
            stop.set()
            thread.join()
        assert time.monotonic() - began < 4 * SLOW
