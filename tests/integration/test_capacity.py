# ctest: timeout=600 processors=2
"""Many connections, and slow ones: what an idle connection costs, thousands of ports open at once, and a
transfer whose other end stops reading. Memory and open files are counted in the gateway's own /proc; the
figures are printed (-s)."""
import contextlib
import socket
import threading
import time

import pytest

from harness import SLOW, EchoTarget, HttpTarget, RawTls, contract, curl, need, wait_for
from harness.crowd import BANNER, FILES, Crowd, banner_target, ssh_connection, tls_connection
from harness.routes import http, ssh

POOLED = 128  # target.pool_per_environment: so many may rest on each of two workers
MIB = 1 << 20
KIB = 1 << 10
IDLE = 5000       # connections of each kind
PORTS = 2000


@pytest.fixture
def crowd():
    crowds = []

    def make(*arguments, **options):
        crowds.append(Crowd(*arguments, **options))
        return crowds[-1]
    yield make
    for one in crowds:
        one.end()


@pytest.fixture
def banners():
    with banner_target() as port:
        yield port


def short_answers(connection):
    """Answers each request; connections are kept."""
    seen = 0
    while data := connection.recv():
        count = connection.received.count(b"\r\n\r\n")
        if data and count > seen:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * (count - seen))
            seen = count


def files_back_to(gateway, before, slack=8):
    """Open files are as many as at the beginning: a few may wait in the pool of targets' connections."""
    wait_for(lambda: gateway.process.open_files() <= before + slack,
             lambda: f"{gateway.process.open_files()} files are open, {before} were at the beginning", 30)


def wait_memory_still(gateway, seconds=10):
    """Resident memory, once it has not grown for a quarter of a second."""
    most, since, end = gateway.rss(), time.monotonic(), time.monotonic() + seconds * SLOW
    while time.monotonic() - since < 0.25 and time.monotonic() < end:
        now = gateway.rss()
        if now > most + 64 * KIB:
            most, since = now, time.monotonic()
        time.sleep(0.01)
    return most


# -- idle connections

def need_files(most):
    need(FILES >= most, f"a process may have {FILES} files open here; {most} are needed")


def test_ten_thousand_idle_connections(make_gateway, routes, banners, crowd):
    need_files(3 * IDLE + 1000)
    gateway = make_gateway({"timeouts": {"idle": "10m"}, "log": {"level": "warn"}})
    port = gateway.ssh_port()
    with EchoTarget(short_answers) as web:
        gateway.wait_route(routes.set("many", ssh=ssh(port, banners), http=[http(8888, web.port)]))
        host = gateway.host("many", 8888)
        warm = [connect() for connect in (ssh_connection(port), tls_connection(gateway, host))
                for _ in range(20)]
        for sock in warm:
            sock.close()
        wait_for(lambda: not gateway.sessions(), "the first connections have not ended")
        files, memory = gateway.process.open_files(), gateway.rss()

        shells = crowd(ssh_connection(port), IDLE)
        assert shells.stand() == IDLE
        with_shells = wait_memory_still(gateway)
        pages = crowd(tls_connection(gateway, host), IDLE)
        assert pages.stand() == IDLE
        with_pages = wait_memory_still(gateway)

        each_shell, each_page = (with_shells - memory) / IDLE, (with_pages - with_shells) / IDLE
        print(f"\n{IDLE} ssh and {IDLE} TLS connections idle: "
              f"{memory / MIB:.1f} MiB before, {with_pages / MIB:.1f} with all; "
              f"each ssh {each_shell / KIB:.1f} KiB, each TLS {each_page / KIB:.1f} KiB; "
              f"{gateway.process.open_files()} files open")
        assert gateway.metric("envgate_connections", protocol="https") == IDLE
        assert gateway.admin("GET", contract.ADMIN_SESSIONS + "?limit=1")[1]["total"] == 2 * IDLE
        assert (shells.quiet(), pages.quiet()) == (IDLE, IDLE), "some have been closed"
        began = time.monotonic()
        assert curl(gateway, host).body == b"ok"
        ssh_connection(port)().close()
        assert time.monotonic() - began < 2 * SLOW, "those that are not idle wait for those that are"
        if gateway.memory_means_something():
            assert each_shell < 8 * KIB, "an idle relay holds buffers"
            assert each_page < 24 * KIB, "an idle TLS connection holds more than OpenSSL's own"

        shells.go()
        pages.go()
        wait_for(lambda: not gateway.sessions(), "sessions are counted that have ended", 30)
        files_back_to(gateway, files, slack=2 * POOLED + 6)
        print(f"{gateway.rss() / MIB:.1f} MiB afterwards")


