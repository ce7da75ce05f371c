"""Clients that attack an audited session before anybody has logged in: the key exchange, and
authentication."""
# ctest: timeout=300 processors=2
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import wait_for
from harness.hostile_ssh import (AUTH_FAILURE, AUTH_REQUEST, AUTH_SUCCESS, CTR_ETM, DEBUG, ECDH_INIT, GCM,
                                 IGNORE, INFO_REQUEST, INFO_RESPONSE, OPEN, OPEN_CONFIRMATION, PK_OK, Client,
                                 Ended, message, public_blob, string, uint32)
from harness.ssh_scene import MEBIBYTE, memory

pytestmark = pytest.mark.usefixtures("untouched")

STRANGER = Ed25519PrivateKey.generate()
JUNK = [b"", b"\0" * 64, b"\xff" * 64]


def seen_until_end(client):
    """The kinds of all packets up to the end, which must come."""
    kinds = set()
    try:
        while True:
            kinds.add(client.receive()[0])
    except Ended:
        return kinds
    finally:
        client.close()


def never_in(client, *packets):
    """Whatever these packets are: no channel is opened behind them, and the end comes."""
    try:
        client.send(*packets, message(OPEN, string(b"session"), uint32(0, 1 << 20, 32768)))
        kinds = seen_until_end(client)
    except Ended:
        return
    assert not kinds & {AUTH_SUCCESS, OPEN_CONFIRMATION}, kinds


# -- messages that have no place

def test_every_message_before_authentication(scene):
    for kind in range(256):
        never_in(Client(scene.port).handshake(), message(kind, JUNK[kind % 3]))


def test_every_message_in_the_middle_of_authentication(scene):
    """Behind a request that the gateway is still thinking about."""
    for kind in range(256):
        client = scene.client()
        never_in(client, client.auth_request(scene.user, b"none"), message(kind, JUNK[kind % 3]))


@pytest.mark.parametrize("strict", [True, False])
def test_every_message_in_the_middle_of_the_key_exchange(scene, strict):
    """A strict one ends at any message but its own; the other may only go on to a login, as everybody may."""
    for kind in range(256):
        client = Client(scene.port, strict=strict)
        client.at = lambda stage: stage == "exchange" and client.send(message(kind, JUNK[kind % 3]))
        try:
            client.handshake().ask_service()
            assert not strict, f"a strict key exchange went on after message {kind}"
        except Ended:
            client.close()
            continue
        never_in(client)


def test_authentication_without_its_service(scene):
    client = Client(scene.port).handshake()
    never_in(client, client.signed(scene.user, scene.key))


def test_a_message_cut_off_anywhere(scene):
    client = scene.client()
    whole = client.signed(scene.user, scene.key)
    client.close()
    for size in range(1, len(whole), 5):
        never_in(scene.client(), whole[:size])


# -- sizes

