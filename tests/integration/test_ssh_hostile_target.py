"""Targets that attack: the server behind the gateway is a tenant's own, and says what it likes to the session process
that logs in to it, and to the customer behind that."""
# ctest: timeout=300 processors=2
import os
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import wait_for
from harness.hostile_ssh import (AUTH_BANNER, AUTH_FAILURE, AUTH_REQUEST, AUTH_SUCCESS, CLOSE, CTR_ETM, DATA, EOF,
                                 EXTENDED_DATA, GCM, GLOBAL_REQUEST, IGNORE, INFO_REQUEST, KEXINIT, OPEN,
                                 OPEN_CONFIRMATION, OPEN_FAILURE, REQUEST, REQUEST_SUCCESS,
                                 SERVICE_REQUEST, SUCCESS, WINDOW_ADJUST, Ended, Fields, message, string, uint32)
from harness.ssh_scene import MEBIBYTE, memory

pytestmark = pytest.mark.usefixtures("untouched")

LONG = 0xffffffff
BROKE = "the environment broke the protocol"


def until_left(server):
    """Reads on, so that nothing that it was sent resets the connection."""
    try:
        while True:
            server.receive()
    except Ended:
        pass


def session(scene, script, **bent):
    """A customer of the bent target, with a channel and a program: the target goes on with script(server, channel),
    where `channel` is the customer's number."""
    def serve(sock):
        server = scene.server(sock).handshake().accept_login()
        script(server, server.accept_channel(**bent))
        until_left(server)
    scene.script = serve
    client = scene.customer(scene.bent_port)
    client.exec(client.open(), b"anything")
    return client


def login(scene, script, **bent):
    """A customer who asks to be let in while the target does script(server); what the gateway tells him in the end."""
    def serve(sock):
        server = scene.server(sock, **bent)
        try:
            script(server)
            until_left(server)
        except Exception:  # the gateway has gone, or says what this server does not understand
            pass
        done.set()
    done = threading.Event()
    scene.script = serve
    client = scene.client(scene.bent_port)
    client.send(client.signed(scene.user, scene.key))
    told = client.farewell()
    client.close()
    assert done.wait(20)
    return told


def sends(*packets):
    return lambda server, channel: server.send(*packets)


# -- before the customer is let in

STAGES = ["kexinit", "exchange", "newkeys", "service", "login"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_message_before_the_login(scene, stage):
    """Then the target leaves: no customer is let in, and each is told that it was the environment."""
    for kind in range(256):
        def script(server):
            strange = message(kind, b"\0" * (kind % 40))
            server.at = lambda now: now == stage and server.send(strange)
            server.handshake()
            server.expect(SERVICE_REQUEST)
            if stage == "login":
                server.send(message(6, string(b"ssh-userauth")))
                server.expect(AUTH_REQUEST)
            if stage in ("service", "login") and (stage, kind) != ("login", AUTH_SUCCESS):
                server.send(strange)
            server.sock.shutdown(1)
        told = login(scene, script)
        assert told.startswith("environment bent0target"), (kind, told)


@pytest.mark.parametrize("length", [0, 1, 4, 1 << 18, 1 << 20, 1 << 31, LONG])
@pytest.mark.parametrize("cipher", [None, GCM, CTR_ETM])
def test_a_packet_of_any_length(scene, length, cipher):
    def script(server):
        server.hello()
        if cipher:
            server.exchange_keys()
        server.write(uint32(length) + os.urandom(1000))
        server.sock.shutdown(1)
    assert "cannot be logged in to" in login(scene, script, cipher=cipher or GCM)


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 400 Bad Request", b"SSH-1.5-old", b"SSH-2.0-" + b"x" * 100_000,
                                  b"noise\r\n" * 10_000, b"\0" * 1000, b"SSH-2.0-\x1b[2J\"\\\xff"])
