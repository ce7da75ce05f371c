"""Customers who attack: they have logged in, and break the connection protocol, or use it up."""
# ctest: timeout=300 processors=2
import hashlib
import os
import threading

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from harness import wait_for
from harness.hostile_ssh import (AUTH_FAILURE, CLOSE, DATA, DISCONNECT, EOF, EXTENDED_DATA, FAILURE,
                                 GLOBAL_REQUEST, KEXINIT, OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, REQUEST,
                                 REQUEST_FAILURE, REQUEST_SUCCESS, SUCCESS, WINDOW_ADJUST, Client, Ended,
                                 Fields, message, string, uint32)
from harness.ssh_scene import MEBIBYTE, cpu_seconds, memory, stat_fields

pytestmark = pytest.mark.usefixtures("untouched")

LONG = 0xffffffff


def keepalive(want_reply=b"\1"):
    return message(GLOBAL_REQUEST, string(b"keepalive@openssh.com"), want_reply)


def data(channel, octets):
    return message(DATA, uint32(channel), string(octets))


@pytest.fixture
def customer(scene):
    client = scene.customer()
    yield client
    client.close()


@pytest.fixture
def cat(customer):
    """A customer, and the number of a channel with `cat` in it."""
    channel = customer.open()
    customer.exec(channel, b"cat")
    return customer, channel


def ends_with(client, text, *packets):
    """These packets end the session, for this reason; the client is told, where a reset does not swallow
    it."""
    try:
        client.send(*packets)
    except Ended:
        pass
    told = client.farewell()
    assert text in told or told == ""
    assert text in client.line()["detail"]


# -- windows and maximum packets

@pytest.mark.parametrize("most", [1, 10])
def test_a_tiny_maximum_packet(scene, customer, most):
    expected = bytes(range(48, 98)) * 4
    channel = customer.open(packet=most)
    customer.exec(channel, b"printf %s '" + expected.replace(b"'", b"'\\''") + b"'")
    seen = b""
    while len(seen) < len(expected):
        piece = Fields(customer.expect(DATA), 5).string()
        assert 1 <= len(piece) <= most
        seen += piece
    assert seen == expected


def test_a_maximum_packet_of_nothing(scene):
    """Nothing can be sent to it, and nobody tries for ever."""
    before = scene.sessions()
    client = scene.customer()
    process = scene.newest(before)
    channel = client.open(packet=0)
    client.send(message(REQUEST, uint32(channel), string(b"exec"), b"\1", string(b"echo hello")))
    for _ in range(300):
        client.send(keepalive())
        assert client.expect(REQUEST_FAILURE, REQUEST_SUCCESS, DATA)[0] != DATA
    assert cpu_seconds(process) < 1
    client.close()


def test_data_beyond_the_window(cat):
    client, channel = cat
    with pytest.raises(Ended):
        while True:  # cat's output is not read, so its input is not for long
            client.send(*[data(channel, b"x" * 32768)] * 8)
    ends_with(client, "data beyond the window")


def test_data_beyond_the_window_at_once(customer):
    channel = customer.open()
    ends_with(customer, "beyond the", *[data(channel, b"x" * 32768)] * 65)


def test_data_beyond_the_maximum_packet(cat):
    ends_with(cat[0], "data beyond the maximum packet", data(cat[1], b"x" * 33000))


@pytest.mark.parametrize("more", [LONG, LONG - (1 << 21) + 1])
def test_a_window_of_more_than_four_gibibytes(cat, more):
    ends_with(cat[0], "a window of more than", message(WINDOW_ADJUST, uint32(cat[1], more)))


def test_the_largest_window_there_is(cat):
    client, channel = cat
    client.send(message(WINDOW_ADJUST, uint32(channel, LONG - (1 << 21))))
    assert client.echoes(channel, b"still here")


# -- the life of a channel

@pytest.mark.parametrize("last", [EOF, CLOSE])
def test_data_after_the_end(cat, last):
    client, channel = cat
    ends_with(client, "data after EOF" if last == EOF else "after its CLOSE",
              message(last, uint32(channel)), data(channel, b"x"))


@pytest.mark.parametrize("kind", [DATA, EXTENDED_DATA, EOF, CLOSE, REQUEST, WINDOW_ADJUST, SUCCESS, FAILURE])
@pytest.mark.parametrize("number", [7777, LONG])
def test_messages_for_a_channel_that_is_not_there(customer, kind, number):
    ends_with(customer, f"channel {number}, which is not there", message(kind, uint32(number), b"\0" * 40))


@pytest.mark.parametrize("kind", [REQUEST_SUCCESS, REQUEST_FAILURE, OPEN_CONFIRMATION, OPEN_FAILURE, SUCCESS])
def test_answers_to_what_nobody_asked(cat, kind):
    client, channel = cat
    rest = (0, 0, 0) if kind in (OPEN_CONFIRMATION, OPEN_FAILURE) else ()
    ends_with(client, "", message(kind, uint32(channel, *rest)))


