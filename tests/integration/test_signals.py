# ctest: timeout=300
"""SIGTERM under load loses nothing that was accepted;
SIGHUP with a good and with a bad file drops nothing."""
import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import SLOW, EchoTarget, RawTls, contract, curl, run, wait_for
from harness.http_target import BLOCK
from harness.h2_client import H2Client
from harness.routes import http, ssh
from harness.ssh_clients import OpenSsh

ENV = "loaded1"


@pytest.fixture
def host(gateway, routes, web, sshd):
    gateway.env_port = gateway.ssh_port()
    gateway.wait_route(routes.set(ENV, http=[http(8888, web.port)], ssh=ssh(gateway.env_port, sshd.port)))
    return gateway.host(ENV, 8888)


class Load:
    """Customers with kept connections, each asking again and again. A request
    that was sent on a connection that the gateway had accepted must be answered
    whole; to find the connection closed between requests is no loss."""

    def __init__(self, gateway, host, customers=8):
        self.gateway, self.host = gateway, host
        self.answered, self.lost, self.refused = 0, [], 0
        self.stop_now = threading.Event()
        self.threads = [threading.Thread(target=self._customer, args=(n,)) for n in range(customers)]

    def _customer(self, number):
        while not self.stop_now.is_set():
            try:
                client = RawTls(self.gateway, self.host, seconds=20)
            except OSError:
                self.refused += 1  # not accepted: the listener is gone
                time.sleep(0.01)
                continue
            with client:
                self._ask(client, number)

    def _ask(self, client, number):
        for count in range(50):
            if self.stop_now.is_set():
                return
            path = f"/{number}/{count}"
            try:
                client.send(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
                head = client.recv_until(b"\r\n\r\n")
            except OSError:
                head = b""
            if not head and count > 0:
                return  # closed while idle: HTTP/1.1 clients ask again (RFC 9110, section 9.2.2)
            try:
                status = int(head.split()[1])
                length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                              if line.lower().startswith(b"content-length:"))
                body = json.loads(client.recv_exactly(length))
                assert status == 200 and body["path"] == path
                self.answered += 1
            except Exception as error:  # every way of being wrong is a loss
                self.lost.append((path, head, repr(error)))
                return
            if b"connection: close" in head.lower():
                return

    def more(self, answers=100):
        goal = self.answered + answers
        wait_for(lambda: self.answered >= goal or self.lost,
                 lambda: f"{self.answered} answers, {self.refused} refused", 60)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_now.set()
        for thread in self.threads:
            thread.join()


# -- SIGTERM

def test_sigterm_under_load_loses_no_accepted_request(gateway, host):
    with Load(gateway, host) as load:
        load.more(200)
        gateway.sigterm()
        assert gateway.process.wait(20) == 0
    assert not load.lost, load.lost[:3]
    assert gateway.log_lines(contract.DRAIN_EVENT) and not gateway.log_lines(contract.CUT_EVENT)


def test_sigterm_lets_a_request_in_flight_finish(gateway, host):
    answers = []
    slow = threading.Thread(target=lambda: answers.append(curl(gateway, host, "/slow/2")))
    slow.start()
    wait_for(lambda: gateway.sessions(), "the request is not there yet")
    time.sleep(0.3)  # on its way to the target
    gateway.sigterm()
    slow.join()
    assert answers and answers[0].body == b"at last"
    assert gateway.process.wait(10) == 0


