"""What SSH's packets are made of: numbers of messages, fields (RFC 4251), and what protects one direction of
a transport: nothing, AES-GCM, or AES-CTR with an HMAC over what was encrypted (ETM)."""
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = range(1, 8)
KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY = 20, 21, 30, 31
AUTH_REQUEST, AUTH_FAILURE, AUTH_SUCCESS, AUTH_BANNER = range(50, 54)
PK_OK, INFO_REQUEST, INFO_RESPONSE = 60, 60, 61
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = range(80, 83)
(OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA, EXTENDED_DATA, EOF, CLOSE, REQUEST, SUCCESS,
 FAILURE) = range(90, 101)

GCM, CTR_ETM = b"aes128-gcm@openssh.com", b"aes128-ctr"
MAC = b"hmac-sha2-256-etm@openssh.com"


def uint32(*numbers):
    return b"".join(struct.pack(">I", number) for number in numbers)


def string(data):
    return uint32(len(data)) + data


def mpint(number):
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


def message(kind, *parts):
    return bytes([kind]) + b"".join(parts)


def public_blob(private_key):
    """The public half of an Ed25519 key, as SSH writes it."""
    raw = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return string(b"ssh-ed25519") + string(raw)


def shared_secret(private, public):
    return mpint(int.from_bytes(private.exchange(X25519PublicKey.from_public_bytes(public)), "big"))


class Fields:
    """Reads a payload from its front."""

    def __init__(self, data, at=1):
        self.data, self.at = data, at

    def uint32(self):
        self.at += 4
        return struct.unpack_from(">I", self.data, self.at - 4)[0]

    def string(self):
        size = self.uint32()
        self.at += size
        return self.data[self.at - size:self.at]

    def boolean(self):
        self.at += 1
        return self.data[self.at - 1] != 0


# -- what a direction is protected by: frame() makes bytes of a payload, length_of() and body() read them

def padded(payload, block, head):
    """Padding length, payload, padding; `head`: bytes before that count for the block's size."""
    padding = block - (1 + len(payload) + head) % block
    padding += block if padding < 4 else 0
    return bytes([padding]) + payload + b"\0" * padding


class Clear:
    tag = 0

    def frame(self, sequence, payload):
        body = padded(payload, 8, 4)
        return uint32(len(body)) + body

    def body(self, sequence, length, rest):
        return rest


class Gcm:
    tag = 16

    def __init__(self, key, iv, mac_key):
        self.cipher, self.fixed, self.counter = AESGCM(key), iv[:4], int.from_bytes(iv[4:12], "big")

    def nonce(self):
        self.counter += 1
        return self.fixed + (self.counter - 1).to_bytes(8, "big")

    def frame(self, sequence, payload):
        body = padded(payload, 16, 0)
        length = uint32(len(body))
        return length + self.cipher.encrypt(self.nonce(), body, length)

    def body(self, sequence, length, rest):
        return self.cipher.decrypt(self.nonce(), rest, length)


class CtrEtm:
    tag = 32

    def __init__(self, key, iv, mac_key):
        self.stream, self.mac_key = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor(), mac_key

    def mac(self, sequence, data):
        return hmac.digest(self.mac_key, uint32(sequence) + data, "sha256")

    def frame(self, sequence, payload):
        body = padded(payload, 16, 0)
        data = uint32(len(body)) + self.stream.update(body)
        return data + self.mac(sequence, data)

    def body(self, sequence, length, rest):
        if self.mac(sequence, length + rest[:-32]) != rest[-32:]:
            raise InvalidTag
        return self.stream.update(rest[:-32])
