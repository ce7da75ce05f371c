# ctest: timeout=600 processors=2
"""Bodies that are long, slow or endless, and events that must not wait: nothing is held back,
and nothing is held whole. Time and memory are measured here, so nothing runs beside this module."""
import hashlib
import json
import subprocess
import time

import pytest

from harness import BIG, SLOW, EchoTarget, RawTls, curl, debian_tool, wait_for
from harness.h2_client import H2Client
from harness.http_target import BLOCK, pattern_sha256
from harness.routes import http

MOST_GROWTH = 24 << 20  # bytes of resident memory that a gigabyte in passing may cost


class CurlPipe:
    """curl with its body on a pipe, so that a gigabyte needs no disk."""

    def __init__(self, gateway, host, path, *options, http2=False, **popen):
        port = gateway.https_port
        self.popen = subprocess.Popen(
            [debian_tool("curl"), "-sS", "--fail", "--noproxy", "*", "--cacert", str(gateway.ca.file),
             "--resolve", f"*:{port}:127.0.0.1", "--http2" if http2 else "--http1.1", *options,
             f"https://{host}:{port}{path}"],
            stdout=subprocess.PIPE, **popen)

    def digest(self):
        """sha256 of all that it prints."""
        hasher = hashlib.sha256()
        while piece := self.popen.stdout.read(1 << 20):
            hasher.update(piece)
        assert self.popen.wait(30) == 0
        return hasher.hexdigest()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()


def check_memory(gateway, before):
    if gateway.memory_means_something():
        grown = gateway.rss() - before
        assert grown < MOST_GROWTH, f"{grown >> 20} MiB more than before"


@pytest.mark.parametrize("kind", ["bytes", "chunked"])
def test_a_gigabyte_down(gateway, host, http2, kind):
    curl(gateway, host, "/bytes/100", http2=http2)
    before = gateway.rss()
    with CurlPipe(gateway, host, f"/{kind}/{BIG}", http2=http2) as download:
        assert download.digest() == pattern_sha256(BIG)
    check_memory(gateway, before)


