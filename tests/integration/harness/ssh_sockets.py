"""Sockets that say an SSH banner and nothing else of the protocol, at both ends:
every byte is the test's own."""
import socket

from .machine import SLOW
from .routes import ssh
from .wait import wait_for

BANNER = b"SSH-2.0-OpenSSH_9.2p1\r\n"
TARGET_BANNER = b"SSH-2.0-Target_1.0\r\n"


def banner_echo(connection):
    """Says hello as an SSH server does, then echoes, the client's banner included."""
    connection.send(TARGET_BANNER)
    while data := connection.recv():
        connection.send(data)


def connect(port, seconds=10, source=None):
    connection = socket.create_connection(("127.0.0.1", port), seconds * SLOW, source_address=source)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def recv_exactly(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise AssertionError(f"ended after {len(data)} of {size} bytes: {data[:200]!r}")
        data += piece
    return data


def recv_end(connection):
    """Everything up to the end, however it ends."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def accepts(port):
    try:
        connect(port).close()
        return True
    except ConnectionRefusedError:
        return False


def open_route(gateway, routes, env, target, **more):
    """A route with an ssh port of its own, open: (port, route)."""
    port = gateway.ssh_port()
    route = routes.set(env, ssh=ssh(port, target.port), **more)
    gateway.wait_route(route)
    wait_for(lambda: accepts(port), f"port {port} of {env} is not open")
    return port, route


def say_hello(port, **options):
    """A connection past the banners."""
    connection = connect(port, **options)
    connection.sendall(BANNER)
    assert recv_exactly(connection, len(TARGET_BANNER) + len(BANNER)) == TARGET_BANNER + BANNER
    return connection
