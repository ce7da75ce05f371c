"""The ports of the routes: opened and closed as routes come, change and go;
what a stranger may and may not send to them; and how the bytes are relayed.
The targets here are raw sockets, so that every byte is accounted for."""
import socket
import threading
import time

import pytest

from harness import SLOW, EchoTarget, contract, free_port, run, wait_for
from harness.http_target import BLOCK
from harness.routes import ssh
from harness.ssh_clients import OpenSsh
from harness.ssh_sockets import (BANNER, TARGET_BANNER, accepts, banner_echo, connect, open_route, recv_end,
                                 recv_exactly, say_hello)


@pytest.fixture
def target():
    with EchoTarget(banner_echo) as echo:
        yield echo


def told_nothing_of_the_target(data):
    """The end alone, or the gateway's own line of explanation, which ssh -v shows (RFC 4253, section 4.2)."""
    one_line = data.startswith(b"envgate: ") and data.count(b"\n") == 1
    return data == b"" or (one_line and b"127.0.0.1" not in data)


def sessions_seen(target):
    """How many connections got as far as a banner.
    (One that only asks whether the port is open may reach the target, since a server may speak first.)"""
    return sum(seen.startswith(BANNER) for seen in target.seen())


# -- ports come and go

def test_ports_follow_the_routes_and_disturb_no_session(gateway, routes, target):
    first, _ = open_route(gateway, routes, "first", target)
    session = say_hello(first)
    for number in range(20):
        open_route(gateway, routes, f"more{number}", target)
    session.sendall(b"still here")
    assert recv_exactly(session, 10) == b"still here"
    for number in range(20):
        routes.routes.pop(f"more{number}")
    routes.write()
    wait_for(lambda: not any(accepts(gateway.ports["ssh"][0] + n) for n in range(1, 21)), "ports stayed open")
    session.sendall(b"and here")
    assert recv_exactly(session, 8) == b"and here"
    assert accepts(first)


def test_a_port_can_move_to_another_environment(gateway, routes, target):
    with EchoTarget(banner_echo) as other:
        port, _ = open_route(gateway, routes, "before", target)
        say_hello(port).close()
        routes.remove("before")
        wait_for(lambda: not accepts(port), "the port stayed open")
        route = routes.set("after", ssh=ssh(port, other.port))
        gateway.wait_route(route)
        wait_for(lambda: accepts(port), "the port did not open again")
        say_hello(port).close()
        assert (sessions_seen(target), sessions_seen(other)) == (1, 1)


def test_the_older_route_keeps_a_port_that_two_claim(gateway, routes, target):
    with EchoTarget(banner_echo) as other:
        port, _ = open_route(gateway, routes, "older", target)
        clash = routes.set("newer", ssh=ssh(port, other.port))
        routes.set("third", ssh=ssh(gateway.ssh_port(), target.port))
        gateway.wait_route(routes.routes["third"])
        say_hello(port).close()
        assert len(other.connections) == 0, f"{clash} took the port over"


def test_a_port_outside_the_range_is_refused_and_harms_no_other(gateway, routes, target):
    outside = free_port()
    routes.set("outside", ssh=ssh(outside, target.port))
    port, _ = open_route(gateway, routes, "inside", target)
    assert not accepts(outside)
    say_hello(port).close()


def test_a_changed_target_port_is_obeyed_by_the_next_connection(gateway, routes, target):
    with EchoTarget(banner_echo) as other:
        port, _ = open_route(gateway, routes, "moving", target)
        say_hello(port).close()
        route = routes.change("moving", ssh=ssh(port, other.port))
        gateway.wait_route(route)
        say_hello(port).close()
        assert (sessions_seen(target), sessions_seen(other)) == (1, 1)


def test_a_route_file_that_is_wrong_changes_nothing(gateway, routes, target):
    port, route = open_route(gateway, routes, "kept", target)
    routes.write_text("routes:\n  - {env: kept\n    generation: nonsense")
    other = EchoTarget(banner_echo)
    time.sleep(0.3)  # nothing tells when a file has been looked at and refused
    say_hello(port).close()
    assert gateway.route("kept")["generation"] == route["generation"]
    routes.write()
    open_route(gateway, routes, "next", other)
    other.stop()


