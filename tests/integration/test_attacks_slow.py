# ctest: timeout=200 processors=2
"""What a client gets that is slow on purpose, over HTTP/1.1 and HTTP/2: a deadline that no byte puts off.
Time is measured here, so nothing runs beside this module."""
import contextlib
import socket
import ssl
import threading
import time

import pytest
from hyperframe import frame as frames

from harness import SLOW, RawTls
from harness.raw_h2 import PREFACE, RawH2, serialized
from harness.routes import http
from harness.victim import ENV


@pytest.fixture
def hasty(make_gateway, routes, target):
    gateway = make_gateway({"timeouts": {"handshake": "500ms", "request_head": "500ms",
                                         "request_body": "500ms", "idle": "500ms"}})
    gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
    return gateway


def trickle(send, recv, seconds=8):
    """Sends a byte now and then until the other side ends the connection;
    returns (seconds, what was answered)."""
    began = time.monotonic()
    while time.monotonic() - began < seconds * SLOW:
        try:
            send(b"a")
        except OSError:
            return time.monotonic() - began, b""
        answer = recv()
        if answer is not None:
            return time.monotonic() - began, answer
    raise AssertionError(f"still served after {seconds} s")


def patient(sock):
    """Waits 50 ms for an answer; None: there is none yet."""
    def recv():
        sock.settimeout(0.05)
        try:
            return sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError, socket.timeout):
            return None
        except (ssl.SSLError, ConnectionResetError):
            return b""
    return recv


def test_a_slow_handshake(hasty):
    with socket.create_connection(("127.0.0.1", hasty.https_port), 10) as sock:
        sock.sendall(b"\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03")  # a ClientHello of 4 KiB begins
        seconds, _ = trickle(sock.sendall, patient(sock))
    assert seconds < 3 * SLOW
    with socket.create_connection(("127.0.0.1", hasty.https_port), 10) as silent:
        assert silent.recv(10) == b""


@pytest.mark.parametrize("begin, status", [
    (b"GET / HTTP/1.1\r\nHost: {H}\r\nX-Slow: ", 408), (b"GET /", 408),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nContent-Length: 1000000\r\n\r\n", 408),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", 408),
    (b"POST / HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\n1;", 408)],
    ids=["a slow field", "a slow line", "a slow body", "a slow chunk", "a slow chunk extension"])
def test_a_slow_request(hasty, begin, status):
    """A byte now and then keeps nothing alive: the deadlines are absolute."""
    host = hasty.host(ENV, 8888)
    with RawTls(hasty, host) as client:
        client.send(begin.replace(b"{H}", host.encode()))
        seconds, answer = trickle(client.send, patient(client.sock))
        assert seconds < 4 * SLOW
        assert not answer or answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_silent_client(hasty):
    host = hasty.host(ENV, 8888)
    with RawTls(hasty, host) as client:
        assert client.recv_all().startswith(b"HTTP/1.1 408 ")
    with RawTls(hasty, host) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert client.response()[0] == 200
        assert client.recv() == b"", "an idle connection was kept"


def test_a_slow_answer_to_a_slow_upload_is_not_the_targets_fault(make_gateway, routes, target):
    """timeouts.response_head counts from the end of the request, as conf/envgate.yaml says:
    an upload may take longer."""
    gateway = make_gateway({"timeouts": {"response_head": "500ms"}})
    gateway.wait_route(routes.set(ENV, http=[http(8888, target.port)]))
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 30\r\n\r\n".encode())
        for _ in range(30):
            time.sleep(0.05 * SLOW)  # the speed of this client is what is tested
            client.send(b"x")
        assert client.response()[::2] == (200, b"ok")


# -- HTTP/2

def slow_preface(client):
    yield PREFACE[:3]
    yield from (PREFACE[3 + n % 10:4 + n % 10] if n < 10 else b"" for n in range(100))


def slow_settings(client):
    yield PREFACE
    yield from (b"\0" for _ in range(100))


def slow_head(client):
    yield PREFACE + serialized(frames.SettingsFrame(0))
    yield serialized(client.part_of_head(1))
    yield from [b""] * 100


def slow_continuations(client):
    yield PREFACE + serialized(frames.SettingsFrame(0))
    yield serialized(client.part_of_head(1))
    one = serialized(frames.ContinuationFrame(1, data=b"\x00\x03x-a\x01b"))
    yield from (one if n % 10 == 0 else b"" for n in range(100))


def idle_with_pings(client):
    yield PREFACE + serialized(frames.SettingsFrame(0))
    yield from (serialized(frames.PingFrame(0, opaque_data=b"12345678")) for _ in range(100))


SLOW_KINDS = [slow_preface, slow_settings, slow_head, slow_continuations, idle_with_pings]


@pytest.mark.parametrize("kind", SLOW_KINDS, ids=lambda kind: kind.__name__)
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
