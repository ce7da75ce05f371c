# ctest: timeout=400
"""What a stranger's bytes get, over HTTP/1.1. A payload is followed by an ordinary
request: where the payload is refused, that request must not be reached either; where it is
forwarded, it must come out as itself. What reached a target is then read by three servers
that nobody here wrote, h11, aiohttp and node, and must be the same single request to each.

(The table of payloads: harness/hostile_requests.py; slow clients: test_attacks_slow.py; HTTP/2:
test_attacks_h2_*.py; what a target's bytes get: test_attacks_target.py.)"""
import ssl

import pytest

from harness import SLOW, RawTls, contract, need, wait_for
from harness.hostile_requests import CHUNKED, CUT_SHORT, NOTHING, TABLE, prepared
from harness.readers import AT_END, REFUSED, AiohttpReader, H11Reader, NodeReader, h11_requests, node, path_of
from harness.victim import ENV


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    made = [H11Reader(), AiohttpReader()]
    if node():
        made.append(NodeReader(tmp_path_factory.mktemp("node")))
    yield made
    for reader in made:
        reader.stop()


def statuses(answer):
    """Of every response in the bytes, each with Content-Length; fails on anything between or behind them."""
    found = []
    while answer:
        head, mark, rest = answer.partition(b"\r\n\r\n")
        assert mark and head.startswith(b"HTTP/1.1 "), answer[:200]
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        found.append(int(head.split()[1]))
        length = int(fields[b"content-length"])
        assert len(rest) >= length, "a response was cut short"
        answer = rest[length:]
    return found


def exchange(gateway, host, payload):
    """Everything that comes back before the gateway closes; it must close."""
    with RawTls(gateway, host) as client:
        try:
            client.send(payload)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # refused before all of it was sent
        return client.recv_all()


def follow_up(host):
    return f"GET /follow-up HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def new_connections(target, before):
    connections = target.connections[before:]
    for connection in connections:
        assert connection.ended.wait(10 * SLOW), "the connection to the target stayed open"
    return [bytes(connection.received) for connection in connections]


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_the_table(front, target, readers, case):
    host = front.host(ENV, 8888)
    payload, expected, has, has_not = prepared(case, host)
    before, opened = len(target.connections), front.metric(contract.TARGET_CONNECTS)
    answered = statuses(exchange(front, host, payload + follow_up(host)))
    # Each that the gateway opened has arrived at the target: none is left to be taken for the next case's.
    wait_for(lambda: len(target.connections) - before == front.metric(contract.TARGET_CONNECTS) - opened,
             "the connections")
    saw = new_connections(target, before)
    assert answered == [case.status, *case.after]
    requests = [data for data in saw if data]
    if 200 in case.after:
        assert requests.pop().startswith(b"GET /follow-up HTTP/1.1\r\n")
    if expected is NOTHING:
        assert requests == []
        return
    if expected is CUT_SHORT:
        for part in requests:
            assert h11_requests(part)[0][0] == "unfinished", \
                f"what was refused was a whole request to the target: {part}"
        assert len(requests) <= 1
        return
    forwarded, = requests
    for text in has:
        assert text in forwarded.lower(), forwarded
    for text in has_not:
        assert text not in forwarded.lower(), forwarded
    assert h11_requests(forwarded) == [expected]
    for reader in readers:
        assert reader.requests(forwarded) == [expected, AT_END], f"as {reader.name} reads {forwarded}"


@pytest.mark.parametrize("case", [case for case in TABLE if isinstance(case.seen, tuple)], ids=str)
def test_what_is_forwarded_means_the_same_to_others(front, readers, case):
    """The payload as it came, given to each reader:
    it may refuse it, but where it reads a request there, it is ours."""
    payload, expected, _, _ = prepared(case, front.host(ENV, 8888))
    for reader in readers:
        found = reader.requests(payload)
        assert found[0] in (expected, REFUSED), f"{reader.name} takes {payload[:300]} for {found}"


def test_node_is_among_the_readers(readers):
    need(node(), "node is not installed (tests/run installs it): the table was read by h11 and aiohttp alone")
    assert [reader.name for reader in readers] == ["h11", "aiohttp", "node"]


def test_the_table_is_not_all_refusals():
    """A gateway that refused everything would be safe, and of no use:
    about a third of the table is let through."""
    assert sum(isinstance(case.seen, tuple) for case in TABLE) > 35 and len(TABLE) > 150
    assert len({case.name for case in TABLE}) == len(TABLE)
    assert path_of("https://a.example/b") == "/b"


# -- more than one request, or less

def test_pipelined_requests_come_one_by_one_and_in_order(front, target):
    host = front.host(ENV, 8888)
    before = len(target.connections)
    requests = [f"POST /{n} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {n}\r\n"
                f"X-Fill: {'f' * 900}\r\n\r\n{'b' * n}" for n in range(100)]
    with RawTls(front, host) as client:
        client.send("".join(requests).encode() + follow_up(host))
        assert statuses(client.recv_all()) == [200] * 101
    saw = new_connections(target, before)
    assert [h11_requests(data)[0] for data in saw[:-1]] == [("POST", f"/{n}", b"b" * n) for n in range(100)]


def test_a_payload_byte_by_byte(front, target, readers):
    """However it is cut, it is the same request."""
    host = front.host(ENV, 8888)
    before = len(target.connections)
    request = CHUNKED.replace(b"{H}", host.encode()) + b'5;a="b"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'
    with RawTls(front, host) as client:
        for byte in request + follow_up(host):
            client.send(bytes([byte]))
        assert statuses(client.recv_all()) == [200, 200]
    saw = new_connections(target, before)
    for reader in readers:
        assert reader.requests(saw[0]) == [("POST", "/chunked", b"hello"), AT_END]


@pytest.mark.parametrize("start, rest", [
    (CHUNKED, b"5\r\nhel"), (CHUNKED, b"5\r\nhello\r\n"), (CHUNKED, b"5\r\nhello\r\n0\r\n"),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nContent-Length: 10\r\n\r\n", b"hello")],
    ids=["within a chunk", "between chunks", "before the trailers' end", "within a length"])
def test_a_client_that_leaves_within_a_body(front, target, start, rest):
    """What it began never ends at the target: a request cut short must not be taken for a whole one."""
    host = front.host(ENV, 8888)
    before = len(target.connections)
    with RawTls(front, host) as client:
        client.send(start.replace(b"{H}", host.encode()) + rest)
        wait_for(lambda: b"hel" in b"".join(target.seen()[before:]), "the body did not reach the target")
    for part in new_connections(target, before):
        assert h11_requests(part)[0][0] == "unfinished"


def test_requests_behind_an_upgrade_that_was_not_granted(front, target):
    """A 200 to the upgrade: what the client sent behind it is its next request, checked like any other."""
    host = front.host(ENV, 8888)
    upgrade = (f"GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
    hidden = b"GET /hidden HTTP/1.1\r\nHost: other.example\r\n\r\n"
    before = len(target.connections)
    answer = exchange(front, host, upgrade + hidden + follow_up(host))
    assert statuses(answer) == [200, 404, 200]
    saw = new_connections(target, before)
    assert len(saw) == 2 and b"hidden" not in b"".join(saw) and b"other.example" not in b"".join(saw)
