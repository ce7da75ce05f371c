"""What the programs are given: configurations from the templates beside this package, a certificate, SSH
keys, bodies."""
import os
import pwd
import re
import resource
import string
from pathlib import Path

from .process import run

TEMPLATES = Path(__file__).resolve().parent.parent
DOMAIN = "bench.test"
BODY = (string.ascii_letters + string.digits) * 16 + string.ascii_letters[:32]  # 1,024 bytes
SIZES = {"1k": 1 << 10, "100k": 100 << 10, "1g": 1 << 30}


def fill(template, target, values):
    """Writes `target` from bench/peers/<template>, every @NAME@ replaced. A name without a value is an
    error."""
    text = (TEMPLATES / template).read_text()
    target.write_text(re.sub(r"@([A-Z_]+)@", lambda match: str(values[match[1]]), text))
    return target


def user():
    return pwd.getpwuid(os.geteuid()).pw_name


def limits():
    """How many files a process may open; and haproxy's connections: two sockets each, and some pipes."""
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 20_000)
    return {"NOFILE": files, "MAXCONN": (files - 2_000) // 2 if files > 4_000 else files // 4}


def make_certificate(directory):
    """One ECDSA P-256 certificate for everybody: certificate, key, and both in one file."""
    cert, key, both = directory / "cert.pem", directory / "key.pem", directory / "both.pem"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "7", "-keyout", key, "-out", cert, "-subj", f"/CN={DOMAIN}",
         "-addext", f"subjectAltName=DNS:{DOMAIN},DNS:*.container.{DOMAIN},DNS:*.ssh.{DOMAIN}"], 30)
    both.write_text(cert.read_text() + key.read_text())
    return {"CERT": cert, "KEY": key, "PEM": both}


def make_ssh_keys(directory):
    host, user_key = directory / "host_key", directory / "user_key"
    for key in (host, user_key):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], 30)
    return {"HOST_KEY": host, "USER_KEY": user_key, "AUTHORIZED": user_key.with_suffix(".pub")}


def make_bodies(directory):
    """What the origin sends from files. The large one is added by make_zeros."""
    directory.mkdir()
    (directory / "100k").write_bytes((BODY * 100).encode())
    return directory


def make_zeros(directory, size):
    """A file of `size` bytes that takes no blocks on the disk: it is read as zeros."""
    path = directory / f"zeros{size}"
    with open(path, "wb") as file:
        file.truncate(size)
    return path