def test_what_is_no_identification(scene, line):
    def script(server):
        server.write(line + b"\r\n")
        server.sock.shutdown(1)
    assert "cannot be logged in to" in login(scene, script)
    assert b"\x1b" not in scene.gateway.process.log.read_bytes()


def test_at_once_gone(scene):
    assert "cannot be logged in to" in login(scene, lambda server: server.sock.shutdown(2))


def test_another_host_key(scene):
    """The customer is told, the operator sees an event, and no login is tried there."""
    seen = []

    def script(sock):
        server = scene.server(sock)
        server.host_key = Ed25519PrivateKey.generate()
        server.handshake()
        try:
            seen.append(server.expect(SERVICE_REQUEST))
        except Ended:
            pass
    scene.script = script
    before = len(scene.log("ssh_target_failed"))
    client = scene.client(scene.bent_port)
    client.send(client.signed(scene.user, scene.key))
    told = client.farewell()
    assert "another host key than the one that was pinned (SHA256:" in told and not seen
    event = wait_for(lambda: scene.log("ssh_target_failed")[before:], "no event")[0]
    assert event["reason"] == "host_key_changed" and event["host_key"].startswith("SHA256:")
    assert event["host_key"] in told
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


def test_a_login_that_fails(scene):
    def script(server):
        server.handshake()
        server.expect(SERVICE_REQUEST)
        server.send(message(6, string(b"ssh-userauth")))
        for _ in range(3):
            server.expect(AUTH_REQUEST)
            server.send(message(AUTH_FAILURE, string(b"password"), b"\0"))
    assert "refuses the login" in login(scene, script)


@pytest.mark.parametrize("prompts", [1, 1000, 0x7fffffff, LONG])
def test_prompts_that_nobody_asked_for(scene, prompts):
    def script(server):
        server.handshake()
        server.expect(SERVICE_REQUEST)
        server.send(message(6, string(b"ssh-userauth")))
        server.expect(AUTH_REQUEST)
        server.send(message(INFO_REQUEST, string(b""), string(b""), string(b""), uint32(prompts),
                            (string(b"x") + b"\0") * min(prompts, 5000)))
        server.sock.shutdown(1)
    assert "cannot be logged in to" in login(scene, script)


def test_banners_without_end(scene):
    before, most = scene.sessions(), []

    def script(server):
        process = scene.newest(before)
        server.handshake()
        server.expect(SERVICE_REQUEST)
        server.send(message(6, string(b"ssh-userauth")))
        server.expect(AUTH_REQUEST)
        for _ in range(100):
            server.send(message(AUTH_BANNER, string(b"x" * 30_000), string(b"")))
        most.append(memory(process))
        server.send(message(AUTH_FAILURE, string(b"password"), b"\0"))
    assert "cannot be logged in to" in login(scene, script)
    assert 0 < most[0] < 24 * MEBIBYTE


def test_terrapin(scene):
    def script(server):
        server.at = lambda stage: stage == "exchange" and server.send(message(IGNORE, string(b"x")))
        server.handshake().accept_login()
        until_left(server)
    assert "cannot be logged in to" in login(scene, script)


@pytest.mark.parametrize("stage", ["exchange", "login"])
def test_unknown_messages_whose_answers_nobody_reads(scene, stage):
    most = [0]
    before = scene.sessions()

    def flood(server):
        process = scene.newest(before)
        most[0] = server.flood(message(200, b"x" * 50), lambda: memory(process))
        server.sock.shutdown(2)

    def script(server):
        server.at = lambda now: now == stage and flood(server)
        server.offers_strict = False
        server.handshake()
        server.expect(SERVICE_REQUEST)
        flood(server)
    assert "cannot be logged in to" in login(scene, script)
    assert 0 < most[0] < 24 * MEBIBYTE


# -- afterwards

