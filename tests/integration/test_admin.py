"""The admin API against the real gateway: what it tells of routes and sessions, what a drain and a kill do to
a live session, readiness and its reasons, metrics as Prometheus reads them, and settings.

(The socket and its requests: test_admin_socket.py; envctl: test_envctl.py.)"""
import json
import os
import socket
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import contract, free_port, wait_for
from harness.admin import ENV, LiveSsh, envctl, get, plain
from harness.routes import http as web_port
from harness.routes import ssh


def test_status_tells_what_is(ssh_gateway):
    status = get(ssh_gateway, "/status")
    assert status["version"] and status["pid"] == ssh_gateway.process.pid
    assert status["ready"] is True and status["reasons"] == []
    assert status["routing"]["source"] == "file" and status["routing"]["state"] == "live"
    assert status["routing"]["routes"] == 1 and status["routing"]["refused"] == {}
    assert len(status["workers"]) == 2 and all(w["responsive"] for w in status["workers"])
    assert f"*.container.{ssh_gateway.domain}" in status["certificates"][0]["names"]
    assert 25 * 86400 < status["certificates"][0]["expires_in_seconds"] < 31 * 86400
    assert 0 < status["uptime_seconds"] < 3600


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


def test_a_route_shows_what_uses_it(ssh_gateway, entry, tmp_path):
    with LiveSsh(ssh_gateway, entry, tmp_path):
        route = get(ssh_gateway, f"/routes/{ENV}")
        assert route["ssh"]["listen_port"] == ssh_gateway.env_port and route["kind"] == "physical"
        assert sum(worker["sessions"] for worker in route["workers"]) == 1
    _, err = envctl(ssh_gateway, "gateway", "route", "nosuchenv", status=3)
    assert "nosuchenv" in err


# -- sessions

def test_sessions_say_who_and_where(ssh_gateway, entry, tmp_path):
    with LiveSsh(ssh_gateway, entry, tmp_path) as live:
        session = live.session
        assert session["protocol"] == ("ssh_audited" if ssh_gateway.audited else "ssh")
        assert session["state"] == "busy" and session["target"] == f"127.0.0.1:{entry.port}"
        assert session["client"].startswith("127.0.0.1:")
        if not ssh_gateway.audited:  # whose process says it every 15 s
            assert session["bytes_to_target"] > 0 and session["bytes_to_client"] > 0
        assert session["duration_seconds"] < 60
        out, _ = envctl(ssh_gateway, "gateway", "sessions")
        assert [line.split()[2] for line in out.splitlines()] == ["ENVIRONMENT", ENV]
        assert get(ssh_gateway, f"/sessions?env={ENV}")["total"] == 1
        assert get(ssh_gateway, "/sessions?env=other")["sessions"] == []
        assert get(ssh_gateway, "/sessions?protocol=https")["sessions"] == []
        assert get(ssh_gateway, f"/sessions?after={session['id']}")["sessions"] == []
        assert sum(w["sessions"] for w in get(ssh_gateway, "/status")["workers"]) == 1


