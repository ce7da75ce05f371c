"""Tickets and cookies for private ports, signed as routing/tickets.hpp says and without any of its code."""
import base64
import hashlib
import hmac
import os
import struct
import time

COOKIE = "__Host-envgate"


def _sign(key, purpose, env, port, expires, nonce):
    payload = (nonce or os.urandom(16)) + struct.pack(">QH", int(expires), port) + env.encode()
    mac = hmac.new(key, b"envgate %s 1\0" % purpose + payload, hashlib.sha256).digest()
    return "1." + base64.urlsafe_b64encode(payload + mac).rstrip(b"=").decode()


def ticket(key, env, port, expires=None, nonce=None):
    """`expires`: seconds since 1970; a minute from now where it is not given."""
    return _sign(key, b"ticket", env, port, expires or time.time() + 60, nonce)


def cookie(key, env, port, expires=None, nonce=None):
    return _sign(key, b"cookie", env, port, expires or time.time() + 3600, nonce)