def test_a_stopped_environment_is_not_connected_to(gateway, routes, target):
    port, _ = open_route(gateway, routes, "asleep", target)
    say_hello(port).close()
    route = routes.change("asleep", state="stopped")
    gateway.wait_route(route)
    before = sessions_seen(target)

    def closed():
        try:
            connection = connect(port)
            connection.sendall(BANNER)
            return TARGET_BANNER not in recv_end(connection)
        except (ConnectionRefusedError, BrokenPipeError, ConnectionResetError):
            return True
    assert closed()
    assert sessions_seen(target) == before
    gateway.wait_route(routes.change("asleep", state="running"))
    wait_for(lambda: accepts(port), "the port did not open again")
    say_hello(port).close()


# -- what may be sent

def test_what_is_not_ssh_is_closed_counted_and_never_reaches_the_target(gateway, routes, target):
    port, _ = open_route(gateway, routes, "guarded", target)
    before = gateway.refused(contract.NOT_SSH)
    payloads = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                b"\x03\x00\x00\x13\x0e\xe0", b"SSH-3.0-x\r\n", b"ssh-2.0-x\r\n", b"\x00" * 300,
                b"SSH-2.0" + b"x" * 300]
    for payload in payloads:
        with connect(port) as connection:
            connection.sendall(payload)
            answer = recv_end(connection)
            assert answer in (b"", TARGET_BANNER) or told_nothing_of_the_target(answer), (payload, answer)
    wait_for(lambda: gateway.refused(contract.NOT_SSH) >= before + len(payloads),
             lambda: f"{gateway.refused(contract.NOT_SSH) - before} of {len(payloads)} were counted")
    assert not any(target.seen()), "the target was sent something that is not SSH"
    say_hello(port).close()


def test_a_banner_in_pieces_is_a_banner(gateway, routes, target):
    port, _ = open_route(gateway, routes, "slowly", target)
    with connect(port) as connection:
        for byte in BANNER:
            connection.sendall(bytes([byte]))
        assert recv_exactly(connection, len(TARGET_BANNER) + len(BANNER)) == TARGET_BANNER + BANNER


def test_bytes_after_the_banner_in_the_same_segment_follow_it(gateway, routes, target):
    port, _ = open_route(gateway, routes, "eager", target)
    with connect(port) as connection:
        connection.sendall(BANNER + BLOCK)
        assert recv_exactly(connection, len(TARGET_BANNER)) == TARGET_BANNER
        assert recv_exactly(connection, len(BANNER) + len(BLOCK)) == BANNER + BLOCK


def test_a_client_that_says_nothing_is_closed_by_the_deadline(make_gateway, routes, target):
    gateway = make_gateway({"timeouts": {"ssh_banner": "1s"}})
    port, _ = open_route(gateway, routes, "silent", target)
    wait_for(lambda: not gateway.sessions(), "the first connection is still there")
    begin = time.monotonic()
    with connect(port, seconds=20) as connection:
        recv_end(connection)
        assert 0.8 < time.monotonic() - begin < 5 * SLOW
    # a trickle does not extend it
    begin = time.monotonic()
    with connect(port, seconds=20) as connection:
        connection.sendall(b"SSH-2.0-")
        recv_end(connection)
        assert time.monotonic() - begin < 5 * SLOW
    wait_for(lambda: gateway.refused(contract.BANNER_TIMEOUT) >= 2, "the deadlines were not counted")


def test_a_target_that_says_nothing_is_given_up(make_gateway, routes):
    gateway = make_gateway({"timeouts": {"ssh_banner": "1s"}})
    with EchoTarget(lambda connection: connection.recv_all()) as mute:
        port, _ = open_route(gateway, routes, "mute", mute)
        begin = time.monotonic()
        with connect(port, seconds=20) as connection:
            connection.sendall(BANNER)
            assert told_nothing_of_the_target(recv_end(connection))
            assert time.monotonic() - begin < 5 * SLOW