def test_open_connections_are_counted_by_protocol(make_gateway, routes, banners):
    gateway = make_gateway()
    port = gateway.ssh_port()
    gateway.wait_route(routes.set("counted", ssh=ssh(port, banners)))
    sock = ssh_connection(port)()
    assert gateway.metric("envgate_connections_total", protocol="ssh") == 1
    try:
        assert gateway.metric("envgate_connections", protocol="ssh") == 1
    finally:
        sock.close()
    wait_for(lambda: gateway.metric("envgate_connections", protocol="ssh") == 0,
             "it is counted after its end")


def test_thousands_of_ports(make_gateway, routes, banners):
    """A route's port is a listening socket; all of them stand at once, and go when the routes go."""
    need_files(2 * PORTS + 1000)
    gateway = make_gateway({"log": {"level": "warn"}}, ssh_ports=PORTS)
    files, memory = gateway.process.open_files(), gateway.rss()
    first = gateway.ports["ssh"][0]
    for n in range(PORTS):
        route = routes.set(f"env{n}", write=False, ssh=ssh(first + n, banners))
    began = time.monotonic()
    routes.write()
    gateway.wait_route(route, 30)
    wait_for(lambda: gateway.metric("envgate_port_listeners") >= PORTS,
             lambda: f"{gateway.metric('envgate_port_listeners')} ports are open", 30)
    took, open_now = time.monotonic() - began, gateway.process.open_files() - files
    grown = wait_memory_still(gateway) - memory
    print(f"\n{PORTS} ports open {took:.2f} s after the file was written: "
          f"{grown / MIB:.1f} MiB, {open_now} files")
    for n in range(0, PORTS, 37):
        ssh_connection(first + n)().close()
    if gateway.memory_means_something():
        assert grown < 32 * MIB
    assert open_now <= 2 * PORTS + 50, "more than a listening socket for each worker and port"
    for n in range(PORTS):
        routes.routes.pop(f"env{n}")
    routes.write()
    wait_for(lambda: gateway.metric("envgate_port_listeners") == 0,
             "ports of routes that are gone stay open", 30)
    files_back_to(gateway, files)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), 5)


# -- slow ones

@pytest.fixture
def streaming(gateway, routes):
    with HttpTarget(name="streaming") as target:
        gateway.wait_route(routes.set("stream", http=[http(8888, target.port)]))
        curl(gateway, gateway.host("stream", 8888))
        yield gateway, target, gateway.host("stream", 8888)


def until_still(value, still=1.0, seconds=30):
    """The value, once it has not changed for `still` seconds."""
    last, since, end = value(), time.monotonic(), time.monotonic() + seconds * SLOW
    while time.monotonic() - since < still * SLOW:
        assert time.monotonic() < end, f"it never stops: {last}"
        time.sleep(0.02)
        now = value()
        if now != last:
            last, since = now, time.monotonic()
    return last