LENGTHS = [0, 1, 4, 35001, 1 << 18, (1 << 18) + 16, 1 << 20, 1 << 31, (1 << 32) - 1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("cipher", [None, GCM, CTR_ETM])
def test_a_packet_of_any_length(scene, length, cipher):
    """None: before there are keys."""
    before = scene.sessions()
    client = Client(scene.port, cipher=cipher or GCM)
    client.hello()
    if cipher:
        client.exchange_keys()
    process = scene.newest(before)
    client.write(uint32(length) + os.urandom(1000))
    if length in (35001, 1 << 18):  # may be a packet: the rest is waited for, and no room made before
        assert memory(process) < 16 * MEBIBYTE
        client.close()
        return
    assert client.farewell() is not None
    client.close()


@pytest.mark.parametrize("stage", ["before", "after"])
def test_lines_before_and_instead_of_an_identification(scene, stage):
    """Neither a line without an end nor lines without an end of them are kept."""
    client = Client(scene.port)
    if stage == "after":
        client.write(b"SSH-2.0-" + b"x" * 5000 + b"\r\n")
    else:
        client.write(b"no identification\r\n" * 5000)
    assert client.farewell() == ""
    client.close()


@pytest.mark.parametrize("kind", [b"publickey", b"password", b"keyboard-interactive", b"hostbased",
                                  b"gssapi-with-mic"])
@pytest.mark.parametrize("size", [0xffffffff, 0x7fffffff, 1 << 24, 100])
def test_strings_longer_than_their_packet(scene, kind, size):
    client = scene.client()
    never_in(client, client.auth_request(scene.user, kind, b"\1", uint32(size), b"x" * 20))
    client = scene.client()
    never_in(client, message(AUTH_REQUEST, uint32(size), b"x" * 50))


@pytest.mark.parametrize("answers", [0, 1000, 50_000, 0x7fffffff, 0xffffffff])
@pytest.mark.parametrize("asked", [True, False])
def test_thousands_of_answers_to_a_prompt(scene, answers, asked):
    client = scene.client()
    if asked:
        client.send(client.auth_request(scene.user, b"keyboard-interactive", string(b""), string(b"")))
        client.expect(INFO_REQUEST)
    never_in(client, message(INFO_RESPONSE, uint32(answers), string(b"x") * min(answers, 6000)))


# -- keys

def test_a_thousand_offers(scene):
    """The owner's key is offered, never proved: each is answered, up to the limit, and none lets anybody
    in."""
    client = scene.client()
    try:
        client.send(*[client.offer(scene.user, public_blob(scene.key))] * 1000)
    except Ended:
        pass
    assert AUTH_SUCCESS not in seen_until_end(client)


def test_offers_one_by_one_end(scene):
    client = scene.client()
    answered = 0
    with pytest.raises(Ended) as end:
        for _ in range(1000):
            client.send(client.offer(scene.user, public_blob(scene.key)))
            assert client.expect(PK_OK, AUTH_SUCCESS)[0] == PK_OK
            answered += 1
    assert 10 <= answered <= 100 and end.value.text
    client.close()


@pytest.mark.parametrize("shown", ["another", "the offered one"])
def test_a_key_switched_between_offer_and_signature(scene, shown):
    client = scene.client()
    client.send(client.offer(scene.user, public_blob(scene.key)))
    client.expect(PK_OK)
    blob = public_blob(STRANGER if shown == "another" else scene.key)
    client.send(client.signed(scene.user, STRANGER, blob=blob))
    assert client.expect(AUTH_FAILURE, AUTH_SUCCESS)[0] == AUTH_FAILURE
    never_in(client)


def test_a_signature_over_another_session(scene):
    first, client = scene.client(), scene.client()
    client.send(client.signed(scene.user, scene.key, session_id=first.session_id))
    assert client.expect(AUTH_FAILURE, AUTH_SUCCESS)[0] == AUTH_FAILURE
    first.send(client.signed(scene.user, scene.key))
    assert first.expect(AUTH_FAILURE, AUTH_SUCCESS)[0] == AUTH_FAILURE
    first.send(first.signed(scene.user, scene.key))  # its own is good
    first.expect(AUTH_SUCCESS)
    first.close()
    never_in(client)


def test_a_signature_for_another_user_or_service(scene):
    client = scene.client()
    good = client.signed(scene.user, scene.key)
    for other in (good.replace(string(scene.user.encode()), string(b"x" * len(scene.user)), 1),
                  good.replace(b"ssh-connection", b"ssh-disconnect", 1)):
        never_in(scene.client(), other)
    never_in(client, good[:-1] + bytes([good[-1] ^ 1]))


# -- a man in the middle of the key exchange (CVE-2023-48795)

@pytest.mark.parametrize("kind", [IGNORE, DEBUG])
@pytest.mark.parametrize("stage", ["kexinit", "exchange", "newkeys"])
def test_a_packet_slipped_into_a_strict_key_exchange(scene, kind, stage):
    client = Client(scene.port)
    slipped = {IGNORE: message(IGNORE, string(b"x")),
               DEBUG: message(DEBUG, b"\0", string(b"x"), string(b""))}[kind]
    client.at = lambda now: now == stage and client.send(slipped)
    with pytest.raises(Ended):
        client.handshake().ask_service()
    client.close()


def test_sequence_numbers_start_again_where_both_are_strict(scene):
    strict = scene.customer(cipher=CTR_ETM)
    assert strict.strict
    strict.close()
    client = Client(scene.port, cipher=CTR_ETM).handshake()
    client.sent = 3  # as it was, for an attacker who slipped in or held back what he liked
    with pytest.raises(Ended):
        client.ask_service()
    client.close()


def test_a_packet_held_back_is_found(scene):
    client = Client(scene.port, cipher=CTR_ETM).handshake()
    client.frame(message(IGNORE, string(b"")))  # made, counted, never sent
    with pytest.raises(Ended):
        client.ask_service()
    client.close()


def test_who_is_not_strict_may_still_log_in(scene):
    client = Client(scene.port, strict=False, cipher=CTR_ETM)
    client.at = lambda stage: stage == "kexinit" and client.send(message(IGNORE, string(b"x")))
    client.handshake().ask_service().login(scene.user, scene.key)
    assert not client.strict
    client.close()


@pytest.mark.parametrize("public", [b"", b"\0" * 32, b"\1" + b"\0" * 31, b"\xff" * 33, b"x" * 5000])
def test_public_values_that_give_no_secret(scene, public):
    client = Client(scene.port)
    client.hello()
    client.send(client.kexinit(), message(ECDH_INIT, string(public)))
    assert client.farewell() is not None
    client.close()


def test_compression_is_not_negotiated(scene):
    client = Client(scene.port)
    client.compression = b"zlib@openssh.com,zlib,none"
    client.handshake().ask_service().login(scene.user, scene.key)  # each packet was read as it is
    client.close()
    client = Client(scene.port)
    client.compression = b"zlib@openssh.com,zlib"
    with pytest.raises(Ended):
        client.handshake()
    client.close()


# -- who does not read

@pytest.mark.parametrize("stage", ["exchange", "login"])
def test_unknown_messages_whose_answers_nobody_reads(scene, stage):
    """Each is answered; the answers are not kept without limit."""
    before = scene.sessions()
    client = Client(scene.port, strict=False)
    client.hello()
    if stage == "exchange":
        client.send(client.kexinit())
    else:
        client.exchange_keys()
    process = scene.newest(before)
    assert 0 < client.flood(message(200, b"x" * 20), lambda: memory(process)) < 24 * MEBIBYTE
    client.close()
    wait_for(lambda: any(line.get("detail") == "the client does not read what it is answered"
                         for line in scene.log("ssh_connection")), "nothing was said of it")
