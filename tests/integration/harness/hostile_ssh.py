"""SSH's transport (RFC 4253) in either role, for peers that a test bends: every packet can be sent at any
time, in any form. One key exchange (curve25519-sha256), one host key (Ed25519), two ciphers: AES-GCM, and
AES-CTR with an ETM HMAC, in which the sequence number counts. What a well-behaved peer does is here too, up
to a login and a channel."""
import collections
import hashlib
import itertools
import os
import socket
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .machine import SLOW
from .ssh_wire import *  # noqa: F403


class Ended(Exception):
    """The other side is gone; `text` is what its SSH_MSG_DISCONNECT said, or empty."""

    def __init__(self, text=b"", reason=0):
        super().__init__(text.decode(errors="replace") or "no word of farewell")
        self.text, self.reason = text.decode(errors="replace"), reason


class Transport:
    """One end, over a connected socket. With `host_key` it is the server's. `at(stage)` is called on the way
    through the first key exchange: "hello", "kexinit", "exchange", "newkeys", each before the message of that
    name is sent."""

    def __init__(self, sock, host_key=None, cipher=GCM, strict=True, identification=b"SSH-2.0-bent", at=None):
        self.sock, self.host_key, self.cipher, self.offers_strict = sock, host_key, cipher, strict
        self.identification, self.at = identification, at or (lambda stage: None)
        self.sealing, self.opening = Clear(), Clear()
        self.sent = self.received = 0  # sequence numbers of the next packets
        self.session_id = None
        self.strict = False
        self.compression = b"none"
        self.buffer, self.waiting = bytearray(), collections.deque()
        self.theirs = None

    # -- bytes

    def write(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Ended from None

    def read(self, size):
        while len(self.buffer) < size:
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Ended
            self.buffer += piece
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def close(self):
        self.sock.close()

    # -- packets

    def frame(self, payload):
        data = self.sealing.frame(self.sent, payload)
        self.sent = (self.sent + 1) & 0xffffffff
        return data

    def send(self, *payloads):
        self.write(b"".join(map(self.frame, payloads)))

    def flood(self, payload, measure, count=500_000):
        """Sends it, reading nothing, until the other side takes no more, or has ended, or it was sent so
        often. The largest of what measure() has said meanwhile."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(1)
        most = measure()
        try:
            for _ in range(count // 500):
                self.sock.sendall(b"".join(self.frame(payload) for _ in range(500)))
                most = max(most, measure())
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        return max(most, measure())

    def packet(self):
        """The next packet as it comes."""
        length = self.read(4)
        rest = self.read(struct.unpack(">I", length)[0] + self.opening.tag)
        body = self.opening.body(self.received, length, rest)
        self.received = (self.received + 1) & 0xffffffff
        return body[1:len(body) - body[0]]

    def receive(self):
        """The next packet that is not the transport's own; the other side's key exchanges are answered."""
        while True:
            payload = self.waiting.popleft() if self.waiting else self.packet()
            kind = payload[0]
            if kind == DISCONNECT:
                fields = Fields(payload)
                reason = fields.uint32()
                raise Ended(fields.string(), reason)
            if kind == KEXINIT and self.session_id:
                self.exchange_keys(payload)
            elif kind not in (IGNORE, DEBUG, EXT_INFO):
                return payload

    def expect(self, *kinds):
        """The next packet of one of these kinds; others are passed over."""
        while (payload := self.receive())[0] not in kinds:
            pass
        return payload

    def farewell(self):
        """Reads to the end; what the other side said last."""
        try:
            while True:
                self.receive()
        except Ended as ended:
            return ended.text

    # -- key exchange

    def kexinit(self):
        first = self.session_id is None
        marks = [b"kex-strict-s-v00@openssh.com" if self.host_key else b"kex-strict-c-v00@openssh.com"]
        kex = b",".join([b"curve25519-sha256", *(marks if self.offers_strict and first else [])])
        lists = [kex, b"ssh-ed25519", *[self.cipher] * 2, *[MAC] * 2, *[self.compression] * 2, b"", b""]
        return message(KEXINIT, os.urandom(16), *map(string, lists), b"\0", uint32(0))

    def hello(self):
        self.at("hello")
        self.write(self.identification + b"\r\n")
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.read(1)
        self.theirs = bytes(line).rstrip(b"\r\n")

    def handshake(self):
        self.hello()
        self.exchange_keys()
        return self

    def exchange_keys(self, their_kexinit=None):
        first = self.session_id is None
        at = self.at if first else lambda stage: None
        at("kexinit")
        mine = self.kexinit()
        self.send(mine)
        while their_kexinit is None:
            payload = self.packet()
            if payload[0] == KEXINIT:
                their_kexinit = payload
            else:
                self.put_aside(payload)
        agreed = self.agree(mine, their_kexinit, at)
        if first:
            self.session_id = agreed[1]
            self.strict = self.offers_strict and b"kex-strict-" in their_kexinit
        self.change_keys(*agreed, at)

    def put_aside(self, payload):
        if payload[0] == DISCONNECT:
            raise Ended(Fields(payload, 5).string())
        self.waiting.append(payload)

    def during_exchange(self, kind):
        while (payload := self.packet())[0] != kind:
            self.put_aside(payload)
        return payload

    def agree(self, mine, theirs, at):
        """The shared secret and the exchange hash."""
        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        at("exchange")
        if self.host_key:
            key = public_blob(self.host_key)
            client_public = Fields(self.during_exchange(ECDH_INIT)).string()
            secret = shared_secret(private, client_public)
            parts = [self.theirs, self.identification, theirs, mine, key, client_public, public]
            digest = hashlib.sha256(b"".join(map(string, parts)) + secret).digest()
            signature = string(b"ssh-ed25519") + string(self.host_key.sign(digest))
            self.send(message(ECDH_REPLY, string(key), string(public), string(signature)))
            return secret, digest
        self.send(message(ECDH_INIT, string(public)))
        reply = Fields(self.during_exchange(ECDH_REPLY))
        key, server_public, signature = reply.string(), reply.string(), reply.string()
        secret = shared_secret(private, server_public)
        parts = [self.identification, self.theirs, mine, theirs, key, public, server_public]
        digest = hashlib.sha256(b"".join(map(string, parts)) + secret).digest()
        self.shown_key = Fields(key, 0)
        self.shown_key.string()
        Ed25519PublicKey.from_public_bytes(self.shown_key.string()).verify(signature[-64:], digest)
        return secret, digest

    def change_keys(self, secret, digest, at):
        def derive(letter, size):
            return hashlib.sha256(secret + digest + letter + self.session_id).digest()[:size]
        form = Gcm if self.cipher == GCM else CtrEtm
        iv = 12 if form is Gcm else 16
        to_server = form(derive(b"C", 16), derive(b"A", iv), derive(b"E", 32))
        to_client = form(derive(b"D", 16), derive(b"B", iv), derive(b"F", 32))
        at("newkeys")
        self.send(message(NEWKEYS))
        self.sealing = to_client if self.host_key else to_server
        self.sent = 0 if self.strict else self.sent
        self.during_exchange(NEWKEYS)
        self.opening = to_server if self.host_key else to_client
        self.received = 0 if self.strict else self.received


class Client(Transport):
    """From an address of its own, unless it is given one: so its lines in a log are found."""
    number = itertools.count(1 << 16)

    def __init__(self, port, source=None, **bent):
        self.source = source or "127." + ".".join(map(str, next(self.number).to_bytes(3, "big")))
        sock = socket.create_connection(("127.0.0.1", port), 20 * SLOW, source_address=(self.source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, **bent)

    def ask_service(self):
        self.send(message(SERVICE_REQUEST, string(b"ssh-userauth")))
        self.expect(SERVICE_ACCEPT)
        return self

    def auth_request(self, user, method, *rest):
        return message(AUTH_REQUEST, string(user.encode() if isinstance(user, str) else user),
                       string(b"ssh-connection"), string(method), *rest)

    def offer(self, user, blob):
        return self.auth_request(user, b"publickey", b"\0", string(b"ssh-ed25519"), string(blob))

    def signed(self, user, key, session_id=None, blob=None):
        """A login by this Ed25519 key; what it signs may be another session's, and what it shows another
        key."""
        request = self.auth_request(user, b"publickey", b"\1", string(b"ssh-ed25519"),
                                    string(blob or public_blob(key)))
        signature = key.sign(string(session_id or self.session_id) + request)
        return request + string(string(b"ssh-ed25519") + string(signature))

    def login(self, user, key):
        self.send(self.signed(user, key))
        answer = self.expect(AUTH_SUCCESS, AUTH_FAILURE)
        assert answer[0] == AUTH_SUCCESS, answer
        return self

    def open(self, number=0, window=1 << 21, packet=32768, kind=b"session", rest=b""):
        """A channel; its number at the other end."""
        self.send(message(OPEN, string(kind), uint32(number, window, packet), rest))
        answer = Fields(self.expect(OPEN_CONFIRMATION))
        assert answer.uint32() == number
        return answer.uint32()

    def exec(self, channel, command):
        self.send(message(REQUEST, uint32(channel), string(b"exec"), b"\1", string(command)))
        assert self.expect(SUCCESS, FAILURE)[0] == SUCCESS

    def output(self, size):
        """So many bytes of channel data, of any channel."""
        data = b""
        while len(data) < size:
            data += Fields(self.expect(DATA), 5).string()
        return data

    def echoes(self, channel, data):
        """Sends it into `cat`, and what comes back is the same."""
        self.send(message(DATA, uint32(channel), string(data)))
        return self.output(len(data)) == data


class Server(Transport):
    """The server's role, over a socket that was accepted; lets everybody in who comes with a signature,
    unseen."""

    def accept_login(self):
        while True:
            payload = self.receive()
            if payload[0] == SERVICE_REQUEST:
                self.send(message(SERVICE_ACCEPT, string(Fields(payload).string())))
            elif payload[0] == AUTH_REQUEST:
                fields = Fields(payload)
                _, _, method = fields.string(), fields.string(), fields.string()
                if method == b"publickey" and fields.boolean():
                    self.send(message(AUTH_SUCCESS))
                    return self
                self.send(message(AUTH_FAILURE, string(b"publickey"), b"\0"))

    def accept_channel(self, window=1 << 21, packet=32768, number=0):
        """The client's first channel, whose number it returns, with a program running in it."""
        opened = Fields(self.expect(OPEN))
        opened.string()
        channel = opened.uint32()
        self.send(message(OPEN_CONFIRMATION, uint32(channel, number, window, packet)))
        self.expect(REQUEST)
        self.send(message(SUCCESS, uint32(channel)))
        return channel