def test_sigterm_stops_accepting_at_once(gateway, host):
    with RawTls(gateway, host) as held:
        held.send(f"GET /slow/2 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        time.sleep(0.2)
        gateway.sigterm()

        def refused():
            try:
                socket.create_connection(("127.0.0.1", gateway.https_port), 1).close()
                return False
            except OSError:
                return True
        wait_for(refused, "it still accepts", 2)
        assert held.response()[2] == b"at last"


def test_sigterm_waits_for_ssh_sessions_and_then_cuts_them(make_gateway, routes, sshd, tmp_path):
    gateway = make_gateway({"timeouts": {"drain": "2s"}})
    port = gateway.ssh_port()
    gateway.wait_route(routes.set("shells", ssh=ssh(port, sshd.port)))
    client = OpenSsh(sshd, port, tmp_path)
    short = subprocess.Popen(list(map(str, client.command("echo in; sleep 1; echo out"))),
                             stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    long = subprocess.Popen(list(map(str, client.command("echo in; sleep 600"))), stdout=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert short.stdout.readline() == long.stdout.readline() == b"in\n"
        begin = time.monotonic()
        gateway.sigterm()
        assert short.stdout.read() == b"out\n" and short.wait(10) == 0, "the short session was cut"
        assert gateway.process.wait(20) == 0
        assert 1.5 < time.monotonic() - begin < 8 * SLOW
        assert long.wait(10) != 0
        assert [line["connections"] for line in gateway.log_lines(contract.CUT_EVENT)] == [1]
    finally:
        for process in (short, long):
            process.kill()
            process.wait()


def test_a_second_sigterm_ends_at_once(make_gateway, routes):
    gateway = make_gateway({"timeouts": {"drain": "60s"}})
    port = gateway.ssh_port()
    with EchoTarget(lambda c: (c.send(b"SSH-2.0-x\r\n"), c.recv_all())) as target:
        gateway.wait_route(routes.set("held", ssh=ssh(port, target.port)))
        wait_for(lambda: can_connect(port), "the port is not open")
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"SSH-2.0-y\r\n")
            assert connection.recv(100) == b"SSH-2.0-x\r\n"
            gateway.sigterm()
            time.sleep(0.5)
            assert gateway.process.alive(), "it did not wait for the session"
            gateway.sigterm()
            gateway.process.wait(3)


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def test_h2_is_told_to_go_away(gateway, host):
    """GOAWAY, and the streams that were opened are answered (RFC 9113, section 6.8)."""
    with H2Client(gateway, host) as client:
        number = client.request([(":method", "GET"), (":scheme", "https"),
                                 (":authority", f"{host}:{client.port}"), (":path", "/slow/1")])
        time.sleep(0.2)
        gateway.sigterm()
        stream = client.streams[number]
        client.pump_until(lambda: stream.ended, "the answer")
        assert (stream.status, bytes(stream.data)) == (200, b"at last")
        while client.goaway is None and client.pump():
            pass
        assert client.goaway == 0
    assert gateway.process.wait(10) == 0


def test_the_admin_socket_is_gone_after_the_end(gateway):
    gateway.sigterm()
    assert gateway.process.wait(10) == 0
    assert not Path(gateway.admin_socket).exists()


def test_sigint_is_like_sigterm(gateway):
    gateway.process.signal(signal.SIGINT)
    assert gateway.process.wait(10) == 0


# -- SIGHUP

def reloads(gateway, result):
    return gateway.metric(contract.RELOADS, result=result)


def reload(gateway, result):
    before = reloads(gateway, result)
    gateway.sighup()
    wait_for(lambda: reloads(gateway, result) == before + 1, f"no reload was counted as {result}")


def test_sighup_drops_nothing(gateway, host, sshd, tmp_path):
    """Good and bad files, again and again, under load and with an SSH session and a request in flight."""
    good = gateway.config.read_text()
    client = OpenSsh(sshd, gateway.env_port, tmp_path)
    session = subprocess.Popen(list(map(str, client.command("cat"))), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    slow = []
    waiting = threading.Thread(target=lambda: slow.append(curl(gateway, host, "/slow/3")))
    waiting.start()
    with Load(gateway, host) as load:
        for _ in range(5):
            load.more(50)
            reload(gateway, "ok")
            gateway.config.write_text(good.replace("workers:", "wrokers:"))
            reload(gateway, "failed")
            gateway.config.write_text(good)
        load.more(50)
    assert not load.lost and load.refused == 0, (load.lost[:3], load.refused)
    out = session.communicate(BLOCK, timeout=30)[0]
    assert out == BLOCK and session.returncode == 0
    waiting.join()
    assert slow[0].body == b"at last"


def test_a_bad_file_keeps_the_old_settings_and_is_explained(gateway, host):
    good = gateway.config.read_text()
    gateway.config.write_text(good + "\nssh:\n  port_range: backwards\nnonsense: 1\n")
    reload(gateway, "failed")
    assert curl(gateway, host).status == 200
    said = json.dumps([line for line in gateway.log_lines() if line.get("level") == "error"])
    assert "envgate.yaml:" in said, "the error does not name the file and line"
    gateway.config.write_text(good)
    reload(gateway, "ok")


def test_a_changed_setting_is_obeyed_without_a_restart(make_gateway, routes):
    gateway = make_gateway({"timeouts": {"response_head": "60s"}})
    with EchoTarget(lambda connection: connection.recv_all()) as mute:
        gateway.wait_route(routes.set("mute", http=[http(8888, mute.port)]))
        gateway.write_settings({"timeouts": {"response_head": "1s"}})
        reload(gateway, "ok")
        answer = curl(gateway, gateway.host("mute", 8888), seconds=20)
        assert answer.status == 504 and answer.seconds < 8 * SLOW


def test_what_needs_a_restart_is_named(gateway, host):
    gateway.write_settings({"workers": 1})
    reload(gateway, "ok")
    lines = [json.dumps(line) for line in gateway.log_lines()]
    assert any("workers" in line and "restart" in line for line in lines)
    assert curl(gateway, host).status == 200


def test_new_certificates_are_taken_up_without_dropping_a_connection(gateway, host, ca):
    with RawTls(gateway, host) as before:
        old = before.sock.getpeercert()["serialNumber"]
        fresh = ca.leaf()
        files = gateway.settings["https"]["certificates"][0]
        for kind in ("certificate", "key"):  # written over the old files, as certbot and others do
            Path(files[kind]).write_bytes(Path(fresh[kind]).read_bytes())
        gateway.sighup()

        def serial():
            with RawTls(gateway, host) as client:
                return client.sock.getpeercert()["serialNumber"]
        wait_for(lambda: serial() != old, "the new certificate is not shown")
        before.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert before.response()[0] == 200


# -- the command line

def test_check_lists_every_error_with_its_place(gateway, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("domain: localhost\nssh:\n  port_range: 9-1\nhttps:\n  bind: nowhere\nunknwon: 1\n")
    done = run([gateway.process.argv[0], "--config", bad, "--check"], check=False)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0
    for line in (3, 5, 6):
        assert f"bad.yaml:{line}" in text, text
    assert run([gateway.process.argv[0], "--config", gateway.config, "--check"]).returncode == 0


def test_set_wins_over_the_file(gateway):
    done = run([gateway.process.argv[0], "--config", gateway.config, "--set", "workers=nonsense", "--check"],
               check=False)
    assert done.returncode != 0 and b"workers" in done.stdout + done.stderr


def test_a_taken_port_is_an_error_that_says_so(gateway):
    done = run([gateway.process.argv[0], "--config", gateway.config], check=False, seconds=20)
    assert done.returncode != 0
    assert str(gateway.https_port).encode() in done.stderr or gateway.admin_socket.encode() in done.stderr