def test_sessions_come_in_pages(ssh_gateway):
    connections = []
    for _ in range(25):
        connection = socket.create_connection(("127.0.0.1", ssh_gateway.http_port))
        connection.send(b"GET")  # not a whole head: it stays
        connections.append(connection)
    wait_for(lambda: get(ssh_gateway, "/sessions?protocol=http")["total"] == 25, "25 sessions are not listed")
    seen, after = [], 0
    while after is not None:
        page = get(ssh_gateway, f"/sessions?protocol=http&limit=10&after={after}")
        seen += [session["id"] for session in page["sessions"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 25 and seen == sorted(seen)
    for connection in connections:
        connection.close()
    wait_for(lambda: get(ssh_gateway, "/sessions?protocol=http")["total"] == 0,
             "closed sessions are still listed")


def test_kill_ends_one_live_session(ssh_gateway, entry, tmp_path):
    with LiveSsh(ssh_gateway, entry, tmp_path) as bystander, LiveSsh(ssh_gateway, entry, tmp_path) as victim:
        out, _ = envctl(ssh_gateway, "gateway", "kill", str(victim.session["id"]))
        assert out == f"session {victim.session['id']} ended\n"
        assert victim.process.wait(30) != 0
        assert [s["id"] for s in ssh_gateway.sessions()] == [bystander.session["id"]]
        assert bystander.finish() == (b"over\n", 0)
        _, err = envctl(ssh_gateway, "gateway", "kill", str(victim.session["id"]), status=3)
        assert "there is no session" in err
    killed = wait_for(lambda: [line for line in ssh_gateway.log_lines(contract.SSH_EVENT)
                               if line["status"] == "killed"], "no line for the killed session")
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
    redis = {"url": f"redis://127.0.0.1:{redis_port}/0"}
    gateway = make_gateway({"routes": {"source": "redis", "redis": redis}}, start=False)
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

NEEDED = {
    "envgate_bytes_total", "envgate_connections_total", "envgate_sessions", "envgate_tls_handshakes_total",
    "envgate_http_requests_total", "envgate_http_request_seconds", "envgate_target_pool_connections",
    "envgate_route_age_seconds", "envgate_route_source_state", "envgate_routes", "envgate_guard_tracked",
    "envgate_reactor_longest_turn_seconds", "envgate_certificate_expiry_timestamp_seconds",
    "envgate_ready", "envgate_build_info",
    "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds",
}
ADMIN_ALONE = [
    ("GET", "/status"), ("GET", "/routes"), ("GET", "/sessions"), ("DELETE", "/sessions/1"),
    ("GET", "/settings"), ("PUT", "/settings/log.level"), ("POST", "/drain"), ("POST", "/reload"),
    ("GET", "/nothing"),
]


def test_metrics_as_prometheus_reads_them(ssh_gateway, entry, tmp_path):
    with LiveSsh(ssh_gateway, entry, tmp_path):
        answer, text = plain(ssh_gateway, "GET", "/metrics")
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

    assert value("envgate_sessions", protocol="ssh_audited" if ssh_gateway.audited else "ssh") == 1
    assert value("envgate_routes") == 1 and value("envgate_ready") == 1
    assert value("envgate_route_source_state", state="live") == 1
    assert value("envgate_route_source_state", state="stale") == 0
    assert 0 <= value("envgate_route_age_seconds") < 3600
    assert 0 <= value("envgate_reactor_longest_turn_seconds", worker="0") < 5
    assert abs(value("process_open_fds") - ssh_gateway.process.open_files()) < 20
    assert 0.2 < value("process_resident_memory_bytes") / ssh_gateway.rss() < 5
    assert abs(value("process_start_time_seconds") - time.time()) < 3600
    assert value("envgate_certificate_expiry_timestamp_seconds") > time.time() + 25 * 86400


def test_the_metrics_port_tells_nothing_else(ssh_gateway):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert plain(ssh_gateway, "GET", path)[0].status == 200
        head, text = plain(ssh_gateway, "HEAD", path)
        assert head.status == 200 and text == ""
        refused, _ = plain(ssh_gateway, "POST", path)
        assert refused.status == 405 and refused.getheader("Allow") == "GET, HEAD"
    for method, path in ADMIN_ALONE:
        assert plain(ssh_gateway, method, path)[0].status == 404, (method, path)
    assert ssh_gateway.admin("GET", "/readyz")[0] == 200


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
    _, err = envctl(gateway, "gateway", "unset", "log.level", status=3)
    assert "not set over the API" in err


@pytest.mark.parametrize("value", ["[8888, 9999]", [8888, 9999]])
def test_lists_as_text_and_as_json(gateway, value):
    status, body = gateway.admin("PUT", "/settings/http.default_ports", json.dumps({"value": value}))
    assert status == 200, body
    assert get(gateway, "/settings/http.default_ports")["value"] == "[8888, 9999]"


def test_a_setting_that_is_refused_changes_nothing(gateway):
    for key, value, says, status in (("log.level", "loud", "loud", 1), ("workers", "4", "workers", 1),
                                     ("frobnicate", "1", "frobnicate", 3), ("log", "x", "section", 1)):
        _, err = envctl(gateway, "gateway", "set", key, value, status=status)
        assert says in err
    layers = {key["layer"] for key in get(gateway, "/settings")["settings"]}
    assert layers <= {"default", "built-in default", "global file"}
    envctl(gateway, "gateway", "reload")
