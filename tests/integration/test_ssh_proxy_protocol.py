"""The load balancer's PROXY header on a route's port:
it says who the client is where its sender is trusted, and reaches no target."""
import socket
import struct

import pytest

from harness import EchoTarget, contract, wait_for
from harness.ssh_sockets import (BANNER, TARGET_BANNER, banner_echo, connect, open_route, recv_end,
                                 recv_exactly, say_hello)


@pytest.fixture
def target():
    with EchoTarget(banner_echo) as echo:
        yield echo


V2 = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_v2(source, destination=("127.0.0.1", 22), extra=b""):
    body = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack(
        ">HH", source[1], destination[1]) + extra
    return V2 + b"\x21\x11" + struct.pack(">H", len(body)) + body


HEADERS = {
    "v1": b"PROXY TCP4 203.0.113.7 192.0.2.1 5151 22\r\n",
    "v2": proxy_v2(("203.0.113.7", 5151)),
    "v2 with extensions": proxy_v2(("203.0.113.7", 5151), extra=b"\x04\x00\x05hello"),
}


@pytest.mark.parametrize("version", list(HEADERS))
def test_proxy_header_from_a_trusted_peer_says_who_it_is(make_gateway, routes, target, version):
    gateway = make_gateway({"proxy_protocol": {"trusted": ["127.0.0.1/32"]}})
    port, _ = open_route(gateway, routes, "proxied", target)
    with connect(port) as connection:
        connection.sendall(HEADERS[version] + BANNER)
        assert recv_exactly(connection, len(TARGET_BANNER) + len(BANNER)) == TARGET_BANNER + BANNER
    lines = wait_for(lambda: [line for line in gateway.log_lines(contract.SSH_EVENT)
                              if line.get("source_ip") == "203.0.113.7"],
                     "the log does not name the real source")
    assert lines[0]["environment_id"] == "proxied"
    assert all(b"PROXY" not in seen and V2 not in seen for seen in target.seen())


@pytest.mark.parametrize("version", list(HEADERS))
def test_proxy_header_from_anyone_else_is_not_believed(make_gateway, routes, target, version):
    gateway = make_gateway({"proxy_protocol": {"trusted": ["192.0.2.0/24"]}})
    port, _ = open_route(gateway, routes, "liar", target)
    with connect(port) as connection:
        connection.sendall(HEADERS[version] + BANNER)
        assert BANNER not in recv_end(connection)
    assert not any(target.seen())
    assert not [line for line in gateway.log_lines() if line.get("source_ip") == "203.0.113.7"]
    say_hello(port).close()


@pytest.mark.parametrize("garbage", [
    b"PROXY TCP4 999.1.1.1 1.1.1.1 1 2\r\n", b"PROXY UNKNOWN" + b"x" * 200,
    V2 + b"\x31\x11\x00\x0c" + b"\0" * 12, V2 + b"\x21\x11\x00\x01\0"],
    ids=["bad address", "overlong", "bad version", "short"])
def test_a_malformed_proxy_header_is_refused(make_gateway, routes, target, garbage):
    gateway = make_gateway({"proxy_protocol": {"trusted": ["127.0.0.0/8"]}})
    port, _ = open_route(gateway, routes, "mangled", target)
    with connect(port) as connection:
        connection.sendall(garbage + BANNER)
        assert BANNER not in recv_end(connection)
    assert not any(target.seen())
