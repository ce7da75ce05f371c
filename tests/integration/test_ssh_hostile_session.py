"""The monitor against a session process that a stranger has taken over: it says what it likes, whenever it
likes."""
# ctest: timeout=300
import os
import random
import struct
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import audited, wait_for
from harness.hostile_ssh import AUTH_REQUEST, INFO_RESPONSE, Client, Ended, message, string, uint32
from harness.ssh_scene import BENT, Scene

HANDSHAKEN, USERAUTH, TARGET_READY, TARGET_FAILED, RECORD, JUMP, PONG, ENDED = range(8)
START, REPLY, TARGET, ADMIT, JUMP_ANSWER, END, PING = range(7)
SESSION_ID = b"i" * 32
OWN_KEY = audited.ssh_line(Ed25519PrivateKey.generate()).encode()
FORGED = b"a\nb\r\n{\"event\":\"forged\"}\n\x1b[2J\"\\\x7f\xff\xfe"


def handshaken(identification=b"SSH-2.0-puppet", session_id=SESSION_ID, key=OWN_KEY):
    return message(HANDSHAKEN, *map(string, (session_id, identification, b"kex", b"cipher", b"mac", key)))


def userauth(payload):
    return message(USERAUTH, string(payload))


def ended(text=b"", to_target=0, to_client=0):
    return message(ENDED, b"\0\0", string(text), struct.pack(">QQ", to_target, to_client))


OUTPUT = message(RECORD, message(2, uint32(1), b"\0", string(b"shown")))
NONE = message(AUTH_REQUEST, string(b"x"), string(b"ssh-connection"), string(b"none"))
MESSAGES = {HANDSHAKEN: handshaken(), USERAUTH: userauth(NONE),
            TARGET_READY: message(TARGET_READY, string(b"SSH-2.0-x")),
            TARGET_FAILED: message(TARGET_FAILED, b"\3", string(b"lost"), string(b"")), RECORD: OUTPUT,
            JUMP: message(JUMP, uint32(1), string(b"host"), uint32(22)), PONG: message(PONG, b"\0" * 16),
            ENDED: ended(b"over")}


class Puppet:
    """The session process's end of the talk with the monitor."""

    def __init__(self, scene, port=None):
        self.scene = scene
        self.client = Client(port or scene.port)
        self.client.session_id = SESSION_ID
        assert self.hear()[0] == START

    def say(self, *messages):
        self.client.write(b"".join(one.hex().encode() + b"\n" for one in messages))

    def hear(self):
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.client.read(1)
        return bytes.fromhex(line.decode())

    def hears(self, kind):
        heard = self.hear()
        assert heard[0] == kind, heard
        return heard

    def is_over(self):
        """The monitor's end closes, and it does not let anybody in before that."""
        try:
            while True:
                assert self.hear()[0] not in (ADMIT, TARGET, JUMP_ANSWER)
        except Ended:
            self.client.close()
            return True

    # -- the ways to each of the monitor's states

    def authenticating(self):
        self.say(handshaken())
        return self

    def onward(self):
        self.authenticating().say(userauth(self.client.signed(self.scene.user, self.scene.key)))
        self.hears(TARGET)
        return self

    def relaying(self):
        self.onward().say(message(TARGET_READY, string(b"SSH-2.0-target")))
        self.hears(ADMIT)
        return self

    def key_exchange(self):
        return self


@pytest.fixture(scope="module")
def scene(tmp_path_factory, ca, sshd):
    directory = tmp_path_factory.mktemp("puppets")
    program = directory / "envgate-session"
    source = Path(__file__).parent / "harness" / "puppet_session.py"
    program.write_text(f"#!{sys.executable} -B\n" + source.read_text())
    program.chmod(0o755)
    with Scene(directory, ca, sshd, program=str(program)) as scene:
        scene.script = lambda sock: sock.recv(1)
        yield scene


@pytest.fixture(autouse=True)
def gateway_stays(scene):
    refused = scene.gateway.refused("session_message")
    files = scene.gateway.process.open_files()
    scene.refused_since = lambda: scene.gateway.refused("session_message") - refused
    yield
    assert scene.gateway.process.alive()
    wait_for(lambda: not scene.gateway.sessions(), "a session stayed")
    wait_for(lambda: scene.gateway.process.open_files() <= files, "descriptors are left")
    scene.log()


IN_TURN = {"key_exchange": {HANDSHAKEN, ENDED}, "authenticating": {USERAUTH, ENDED},
           "onward": {TARGET_READY, TARGET_FAILED, ENDED}, "relaying": {RECORD, PONG, ENDED}}


@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("state", IN_TURN)
def test_each_message_in_each_state(scene, state, kind):
    puppet = getattr(Puppet(scene), state)()
    puppet.say(MESSAGES[kind])
    if kind not in IN_TURN[state]:
        assert puppet.is_over()
        if state != "onward":
            assert scene.refused_since() == 1
    else:
        puppet.client.close()