def test_a_target_that_is_not_ssh_is_not_shown_to_the_client(make_gateway, routes):
    # lines may come before a banner: only time tells
    gateway = make_gateway({"timeouts": {"ssh_banner": "1s"}})

    def web_server(connection):
        connection.send(b"HTTP/1.1 400 Bad Request\r\nServer: inner/1.0\r\n\r\n")
        connection.recv_all()
    with EchoTarget(web_server) as wrong:
        port, _ = open_route(gateway, routes, "wrong", wrong)
        with connect(port) as connection:
            connection.sendall(BANNER)
            assert told_nothing_of_the_target(recv_end(connection))


def test_lines_before_the_targets_banner_are_allowed(gateway, routes):
    """RFC 4253, section 4.2: a server may send other lines first."""
    def wordy(connection):
        connection.send(b"Welcome to the machine\r\nIt is yours\r\n" + TARGET_BANNER)
        while data := connection.recv():
            connection.send(data)
    with EchoTarget(wordy) as target:
        port, _ = open_route(gateway, routes, "wordy", target)
        with connect(port) as connection:
            connection.sendall(BANNER)
            expected = b"Welcome to the machine\r\nIt is yours\r\n" + TARGET_BANNER + BANNER
            assert recv_exactly(connection, len(expected)) == expected


def test_a_target_that_refuses_closes_the_client(gateway, routes):
    gone = free_port()
    port = gateway.ssh_port()
    gateway.wait_route(routes.set("gone", ssh=ssh(port, gone)))
    wait_for(lambda: accepts(port), "the port is not open")
    with connect(port) as connection:
        connection.sendall(BANNER)
        assert told_nothing_of_the_target(recv_end(connection))


# -- how bytes are relayed

@pytest.mark.parametrize("side", ["client", "target"])
def test_half_close_is_kept(gateway, routes, side):
    """One side says that it has nothing more to send; the other goes on for as long as it likes."""
    def script(connection):
        connection.send(TARGET_BANNER)
        connection.recv_until(BANNER)
        if side == "client":
            connection.recv_all()
            connection.send(b"after your end: " + str(len(connection.received)).encode())
        else:
            connection.shutdown_write()
            connection.recv_all()

    with EchoTarget(script) as target:
        port, _ = open_route(gateway, routes, "halves", target)
        with connect(port) as connection:
            connection.sendall(BANNER)
            assert recv_exactly(connection, len(TARGET_BANNER)) == TARGET_BANNER
            if side == "client":
                connection.sendall(BLOCK)
                connection.shutdown(socket.SHUT_WR)
                assert recv_end(connection) == f"after your end: {len(BANNER) + len(BLOCK)}".encode()
            else:
                assert connection.recv(1) == b"", "the target's end did not come through"
                connection.sendall(BLOCK)
                connection.shutdown(socket.SHUT_WR)
                seen = target.connections[-1]
                assert seen.ended.wait(20 * SLOW)
                assert bytes(seen.received) == BANNER + BLOCK


def test_a_reset_comes_through_as_an_end(gateway, routes):
    def script(connection):
        connection.send(TARGET_BANNER)
        connection.recv_until(BANNER)
        connection.reset()
    with EchoTarget(script) as target:
        port, _ = open_route(gateway, routes, "broken", target)
        with connect(port) as connection:
            connection.sendall(BANNER)
            assert recv_end(connection) in (b"", TARGET_BANNER)
        wait_for(lambda: not gateway.sessions(), "the session is still listed")


def test_a_reader_that_stops_holds_the_sender_back(gateway, routes):
    """Backpressure by not reading: what the sender can get rid of is bounded,
    and all of it arrives in the end."""
    go_on = threading.Event()
    size = 256 << 20

    def script(connection):
        connection.send(TARGET_BANNER)
        connection.recv_until(BANNER)
        go_on.wait(60 * SLOW)
        while len(connection.received) < len(BANNER) + 1000 and connection.recv():
            pass
        got = len(connection.received)
        while piece := connection.sock.recv(1 << 20):
            got += len(piece)
        connection.total = got

    with EchoTarget(script) as target:
        port, _ = open_route(gateway, routes, "slowreader", target)
        before = gateway.rss()
        with connect(port, seconds=60) as connection:
            connection.sendall(BANNER)
            recv_exactly(connection, len(TARGET_BANNER))
            connection.settimeout(1.0)
            sent = 0
            try:
                while sent < size:
                    sent += connection.send(BLOCK)
            except TimeoutError:
                pass
            assert sent < size // 4, f"{sent} bytes were taken from a sender whose reader had stopped"
            if gateway.memory_means_something():
                assert gateway.rss() - before < 32 << 20
            go_on.set()
            connection.settimeout(60 * SLOW)
            while sent < size:
                sent += connection.send(BLOCK)
            connection.shutdown(socket.SHUT_WR)
            recv_end(connection)
        seen = target.connections[-1]
        wait_for(lambda: getattr(seen, "total", 0) == sent + len(BANNER),
                 lambda: f"{vars(seen).get('total')} of {sent}")


