# ctest: timeout=300
"""What a target's bytes get: its owner is a stranger, too. A table of answers and of what the client was
given, and after each the proof that the connection was not used again: the next request comes over a new one
and has an answer of its own."""
import base64
import dataclasses
import hashlib
import threading

import pytest

from harness import EchoTarget, Gateway, RawTls, RouteFile, wait_for
from harness.h2_client import H2Client
from harness.routes import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


@dataclasses.dataclass
class Case:
    name: str
    answer: bytes
    status: int              # of the one answer
    body: bytes = None
    request: bytes = b"GET"

    def __str__(self):
        return self.name


def bad(name, answer):
    return Case(name, answer, 502)


def bad_field(name, field):
    return bad(name, b"HTTP/1.1 200 OK\r\n" + field + b"\r\nContent-Length: 2\r\n\r\nok")


def bad_framing(name, fields, body=b"2\r\nok\r\n0\r\n\r\n"):
    return bad(name, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
BAD_CHUNKS = [  # what may follow it
    ("a chunk size of letters", b"xyz\r\n"), ("a chunk longer than it says", b"1\r\nab\r\n0\r\n\r\n"),
    ("bare LF after a chunk size", b"1\na\r\n0\r\n\r\n"), ("a negative chunk size", b"-1\r\n"),
    ("a chunk size beyond 64 bits", b"11111111111111111\r\n"),
    ("trailers without end", b"0\r\n" + b"X-A: b\r\n" * 100000),
    ("a folded trailer", b"0\r\nX-A: b\r\n c\r\n\r\n"),
    ("an endless chunk extension", b"1;" + b"x" * 1000000),
]

TABLE = [
    bad_framing("length and chunked", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
    bad_framing("chunked and length", b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
    bad_framing("two lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n"),
    bad_framing("two equal lengths", b"Content-Length: 2\r\nContent-Length: 2\r\n"),
    bad_framing("a list of lengths", b"Content-Length: 2, 2\r\n"),
    bad_framing("a negative length", b"Content-Length: -1\r\n"),
    bad_framing("a length of letters", b"Content-Length: two\r\n"),
    bad_framing("no length in it", b"Content-Length:\r\n"),
    bad_framing("a length with a sign", b"Content-Length: +2\r\n"),
    bad_framing("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n"),
    bad_framing("chunked twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    bad_framing("xchunked", b"Transfer-Encoding: xchunked\r\n"),
    bad("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    bad("bare LF everywhere", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    bad("bare LF after a field", b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\r\nok"),
    bad("bare CR", b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok"),
    bad_field("NUL in a value", b"X-A: \x00"), bad_field("an escape in a value", b"X-A: \x1b[2J"),
    bad_field("a folded field", b"X-A: b\r\n Set-Cookie: evil=1"),
    bad_field("space before the colon", b"X-A : b"),
    bad_field("space in a name", b"X A: b"), bad_field("no name", b": b"), bad_field("no colon", b"X-A"),
    bad("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok"),
    bad("HTTP/0.9", b"<html>hello</html>\r\n\r\n"), bad("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    bad("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), bad("ICY", b"ICY 200 OK\r\n\r\nok"),
    bad("a status of two digits", b"HTTP/1.1 99 Low\r\nContent-Length: 2\r\n\r\nok"),
    bad("a status of four digits", b"HTTP/1.1 2000 High\r\nContent-Length: 2\r\n\r\nok"),
    bad("a status nobody knows", b"HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nok"),
    bad("no status", b"HTTP/1.1 \r\nContent-Length: 2\r\n\r\nok"), bad("an empty line first", b"\r\n" + OK),
    bad("a head too long", b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 20000 + b"\r\nContent-Length: 2\r\n\r\nok"),
    bad("a head without end", b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 3000000),
    bad("too many fields", b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 300 + b"Content-Length: 2\r\n\r\nok"),
    bad("a status line too long", b"HTTP/1.1 200 " + b"O" * 10000 + b"\r\nContent-Length: 2\r\n\r\nok"),
    bad("1xx without end", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + OK),
    bad("101 that nobody asked for", SWITCH + UPGRADE + b"\r\n"),
    bad("a 1xx with a body", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok" + OK),
    *(bad(name, CHUNKED + body) for name, body in BAD_CHUNKS),
    Case("more than the length", OK + POISON, 200, b"ok"),
    Case("more than the length: two bytes", OK + b"\r\n", 200, b"ok"),
    Case("more than the chunks",
         b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + POISON, 200, b"ok"),
    Case("a body behind 204", b"HTTP/1.1 204 No Content\r\n\r\n" + POISON, 204, b""),
    Case("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison", 204, b""),
    Case("204 with chunks",
         b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204, b""),
    Case("a body behind 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison", 304, b""),
    Case("a body behind HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", 200, b"", b"HEAD"),
    Case("Connection: close",
         b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    Case("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
]


@pytest.fixture(scope="module")
def front(tmp_path_factory, ca):
    directory = tmp_path_factory.mktemp("attacks")
    routes = RouteFile(directory / "routes.yaml")
    with Gateway(directory, ca) as gateway:
        gateway.route_file = routes
        yield gateway


@pytest.fixture
def raw(front):
    """raw(script): the public name of an environment whose
    target answers as the script says, and the target."""
    targets = []

    def make(script):
        targets.append(EchoTarget(script))
        front.wait_route(front.route_file.set("raw", http=[http(8888, targets[-1].port)]))
        return front.host("raw", 8888), targets[-1]
    yield make
    for target in targets:
        target.stop()


def first_then_good(answer, leave=False):
    """The first connection gets the answer and is then listened to; every later one is a good server."""
    state = {"first": True}

    def script(connection):
        first, state["first"] = state["first"], False
        connection.recv_until(b"\r\n\r\n")
        if not first:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecond")
            return
        connection.send(answer)
        if not leave:
            connection.recv_all()
    return script


def ask(gateway, name, method=b"GET", path=b"/"):
    with RawTls(gateway, name) as client:
        client.send(method + b" " + path + b" HTTP/1.1\r\n"
                    b"Host: " + name.encode() + b"\r\nConnection: close\r\n\r\n")
        return client.recv_all()


def check_answer(case, answer):
    head, _, rest = answer.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):
        assert case.answer.count(head.split(b"\r\n")[0]) <= 20 or case.status != 200
        head, _, rest = rest.partition(b"\r\n\r\n")
    assert b"evil" not in answer and b"poison" not in answer and b"Set-Cookie" not in head
    assert int(head.split()[1]) == case.status
    if case.body is not None and b"chunked" in head.lower():
        assert rest == b"%x\r\n" % len(case.body) + case.body + b"\r\n0\r\n\r\n"
    elif case.body is not None:
        assert rest == case.body
    else:
        assert b"HTTP/1.1" not in rest and b"127.0.0.1" not in rest


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_the_table(front, raw, case):
    name, target = raw(first_then_good(case.answer))
    check_answer(case, ask(front, name, case.request))
    assert target.connections[0].ended.wait(10), "the connection is still open"
    assert ask(front, name, b"GET", b"/again").endswith(b"second")
    assert [len(seen.split(b"\r\n\r\n")) - 1 for seen in target.seen()] == [1, 1]


def begin_well(bad, may_go_on):
    def script(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(CHUNKED)
        may_go_on.wait(20)
        connection.send(bad)
        connection.recv_all()
    return script


BY_NAME = {"ids": [name for name, _ in BAD_CHUNKS]}


@pytest.mark.parametrize("bad_chunk", [body for _, body in BAD_CHUNKS], **BY_NAME)
def test_chunks_that_go_wrong_later(front, raw, bad_chunk):
    """The answer has begun: it ends without its last chunk, so that nobody takes it for whole."""
    may_go_on = threading.Event()
    name, target = raw(begin_well(bad_chunk, may_go_on))
    with RawTls(front, name) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\n\r\n")
        answer = b""
        while b"hello" not in answer:
            answer += client.recv()
        may_go_on.set()
        answer += client.recv_all()
    assert answer.startswith(b"HTTP/1.1 200 ") and not answer.endswith(b"0\r\n\r\n")
    assert answer.count(b"HTTP/1.1") == 1
    assert target.connections[0].ended.wait(10), "the connection is still open"


def h2_request(name, method="GET"):
    return [(":method", method), (":scheme", "https"), (":authority", name), (":path", "/")]


@pytest.mark.parametrize("bad_chunk", [body for _, body in BAD_CHUNKS], **BY_NAME)
def test_chunks_that_go_wrong_later_over_http2(front, raw, bad_chunk):
    may_go_on = threading.Event()
    name, target = raw(begin_well(bad_chunk, may_go_on))
    with H2Client(front, name) as client:
        number = client.request(h2_request(name))
        stream = client.streams[number]
        client.pump_until(lambda: bytes(stream.data) == b"hello", "the first chunk")
        may_go_on.set()
        client.pump_until(lambda: stream.ended, "the end")
        assert stream.reset not in (None, 0) and stream.status == 200
    assert target.connections[0].ended.wait(10), "the connection is still open"


def test_a_target_that_begins_in_another_protocol_is_not_waited_for(front, raw):
    """The first bytes are no answer, and no line ends behind them: timeouts.response_head is minutes away."""
    def greet(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(b"220 mail")
        connection.recv_all()
    name, _ = raw(greet)
    assert ask(front, name).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_the_table_over_http2(front, raw, case):
    name, target = raw(first_then_good(case.answer))
    with H2Client(front, name) as client:
        number = client.request(h2_request(name, case.request.decode()))
        stream = client.streams[number]
        client.pump_until(lambda: stream.ended, "the answer")
        assert stream.status == case.status and stream.reset in (None, 0)
        assert case.body is None or bytes(stream.data) == case.body
        assert "evil" not in str(stream.headers) and b"poison" not in stream.data
        assert client.get(name, "/again")[::2] == (200, b"second")
    assert len(target.connections) == 2


# -- connections that are kept

def test_a_good_connection_is_used_again(front, raw):
    """What the table above proves is worth something only if others are reused."""
    def script(connection):
        while connection.recv():
            connection.send(OK)
    name, target = raw(script)
    for _ in range(5):
        assert ask(front, name).endswith(b"ok")
    # one worker may have served some, the other the rest
    assert len(target.connections) <= 2


def test_bytes_that_come_before_they_are_asked_for(front, raw):
    """A second answer, sent while the connection waits in the pool, is nobody's."""
    go = threading.Event()

    def script(connection):
        connection.recv()
        connection.send(OK)
        go.wait(20)
        connection.send(POISON)
        connection.recv_all()
    name, target = raw(script)
    assert ask(front, name).endswith(b"ok")
    assert not target.connections[0].ended.is_set()
    go.set()
    assert target.connections[0].ended.wait(10), "a connection with bytes left over was kept"
    assert ask(front, name).endswith(b"ok")
    assert len(target.connections) == 2


def test_a_target_whose_client_has_left(front, raw):
    """Its connection goes with the client: an answer that nobody waits for would be the next one's."""
    def script(connection):
        if b"/first" in connection.recv_until(b"\r\n\r\n"):
            connection.recv_all()
        else:
            connection.send(OK)
    name, target = raw(script)
    client = RawTls(front, name)
    client.send(f"GET /first HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    wait_for(lambda: b"/first" in b"".join(target.seen()), "the request did not come")
    assert not target.connections[0].ended.is_set()
    client.close()
    assert target.connections[0].ended.wait(10), "the connection outlived its client"
    assert ask(front, name, b"GET", b"/second").endswith(b"ok")


def test_a_pool_of_none(make_gateway, routes):
    """target.pool_per_environment: 0 keeps no connection, and does not end the gateway either."""
    def script(connection):
        while connection.recv():
            connection.send(OK)
    gateway = make_gateway({"target": {"pool_per_environment": 0}, "workers": 1})
    with EchoTarget(script) as target:
        gateway.wait_route(routes.set("none", http=[http(8888, target.port)]))
        for count in range(1, 4):
            assert ask(gateway, gateway.host("none", 8888)).endswith(b"ok")
            assert len(target.connections) == count


# -- upgrades

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = base64.b64encode(hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
ACCEPTED = b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"


def upgrade(name):
    return (b"GET /ws HTTP/1.1\r\nHost: " + name.encode() + b"\r\n" + UPGRADE +
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n")


@pytest.mark.parametrize("answer", [
    SWITCH + UPGRADE + b"\r\n",
    SWITCH + UPGRADE + b"Sec-WebSocket-Accept: " + KEY + b"\r\n\r\n",
    SWITCH + UPGRADE + ACCEPTED * 2 + b"\r\n",
    SWITCH + b"Upgrade: websocket\r\n" + ACCEPTED + b"\r\n",
    SWITCH + b"Connection: Upgrade\r\n" + ACCEPTED + b"\r\n",
    SWITCH + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + ACCEPTED + b"\r\n",
    SWITCH.replace(b"1.1", b"1.0") + UPGRADE + ACCEPTED + b"\r\n",
    SWITCH + UPGRADE + b"Content-Length: 5\r\n" + ACCEPTED + b"\r\n"],
    ids=["no Accept", "a wrong Accept", "two Accepts", "no Connection", "no Upgrade", "another protocol",
         "HTTP/1.0", "a body"])
def test_a_101_that_is_none(front, raw, answer):
    """No tunnel: what the client sends goes nowhere, what the target sends neither."""
    name, target = raw(first_then_good(answer + b"secret of another"))
    with RawTls(front, name) as client:
        client.send(upgrade(name) + b"GET /smuggled HTTP/1.1\r\nHost: inside\r\n\r\n")
        back = client.recv_until(b"\r\n\r\n")
        assert back.startswith(b"HTTP/1.1 502 ")
    assert target.connections[0].ended.wait(10)
    assert b"smuggled" not in b"".join(target.seen()) and b"secret" not in back
    assert ask(front, name).endswith(b"second")


def test_an_answer_to_the_upgrade_and_more_behind_it(front, raw):
    """200 to an upgrade is an ordinary answer:
    what follows its length is not for the client, and no tunnel opens."""
    name, target = raw(first_then_good(OK + POISON))
    with RawTls(front, name) as client:
        client.send(upgrade(name))
        status, _, body = client.response()
        assert (status, body) == (200, b"ok")
        client.send(f"GET /next HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert client.response()[2] == b"second"
    assert b"/next" not in target.seen()[0]


# -- cookies

@pytest.mark.parametrize("cookie, expected", [
    (b"a=1; Domain=envgate.test", b"a=1"), (b"a=1; domain=.container.envgate.test; Path=/", b"a=1; Path=/"),
    (b"a=1; DOMAIN = container.envgate.test ;Secure", b"a=1;Secure"),
    (b"a=1; Domain={H}", b"a=1; Domain={H}"), (b"a=1; Domain=.{H}", b"a=1; Domain=.{H}"),
    (b"a=1; Domain={H}; Domain=envgate.test", b"a=1; Domain={H}"),
    (b"a=1; Domain=envgate.test; Domain={H}", b"a=1; Domain={H}"), (b"a=1;Domain=test", b"a=1"),
    (b'a="x; Domain=envgate.test"', b'a="x'), (b"a=Domain=envgate.test", b"a=Domain=envgate.test"),
    (b"a=1; Domain", b"a=1"), (b"a=1; Domain=other-8888.container.envgate.test", b"a=1"),
    (b"a=1; Domain=x{H}", b"a=1"), (b"a=1;\tDomain\t=\tenvgate.test", b"a=1")])
@pytest.mark.parametrize("status", [200, 103])
def test_cookies_are_the_hosts_alone(front, raw, cookie, expected, status):
    host = front.host("raw", 8888).encode()
    field = b"Set-Cookie: " + cookie.replace(b"{H}", host) + b"\r\n"
    name, _ = raw(first_then_good(OK.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n") if status == 200 else
                                  b"HTTP/1.1 103 Early Hints\r\n" + field + b"\r\n" + OK))
    head = ask(front, name).partition(b"\r\n\r\n")[0]
    cookies = [line.partition(b": ")[2] for line in head.split(b"\r\n")
               if line.lower().startswith(b"set-cookie:")]
    without_domain = b"a=1" + b"; Path=/" * (b"Path" in cookie)
    assert cookies == [expected.replace(b"{H}", host)] or status == 103 and cookies == [without_domain]


def test_fields_that_are_not_the_targets_to_send(front, raw):
    """Hop by hop, framing, other ways into this origin;
    and nomination takes nothing that a browser relies on."""
    name, _ = raw(first_then_good(
        b"HTTP/1.1 200 OK\r\n"
        b"Connection: X-Gone, Set-Cookie, Content-Security-Policy, Strict-Transport-Security\r\n"
        b"X-Gone: gone\r\nKeep-Alive: gone\r\nProxy-Authenticate: gone\r\n"
        b"TE: gone\r\nUpgrade: gone\r\nAlt-Svc: gone\r\n"
        b"Set-Cookie: a=1\r\nContent-Security-Policy: default-src\r\n"
        b"Strict-Transport-Security: max-age=1\r\nContent-Length: 2\r\n\r\nok"))
    head = ask(front, name).partition(b"\r\n\r\n")[0].lower()
    assert b"gone" not in head
    for name in (b"set-cookie: a=1", b"content-security-policy: default-src",
                 b"strict-transport-security: max-age=1"):
        assert name in head