VIOLATIONS = {
    "data beyond the window": lambda c: [message(DATA, uint32(c), string(b"x" * 32768))] * 65,
    "data beyond the packet": lambda c: [message(DATA, uint32(c), string(b"x" * 32769))],
    "data after EOF": lambda c: [message(EOF, uint32(c)), message(DATA, uint32(c), string(b"x"))],
    "data after CLOSE": lambda c: [message(CLOSE, uint32(c)), message(DATA, uint32(c), string(b"x"))],
    "EOF after CLOSE": lambda c: [message(CLOSE, uint32(c)), message(EOF, uint32(c))],
    "two CLOSE": lambda c: [message(CLOSE, uint32(c))] * 2,
    "data for no channel": lambda c: [message(DATA, uint32(c + 9), string(b"x"))],
    "a request for no channel": lambda c: [message(REQUEST, uint32(c + 9), string(b"exit-status"), b"\0", uint32(1))],
    "a window too large": lambda c: [message(WINDOW_ADJUST, uint32(c, LONG))],
    "an answer to nothing": lambda c: [message(SUCCESS, uint32(c))],
    "a global answer to nothing": lambda c: [message(REQUEST_SUCCESS)],
    "a confirmation of nothing": lambda c: [message(OPEN_CONFIRMATION, uint32(c, 5, 1, 1))],
    "a second confirmation": lambda c: [message(OPEN_CONFIRMATION, uint32(c, 0, 1 << 20, 1 << 15))],
    "a failure of nothing": lambda c: [message(OPEN_FAILURE, uint32(c, 1), string(b""), string(b""))],
    "a string too long": lambda c: [message(DATA, uint32(c, LONG), b"x")],
    "a malformed exit-status": lambda c: [message(REQUEST, uint32(c), string(b"exit-status"), b"\0")],
    "a malformed exit-signal": lambda c: [message(REQUEST, uint32(c), string(b"exit-signal"), b"\0", uint32(LONG))],
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
        client = session(scene, lambda server, channel: (server.send(message(kind, b"\0" * 4)), server.sock.shutdown(1)))
        assert client.farewell() is not None
        client.close()


@pytest.mark.parametrize("kind", [b"session", b"x11", b"auth-agent@openssh.com", b"forwarded-tcpip", b"direct-tcpip",
                                  b"forwarded-streamlocal@openssh.com", b"x" * 60, b""])
def test_channels_that_nobody_asked_for(scene, kind):
    """They are refused, and the customer never hears of them."""
    answers = []
    rest = {b"x11": string(b"h") + uint32(1), b"forwarded-tcpip": string(b"h") + uint32(22) + string(b"h") + uint32(1),
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
        status = [message(REQUEST, uint32(channel), string(b"exit-status"), b"\0", uint32(number)) for number in (1, 2)]
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
    wait_for(stands_still, "it goes on and on", 20, every=0.25)
    assert memory(process) < 24 * MEBIBYTE and last[0] < size
    go.set()
    assert client.output(3) == b"all" and b"".join(seen) == piece * 600
    writer.join()
    client.close()


# -- words

@pytest.mark.parametrize("text", [b"plain words", b"a\nb\r\n{\"event\":\"forged\"}\n", b"\x1b]0;title\x07\x1b[2J", b"\"\\\xff\xfe\0",
                                  b"x" * 30_000])
def test_words_of_farewell_forge_no_line_and_no_terminal(scene, text):
    client = session(scene, lambda server, channel: server.send(message(1, uint32(2), string(text), string(b""))))
    told = client.farewell()
    client.close()
    assert told.startswith("the environment closed the connection") and told.isprintable() and len(told) < 400
    last = scene.line_of(client)
    assert not scene.log("forged")
    assert last["status"] == "target_closed" and last["detail"].isprintable()


def test_a_failure_says_nothing_of_the_target(scene):
    """Where it stands is none of a customer's business."""
    told = login(scene, lambda server: server.sock.shutdown(2))
    assert "127.0.0.1" not in told and str(scene.target.port) not in told
