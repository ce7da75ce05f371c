"""Targets that attack: the server behind the gateway is a tenant's own, and says what it likes to the
customer whom the gateway has brought there."""
# ctest: timeout=300 processors=2
import os
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import wait_for
from harness.hostile_ssh import (AUTH_REQUEST, CLOSE, DATA, EOF, EXTENDED_DATA, GLOBAL_REQUEST, KEXINIT, OPEN,
                                 OPEN_CONFIRMATION, OPEN_FAILURE, REQUEST, REQUEST_SUCCESS, SUCCESS,
                                 WINDOW_ADJUST, Ended, Fields, message, string, uint32)
from harness.ssh_scene import MEBIBYTE, memory, until_left

pytestmark = pytest.mark.usefixtures("untouched")

LONG = 0xffffffff
BROKE = "the environment broke the protocol"


def session(scene, script, **bent):
    """A customer of the bent target, with a channel and a program: the target goes on with script(server,
    channel), where `channel` is the customer's number."""
    def serve(sock):
        server = scene.server(sock).handshake().accept_login()
        script(server, server.accept_channel(**bent))
        until_left(server)
    scene.script = serve
    client = scene.customer(scene.bent_port)
    client.exec(client.open(), b"anything")
    return client


VIOLATIONS = {
    "data beyond the window": lambda c: [message(DATA, uint32(c), string(b"x" * 32768))] * 65,
    "data beyond the packet": lambda c: [message(DATA, uint32(c), string(b"x" * 32769))],
    "data after EOF": lambda c: [message(EOF, uint32(c)), message(DATA, uint32(c), string(b"x"))],
    "data after CLOSE": lambda c: [message(CLOSE, uint32(c)), message(DATA, uint32(c), string(b"x"))],
    "EOF after CLOSE": lambda c: [message(CLOSE, uint32(c)), message(EOF, uint32(c))],
    "two CLOSE": lambda c: [message(CLOSE, uint32(c))] * 2,
    "data for no channel": lambda c: [message(DATA, uint32(c + 9), string(b"x"))],
    "a request for no channel": lambda c: [message(REQUEST, uint32(c + 9), string(b"exit-status"), b"\0",
                                                   uint32(1))],
    "a window too large": lambda c: [message(WINDOW_ADJUST, uint32(c, LONG))],
    "an answer to nothing": lambda c: [message(SUCCESS, uint32(c))],
    "a global answer to nothing": lambda c: [message(REQUEST_SUCCESS)],
    "a confirmation of nothing": lambda c: [message(OPEN_CONFIRMATION, uint32(c, 5, 1, 1))],
    "a second confirmation": lambda c: [message(OPEN_CONFIRMATION, uint32(c, 0, 1 << 20, 1 << 15))],
    "a failure of nothing": lambda c: [message(OPEN_FAILURE, uint32(c, 1), string(b""), string(b""))],
    "a string too long": lambda c: [message(DATA, uint32(c, LONG), b"x")],
    "a malformed exit-status": lambda c: [message(REQUEST, uint32(c), string(b"exit-status"), b"\0")],
    "a malformed exit-signal": lambda c: [message(REQUEST, uint32(c), string(b"exit-signal"), b"\0",
                                                  uint32(LONG))],
    "an empty open": lambda c: [message(OPEN)],
    "a login": lambda c: [message(AUTH_REQUEST, string(b"root"))],
}


@pytest.mark.parametrize("what", VIOLATIONS)
def test_what_breaks_the_protocol(scene, what):
    client = session(scene, lambda server, channel: server.send(*VIOLATIONS[what](channel)))
    told = client.farewell()
    client.close()
    assert told == BROKE
    assert scene.line_of(client)["status"] == "protocol_violation"


def test_every_message_after_the_login(scene):
    for kind in (*range(80), *range(101, 256)):
        def script(server, channel):
            server.send(message(kind, b"\0" * 4))
            server.sock.shutdown(1)
        client = session(scene, script)
        assert client.farewell() is not None
        client.close()


@pytest.mark.parametrize("kind", [b"session", b"x11", b"auth-agent@openssh.com", b"forwarded-tcpip",
                                  b"direct-tcpip",
                                  b"forwarded-streamlocal@openssh.com", b"x" * 60, b""])
def test_channels_that_nobody_asked_for(scene, kind):
    """They are refused, and the customer never hears of them."""
    answers = []
    rest = {b"x11": string(b"h") + uint32(1),
            b"forwarded-tcpip": string(b"h") + uint32(22) + string(b"h") + uint32(1),
            b"forwarded-streamlocal@openssh.com": string(b"/x") + string(b"")}.get(kind, b"")

    def script(server, channel):
        for number in range(1, 40):
            server.send(message(OPEN, string(kind), uint32(number, 1 << 20, 32768), rest))
            answers.append(server.expect(OPEN_FAILURE, OPEN_CONFIRMATION)[0])
        server.send(message(DATA, uint32(channel), string(b"done")))
    client = session(scene, script)
    assert client.receive() == message(DATA, uint32(0), string(b"done"))
    assert answers == [OPEN_FAILURE] * 39
    client.close()


