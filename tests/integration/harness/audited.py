"""Audited sessions: what a gateway, its targets and its clients must know of each other. The gateway's host
keys and its CA are made of secrets that lie in files; here they are computed as
gateway/ssh/monitor/host_keys.hpp says."""
import base64
import copy
import hashlib
import secrets
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SHARED = "GATEWAY"


def ssh_line(private_key):
    """ "ssh-ed25519 AAAA..." """
    def string(data):
        return struct.pack(">I", len(data)) + data
    raw = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return "ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(raw)).decode()


class SecretFile:
    """A file of 64 hexadecimal digits, as the gateway would make it."""

    def __init__(self, path):
        self.path = path
        if not path.exists():
            path.write_text(secrets.token_hex(32) + "\n")
            path.chmod(0o600)
        self.key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))

    def line(self):
        return ssh_line(self.key)

    def host_key(self, entry):
        signature = self.key.sign(b"envgate ssh host key 1\n" + entry.encode())
        return ssh_line(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(signature).digest()))


def settings(directory, sshd, **more):
    """The gateway's part: its host keys, and the CA that `sshd` trusts."""
    return {"ssh": {"audited": {"host_key_file": str(directory / "ssh_host_key"),
                                "onward": {"ca_file": str(sshd.user_ca.path)},
                                "penalties": {"enabled": False}, **more}}}


def ssh(listen_port, sshd, **user):
    """The `ssh` of a route to `sshd`: its user, who comes with the sshd's own client keys, or with `user`'s
    fields."""
    authorized = (sshd.directory / "authorized_keys").read_text().splitlines()
    keys = [" ".join(line.split()[:2]) for line in authorized]
    hosts = [" ".join((sshd.directory / f"host_{kind}.pub").read_text().split()[:2])
             for kind in ("ed25519", "ecdsa", "rsa")]
    return {"listen_port": listen_port, "target_port": sshd.port, "mode": "audited", "host_keys": hosts,
            "users": [{"name": sshd.user, "authorized_keys": keys, **user}]}


def entry(sshd, gateway_directory, env):
    """`sshd` as a client sees it through the gateway: the same user and keys, another host key."""
    seen = copy.copy(sshd)
    seen.host_keys = gateway_directory / f"seen_{env}"
    seen.host_keys.mkdir(exist_ok=True)
    (seen.host_keys / "host_ed25519.pub").write_text(
        SecretFile(gateway_directory / "ssh_host_key").host_key(env) + " seen\n")
    seen.host_key_kinds = ("ed25519",)
    return seen
