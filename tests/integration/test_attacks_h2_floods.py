# ctest: timeout=300 processors=2
"""What a stranger's HTTP/2 floods get, and those who ask without taking the answers: each ends, or waits, in
bounded memory, while another client is served. Time and memory are measured here, so nothing runs beside."""
import contextlib
import threading
import time

import pytest
from hyperframe import frame as frames

from harness import SLOW, need, wait_for
from harness.h2_client import H2Client
from harness.raw_h2 import RawH2, serialized

FRONT = {"log": {"level": "warn"}}
MIB = 1 << 20


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
    print(f"memory +{grown / MIB:.1f} MiB, {len(times)} requests of another, "
          f"the slowest in {max(times):.3f} s")
    if gateway.memory_means_something():
        assert grown < most_memory


# -- floods

def flood(client, burst, times):
    """Sends burst(n) until the server ends it; what comes back is read only at the end."""
    client.tls.sock.settimeout(20 * SLOW)
    for n in range(times):
        client.send_bytes(burst(n))
        if client.closed:
            break
    return client.until_closed()


def cancel(stream):
    return frames.RstStreamFrame(stream, error_code=8)


def rapid_resets(client):
    def burst(n):
        streams = range(1 + 20 * n, 21 + 20 * n, 2)
        return b"".join(serialized(client.head(s, client.fields()), cancel(s)) for s in streams)
    return burst, 2000


def held_resets(client):
    """As above, but in separate writes, so that each request has begun."""
    def burst(n):
        stream = 1 + 2 * (n // 2)
        return serialized(client.head(stream, client.fields()) if n % 2 == 0 else cancel(stream))
    return burst, 20000


def provoked_by_overflow(client):
    """Our own resets, for windows that overflow (CVE-2025-8671)."""
    def burst(n):
        stream = 1 + 2 * n
        return serialized(client.head(stream, client.fields()),
                          *[frames.WindowUpdateFrame(stream, window_increment=2**31 - 1)] * 2)
    return burst, 20000


def provoked_by_length(client):
    def burst(n):
        stream = 1 + 2 * n
        fields = client.fields([("content-length", "1")], **{":method": "POST"})
        return serialized(client.head(stream, fields, end=False), frames.DataFrame(stream, data=b"too long"))
    return burst, 20000


def provoked_by_names(client):
    return lambda n: serialized(client.head(1 + 2 * n, client.fields([("X-A", "b")]))), 20000


def continuations(client):
    def burst(n):
        if n == 0:
            return serialized(client.part_of_head(1))
        return serialized(*[frames.ContinuationFrame(1, data=b"\x00\x03x-a\x01b")] * 100)
    return burst, 20000


def empty_continuations(client):
    def burst(n):
        if n == 0:
            return serialized(client.part_of_head(1))
        return serialized(*[frames.ContinuationFrame(1, data=b"")] * 100)
    return burst, 20000


def large_continuations(client):
    def burst(n):
        if n == 0:
            return serialized(client.part_of_head(1))
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
    def burst(n):
        return serialized(frames.PriorityFrame(1, depends_on=0, stream_weight=n % 255, exclusive=False)) * 200
    return burst, 1000


def unknown_frames(client):
    return lambda n: (b"\0\0\1\xee\0\0\0\0\0x") * 200, 1000


FLOODS = [rapid_resets, held_resets, provoked_by_overflow, provoked_by_length, provoked_by_names,
          continuations, empty_continuations, large_continuations, pings, settings, empty_data, priorities,
          unknown_frames]


def mischief(gateway):
    """How much of it was counted against clients so far."""
    reasons = ("h2_flood", "h2_resets", "h2_stream_error", "h2_protocol_error")
    return sum(gateway.refused(reason) for reason in reasons)


@pytest.mark.parametrize("kind", FLOODS, ids=lambda kind: kind.__name__)
def test_a_flood(front, target, name, kind):
    before, counted = len(target.connections), mischief(front)
    with meanwhile(front, name):
        with RawH2(front, name) as client:
            assert flood(client, *kind(client)) != 0
    assert mischief(front) > counted
    assert len(target.connections) - before < 20000
    wait_for(lambda: all(c.ended.is_set() for c in target.connections[before:]),
             "requests of the flood live on", 20)


@pytest.mark.parametrize("connections", [1, 20])
def test_a_small_head_that_unpacks_to_a_large_one(front, name, connections):
    """HPACK: one long field in the table, named a thousand times by a byte each."""
    with meanwhile(front, name):
        clients = [RawH2(front, name) for _ in range(connections)]
        for client in clients:
            stored = b"\x40\x03x-a\x7f\xa1\x1e" + b"b" * 4000  # literal with incremental indexing, 4000 bytes
            data = client.encoder.encode(client.fields()) + stored + b"\xbe" * 10000
            client.send(frames.HeadersFrame(1, data=data, flags={"END_HEADERS", "END_STREAM"}))
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
        wait_for(lambda: len([c for c in target.connections[before:] if c.received]) >= 500,
                 "not every request came", 30)
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
    wait_for(lambda: len([c for c in target.connections[before:] if c.received]) == 600,
             "the requests were not sent on", 30)
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