@pytest.mark.parametrize("kind", ["sized", "chunked"])
def test_a_gigabyte_up(gateway, host, http2, kind):
    curl(gateway, host, "/bytes/100", http2=http2)
    before = gateway.rss()
    # -T - has no length: chunked over h1. With a Content-Length given, curl sends it as one sized body.
    sized = ["-H", f"Content-Length: {BIG}", "-H", "Transfer-Encoding:"] if kind == "sized" else []
    with CurlPipe(gateway, host, "/upload", "-T", "-", *sized, http2=http2, stdin=subprocess.PIPE) as upload:
        for _ in range(BIG // len(BLOCK)):
            upload.popen.stdin.write(BLOCK)
        upload.popen.stdin.close()
        seen = json.loads(upload.popen.stdout.read())
    assert (seen["size"], seen["sha256"]) == (BIG, pattern_sha256(BIG))
    assert seen["length"] == (str(BIG) if kind == "sized" else None)
    check_memory(gateway, before)


def test_server_sent_events_leave_at_once(gateway, host, http2):
    """Each event says when it was written;
    it must be here within 50 ms, the machine's own delays included."""
    limit = 0.05 * SLOW
    with CurlPipe(gateway, host, "/events?count=40&pause=0.05", "-N", http2=http2) as stream:
        delays = []
        for line in iter(stream.popen.stdout.readline, b""):
            if line.startswith(b"data: "):
                delays.append((time.monotonic_ns() - int(line[6:])) / 1e9)
    assert len(delays) == 40
    # one hiccup of the machine is forgiven
    assert sorted(delays)[-2] < limit, f"the slowest: {sorted(delays)[-5:]}"


def test_one_byte_at_a_time_goes_up_at_once(gateway, host):
    """An upload in drops is forwarded drop by drop, and the answer comes at its end."""
    with RawTls(gateway, host) as client:
        client.send(f"POST /upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(50):
            client.send(b"1\r\nx\r\n")
        client.send(b"0\r\n\r\n")
        assert json.loads(client.response()[2])["size"] == 50


def test_a_client_that_stops_reading_holds_the_target_back(gateway, host, web, http2):
    before, sent = gateway.rss(), web.sent
    limit = 64 << 20
    with CurlPipe(gateway, host, "/endless", http2=http2, stderr=subprocess.DEVNULL) as stream:
        stream.popen.stdout.read(1 << 20)
        last = -1
        while web.sent != last:  # until the target gets rid of nothing more
            last = web.sent
            assert last - sent < limit, "the target is not held back"
            time.sleep(0.5)
        check_memory(gateway, before)
    wait_for(lambda: web.open_streams == 0, "the target was not told that the client had gone")


def test_a_target_that_stops_reading_holds_the_client_back(gateway, host, http2):
    before = gateway.rss()
    size = 64 << 20
    with CurlPipe(gateway, host, "/slow-upload?pause=3", "-T", "-", http2=http2,
                  stdin=subprocess.PIPE) as upload:
        begin = time.monotonic()
        for _ in range(size // len(BLOCK)):
            upload.popen.stdin.write(BLOCK)
        upload.popen.stdin.close()
        took = time.monotonic() - begin
        check_memory(gateway, before)
        seen = json.loads(upload.popen.stdout.read())
    assert seen["size"] == size
    assert took > 1.5, f"64 MiB were taken in {took:.1f} s while the target read nothing for 3 s"


def test_a_slow_stream_does_not_block_others_on_its_connection(gateway, host):
    """HTTP/2: one stream that nobody reads, and quick ones beside it (flow control is by stream)."""
    with H2Client(gateway, host, seconds=20) as client:
        # no WINDOW_UPDATE is sent for the endless stream: it stops after its first window
        endless = client.request([(":method", "GET"), (":scheme", "https"),
                                  (":authority", f"{host}:{client.port}"), (":path", "/endless")])
        client.hold_back(endless)
        client.pump_until(lambda: client.streams[endless].status == 200)
        for number in range(20):
            status, _, body = client.get(host, f"/{number}")
            assert status == 200 and json.loads(body)["path"] == f"/{number}"


def test_an_early_answer_ends_the_upload(gateway, host, http2):
    """413 before the body was read: the client gets it, and the rest of the body goes nowhere."""
    with CurlPipe(gateway, host, "/refuse-upload", "--no-fail", "-w", "\n%{http_code}", "-T", "-",
                  http2=http2, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as upload:
        try:
            for _ in range(64):
                upload.popen.stdin.write(BLOCK)
            upload.popen.stdin.close()
        except BrokenPipeError:
            pass  # curl has its answer and wants no more
        assert upload.popen.stdout.read().endswith(b"413")


def test_ranges_resume_a_download(gateway, host, http2):
    """Whatever the target makes of Range is its own affair; the fields and the status come through."""
    answer = curl(gateway, host, "/", "-H", "Range: bytes=5-9", "-H", "If-Range: x", http2=http2)
    seen = {key.lower(): value for key, value in answer.json()["headers"]}
    assert (seen["range"], seen["if-range"]) == ("bytes=5-9", "x")


def endless(connection):
    """An answer without end, sent as fast as it is taken."""
    connection.recv_until(b"\r\n\r\n")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
    while True:
        connection.send(BLOCK)


def endless_sink(connection):
    """Takes a request without end, as fast as it comes."""
    while connection.sock.recv(1 << 20):
        pass


def small_request_delays(gateway, host):
    delays = []
    with RawTls(gateway, host) as client:
        for number in range(30):
            begin = time.monotonic()
            client.send(f"GET /{number} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert client.response()[0] == 200
            delays.append(time.monotonic() - begin)
    return sorted(delays)


@pytest.mark.parametrize("script, curl", [
    pytest.param(endless, ["-o", "/dev/null"], id="downloads"),
    pytest.param(endless_sink, ["-T", "/dev/zero"], id="uploads")])
def test_endless_bodies_do_not_starve_a_small_request(gateway, routes, host, script, curl):
    with EchoTarget(script) as source:
        gateway.wait_route(routes.set("source", http=[http(8888, source.port)]))
        transfers = [CurlPipe(gateway, gateway.host("source", 8888), "/", *curl, http2=n % 2 == 0)
                     for n in range(4)]
        try:
            wait_for(lambda: len(source.connections) == 4, "the transfers have not begun")
            delays = small_request_delays(gateway, host)
            assert delays[len(delays) // 2] < 0.2 * SLOW, delays
        finally:
            for transfer in transfers:
                transfer.__exit__()