def test_a_number_that_is_in_use(customer):
    customer.open(number=5)
    ends_with(customer, "in use", message(OPEN, string(b"session"), uint32(5, 1 << 20, 32768)))


def test_thousands_of_channels(customer):
    count = 3000
    sender = threading.Thread(target=lambda: customer.send(
        *[message(OPEN, string(b"session"), uint32(number, 1 << 20, 32768)) for number in range(count)]))
    sender.start()
    answers = [customer.expect(OPEN_CONFIRMATION, OPEN_FAILURE)[0] for _ in range(count)]
    sender.join()
    assert 1 <= answers.count(OPEN_CONFIRMATION) <= 100
    customer.send(keepalive())
    assert customer.expect(REQUEST_FAILURE)


def test_thousands_of_channels_in_turn(customer):
    """Opened and closed: their numbers may be used again, and nothing of them is kept."""
    for _ in range(300):
        channel = customer.open()
        customer.send(message(CLOSE, uint32(channel)))
        customer.expect(CLOSE)
    assert customer.open() is not None


def test_extended_data_of_odd_types(cat):
    client, channel = cat
    for kind in (0, 1, 2, 77, LONG):
        client.send(message(EXTENDED_DATA, uint32(channel, kind), string(b"no kind of stdin")))
    assert client.echoes(channel, b"still here")


@pytest.mark.parametrize("size", [LONG, 1 << 31, 1 << 20, 1000])
def test_strings_longer_than_their_packet(scene, size):
    for packet in (lambda c: message(DATA, uint32(c, size), b"x"),
                   lambda c: message(EXTENDED_DATA, uint32(c, 1, size)),
                   lambda c: message(REQUEST, uint32(c, size), b"x" * 20),
                   lambda c: message(GLOBAL_REQUEST, uint32(size)),
                   lambda c: message(OPEN, uint32(size), b"session"),
                   lambda c: message(REQUEST, uint32(c), string(b"exec"), b"\1", uint32(size), b"ls"),
                   lambda c: message(REQUEST, uint32(c), string(b"pty-req"), b"\1", uint32(size), b"xterm"),
                   lambda c: message(OPEN, string(b"direct-tcpip"), uint32(9, 1, 1, size), b"host"),
                   lambda c: message(GLOBAL_REQUEST, string(b"tcpip-forward"), b"\1", uint32(size), b"host")):
        client = scene.customer()
        ends_with(client, "", packet(client.open()))
        client.close()


def test_every_message_after_the_login(scene):
    """Each may be ignored, answered or the end; the gateway's process stays what it is (see `untouched`)."""
    for kind in (*range(80), *range(101, 256)):
        client = scene.customer(scene.bent_port)
        try:
            client.send(message(kind, b"\0" * 8), keepalive())
            client.send(message(OPEN, string(b"nothing"), uint32(0, 0, 0)))
            assert client.expect(OPEN_FAILURE, REQUEST_FAILURE)
        except Ended:
            pass
        client.close()


@pytest.fixture(autouse=True)
def quiet_target(scene):
    """The bent target, where a test uses it: it reads all, and says nothing."""
    def script(sock):
        server = scene.server(sock).handshake().accept_login()
        while True:
            server.receive()
    scene.script = script


# -- key exchanges

def test_a_storm_of_key_exchanges(cat):
    client, channel = cat
    for number in range(200):
        client.exchange_keys()
        if number % 20 == 0:
            assert client.echoes(channel, os.urandom(1000))
    assert client.echoes(channel, os.urandom(1000))


def test_data_in_a_key_exchange(cat):
    client, channel = cat
    ends_with(client, "", client.kexinit(), data(channel, b"x"))


def test_a_second_key_exchange_within_the_first(customer):
    ends_with(customer, "", customer.kexinit(), customer.kexinit())


def test_a_key_exchange_that_stays_open(scene, cat):
    """The target goes on sending to a client that has stopped in the middle: it waits, it is not kept."""
    client, channel = cat
    process = max(scene.sessions(), key=lambda pid: int(stat_fields(pid)[19]))  # the youngest
    client.exec(client.open(number=1, window=LONG), b"cat /dev/zero")
    client.send(client.kexinit())
    while client.packet()[0] != KEXINIT:
        pass
    written = wait_for(lambda: io_stands_still(process), "the session goes on and on", 60)
    assert written and memory(process) < 24 * MEBIBYTE


def io_stands_still(process):
    """Whether it has read nothing for a quarter of a second; then what it has read in all."""
    def count():
        return int(open(f"/proc/{process}/io").readline().split()[1])
    before = count()
    try:
        wait_for(lambda: count() != before, "", 0.25)
    except AssertionError:
        return before
    return 0


# -- who does not read

