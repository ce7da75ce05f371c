"""The API's server against peers that are slow, many, gone in the middle, or speak something else."""
import json
import subprocess
import sys
import threading
import time

import pytest

from lone_plane import plane, resident, sockets_of, spec  # noqa: F401
from plane import wait_for
from wire import Wire

MIB = 1 << 20
READ_LIMIT = 30  # seconds: kRead of control/api/server.cpp


class Slow(threading.Thread):
    """A peer that never comes to an end: how long it was listened to."""

    def __init__(self, plane, first, drip=b""):
        super().__init__(daemon=True)
        self.plane, self.first, self.drip, self.lasted = plane, first, drip, None
        self.start()

    def run(self):
        with Wire(self.plane.socket, timeout=1) as wire:
            began = time.monotonic()
            wire.send(self.first)
            while not wire.has_ended() and time.monotonic() < began + 3 * READ_LIMIT:
                wire.send(self.drip)
            self.lasted = time.monotonic() - began


@pytest.fixture(scope="module", autouse=True)
def slow_peers(plane):
    """Under way while the other tests run; the last one looks at how they fared."""
    line = b"PUT /api/quotas/eve HTTP/1.1\r\nHost: x\r\n"
    return {"silent": Slow(plane, b""), "half a head": Slow(plane, line),
            "a head, dripping": Slow(plane, line + b"X: ", b"x"),
            "half a body": Slow(plane, line + b"Content-Length: 100\r\n\r\n{"),
            "a chunk, dripping": Slow(plane, line + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n", b" ")}


def rests(plane):
    """None but the slow peers is connected."""
    wait_for(lambda: sockets_of(plane) <= 5, "descriptors are closed", 10)


def still_serves(plane):
    with Wire(plane.socket) as wire:
        return wire.ask("GET", "/healthz").answer().status == 200


# ---- what is no request ----

@pytest.mark.parametrize("sent, status", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"SSH-2.0-client\r\n\r\n", 400),
    (b"GET /healthz\r\n\r\n", 400),
    (b"GET /healthz HTTP/9.9\r\n\r\n", 400),
    (b"GET /health z HTTP/1.1\r\n\r\n", 400),
    (b"GET healthz HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nA\0: b\r\n\r\n", 400),
    (b"\0" * 64 + b"\r\n\r\n", 400),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", 431),
    (b"GET /healthz HTTP/1.1\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", 431),
    (b"a" * 100_000, 431),
], ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value))
def test_what_is_no_request_is_refused_and_the_connection_ends(plane, sent, status):
    with Wire(plane.socket) as wire:
        answer = wire.send(sent).answer()
        assert answer.status == status, answer.body
        assert answer.fields["content-type"] == "application/problem+json" and answer.json()["detail"]
        assert answer.fields["connection"] == "close"
    assert still_serves(plane)


@pytest.mark.parametrize("fields", [
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Content-Length: -1\r\n", b"Content-Length: +5\r\n", b"Content-Length: 5x\r\n",
    b"Content-Length: 99999999999999999999999\r\n", b"Transfer-Encoding: chunked, gzip\r\n"])
def test_a_length_that_two_readers_could_take_differently_is_refused(plane, fields):
    with Wire(plane.socket) as wire:
        wire.send(b"PUT /api/quotas/eve HTTP/1.1\r\n" + fields + b"\r\n{}   GET /healthz HTTP/1.1\r\n\r\n")
        assert wire.answer().status in (400, 413)
        wire.socket.shutdown(1)
        assert wire.has_ended() and not wire.buffer


def test_a_length_that_lies(plane):
    with Wire(plane.socket) as wire:  # more was said than comes
        wire.send(b"POST /api/environments HTTP/1.1\r\nContent-Length: 100\r\n\r\n{}")
        wire.socket.shutdown(1)
        assert wire.has_ended() and b" 202 " not in wire.buffer
    with Wire(plane.socket) as wire:  # more comes than was said: it is no request
        wire.send(b"PUT /api/quotas/eve HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}{}{}\r\n\r\n")
        assert wire.answer().status == 422
        assert wire.answer().status == 400
        wire.socket.shutdown(1)
        assert wire.has_ended()


# ---- what is ----

def test_requests_in_a_row_are_answered_in_their_order(plane):
    with Wire(plane.socket) as wire:
        wanted = [("/healthz", 200), ("/api/nothing", 404), ("/api/status", 200),
                  ("/api/environments/x", 404)]
        for number in range(200):
            wire.ask("GET", f"{wanted[number % 4][0]}?n={number}")
        assert [wire.answer().status for _ in range(200)] == [wanted[n % 4][1] for n in range(200)]


def test_connections_are_kept_or_closed_as_asked(plane):
    with Wire(plane.socket) as wire:
        for _ in range(3):
            assert wire.ask("GET", "/healthz").answer().fields.get("connection") != "close"
        assert wire.ask("GET", "/healthz", Connection="close").answer().fields["connection"] == "close"
        assert wire.has_ended()
    with Wire(plane.socket) as wire:
        assert wire.ask("GET", "/healthz", version="1.0").answer().status == 200
        assert wire.has_ended()


def test_head_is_get_without_the_content(plane):
    with Wire(plane.socket) as wire:
        for path in ("/healthz", "/api/openapi.json", "/api/nothing"):
            whole = wire.ask("GET", path).answer()
            head = wire.ask("HEAD", path).answer("HEAD")
            assert head.status == whole.status and not wire.buffer
            if "request_id" not in whole.json():
                assert head.fields["content-length"] == str(len(whole.body))
        assert wire.ask("HEAD", "/api/routes?watch=1").answer("HEAD").status == 200
        assert wire.has_ended() and not wire.buffer