@pytest.mark.parametrize("most", [0, 1, 10])
def test_a_tiny_maximum_packet(scene, most):
    """The gateway relays what fits, and what does not is the customer's fault."""
    got = []

    def script(server, channel):
        got.append(Fields(server.expect(DATA), 5).string())
        server.send(message(DATA, uint32(channel), string(b"got it")))
    client = session(scene, script, packet=most)
    if most:
        client.send(message(DATA, uint32(0), string(b"x" * most)))
        assert client.output(6) == b"got it" and got == [b"x" * most]
    client.send(message(DATA, uint32(0), string(b"x" * (most + 1))))
    assert "beyond the maximum packet" in client.farewell()
    client.close()


def test_extended_data_of_odd_types_and_two_statuses(scene):
    kinds = (0, 1, 2, 77, LONG)

    def script(server, channel):
        server.send(*[message(EXTENDED_DATA, uint32(channel, kind), string(b"x")) for kind in kinds])
        status = [message(REQUEST, uint32(channel), string(b"exit-status"), b"\0", uint32(number))
                  for number in (1, 2)]
        server.send(*status, message(EOF, uint32(channel)), message(CLOSE, uint32(channel)))
    client = session(scene, script)
    assert [Fields(client.expect(EXTENDED_DATA), 5).uint32() for _ in kinds] == list(kinds)
    assert [client.expect(REQUEST)[-1] for _ in range(2)] == [1, 2]
    client.expect(CLOSE)
    client.close()


def test_a_storm_of_key_exchanges(scene):
    def script(server, channel):
        for number in range(100):
            server.exchange_keys()
            server.send(message(DATA, uint32(channel), string(b"%03d" % number)))
    client = session(scene, script)
    assert client.output(300) == b"".join(b"%03d" % number for number in range(100))
    client.close()


def test_a_key_exchange_that_is_malformed(scene):
    client = session(scene, lambda server, channel: server.send(message(KEXINIT, b"\0" * 16, uint32(LONG))))
    assert client.farewell().startswith("the environment")
    client.close()


def test_a_host_key_changed_in_a_key_exchange_anew(scene):
    """The session's host key is the first exchange's; what a later one shows lets nobody else in."""
    def script(server, channel):
        server.host_key = Ed25519PrivateKey.generate()
        server.exchange_keys()
        server.send(message(DATA, uint32(channel), string(b"from another machine")))
    client = session(scene, script)
    try:
        seen = Fields(client.expect(DATA), 5).string()
    except Ended:
        seen = b""
    client.close()
    assert seen == b""


@pytest.mark.parametrize("flood", ["hostkeys", "opens", "requests", "unknown"])
def test_floods_whose_answers_nobody_reads(scene, flood):
    before = scene.sessions()
    most, over = [0], threading.Event()

    def script(server, channel):
        packet = {"hostkeys": message(GLOBAL_REQUEST, string(b"hostkeys-00@openssh.com"), b"\1" + b"x" * 100),
                  "opens": message(OPEN, string(b"session"), uint32(1, 0, 0), b"x" * 100),
                  "requests": message(REQUEST, uint32(channel), string(b"nothing"), b"\1" + b"x" * 100),
                  "unknown": message(200, b"x" * 100)}[flood]
        process = scene.newest(before)
        most[0] = server.flood(packet, lambda: memory(process))
        over.set()
    client = session(scene, script)
    assert over.wait(60)
    assert 0 < most[0] < 24 * MEBIBYTE
    client.close()


def test_global_requests_that_nobody_answers(scene):
    """They pass to the customer, who does not answer: the end, not a queue without one."""
    client = session(scene, lambda server, channel: server.send(
        *[message(GLOBAL_REQUEST, string(b"keepalive@openssh.com"), b"\1")] * 1100))
    assert client.farewell() == BROKE
    client.close()


def test_a_customer_who_writes_to_a_target_that_reads_nothing(scene):
    """It has to wait; when the target reads at last, all is there."""
    before, go, seen = scene.sessions(), threading.Event(), []

    def script(server, channel):
        go.wait(60)
        while sum(map(len, seen)) < size:
            seen.append(Fields(server.expect(DATA), 5).string())
        server.send(message(DATA, uint32(channel), string(b"all")))
    piece = os.urandom(32768)
    size = len(piece) * 600
    client = session(scene, script, window=LONG)
    process = scene.newest(before)
    writer = threading.Thread(target=lambda: client.send(*[message(DATA, uint32(0), string(piece))] * 600))
    writer.start()
    last = [-1]

    def stands_still():
        now = int(open(f"/proc/{process}/io").readline().split()[1])
        last[0], still = now, now == last[0]
        return still
    wait_for(stands_still, "it goes on and on", 60, every=0.25)
    assert memory(process) < 24 * MEBIBYTE and last[0] < size
    go.set()
    assert client.output(3) == b"all" and b"".join(seen) == piece * 600
    writer.join()
    client.close()


# -- words

@pytest.mark.parametrize("text", [b"plain words", b"a\nb\r\n{\"event\":\"forged\"}\n",
                                  b"\x1b]0;title\x07\x1b[2J", b"\"\\\xff\xfe\0", b"x" * 30_000])
def test_words_of_farewell_forge_no_line_and_no_terminal(scene, text):
    goodbye = message(1, uint32(2), string(text), string(b""))
    client = session(scene, lambda server, channel: server.send(goodbye))
    told = client.farewell()
    client.close()
    assert told.startswith("the environment closed the connection") and told.isprintable() and len(told) < 400
    last = scene.line_of(client)
    assert not scene.log("forged")
    assert last["status"] == "target_closed" and last["detail"].isprintable()