def test_a_client_that_reads_nothing(scene):
    """What the target has to say waits there; read late, it is all there."""
    before = scene.sessions()
    client = scene.customer()
    process = scene.newest(before)
    size = 40_000_000
    channel = client.open(window=LONG)
    client.exec(channel, b"head -c %d /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null" % size)
    wait_for(lambda: io_stands_still(process), "the session goes on and on", 60)
    assert memory(process) < 24 * MEBIBYTE
    seen, digest = 0, hashlib.sha256()
    while seen < size:
        piece = Fields(client.expect(DATA), 5).string()
        seen += len(piece)
        digest.update(piece)
    stream = Cipher(algorithms.AES(b"\0" * 16), modes.CTR(b"\0" * 16)).encryptor()
    assert digest.digest() == hashlib.sha256(stream.update(b"\0" * size)).digest()
    client.close()


def test_a_thousand_requests_whose_answers_are_read_later(cat):
    client, channel = cat
    client.send(*[keepalive()] * 1000)
    for _ in range(1000):
        assert client.expect(REQUEST_SUCCESS, REQUEST_FAILURE)
    assert client.echoes(channel, b"still here")


@pytest.mark.parametrize("flood", ["global request", "channel request", "unknown message", "open"])
def test_floods_whose_answers_nobody_reads(scene, flood):
    """The gateway answers them itself; it stops listening before it keeps much for who does not."""
    before = scene.sessions()
    client = scene.customer()
    process = scene.newest(before)
    channel = client.open()
    more = b"x" * 100
    prove = string(b"hostkeys-prove-00@openssh.com")
    packet = {"global request": message(GLOBAL_REQUEST, prove, b"\1", more),
              "channel request": message(REQUEST, uint32(channel), string(b"nothing"), b"\1", more),
              "unknown message": message(200, more),
              "open": message(OPEN, string(b"x" * 30), uint32(1, 0, 0), more)}[flood]
    most = client.flood(packet, lambda: memory(process))
    assert 0 < most < 24 * MEBIBYTE
    client.close()


# -- jumps

def jump(number, host=b"x", port=22):
    return message(OPEN, string(b"direct-tcpip"), uint32(number, 1 << 20, 32768), string(host), uint32(port),
                   string(b"127.0.0.1"), uint32(1))


def test_thousands_of_jumps(scene):
    """Each is answered; a client that opens many at once is not cut off for it."""
    client = scene.customer(scene.entry_port)
    count = 1000
    sender = threading.Thread(target=lambda: client.send(*[jump(number) for number in range(count)]))
    sender.start()
    for _ in range(count):
        assert client.expect(OPEN_CONFIRMATION, OPEN_FAILURE)[0] == OPEN_FAILURE
    sender.join()
    client.close()


@pytest.mark.parametrize("host", [b"", b"\0", b"x" * 300, b"x" * 30000, b"\n{\"event\":\"forged\"}\n",
                                  b"\x1b[2J\"\\", b"\xff\xfe"])
def test_odd_names_to_jump_to(scene, host):
    client = scene.customer(scene.entry_port)
    client.send(jump(0, host))
    assert client.expect(OPEN_FAILURE)
    client.close()
    assert not scene.log("forged")


def test_floods_in_a_jump_session_whose_answers_nobody_reads(scene):
    before = scene.sessions()
    client = scene.customer(scene.entry_port)
    process = scene.newest(before)
    packet = message(OPEN, string(b"session"), uint32(1, 2, 3), b"x" * 100)
    most = client.flood(packet, lambda: memory(process))
    assert 0 < most < 24 * MEBIBYTE
    client.close()


# -- words in the log

@pytest.mark.parametrize("text", [b"", b"bye", b"x" * 30_000])
def test_a_farewell_is_no_violation(customer, text):
    customer.send(message(DISCONNECT, uint32(11), string(text), string(b"")))
    assert customer.line()["status"] == "success"


FORGED = b"a\nb\r\n{\"event\":\"forged\"}\n\x1b[2J\"\\\x7f\xff\xfe"


@pytest.mark.parametrize("user", [b"\"quoted\" \\ {}", "\u2028 \u00e9".encode(), FORGED, b"\0", b"x" * 255,
                                  b"x" * 256, b"\xff"])
def test_a_user_name_forges_no_line_of_the_log(scene, user):
    client = scene.client()
    client.send(client.auth_request(user, b"none"), client.signed(user, scene.key))
    try:
        for _ in range(2):
            client.expect(AUTH_FAILURE)
    except Ended:
        pass
    client.close()
    last = scene.line_of(client)
    assert last["username"].encode() in (user, b"")
    assert not scene.log("forged")


@pytest.mark.parametrize("line", [b"SSH-2.0-bent \"quoted\" \\ {}", b"SSH-2.0-\x1b[2J", b"SSH-2.0-\xff\xfe",
                                  b"SSH-2.0-\0x"])
def test_an_identification_forges_no_line_of_the_log(scene, line):
    """What the terminal of an operator would obey is escaped."""
    client = Client(scene.port, identification=line)
    try:
        client.handshake().ask_service()
    except (Ended, InvalidSignature):  # the two ends may not agree on what was said
        pass
    client.close()
    assert "\n" not in scene.line_of(client)["client"]
    assert b"\x1b" not in scene.gateway.process.log.read_bytes()