def test_sessions_are_listed_and_can_be_killed(gateway, routes, target):
    port, _ = open_route(gateway, routes, "watched", target)
    keep, cut = say_hello(port), say_hello(port)
    sessions = gateway.sessions()
    local = cut.getsockname()
    mine = [session for session in sessions if session["client"] == f"127.0.0.1:{local[1]}"]
    assert len(mine) == 1, f"{local} is not in {sessions}"
    gateway.envctl("kill", str(mine[0]["id"]))
    assert recv_end(cut) == b""
    keep.sendall(b"still here")
    assert recv_exactly(keep, 10) == b"still here"


# -- tcp entries

def test_tcp_entries_are_relayed_without_an_ssh_check(gateway, routes):
    """RDP, VNC, anything by port: the server may speak first, or the client, and nothing is looked at."""
    def vnc(connection):
        connection.send(b"RFB 003.008\n")
        while data := connection.recv():
            connection.send(data)
    with EchoTarget(vnc) as target:
        port = gateway.ssh_port()
        gateway.wait_route(routes.set("desktop", tcp=[{"listen_port": port, "target_port": target.port,
                                                        "service": "vnc"}]))
        wait_for(lambda: accepts(port), "the port is not open")
        with connect(port) as connection:
            assert recv_exactly(connection, 12) == b"RFB 003.008\n"
            connection.sendall(b"\x00\xffnot ssh at all\r\n")
            assert recv_exactly(connection, 18) == b"\x00\xffnot ssh at all\r\n"
            connection.shutdown(socket.SHUT_WR)
            assert recv_end(connection) == b""


# -- and with a real client at the end

def test_a_real_session_lives_through_changes_around_it(gateway, routes, sshd, target, tmp_path):
    port, _ = open_route(gateway, routes, "real", sshd)
    client = OpenSsh(sshd, port, tmp_path)
    done = []
    session = threading.Thread(target=lambda: done.append(run(client.command("cat"), input=BLOCK * 32)))
    session.start()
    for number in range(10):
        open_route(gateway, routes, f"other{number}", target)
        routes.remove(f"other{number}")
    session.join()
    assert done and done[0].stdout == BLOCK * 32


# -- peers that vanish

def timers(port):
    """Which timers run on the sockets of this machine that have `port` at either end: the `tr` column of
    /proc/net/tcp. 2: keep-alive."""
    ending = f":{port:04X}"
    lines = [line.split() for line in open("/proc/net/tcp", encoding="ascii").readlines()[1:]]
    return [line[5].split(":")[0] for line in lines
            if line[3] == "01" and (line[1].endswith(ending) or line[2].endswith(ending))]


@pytest.mark.parametrize("keepalive, probed", [("1s", True), ("0", False)])
def test_a_silent_session_is_probed_on_both_sides(make_gateway, routes, target, keepalive, probed):
    gateway = make_gateway({"tcp": {"keepalive": keepalive}})
    port, _ = open_route(gateway, routes, "silent", target)
    with say_hello(port) as session:
        if probed:
            for end in (port, target.port):
                wait_for(lambda: "02" in timers(end), f"nobody probes the connection to port {end}")
        else:
            other, _ = open_route(gateway, routes, "other", target)  # the time that the first would need
            say_hello(other).close()
            assert "02" not in timers(port) + timers(target.port)
        session.sendall(b"alive")
        assert recv_exactly(session, 5) == b"alive"
