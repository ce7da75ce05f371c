"""The API over TLS by tokens, the metrics listener, and a reload."""
import datetime
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from lone_plane import spec
from plane import Plane, Refused, wait_for


def make_certificate(directory, name="localhost"):
    """Returns what clients trust: the certificate itself."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", directory / "tls.key", "-out", directory / "tls.pem"],
                   check=True, capture_output=True)
    return ssl.create_default_context(cadata=(directory / "tls.pem").read_text())


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Remote:
    def __init__(self, plane, port, trust):
        self.plane, self.port, self.trust = plane, port, trust

    def ask(self, method, path, token=None, body=None):
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.trust, timeout=20)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, body if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers
        finally:
            connection.close()

    def token(self, role, **more):
        return self.plane.ask("POST", "/api/tokens", {"name": f"ci-{role}", "role": role, **more})


@pytest.fixture
def remote(tmp_path):
    trust = make_certificate(tmp_path)
    port, metrics = free_port(), free_port()
    plane = Plane(tmp_path, docker={"socket": f"{tmp_path}/no-engine.sock"}, log={"level": "info"},
                  tls={"bind": f"127.0.0.1:{port}", "certificate": f"{tmp_path}/tls.pem",
                       "key": f"{tmp_path}/tls.key"},
                  metrics={"bind": f"127.0.0.1:{metrics}"})
    plane.start()
    plane.allow("ada")
    made = Remote(plane, port, trust)
    made.metrics = metrics
    yield made
    plane.stop()


def test_a_token_is_its_role_and_no_more(remote):
    read, operate, admin = (remote.token(role)["token"] for role in ("read", "operate", "admin"))
    status, problem, headers = remote.ask("GET", "/api/environments")
    assert status == 401 and problem["code"] == "unauthorized" and headers["WWW-Authenticate"] == "Bearer"
    assert remote.ask("GET", "/api/environments", "envgate_" + "x" * 43)[0] == 401
    assert remote.ask("GET", "/api/environments", "x" * 8000)[0] == 401
    assert remote.ask("GET", "/healthz")[0] == 200
    assert remote.ask("GET", "/metrics")[0] == 401, "what there is is nobody's business out there"

    assert remote.ask("GET", "/api/environments", read)[0] == 200
    status, problem, _ = remote.ask("POST", "/api/environments", read, spec())
    assert status == 403 and "envctl token create --role operate" in problem["detail"]
    status, made, _ = remote.ask("POST", "/api/environments", operate, spec())
    assert status == 202
    environment = made["environment"]["id"]
    assert remote.ask("GET", f"/api/environments/{environment}/access", operate)[0] == 200
    assert remote.ask("GET", "/api/tokens", operate)[0] == 403
    status, listed, _ = remote.ask("GET", "/api/tokens", admin)
    assert status == 200 and {one["role"] for one in listed["tokens"]} == {"read", "operate", "admin"}
    assert all(one["used_at"] for one in listed["tokens"])
    told = json.dumps(listed)
    assert not any(token in told for token in (read, operate, admin)), "a token is shown once"
    audit = remote.plane.ask("GET", f"/api/audit?object={environment}")["audit"]
    assert re.fullmatch(r"token ci-operate \(\w{16}\) from 127\.0\.0\.1", audit[0]["who"])


def test_a_token_that_was_taken_back_or_is_over_is_good_no_longer(remote):
    made = remote.token("read")
    assert remote.ask("GET", "/api/status", made["token"])[0] == 200
    remote.plane.ask("DELETE", f"/api/tokens/{made['id']}")
    assert remote.ask("GET", "/api/status", made["token"])[0] == 401
    soon = (datetime.datetime.utcnow() + datetime.timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    brief = remote.token("read", expires_at=soon)
    assert remote.ask("GET", "/api/status", brief["token"])[0] == 200
    wait_for(lambda: remote.ask("GET", "/api/status", brief["token"])[0] == 401, "it is over", 10)
    assert "expired" in remote.ask("GET", "/api/status", brief["token"])[1]["detail"]
    for wrong in ({"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "soon"}, {"role": "root"},
                  {"name": ""}, {"colour": 1}):
        with pytest.raises(Refused) as refused:
            remote.plane.ask("POST", "/api/tokens", {"name": "n", **wrong})
        assert refused.value.status == 422
    audit = remote.plane.ask("GET", f"/api/audit?object={made['id']}")["audit"]
    assert [line["action"] for line in audit] == ["token_create", "token_remove"]
    for path in remote.plane.directory.iterdir():  # the database and its log
        if path.is_file():
            assert made["token"].encode() not in path.read_bytes(), path


def test_a_strangers_body_is_not_read(remote):
    with socket.create_connection(("127.0.0.1", remote.port)) as plain:
        with remote.trust.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(b"POST /api/environments HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
            assert secured.recv(4096).startswith(b"HTTP/1.1 401 "), "before the body came"


def test_who_speaks_no_tls_or_nothing_holds_up_nobody(remote):
    token = remote.token("read")["token"]
    silent = [socket.create_connection(("127.0.0.1", remote.port)) for _ in range(100)]
    try:
        silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
        begin = time.monotonic()
        assert remote.ask("GET", "/api/status", token)[0] == 200
        assert time.monotonic() - begin < 5
        wait_for(lambda: silent[1].recv(1) == b"", "the silent ones are closed", 30)
    finally:
        for one in silent:
            one.close()


def test_monitoring_has_its_own_door(remote):
    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", remote.metrics, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text
    status, text = get("/metrics")
    assert status == 200 and "# TYPE envgate_control_environments gauge" in text
    assert get("/healthz")[0] == 200 and get("/readyz")[0] == 200
    for path in ("/api/environments", "/api/openapi.json", "/metrics/../api/tokens", "//api/environments"):
        assert get(path)[0] == 404, path


def test_a_reload_takes_a_new_certificate_and_says_what_needs_a_restart(remote):
    plane = remote.plane
    token = remote.token("read")["token"]
    fresh = make_certificate(plane.directory)
    with pytest.raises(ssl.SSLError):
        Remote(plane, remote.port, fresh).ask("GET", "/healthz")
    plane.settings["log"]["level"] = "debug"
    plane.settings["workers"] = 9
    plane.write_settings()
    plane.process.send_signal(signal.SIGHUP)
    wait_for(lambda: '"event":"reloaded"' in plane.log.read_text(), "it says that it has reloaded")
    assert Remote(plane, remote.port, fresh).ask("GET", "/api/status", token)[0] == 200
    log = plane.log.read_text()
    assert '"restart_needed"' in log and "control.workers" in log
    seen = plane.ask("GET", "/api/settings/control.log.level")["settings"][0]
    assert seen["value"] == "debug"

    (plane.directory / "tls.pem").write_text("no certificate")
    plane.process.send_signal(signal.SIGHUP)
    wait_for(lambda: '"reload_failed"' in plane.log.read_text(), "it says what is wrong")
    assert "tls.pem" in plane.log.read_text()
    assert Remote(plane, remote.port, fresh).ask("GET", "/api/status", token)[0] == 200, "the last good one"


def test_a_listener_without_its_certificate_is_refused(tmp_path):
    plane = Plane(tmp_path, tls={"bind": "127.0.0.1:0"})
    plane.write_settings()
    done = subprocess.run([plane.binary, "--config", tmp_path / "control.yaml", "--check"],
                          capture_output=True, text=True)
    assert done.returncode != 0 and "control.tls.certificate" in done.stdout + done.stderr
