# ctest: timeout=120
"""limits.bandwidth of a route: bytes a second, each way, over all that the environment has open. Only the
lower bound of a time is tested: however slow the machine, nothing may be quicker than the rate allows."""
import concurrent.futures
import socket
import time

import pytest

from harness import EchoTarget, RawTls, wait_for
from harness.h2_client import H2Client
from harness.routes import http

ENV = "paced"
RATE = 400_000  # of which a quarter of a second may go at once
AMOUNT = 600_000
LEAST = (AMOUNT - RATE / 4) / RATE * 0.8  # seconds


@pytest.fixture
def paced(make_gateway, routes, web):
    """paced(**route): a gateway whose one environment is held to RATE."""
    def make(**fields):
        gateway = make_gateway()
        gateway.wait_route(routes.set(ENV, http=[http(8888, web.port)], limits={"bandwidth": RATE}, **fields))
        return gateway
    return make


def seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def download(gateway, size=AMOUNT):
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as client:
        client.send(f"GET /bytes/{size} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        status, _, body = client.response()
        assert status == 200 and len(body) == size


def download_h2(gateway):
    host = gateway.host(ENV, 8888)
    with H2Client(gateway, host) as client:
        assert len(client.get(host, f"/bytes/{AMOUNT}")[2]) == AMOUNT


def upload(gateway):
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as client:
        client.send(f"POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: {AMOUNT}\r\n\r\n".encode())
        client.send(b"x" * AMOUNT)
        assert client.response()[0] == 200


@pytest.mark.parametrize("work", [download, download_h2, upload])
def test_http_is_paced(paced, work):
    gateway = paced()
    assert seconds(lambda: work(gateway)) > LEAST


def test_an_environments_connections_share_one_rate(paced):
    gateway = paced()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        took = seconds(lambda: list(pool.map(lambda _: download(gateway, AMOUNT // 4), range(4))))
    assert took > LEAST


def test_a_tcp_session_is_paced_each_way_by_itself(paced, routes):
    """An echo: both ways at once take no longer than one of them."""
    with EchoTarget() as target:
        gateway = paced()
        port = gateway.ssh_port()
        tcp = [{"listen_port": port, "target_port": target.port, "service": "vnc"}]
        gateway.wait_route(routes.change(ENV, tcp=tcp))
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "the port is not open")

        def echo():
            with socket.create_connection(("127.0.0.1", port), 20) as sock:
                sock.sendall(b"x" * AMOUNT)
                left = AMOUNT
                while left > 0:
                    piece = sock.recv(65536)
                    assert piece
                    left -= len(piece)
        assert seconds(echo) > LEAST
