"""The admin API and envctl against the real gateway: every verb in both outputs,
who may use the socket, what a drain and a kill do to a live session, readiness
and its reasons, metrics as Prometheus reads them, and bad requests."""
import grp
import hashlib
import http.client
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import BIG, BIN, EchoTarget, Gateway, RouteFile, contract, free_port, need, run, wait_for
from harness.gateway import UnixConnection
from harness.http_target import BLOCK
from harness.routes import http as web_port
from harness.routes import ssh
from harness.ssh_clients import OpenSsh

ENV = "6hiflzwte2xnkroq"
TARGET_BANNER = b"SSH-2.0-Target_1.0\r\n"


@pytest.fixture(scope="module")
def shared(ssh_gateway):
    """A gateway for tests that change nothing in it."""
    return ssh_gateway


def envctl(gateway, *arguments, status=0, **options):
    """envctl's output, once it has ended with that status: (stdout, stderr)."""
    done = run([BIN / "envctl", *arguments, "--socket", gateway.admin_socket], check=False, **options)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"{arguments}: exit status {done.returncode}\n{out}\n{err}"
    return out, err


def get(gateway, path):
    status, body = gateway.admin("GET", path)
    assert status == 200, (path, status, body)
    return body


class LiveSsh:
    """An ssh session that does nothing until it is told, with a session number."""

    def __init__(self, gateway, sshd, directory, env=ENV, port=None):
        client = OpenSsh(sshd, port or gateway.env_port, directory)
        before = {s["id"] for s in gateway.sessions()}
        self.process = subprocess.Popen([str(word) for word in client.command("echo up; cat; echo over")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout.readline() == b"up\n", self.process.stderr.read()
        mine = [s for s in gateway.sessions() if s["id"] not in before and s["environment"] == env]
        assert len(mine) == 1, mine
        self.session = mine[0]

    def finish(self):
        """Ends its input; (what it then said, exit status)."""
        out, _ = self.process.communicate(timeout=30)
        return out, self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


# -- the socket

def test_socket_is_private_to_owner_and_group(shared):
    there = os.stat(shared.admin_socket)
    assert stat.S_ISSOCK(there.st_mode)
    assert stat.S_IMODE(there.st_mode) == 0o660
    assert (there.st_uid, there.st_gid) == (os.geteuid(), os.getegid())


def test_socket_is_removed_at_the_end_and_a_stale_one_replaced(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    assert not os.path.lexists(gateway.admin_socket)
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(gateway.admin_socket)
    left_over.close()
    gateway.start()
    assert get(gateway, "/healthz") == {"alive": True}


def test_a_second_gateway_leaves_the_first_ones_socket_alone(make_gateway, gateway):
    other = make_gateway({"admin": {"socket": gateway.admin_socket}, "routes": {"file": str(gateway.directory / "routes.yaml")}},
                         start=False, name="other")
    other.start(wait=False)
    assert other.process.wait(20) == 1
    assert "another envgate listens there" in other.process.tail()
    assert get(gateway, "/healthz") == {"alive": True}


def test_a_file_in_the_way_is_not_touched(make_gateway):
    gateway = make_gateway(start=False)
    Path(gateway.admin_socket).write_text("precious")
    gateway.start(wait=False)
    assert gateway.process.wait(20) == 1
    assert "is not a socket" in gateway.process.tail()
    assert Path(gateway.admin_socket).read_text() == "precious"


def test_the_socket_has_no_directory(make_gateway, tmp_path):
    gateway = make_gateway({"admin": {"socket": str(tmp_path / "new" / "admin.sock")}})
    assert gateway.ready(), "the last directory is made"
    gateway.stop()
    gateway = make_gateway({"admin": {"socket": str(tmp_path / "a" / "b" / "admin.sock")}}, start=False, name="second")
    shutil.copy(tmp_path / "gateway" / "routes.yaml", tmp_path / "second" / "routes.yaml")
    gateway.start(wait=False)
    assert gateway.process.wait(20) == 1
    assert "cannot make the directory" in gateway.process.tail()


@pytest.fixture
def open_directory():
    """A directory that every account can look into, as /run/envgate is."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    shutil.copy(BIN / "envctl", directory / "envctl")
    yield directory
    shutil.rmtree(directory)


def as_nobody(directory, socket_path, *arguments, groups=()):
    nobody = pwd.getpwnam("nobody")
    return subprocess.run([directory / "envctl", "gateway", *arguments, "--socket", socket_path], capture_output=True, text=True,
                          user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=list(groups), timeout=60, cwd="/")


def test_only_the_group_gets_in(make_gateway, open_directory):
    need(os.geteuid() == 0, "only root can act as another account")
    gid = grp.getgrnam("games").gr_gid
    path = str(open_directory / "admin.sock")
    gateway = make_gateway({"admin": {"socket": path, "group": "games"}})
    assert os.stat(path).st_gid == gid
    refused = as_nobody(open_directory, path, "status")
    assert refused.returncode == 3
    assert "permission denied" in refused.stderr and "games" in refused.stderr
    member = as_nobody(open_directory, path, "set", "log.level", "info", groups=[gid])
    assert member.returncode == 0, member.stderr
    change = wait_for(lambda: gateway.log_lines("admin_change"), "the change is not logged")[-1]
    assert change["uid"] == pwd.getpwnam("nobody").pw_uid
    assert (change["call"], change["status"]) == ("PUT /settings/log.level", 200)

    os.chmod(path, 0o666)  # an administrator's slip: credentials are looked at all the same
    stranger = as_nobody(open_directory, path, "status")
    assert stranger.returncode == 1 and "may not use" in stranger.stderr, stranger
    assert gateway.log_lines("admin_refused")


# -- envctl: every verb, in both outputs

READS = {
    "status": ("envgate ", {"version", "pid", "ready", "workers", "routing", "certificates", "draining", "sessions"}),
    "health": ("ready", {"ready", "reasons"}),
    "routes": ("ENVIRONMENT", {"routes"}),
    f"route {ENV}": (ENV, {"env", "address", "workers"}),
    "sessions": ("no sessions", {"sessions"}),
    "settings": ("KEY", {"settings"}),
    "settings log.level": ("log.level = debug", {"key", "value", "layer", "place"}),
    "settings ssh": ("ssh.bind", {"settings"}),
    "metrics": ("# HELP envgate_", {"samples"}),
    "reload": ("reloaded", {"live", "restart"}),
}


@pytest.mark.parametrize("verb", READS)
def test_verbs_in_both_outputs(shared, verb):
    text, members = READS[verb]
    wait_for(lambda: not shared.sessions(), "sessions of an earlier test are still there")
    out, err = envctl(shared, "gateway", *verb.split())
    assert text in out and err == ""
    assert out.endswith("\n") and not out.endswith("\n\n")
    out, err = envctl(shared, "gateway", *verb.split(), "-o", "json")
    assert members <= json.loads(out).keys()


def test_config_explain(shared):
    out, _ = envctl(shared, "config", "explain", "admin.socket")
    assert f"admin.socket = {shared.admin_socket}" in out
    assert "envgate.yaml:" in out
    _, err = envctl(shared, "config", "explain", "admin.sockets", status=1)
    assert "admin.socket" in err


def test_status_tells_what_is(shared):
    status = get(shared, "/status")
    assert status["version"] and status["pid"] == shared.process.pid
    assert status["ready"] is True and status["reasons"] == []
    assert status["routing"]["source"] == "file" and status["routing"]["state"] == "live"
    assert status["routing"]["routes"] == 1 and status["routing"]["refused"] == {}
    assert len(status["workers"]) == 2 and all(w["responsive"] for w in status["workers"])
    assert f"*.container.{shared.domain}" in status["certificates"][0]["names"]
    assert 25 * 86400 < status["certificates"][0]["expires_in_seconds"] < 31 * 86400
    assert 0 < status["uptime_seconds"] < 3600


def test_envctl_ends_with_3_where_nobody_is(tmp_path):
    gone = tmp_path / "admin.sock"
    for make in (lambda: None, lambda: socket.socket(socket.AF_UNIX).bind(str(gone))):
        make()
        done = run([BIN / "envctl", "gateway", "status", "--socket", gone], check=False)
        assert done.returncode == 3
        assert b"envgate" in done.stderr and b"--socket" in done.stderr
        assert done.stdout == b""


def test_envctl_takes_the_socket_from_the_environment(shared):
    done = run([BIN / "envctl", "gateway", "health"], env={**os.environ, "ENVGATE_ADMIN_SOCKET": shared.admin_socket})
    assert done.stdout == b"ready\n"


@pytest.mark.parametrize("arguments", ["gateway", "gateway frobnicate", "gateway status -o yaml", "gateway route", "gateway set log.level",
                                       "gateway status --frobnicate", "frobnicate", "gateway routes --limit 0", "connect", "connect :x",
                                       "connect 127.0.0.1"])
def test_misuse_ends_with_2(shared, arguments):
    done = run([BIN / "envctl", *arguments.split()], check=False)
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.startswith(b"envctl: ")


@pytest.mark.parametrize("arguments", ["", "gateway", "gateway status", "gateway set", "config explain", "connect"])
def test_help_at_every_level(arguments):
    done = run([BIN / "envctl", *arguments.split(), "--help"])
    assert done.stdout.startswith(f"Usage: envctl {arguments}".rstrip().encode())


# -- routes

def test_routes_come_in_pages(gateway, routes):
    names = [f"env{i:02}" for i in range(25)]
    for name in names:
        last = routes.set(name, write=False, http=[web_port(8888, 8888)])
    routes.write()
    gateway.wait_route(last)
    seen, after = [], ""
    while after is not None:
        page = get(gateway, f"/routes?limit=10{'&after=' + after if after else ''}")
        assert page["total"] == 25 and len(page["routes"]) <= 10
        seen += [route["env"] for route in page["routes"]]
        after = page["next"]
    assert seen == names
    out, _ = envctl(gateway, "gateway", "routes", "--limit", "3", "--after", "env20")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["env21", "env22", "env23"]
    out, _ = envctl(gateway, "gateway", "routes", "-o", "json")
    assert [route["env"] for route in json.loads(out)["routes"]] == names


def test_a_route_shows_what_uses_it(shared, sshd, tmp_path):
    with LiveSsh(shared, sshd, tmp_path):
        route = get(shared, f"/routes/{ENV}")
        assert route["ssh"]["listen_port"] == shared.env_port and route["kind"] == "physical"
        assert sum(worker["sessions"] for worker in route["workers"]) == 1
    _, err = envctl(shared, "gateway", "route", "nosuchenv", status=1)
    assert "nosuchenv" in err


# -- sessions

def test_sessions_say_who_and_where(shared, sshd, tmp_path):
    with LiveSsh(shared, sshd, tmp_path) as live:
        session = live.session
        assert session["protocol"] == "ssh" and session["state"] == "busy"
        assert session["target"] == f"127.0.0.1:{sshd.port}"
        assert session["client"].startswith("127.0.0.1:")
        assert session["bytes_to_target"] > 0 and session["bytes_to_client"] > 0
        assert session["duration_seconds"] < 60
        out, _ = envctl(shared, "gateway", "sessions")
        assert [line.split()[2] for line in out.splitlines()] == ["ENVIRONMENT", ENV]
        assert get(shared, f"/sessions?env={ENV}")["total"] == 1
        assert get(shared, "/sessions?env=other")["sessions"] == []
        assert get(shared, "/sessions?protocol=https")["sessions"] == []
        assert get(shared, f"/sessions?after={session['id']}")["sessions"] == []
        assert sum(w["sessions"] for w in get(shared, "/status")["workers"]) == 1


def test_sessions_come_in_pages(shared):
    connections = []
    for _ in range(25):
        connection = socket.create_connection(("127.0.0.1", shared.http_port))
        connection.send(b"GET")  # not a whole head: it stays
        connections.append(connection)
    wait_for(lambda: get(shared, "/sessions?protocol=http")["total"] == 25, "25 sessions are not listed")
    seen, after = [], 0
    while after is not None:
        page = get(shared, f"/sessions?protocol=http&limit=10&after={after}")
        seen += [session["id"] for session in page["sessions"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 25 and seen == sorted(seen)
    for connection in connections:
        connection.close()
    wait_for(lambda: get(shared, "/sessions?protocol=http")["total"] == 0, "closed sessions are still listed")


def test_kill_ends_one_live_session(shared, sshd, tmp_path):
    with LiveSsh(shared, sshd, tmp_path) as bystander, LiveSsh(shared, sshd, tmp_path) as victim:
        out, _ = envctl(shared, "gateway", "kill", str(victim.session["id"]))
        assert out == f"session {victim.session['id']} ended\n"
        assert victim.process.wait(30) != 0
        assert [s["id"] for s in shared.sessions()] == [bystander.session["id"]]
        assert bystander.finish() == (b"over\n", 0)
        _, err = envctl(shared, "gateway", "kill", str(victim.session["id"]), status=1)
        assert "there is no session" in err
    killed = [line for line in shared.log_lines(contract.SSH_EVENT) if line["status"] == "killed"]
    assert [line["session"] for line in killed] == [victim.session["id"]]


# -- readiness and draining

def test_drain_lets_sessions_end_and_then_exits(make_gateway, routes, sshd, tmp_path):
    gateway = make_gateway()
    gateway.env_port = gateway.ssh_port()
    gateway.wait_route(routes.set(ENV, ssh=ssh(gateway.env_port, sshd.port)))
    with LiveSsh(gateway, sshd, tmp_path) as live:
        out, _ = envctl(gateway, "gateway", "drain")
        assert "1 connection has up to 10 s to end" in out
        status, body = gateway.admin("GET", "/readyz")
        assert status == 503 and "draining" in body["reasons"][0]
        out, _ = envctl(gateway, "gateway", "health", status=1)
        assert out.startswith("not ready\n") and "draining" in out
        assert gateway.admin("GET", "/healthz")[0] == 200
        assert gateway.metric("envgate_draining") == 1 and gateway.metric("envgate_ready") == 0
        wait_for(lambda: not listening(gateway.env_port), "new connections are still accepted")
        assert gateway.admin("POST", "/drain")[0] == 202, "asked twice is no error"
        assert live.finish() == (b"over\n", 0)
    assert gateway.process.wait(20) == 0
    assert not os.path.lexists(gateway.admin_socket)


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def test_not_ready_says_what_is_missing(make_gateway):
    redis_port = free_port()  # nobody listens
    gateway = make_gateway({"routes": {"source": "redis", "redis": {"url": f"redis://127.0.0.1:{redis_port}/0"}}}, start=False)
    gateway.start(wait=False)

    def waiting():
        try:
            status, body = gateway.admin("GET", "/readyz")
        except OSError:
            return None
        return body if status == 503 and "has not been read yet" in " ".join(body["reasons"]) else None

    gateway.process.wait_until(waiting, "answering that it is not ready")
    assert gateway.admin("GET", "/healthz")[0] == 200
    out, _ = envctl(gateway, "gateway", "health", status=1)
    assert "redis" in out
    assert gateway.metric("envgate_ready") == 0
    assert gateway.metric("envgate_route_source_state", state="loading") == 1
    assert get(gateway, "/status")["routing"]["age_seconds"] is None


# -- metrics

NEEDED = {"envgate_connections_total", "envgate_bytes_total", "envgate_http_requests_total", "envgate_http_request_seconds",
          "envgate_tls_handshakes_total", "envgate_route_age_seconds", "envgate_route_source_state", "envgate_routes",
          "envgate_reactor_longest_turn_seconds", "envgate_sessions", "envgate_target_pool_connections", "envgate_guard_tracked",
          "envgate_certificate_expiry_timestamp_seconds", "envgate_ready", "envgate_build_info", "process_open_fds",
          "process_resident_memory_bytes", "process_start_time_seconds"}


def plain(gateway, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.ports["metrics"], timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_metrics_as_prometheus_reads_them(shared, sshd, tmp_path):
    with LiveSsh(shared, sshd, tmp_path):
        answer, text = plain(shared, "GET", "/metrics")
    assert answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    names = {sample.name for family in families.values() for sample in family.samples} | families.keys()
    assert NEEDED <= names, NEEDED - names
    for family in families.values():
        assert family.documentation and family.type != "unknown", family.name

    def value(family, **labels):
        found = [s.value for s in families[family].samples if labels.items() <= s.labels.items()]
        assert len(found) == 1, (family, labels, found)
        return found[0]

    assert value("envgate_sessions", protocol="ssh") == 1
    assert value("envgate_routes") == 1 and value("envgate_ready") == 1
    assert value("envgate_route_source_state", state="live") == 1
    assert value("envgate_route_source_state", state="stale") == 0
    assert 0 <= value("envgate_route_age_seconds") < 3600
    assert 0 <= value("envgate_reactor_longest_turn_seconds", worker="0") < 5
    assert abs(value("process_open_fds") - shared.process.open_files()) < 20
    assert 0.2 < value("process_resident_memory_bytes") / shared.rss() < 5
    assert abs(value("process_start_time_seconds") - time.time()) < 3600
    assert value("envgate_certificate_expiry_timestamp_seconds") > time.time() + 25 * 86400


def test_the_metrics_port_tells_nothing_else(shared):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert plain(shared, "GET", path)[0].status == 200
        head, text = plain(shared, "HEAD", path)
        assert head.status == 200 and text == ""
        refused, _ = plain(shared, "POST", path)
        assert refused.status == 405 and refused.getheader("Allow") == "GET, HEAD"
    for method, path in (("GET", "/status"), ("GET", "/routes"), ("GET", "/sessions"), ("GET", "/settings"), ("POST", "/drain"),
                         ("POST", "/reload"), ("DELETE", "/sessions/1"), ("PUT", "/settings/log.level"), ("GET", "/nothing")):
        assert plain(shared, method, path)[0].status == 404, (method, path)
    assert shared.admin("GET", "/readyz")[0] == 200


# -- settings

def test_reload_says_what_changed(gateway):
    gateway.write_settings({"log": {"level": "info"}, "workers": 3})
    out, _ = envctl(gateway, "gateway", "reload", "-o", "json")
    assert json.loads(out) == {"live": [{"key": "log.level", "before": "debug", "after": "info"}],
                               "restart": [{"key": "workers", "before": "2", "after": "3"}]}
    out, _ = envctl(gateway, "gateway", "reload")
    assert out == "needs a restart: workers: 2 -> 3\n"


def test_a_bad_file_is_refused_with_everything_that_is_wrong(gateway):
    good = gateway.config.read_text()
    gateway.config.write_text(good.replace("level: debug", "level: loud") + "frobnicate: 1\n")
    status, body = gateway.admin("POST", "/reload")
    assert status == 422 and len(body["errors"]) == 2, body
    assert all("envgate.yaml:" in error for error in body["errors"])
    _, err = envctl(gateway, "gateway", "reload", status=1)
    assert "log.level" in err and "frobnicate" in err
    assert get(gateway, "/settings/log.level")["value"] == "debug", "the old settings stay"
    assert gateway.metric(contract.RELOADS, result="failed") == 2
    gateway.config.write_text(good)
    envctl(gateway, "gateway", "reload")


def test_set_and_unset(gateway):
    out, _ = envctl(gateway, "gateway", "set", "log.level", "warn")
    assert out == "log.level: debug -> warn\n"
    key = get(gateway, "/settings/log.level")
    assert (key["value"], key["layer"]) == ("warn", "API")
    gateway.write_settings({"log": {"level": "info"}})
    envctl(gateway, "gateway", "reload")
    assert get(gateway, "/settings/log.level")["value"] == "warn", "the API is above the file"
    envctl(gateway, "gateway", "set", "http.default_ports", "[8888, 9999]")
    assert get(gateway, "/settings/http.default_ports")["value"] == "[8888, 9999]"
    assert get(gateway, "/settings/log.level")["value"] == "warn", "the other override stays"
    out, _ = envctl(gateway, "gateway", "unset", "log.level")
    assert out == "log.level: warn -> info\n"
    _, err = envctl(gateway, "gateway", "unset", "log.level", status=1)
    assert "not set over the API" in err


@pytest.mark.parametrize("value", ["[8888, 9999]", [8888, 9999]])
def test_lists_as_text_and_as_json(gateway, value):
    status, body = gateway.admin("PUT", "/settings/http.default_ports", json.dumps({"value": value}))
    assert status == 200, body
    assert get(gateway, "/settings/http.default_ports")["value"] == "[8888, 9999]"


def test_a_setting_that_is_refused_changes_nothing(gateway):
    for arguments, says in ((("log.level", "loud"), "loud"), (("workers", "4"), "workers"), (("frobnicate", "1"), "frobnicate"),
                            (("log", "x"), "section")):
        _, err = envctl(gateway, "gateway", "set", *arguments, status=1)
        assert says in err
    assert {key["layer"] for key in get(gateway, "/settings")["settings"]} <= {"default", "built-in default", "global file"}
    envctl(gateway, "gateway", "reload")


# -- bad requests

BAD = [
    ("GET", "/", None, 404, None), ("GET", "/status/", None, 404, None), ("GET", "/route", None, 404, None),
    ("POST", "/status", None, 405, None), ("GET", "/drain", None, 405, None), ("PUT", "/sessions/1", None, 405, None),
    ("PATCH", "/settings/log.level", None, 405, None),
    ("GET", "/routes?limit=0", None, 400, "limit"), ("GET", "/routes?limit=x", None, 400, "limit"),
    ("GET", "/routes?limit=10001", None, 400, "limit"), ("GET", "/routes?after=Not-An-Id", None, 400, "after"),
    ("GET", "/routes?colour=red", None, 400, "colour"), ("GET", "/routes?limit=1&limit=2", None, 400, "limit"),
    ("GET", "/routes/UPPER", None, 400, "env"), ("GET", "/routes/" + "a" * 33, None, 400, "env"),
    ("GET", "/routes/nosuchenv", None, 404, "env"), ("GET", "/sessions?env=-", None, 400, "env"),
    ("GET", "/sessions?protocol=gopher", None, 400, "protocol"), ("GET", "/sessions?after=-1", None, 400, "after"),
    ("DELETE", "/sessions/x", None, 400, "id"), ("DELETE", "/sessions/999999999", None, 404, "id"),
    ("DELETE", "/sessions/18446744073709551616", None, 400, "id"), ("GET", "/settings/nosuch", None, 404, "key"),
    ("PUT", "/settings/log.level", "", 400, "value"), ("PUT", "/settings/log.level", "debug", 400, "value"),
    ("PUT", "/settings/log.level", "[]", 400, "value"), ("PUT", "/settings/log.level", '{"val": 1}', 400, "value"),
    ("PUT", "/settings/log.level", '{"value": null}', 400, "value"), ("PUT", "/settings/log.level", '{"value": "x", "y": 1}', 400, "value"),
    ("PUT", "/settings/log.level", "[" * 60000, 400, "value"), ("PUT", "/settings/log.level", '{"value": 7}', 422, None),
    ("PUT", "/settings/log", '{"value": "x"}', 400, "key"), ("DELETE", "/settings/log.level", None, 404, "key"),
    ("GET", "/routes/%zz", None, 400, "path"), ("GET", "/routes?limit=%1", None, 400, "query"),
    ("PUT", "/settings/log.level", "x" * 70000, 413, None), ("GET", "/" + "x" * 5000, None, 414, None),
]


@pytest.mark.parametrize("method, path, body, status, field", BAD, ids=[f"{m} {p[:40]} {i}" for i, (m, p, *_) in enumerate(BAD)])
def test_bad_requests(shared, method, path, body, status, field):
    got, answer = shared.admin(method, path, body)
    assert got == status, answer
    assert answer["status"] == status and answer["detail"]
    assert answer.get("field") == field
    assert get(shared, "/healthz") == {"alive": True}


def talk(gateway, data):
    """Raw bytes to the socket; everything that comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(gateway.admin_socket)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while piece := connection.recv(65536):
            got += piece
        return got


def test_requests_are_read_strictly(shared):
    def first_line(data):
        return talk(shared, data).split(b"\r\n")[0]

    assert first_line(b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"400 Bad Request"), "no Host"
    assert first_line(b"GET /healthz HTTP/1.1\nHost: x\n\n").endswith(b"400 Bad Request")
    assert first_line(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") \
        .endswith(b"400 Bad Request")
    assert first_line(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100 + b"\r\n").endswith(b"431 Request Header Fields Too Large")
    assert talk(shared, b"") == b"" and talk(shared, b"GET /healthz HTT") == b""


def test_keep_alive_pipelining_and_chunked_bodies(shared):
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert talk(shared, one * 20).count(b"200 OK") == 20
    chunked = (b"PUT /settings/log.level HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5\r\n{\"val\r\n10\r\nue\": \"\\u0064ebug\r\n2\r\n\"}\r\n0\r\n\r\n")
    answer = talk(shared, chunked + one)
    assert answer.count(b"200 OK") == 2, answer
    shared.admin("DELETE", "/settings/log.level")
    expecting = b"PUT /settings/nosuch HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(shared.admin_socket)
        connection.sendall(expecting)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 404 ")


def test_connections_are_bounded(gateway):
    crowd = []
    for _ in range(64):
        connection = UnixConnection(gateway.admin_socket)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        crowd.append(connection)  # kept alive
    assert gateway.admin("GET", "/healthz")[0] == 503
    assert plain(gateway, "GET", "/healthz")[0].status == 200, "the other door has places of its own"
    crowd.pop().close()
    wait_for(lambda: gateway.admin("GET", "/healthz")[0] == 200, "a place that was given back is not used")
    for connection in crowd:
        connection.close()


# -- envctl connect

@pytest.fixture(scope="module")
def banner_gateway(tmp_path_factory, ca):
    """A gateway whose one environment speaks an SSH banner and then echoes until it is told the end."""
    def echo(connection):
        connection.send(TARGET_BANNER)
        while data := connection.recv():
            connection.send(data)

    directory = tmp_path_factory.mktemp("connect")
    routes = RouteFile(directory / "routes.yaml")
    with EchoTarget(echo) as target:
        route = routes.set(ENV, ssh={"target_port": target.port})
        with Gateway(directory, ca) as gateway:
            gateway.wait_route(route)
            yield gateway


def connect(gateway, *more, host=None, **options):
    argv = [BIN / "envctl", "connect", host or gateway.ssh_host(ENV), "--gateway", f"127.0.0.1:{gateway.https_port}", *more]
    return run(argv, check=False, **options)


def start_connect(gateway):
    argv = contract.envctl_connect(gateway, gateway.ssh_host(ENV)).split()
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_connect_carries_ssh(ssh_gateway, sshd, tmp_path):
    proxy = contract.envctl_connect(ssh_gateway, ssh_gateway.ssh_host(ENV))
    client = OpenSsh(sshd, 22, tmp_path, more=["-o", f"ProxyCommand={proxy}"])
    size = BIG // 16
    data = (BLOCK * (size // len(BLOCK) + 1))[:size]
    done = run(client.command("cat; exit 5"), input=data, check=False)
    assert done.returncode == 5, done.stderr
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_connect_keeps_the_half_close(banner_gateway):
    """Everything that was sent comes back although the input has long ended, and then it ends too."""
    data = b"SSH-2.0-Client_1.0\r\n" + BLOCK * 32
    done = connect(banner_gateway, "--ca", banner_gateway.ca.file, input=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == TARGET_BANNER + data


def test_connect_waits_for_a_slow_reader(banner_gateway):
    data = b"SSH-2.0-Client_1.0\r\n" + BLOCK * 8
    process = start_connect(banner_gateway)
    sender = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.close()))
    sender.start()
    got = b""
    while piece := process.stdout.read1(1000 if len(got) < 100_000 else 1 << 20):
        got += piece
    sender.join(30)
    assert process.stderr.read() == b"" and process.wait(30) == 0
    assert got == TARGET_BANNER + data


def test_connect_checks_who_answers(banner_gateway):
    untrusted = connect(banner_gateway)
    assert untrusted.returncode == 1 and b"--ca FILE" in untrusted.stderr
    other_name = connect(banner_gateway, "--ca", banner_gateway.ca.file, host="ssh.example.org")
    assert other_name.returncode == 1 and b"mismatch" in other_name.stderr.lower(), other_name.stderr
    no_file = connect(banner_gateway, "--ca", "/nonexistent.pem")
    assert no_file.returncode == 1 and b"/nonexistent.pem" in no_file.stderr
    trusting = connect(banner_gateway, "--insecure", input=b"SSH-2.0-x\r\n")
    assert trusting.returncode == 0 and trusting.stdout == TARGET_BANNER + b"SSH-2.0-x\r\n"


def test_connect_reads_the_environment(banner_gateway):
    variables = {**os.environ, "ENVGATE_GATEWAY": f"127.0.0.1:{banner_gateway.https_port}", "ENVGATE_CA": str(banner_gateway.ca.file)}
    done = run([BIN / "envctl", "connect", banner_gateway.ssh_host(ENV)], input=b"SSH-2.0-x\r\n", env=variables)
    assert done.stdout == TARGET_BANNER + b"SSH-2.0-x\r\n"


def test_connect_says_that_nobody_is_there(ca):
    done = run([BIN / "envctl", "connect", f"{ENV}.ssh.{ca.domain}", "--gateway", f"127.0.0.1:{free_port()}"], check=False)
    assert done.returncode == 3 and b"Connection refused" in done.stderr
    done = run([BIN / "envctl", "connect", "nosuch.invalid"], check=False)
    assert done.returncode == 3 and b"--gateway" in done.stderr


def test_connect_ends_when_its_session_is_killed(banner_gateway):
    process = start_connect(banner_gateway)
    process.stdin.write(b"SSH-2.0-x\r\n")
    process.stdin.flush()
    assert process.stdout.readline() == TARGET_BANNER
    session = wait_for(lambda: [s for s in banner_gateway.sessions() if s["protocol"] == "ssh_tls"], "no session")[0]
    envctl(banner_gateway, "gateway", "kill", str(session["id"]))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and b"closed the connection" in err


def test_connect_ends_with_its_reader(banner_gateway):
    process = start_connect(banner_gateway)
    process.stdin.write(b"SSH-2.0-x\r\n")
    process.stdin.flush()
    assert process.stdout.readline() == TARGET_BANNER
    process.stdout.close()
    assert process.wait(30) == 1
    process.stdin.close()
    process.stderr.close()
