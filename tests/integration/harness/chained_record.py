"""Writes a session's record and its chain from their description in record/README.md, with another BLAKE2b
and another Ed25519 than envgate's: what envctl takes for whole was not made by the code that checks it."""
import hashlib
import json
import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


class ChainedRecord:
    """`key` None: it is not signed."""

    def __init__(self, path, key=None):
        self.path = path
        self.chain_path = path.with_name(path.name + ".chain")
        self.key = key

    @property
    def public(self):
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def write_public_key(self, path):
        path.write_text(self.public + "\n")
        return path

    def _line(self, members, at=None):
        text = json.dumps(members, separators=(",", ":"))[:-1]
        if at is not None:
            text += f',"at":{at:.6f}'
        if self.key:
            signature = self.key.sign(b"envgate record chain 1\n" + text.encode()).hex()
            text += f',"signature":"{signature}"'
        return text + "}"

    def write(self, blocks, end=True):
        """`blocks`: the pieces that a block each covers. Without `end` it is as a crash leaves it."""
        start = {"chain": 1, "record": os.urandom(16).hex(), "hash": "blake2b-256"}
        if self.key:
            start["key"] = self.public
        lines, at = [self._line(start)], 0
        for number, block in enumerate(blocks, 1):
            members = {"block": number, "from": at, "to": at + len(block), "hash": blake2b(block)}
            lines.append(self._line({**members, "previous": blake2b(lines[-1].encode())}, number * 5))
            at += len(block)
        if end:
            members = {"end": len(blocks), "size": at, "previous": blake2b(lines[-1].encode())}
            lines.append(self._line(members, len(blocks) * 5 + 0.25))
        self.path.write_bytes(b"".join(blocks))
        self.chain_path.write_text("".join(line + "\n" for line in lines))
        return self


def cast(events, columns=80, rows=24):
    """The pieces of an asciicast v2: its header, and a line for each (seconds, code, data)."""
    header = {"version": 2, "width": columns, "height": rows, "timestamp": 1764000000,
              "env": {"TERM": "xterm"}, "envgate": {"version": 1, "session": "s1", "environment": "training"}}
    return [json.dumps(line).encode() + b"\n" for line in [header, *([*event] for event in events)]]