def test_methods_that_are_not_there(plane):
    with Wire(plane.socket) as wire:
        for method, path, allow in [("OPTIONS", "/api/environments", "POST, GET, HEAD"),
                                    ("BREW", "/healthz", "GET, HEAD"), ("TRACE", "/healthz", "GET, HEAD"),
                                    ("HEAD", "/api/environments/x/stop", "POST"),
                                    ("GET", "/api/environments/x/stop", "POST")]:
            answer = wire.ask(method, path).answer(method)
            assert (answer.status, answer.fields["allow"]) == (405, allow), method
        assert wire.ask("BREW", "/api/nothing").answer().status == 404


def test_a_body_is_asked_for_where_the_client_waits_for_that(plane):
    with Wire(plane.socket) as wire:
        wire.ask("PUT", "/api/quotas/eve", Expect="100-continue", Content_Length="2")
        assert wire.head() == (100, {})
        wire.send(b"{}")
        assert wire.answer().status == 422
        wire.ask("PUT", "/api/quotas/eve", Expect="100-continue", Content_Length=str(MIB + 1))
        assert wire.answer().status == 413, "without asking for it"


# ---- those that go ----

def test_a_client_that_goes_frees_its_place_and_its_change_stands(plane):
    rests(plane)
    wires = [Wire(plane.socket) for _ in range(20)]
    for number, wire in enumerate(wires):
        body = json.dumps(spec(name=f"left-{number}")).encode()
        wire.ask("POST", "/api/environments", body, Prefer="wait=300")

    def made():
        rows = plane.ask("GET", "/api/environments?limit=1000")["environments"]
        return [row for row in rows if row["name"].startswith("left-")]
    wait_for(lambda: len(made()) == 20, "all are accepted")
    streams = [Wire(plane.socket).ask("GET", path) for path in ("/api/events", "/api/routes?watch=1")]
    for stream in streams:
        assert stream.head()[0] == 200
    for wire in wires + streams:
        wire.socket.close()
    rests(plane)
    for row in made():
        assert plane.ask("GET", f"/api/operations?environment={row['id']}")["operations"]


def test_a_client_that_only_ended_its_side_is_answered(plane):
    made = plane.ask("POST", "/api/environments", spec())
    with Wire(plane.socket) as wire:
        wire.ask("GET", f"/api/operations/{made['operation']['id']}", Prefer="wait=60")
        wire.socket.shutdown(1)
        wire.socket.settimeout(2.5)  # some looks whether it has gone
        with pytest.raises(TimeoutError):
            wire.more()
        wire.socket.settimeout(30)
        plane.ask("POST", f"/api/environments/{made['environment']['id']}/stop")
        assert wire.answer().json()["error"]["code"] == "superseded"


def test_many_idle_connections_hold_nobody_up(plane):
    rests(plane)
    idle = [Wire(plane.socket) for _ in range(480)]
    for wire in idle[::2]:
        assert wire.ask("GET", "/healthz").answer().status == 200
    assert sockets_of(plane) >= 480
    began = time.monotonic()
    made = plane.ask("POST", "/api/environments", spec())
    assert plane.environment(made["environment"]["id"])
    assert time.monotonic() - began < 5
    for wire in idle[::2]:
        assert wire.ask("GET", "/healthz").answer().status == 200
    for wire in idle:
        wire.socket.close()
    rests(plane)
    crowd = [Wire(plane.socket) for _ in range(600)]  # more than there are places for
    for wire in crowd:
        wire.socket.close()
    wait_for(lambda: still_serves_or_none(plane), "there is a place again", 10)
    rests(plane)


CROWD = """
import socket, sys
def answered():
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(20)
    one.connect(sys.argv[1])
    open_ones.append(one)
    try:
        one.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        return one.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
open_ones = []
print(sum(answered() for _ in range(200)), flush=True)
sys.stdin.read()
"""


def test_one_account_does_not_take_all_places(plane):
    rests(plane)
    crowd = subprocess.Popen([sys.executable, "-c", CROWD, plane.socket], user="nobody", group="nogroup",
                             extra_groups=[], cwd="/", text=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    try:
        assert crowd.stdout.readline() == "128\n"
        others = [Wire(plane.socket) for _ in range(200)]
        assert all(wire.ask("GET", "/healthz").answer().status == 200 for wire in others)
        for wire in others:
            wire.socket.close()
    finally:
        crowd.communicate()
    rests(plane)


def still_serves_or_none(plane):
    try:
        return still_serves(plane)
    except ConnectionError:
        return False


def test_memory_does_not_grow_with_what_was_sent(plane):
    body = b'{"a":' + b"[" * 20 + b"1," * (MIB // 2 - 100)

    def a_round():
        for number in range(60):
            with Wire(plane.socket) as wire:
                if number % 3 == 0:
                    assert wire.ask("POST", "/api/environments", body).answer().status == 400
                elif number % 3 == 1:
                    wire.ask("POST", "/api/environments", Content_Length=str(MIB)).send(body[:MIB // 2])
                else:
                    wire.ask("PUT", "/api/quotas/eve", b" " * MIB).answer()
    for _ in range(2):
        a_round()
    before = resident(plane)
    for _ in range(5):
        a_round()
    assert resident(plane) - before < 24 * MIB


def test_who_does_not_come_to_an_end_is_cut_off(plane, slow_peers):
    for name, peer in slow_peers.items():
        peer.join(3 * READ_LIMIT)
        assert peer.lasted is not None and READ_LIMIT - 2 < peer.lasted < READ_LIMIT + 12, (name, peer.lasted)
    assert still_serves(plane)