@pytest.mark.parametrize("readers", [1, 20])
def test_a_reader_that_stops(streaming, readers):
    """A gigabyte is asked for and not read: the target is stopped, and only the kernel's buffers are full."""
    gateway, target, host = streaming
    files, memory = gateway.process.open_files(), gateway.rss()
    clients = [RawTls(gateway, host) for _ in range(readers)]
    for client in clients:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        client.send(f"GET /endless HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    wait_for(lambda: target.open_streams == readers, "the target was not asked")
    sent = until_still(lambda: target.sent)
    grown = gateway.rss() - memory
    print(f"\n{readers} readers stopped: the target has sent {sent / MIB / readers:.1f} MiB to each; "
          f"the gateway holds {grown / MIB:.1f} MiB")
    assert sent < readers * 24 * MIB, "the target was not stopped"
    if gateway.memory_means_something():
        assert grown < 8 * MIB + readers * 256 * KIB
    assert curl(gateway, host).status == 200
    for client in clients:
        assert client.recv_exactly(4 * MIB), "it does not go on"
        client.close()
    wait_for(lambda: target.open_streams == 0, "the target still sends", 20)
    files_back_to(gateway, files)


def test_a_target_that_stops_reading(gateway, routes, web):
    """A gigabyte is sent to a target that does not read: the client is stopped."""
    stop = threading.Event()

    def deaf(connection):
        connection.recv_until(b"\r\n\r\n")
        stop.wait(60 * SLOW)
    with EchoTarget(deaf) as target:
        routes.set("deaf", write=False, http=[http(8888, target.port)])
        gateway.wait_route(routes.set("other", http=[http(8888, web.port)]))
        assert curl(gateway, gateway.host("other", 8888)).status == 200
        files, memory, sent = gateway.process.open_files(), gateway.rss(), 0
        with RawTls(gateway, gateway.host("deaf", 8888)) as client:
            client.send(f"POST / HTTP/1.1\r\nHost: {client.sock.server_hostname}\r\n"
                        f"Content-Length: {1 << 30}\r\n\r\n".encode())
            client.sock.settimeout(2 * SLOW)
            with contextlib.suppress(TimeoutError):
                while sent < 1 << 30:
                    client.send(b"x" * 65536)
                    sent += 65536
            grown = gateway.rss() - memory
            print(f"\nthe client has got rid of {sent / MIB:.1f} MiB; "
                  f"the gateway holds {grown / MIB:.1f} MiB")
            assert sent < 48 * MIB, "the client was not stopped"
            assert not gateway.memory_means_something() or grown < 8 * MIB
            assert curl(gateway, gateway.host("other", 8888)).status == 200
        stop.set()
        files_back_to(gateway, files)


def test_a_slow_writer(streaming):
    """A body that comes in small pieces takes no room while it comes."""
    gateway, _, host = streaming
    files, memory = gateway.process.open_files(), gateway.rss()
    clients = [RawTls(gateway, host) for _ in range(100)]
    for client in clients:
        client.send(f"POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 50000\r\n\r\n".encode())
    for _ in range(50):
        for client in clients:
            client.send(b"y" * 1000)
    grown = gateway.rss() - memory
    for client in clients:
        assert client.response()[0] == 200
        client.close()
    print(f"\n100 slow writers: {grown / MIB:.1f} MiB")
    assert not gateway.memory_means_something() or grown < 16 * MIB
    files_back_to(gateway, files, slack=2 * POOLED + 6)


def test_shells_that_stop_reading(make_gateway, routes):
    """The same through an ssh port, where bytes pass in kernel pipes:
    both ends stop, and no pipe stays behind."""
    gateway = make_gateway({"ssh": {"pipe_size": "64KiB"}})
    port = gateway.ssh_port()
    sent = []

    def endless(connection):
        connection.recv_until(b"\r\n")
        connection.send(BANNER)
        total = [0]
        sent.append(total)
        while True:
            connection.send(b"z" * 65536)
            total[0] += 65536
    with EchoTarget(endless) as target:
        gateway.wait_route(routes.set("shell", ssh=ssh(port, target.port)))
        files, memory = gateway.process.open_files(), gateway.rss()
        socks = [ssh_connection(port)() for _ in range(20)]
        wait_for(lambda: len(sent) == 20, "not every session has begun")
        total = until_still(lambda: sum(each[0] for each in sent))
        grown = gateway.rss() - memory
        print(f"\n20 shells stopped: {total / MIB / 20:.1f} MiB each on the way; "
              f"the gateway holds {grown / MIB:.1f} MiB")
        assert total < 20 * 24 * MIB
        assert not gateway.memory_means_something() or grown < 8 * MIB
        for sock in socks:
            sock.close()
        files_back_to(gateway, files)
        assert not gateway.sessions()


def test_files_come_back_however_connections_end(make_gateway, routes):
    """Half-made, refused, reset and finished connections: each gives back what it took."""
    gateway = make_gateway({"timeouts": {"handshake": "1s", "request_head": "1s", "idle": "1s"},
                            "log": {"level": "warn"}})
    port = gateway.ssh_port()
    with EchoTarget(short_answers) as web:
        gateway.wait_route(routes.set("many", ssh=ssh(port, web.port), http=[http(8888, web.port)]))
        host = gateway.host("many", 8888)
        tls_connection(gateway, host)().close()
        wait_for(lambda: gateway.metric("envgate_connections") == 0, "the first connection has not ended")
        files = gateway.process.open_files()
        silent = [socket.create_connection(("127.0.0.1", gateway.https_port), 10) for _ in range(100)]
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as sock:
                sock.sendall(b"\x16\x03\x01\x02\x00")
            with socket.create_connection(("127.0.0.1", port), 10) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with RawTls(gateway, host) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: ")
            with RawTls(gateway, host) as client:
                client.send(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nhalf".encode())
        idle = [tls_connection(gateway, host)() for _ in range(50)]
        for sock in silent:
            sock.settimeout(10 * SLOW)
            assert sock.recv(1) == b""
            sock.close()
        for sock in idle:
            assert sock.recv(1) == b"", "an idle connection outlived timeouts.idle"
            sock.close()
        files_back_to(gateway, files, slack=2 * POOLED + 6)
        assert not gateway.sessions()
