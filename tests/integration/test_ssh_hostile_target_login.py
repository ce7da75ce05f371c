"""Targets that attack the session process which logs in to them. The customer who waits is let in only where
all goes well, and is told why it did not."""
# ctest: timeout=300 processors=2
import os
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import wait_for
from harness.hostile_ssh import (AUTH_BANNER, AUTH_FAILURE, AUTH_REQUEST, AUTH_SUCCESS, CTR_ETM, GCM, IGNORE,
                                 INFO_REQUEST, SERVICE_REQUEST, Ended, message, string, uint32)
from harness.ssh_scene import MEBIBYTE, memory, until_left

pytestmark = pytest.mark.usefixtures("untouched")

LONG = 0xffffffff


def login(scene, script, **bent):
    """A customer who asks to be let in while the target does script(server); what the gateway tells him in
    the end."""
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


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 400 Bad Request", b"SSH-1.5-old",
                                  b"SSH-2.0-" + b"x" * 100_000,
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


def test_a_failure_says_nothing_of_the_target(scene):
    """Where it stands is none of a customer's business."""
    told = login(scene, lambda server: server.sock.shutdown(2))
    assert "127.0.0.1" not in told and str(scene.target.port) not in told