@pytest.mark.parametrize("state", IN_TURN)
def test_what_is_no_message(scene, state):
    """Every kind there is and is not, cut off anywhere, with something behind it, and noise."""
    noise = random.Random(state)
    cut = [whole[:size] for whole in MESSAGES.values() for size in range(1, len(whole), 7)]
    longer = [whole + b"\0" for whole in MESSAGES.values()]
    for packet in [*cut, *longer, *(bytes([kind]) + noise.randbytes(30) for kind in range(8, 256, 5)),
                   *(noise.randbytes(noise.randrange(1, 300)) for _ in range(50))]:
        puppet = getattr(Puppet(scene), state)()
        puppet.say(packet)
        assert puppet.is_over()


@pytest.mark.parametrize("size", [100 * 1024, 100 * 1024 + 1, 150_000])
def test_a_packet_that_is_too_long(scene, size):
    puppet = Puppet(scene).authenticating()
    puppet.say(userauth(b"\x32" * (size - 5)))
    assert puppet.is_over()


def test_it_lets_nobody_in_by_itself(scene):
    """Whatever it claims to have heard: without the customer's signature there is neither target nor jump."""
    stranger = Puppet(scene).authenticating()
    request = stranger.client.signed(scene.user, scene.key, session_id=b"another session")
    stranger.say(userauth(request))
    assert stranger.hears(REPLY)
    payloads = (b"\x34", message(INFO_RESPONSE, uint32(1), string(b"x")), request[:-1], b"")
    stranger.say(*map(userauth, payloads), MESSAGES[TARGET_READY], OUTPUT)
    assert stranger.is_over()


def test_a_flood_of_everything_at_once(scene):
    """Sent without waiting for an answer, in every state."""
    for state in IN_TURN:
        puppet = getattr(Puppet(scene), state)()
        try:
            puppet.say(*[MESSAGES[USERAUTH], OUTPUT, MESSAGES[PONG]] * 1000)
        except Ended:
            pass
        assert puppet.is_over()


def test_records_without_end(scene):
    """They are its right; the gateway keeps none of them."""
    puppet = Puppet(scene).relaying()
    before = scene.gateway.rss()
    big = message(RECORD, message(2, uint32(1), b"\0", string(os.urandom(32 * 1024))))
    for _ in range(300):
        puppet.say(big)
    puppet.say(ended())
    assert puppet.is_over()
    if scene.gateway.memory_means_something():
        assert scene.gateway.rss() < before + (12 << 20)


def test_more_ways_at_once_than_it_may_ask_for(scene):
    puppet = Puppet(scene, scene.entry_port).authenticating()
    puppet.say(userauth(puppet.client.signed(scene.user, scene.key)))
    while puppet.hear()[0] != ADMIT:
        pass
    try:
        puppet.say(*[message(JUMP, uint32(number), string(BENT.encode()), uint32(22))
                     for number in range(3000)])
        heard = [puppet.hear()[0] for _ in range(3000)]
        assert set(heard) == {JUMP_ANSWER}
    except Ended:
        pass
    puppet.client.close()


@pytest.mark.parametrize("where", ["identification", "end", "target", "failure", "jump"])
def test_words_that_forge_no_line_of_the_log(scene, where):
    puppet = Puppet(scene, scene.entry_port if where == "jump" else None)
    if where == "identification":
        puppet.say(handshaken(identification=FORGED), ended())
    elif where == "end":
        puppet.relaying().say(ended(FORGED))
    elif where == "target":
        puppet.onward().say(message(TARGET_READY, string(FORGED)), ended())
    elif where == "failure":
        puppet.onward().say(message(TARGET_FAILED, b"\1", string(FORGED), string(FORGED)))
    else:
        puppet.authenticating().say(userauth(puppet.client.signed(scene.user, scene.key)))
        while puppet.hear()[0] != ADMIT:
            pass
        puppet.say(message(JUMP, uint32(1), string(FORGED), uint32(22)), ended())
    puppet.client.sock.shutdown(1)
    wait_for(lambda: scene.line_of(puppet.client), "no line")
    puppet.client.close()
    assert not scene.log("forged") and b"\x1b" not in scene.gateway.process.log.read_bytes()


@pytest.mark.parametrize("claim", [message(PONG, b"\xff" * 16), ended(b"", 2**64 - 1, 0),
                                   ended(b"", 0, 2**63)])
def test_numbers_beyond_reason(scene, claim):
    """What would spoil the counters of the whole gateway is not taken from one session."""
    moved = scene.gateway.metric("envgate_bytes_total")
    puppet = Puppet(scene).relaying()
    puppet.say(claim)
    assert puppet.is_over() and scene.refused_since() == 1
    assert scene.line_of(puppet.client)["status"] == "session_lost"
    assert scene.gateway.metric("envgate_bytes_total") == moved
