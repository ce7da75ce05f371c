# ctest: timeout=200
"""What a stranger's HTTP/2 requests get: fields that HTTP/1.1 could not carry, lengths that lie, and frames
against the connection's rules. Each ends its stream or its connection, and nothing of it reaches the target.

(Floods: test_attacks_h2_floods.py; slow clients: test_attacks_slow.py.)"""
import pytest
from hyperframe import frame as frames

from harness import SLOW, wait_for
from harness.h2_client import H2Client
from harness.raw_h2 import PREFACE, RawH2
from harness.readers import h11_requests

FRONT = {"log": {"level": "warn"}}


# -- heads: none of these reaches the target

def fields(*more):
    """A GET with these, too."""
    return {"extra": more}


def field(name, value):
    return fields((name, value))


def without(*gone):
    return dict.fromkeys(gone)


HEADS = {
    "a name in capitals": field("X-A", "b"),
    "one capital": field("x-A", "b"),
    "connection": field("connection", "close"),
    "keep-alive": field("keep-alive", "1"),
    "proxy-connection": field("proxy-connection", "close"),
    "upgrade": field("upgrade", "h2c"),
    "transfer-encoding": field("transfer-encoding", "chunked"),
    "te": field("te", "gzip"),
    "CR in a value": field("x-a", "b\rc"),
    "LF in a value": field("x-a", "b\nc"),
    "a field in a value": field("x-a", "b\r\nx-real-ip: 6.6.6.6"),
    "a request in a value": field("x-a", "b\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"),
    "NUL in a value": field("x-a", "b\0c"),
    "a space before a value": field("x-a", " b"),
    "a space behind a value": field("x-a", "b "),
    "no name": field("", "b"),
    "a colon in a name": field("x:a", "b"),
    "CRLF in a name": field("x-a: b\r\nx-b", "c"),
    "a space in a name": field("x a", "b"),
    "NUL in a name": field("x\0a", "b"),
    "a name that is not ASCII": field("x-ä", "b"),
    "a pseudo-field behind a field": fields(("x-a", "b"), (":path", "/evil")),
    "two paths": field(":path", "/evil"),
    "an unknown pseudo-field": field(":evil", "1"),
    "the answer's pseudo-field": field(":status", "200"),
    "no method": without(":method"),
    "no scheme": without(":scheme"),
    "no path": without(":path"),
    "no authority": without(":authority"),
    "an empty path": {":path": ""},
    "a path without a slash": {":path": "evil"},
    "an absolute path": {":path": "https://evil/"},
    "a space in the path": {":path": "/a b"},
    "a request in the path": {":path": "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /hidden"},
    "a fragment in the path": {":path": "/#a"},
    "* for GET": {":path": "*"},
    "a request in the method": {":method": "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\nGET"},
    "a space in the method": {":method": "G T"},
    "TRACE": {":method": "TRACE"},
    "CONNECT": {":method": "CONNECT"},
    "CONNECT without the rest": {":method": "CONNECT", **without(":path", ":scheme")},
    "another scheme": {":scheme": "gopher"},
    "a user in the authority": {":authority": "evil@{H}"},
    "a path in the authority": {":authority": "{H}/evil"},
    "CRLF in the authority": {":authority": "{H}\r\nX-A: b"},
    "an authority that is not the host": field("host", "evil.example"),
    "two hosts": fields(("host", "{H}"), ("host", "{H}")),
    "two lengths": fields(("content-length", "0"), ("content-length", "1")),
    "a length of letters": field("content-length", "x"),
    "a negative length": field("content-length", "-1"),
    "a length and no data": field("content-length", "5"),
    "an expectation nobody knows": field("expect", "more"),
    "a protocol without CONNECT": {":protocol": "websocket"},
    "a protocol nobody knows": {":method": "CONNECT", ":protocol": "evil"},
    "too many fields": fields(*(("x-a", str(n)) for n in range(500))),
    "a field too long": fields(("x-a", "b" * 15000), ("x-b", "b" * 15000)),
    "a path too long": {":path": "/" + "a" * 9000},
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_is_refused(front, target, name, case):
    pseudo = dict(HEADS[case])
    extra = [(key, value.replace("{H}", name)) for key, value in pseudo.pop("extra", ())]
    pseudo = {key: value and value.replace("{H}", name) for key, value in pseudo.items()}
    before = len(target.connections)
    with RawH2(front, name) as client:
        data = client.encoder.encode(client.fields(extra, **pseudo))
        if len(data) <= 16000:
            client.send(frames.HeadersFrame(1, data=data, flags={"END_STREAM", "END_HEADERS"}))
        else:
            client.send(client.part_of_head(1, data[:16000]),
                        frames.ContinuationFrame(1, data=data[16000:32000], flags={"END_HEADERS"}))
        outcome = client.outcome(1)
    assert outcome in ("reset", "closed") or 400 <= outcome < 506, outcome
    assert not b"".join(target.seen()[before:]), "it came to the target"


@pytest.mark.parametrize("extra, has, has_not", [
    ([("te", "trailers")], b"te: trailers", b"\0"),
    ([("host", "{H}")], b"host: {H}", b"\0"),
    ([("cookie", "a=1"), ("cookie", "b=2")], b"cookie: a=1; b=2\r\n", b"\0"),
    ([("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "6.6.6.6"), ("x_real_ip", "6.6.6.6")],
     b"x-real-ip: 127.0.0.1", b"6.6.6.6"),
    ([("http2-settings", "gone"), ("trailer", "gone"), ("proxy-authorization", "gone"), ("x-yours", "here")],
     b"x-yours: here", b"gone")],
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

@pytest.mark.parametrize("length, data", [("3", b"hello"), ("10", b"hello"), ("0", b"hello")],
                         ids=["more", "less", "none said"])
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


@pytest.mark.parametrize("trailers", [
    [(":path", "/evil")], [("X-A", "b")], [("x-a", "b\r\nc: d")], [("connection", "close")],
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
    assert b"evil" not in saw and b"X-A" not in saw and b"c: d" not in saw
    assert b"connection: close" not in saw.lower()


def test_trailers_that_say_who(front, target, name):
    before = len(target.connections)
    with RawH2(front, name) as client:
        client.request(1, client.fields(**{":method": "POST"}), end=False)
        trailers = [("x-real-ip", "evil"), ("cookie", "evil"), ("x-forwarded-for", "evil"), ("x-sum", "1")]
        client.send(frames.DataFrame(1, data=b"hello"), client.head(1, trailers))
        assert client.outcome(1) == 200
    saw, = target.seen()[before:]
    assert h11_requests(saw) == [("POST", "/", b"hello")] and b"evil" not in saw
    assert saw.endswith(b"0\r\nx-sum: 1\r\n\r\n")


# -- frames that break the connection's rules

PING = frames.PingFrame(0, opaque_data=b"12345678")


def _on_stream_0(frame):
    frame.stream_id = 0
    return frame


def _push_promise(client):
    data = client.encoder.encode(client.fields())
    client.send(frames.PushPromiseFrame(1, promised_stream_id=2, data=data, flags={"END_HEADERS"}))


def _more_than_the_window(client):
    """To a target that takes nothing: all that windows and sockets can hold, and more."""
    client.request(1, client.fields(**{":method": "POST", ":path": "/deaf"}), end=False)
    for _ in range(25):
        client.send(*[frames.DataFrame(1, data=b"x" * 16384)] * 100)


BROKEN = {
    "no preface": lambda c: c.send_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "no SETTINGS first": lambda c: c.send_bytes(PREFACE + PING.serialize()),
}
BROKEN_LATER = {
    "DATA on stream 0": lambda c: c.send(_on_stream_0(frames.DataFrame(1, data=b"x"))),
    "HEADERS on stream 0": lambda c: c.send(_on_stream_0(c.head(1, c.fields()))),
    "HEADERS on an even stream": lambda c: c.request(2),
    "a frame too large": lambda c: c.send(frames.DataFrame(1, data=b"x" * 20000)),
    "DATA on an idle stream": lambda c: c.send(frames.DataFrame(7, data=b"x")),
    "CONTINUATION from nowhere": lambda c: c.send(frames.ContinuationFrame(1, data=b"x")),
    "a frame between HEADERS and CONTINUATION": lambda c: c.send(
        frames.HeadersFrame(1, data=c.encoder.encode(c.fields())[:5], flags=set()), PING),
    "a block that is no HPACK": lambda c: c.send(
        frames.HeadersFrame(1, data=b"\xff" * 40, flags={"END_HEADERS", "END_STREAM"})),
    "the connection's window overflows": lambda c: c.send(
        *[frames.WindowUpdateFrame(0, window_increment=2**31 - 1)] * 2),
    "a window update of zero": lambda c: c.send_bytes(b"\0\0\4\x08\0\0\0\0\0\0\0\0\0"),
    "an initial window beyond all": lambda c: c.send(frames.SettingsFrame(0, settings={4: 2**32 - 1})),
    "a push promise": _push_promise,
    "PING of seven bytes": lambda c: c.send_bytes(b"\0\0\7\x06\0\0\0\0\0" + b"1234567"),
    "more DATA than the window": _more_than_the_window,
}


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
