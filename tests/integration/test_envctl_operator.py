"""envctl's other commands of the control plane against its faked API: quotas, machines, nodes, tokens, audit,
events, settings, doctor, completion; and servers that hang, cut off, are not there or are none."""
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest
import yaml

from harness import BIN, need
from harness.fake_control import NOW, Refused, environment
from test_envctl_control import HOSTILE, control, envctl  # noqa: F401

# -- quotas

def test_quotas(control):
    out, _ = envctl(control, "quota", "set", "alice", "--cpu", "8", "--memory", "64GiB", "--gpu", "2",
                    "--storage", "1TiB", "--environments", "5")
    whole = {"cpu": 8, "memory": "64GiB", "gpu": 2, "storage": "1TiB", "environments": 5}
    assert control.asked[-1].method == "PUT" and control.asked[-1].path == "/api/quotas/alice"
    assert control.asked[-1].json() == whole
    assert "1 of 8" in out and "If-Match" not in control.asked[-1].headers
    control.quotas["alice"]["cpu"] = 8.0  # as control answers
    envctl(control, "quota", "set", "alice", "--gpu", "4")
    assert '"cpu":8,' in control.asked[-1].body, "and not as it answers"
    assert control.asked[-1].json() == {**whole, "gpu": 4}
    assert control.asked[-1].headers["If-Match"] == '"3"'
    out, _ = envctl(control, "quota", "ls")
    assert "alice" in out and "OWNER" in out
    out, _ = envctl(control, "quota", "show", "alice", "-o", "yaml")
    assert yaml.safe_load(out)["gpu"] == 4
    envctl(control, "quota", "rm", "alice")
    envctl(control, "quota", "rm", "alice", status=3)
    envctl(control, "quota", "set", "alice", status=2)
    envctl(control, "quota", "set", "alice", "--cpu", "x", status=2)


def test_a_quota_that_changed_meanwhile_is_a_conflict(control):
    def show(handler):
        handler.reply(200, {"owner": "alice", "cpu": 1}, etag='"old"')
    control.overrides["GET", "/api/quotas/alice"] = show
    _, err = envctl(control, "quota", "set", "alice", "--cpu", "8", status=4)
    assert "precondition_failed" in err


# -- machines, nodes

def test_machines(control):
    envctl(control, "machine", "add", "m1", "--address", "10.0.0.9", "--ssh-port", "22", "--user", "root",
           "--admin-key", "/etc/k", "--host-key", "ssh-ed25519 AAAA", "--region", "eu", "--gpu-model", "H100",
           "--gpus", "8", "--cpu", "96", "--memory", "1TiB", "--disk", "4TiB", "--price-per-month", "1999.50",
           "--label", "rack=7")
    assert control.asked[-1].json() == {
        "name": "m1", "address": "10.0.0.9", "ssh_port": 22, "user": "root", "admin_key": "/etc/k",
        "region": "eu", "gpu_model": "H100", "gpus": 8, "cpu": 96, "memory": "1TiB", "disk": "4TiB",
        "price_per_month": "1999.50", "host_keys": ["ssh-ed25519 AAAA"], "labels": {"rack": "7"}}
    out, _ = envctl(control, "machine", "ls", "--state", "available")
    assert "m1" in out and control.asked[-1].query["state"] == "available"
    for verb in ("check", "maintenance", "available"):
        out, _ = envctl(control, "machine", verb, "m1")
        assert control.asked[-1].path == f"/api/machines/m1/{verb}" and control.asked[-1].method == "POST"
        assert ("maintenance" if verb == "maintenance" else "available") in out
    out, _ = envctl(control, "machine", "show", "m1", "-o", "json")
    assert json.loads(out)["region"] == "eu"
    envctl(control, "machine", "rm", "m1")
    envctl(control, "machine", "show", "m1", status=3)


def test_machines_are_imported_as_the_file_is(control, tmp_path):
    control.machines = [{"name": "m1", "state": "available"}]
    for name, more, content_type in (("m.csv", (), "text/csv"), ("m.yml", (), "application/yaml"),
                                     ("m.txt", ("--format", "csv"), "text/csv")):
        (tmp_path / name).write_text("name,region\r\nm1,\u00e9u\r\n")
        out, _ = envctl(control, "machine", "import", tmp_path / name, *more)
        assert control.asked[-1].headers["Content-Type"] == content_type
        assert control.asked[-1].body == "name,region\r\nm1,\u00e9u\r\n" and "m1" in out
    count = len(control.asked)
    _, err = envctl(control, "machine", "import", tmp_path / "m.txt", status=2)
    assert "--format" in err
    envctl(control, "machine", "import", tmp_path / "none.csv", status=1)
    assert len(control.asked) == count


def test_nodes(control):
    envctl(control, "node", "add", "n1", "--host", "10.0.0.5:2376", "--address", "10.0.0.5", "--ca", "/a",
           "--certificate", "/b", "--private-key", "/c")
    assert control.asked[-1].json() == {"name": "n1", "host": "10.0.0.5:2376", "address": "10.0.0.5",
                                        "ca": "/a", "certificate": "/b", "private_key": "/c"}
    out, _ = envctl(control, "node", "ls")
    assert "10.0.0.5:2376" in out
    envctl(control, "node", "show", "n1")
    envctl(control, "node", "rm", "n1")
    envctl(control, "node", "rm", "n1", status=3)


# -- tokens, audit

def test_tokens(control):
    out, _ = envctl(control, "token", "create", "ci", "--role", "operate", "--expires", "90d")
    assert "egt_secret" in out
    body = control.asked[-1].json()
    left = time.mktime(time.strptime(body["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    assert body["role"] == "operate" and abs(left - 90 * 86400) < 60
    out, _ = envctl(control, "token", "ls")
    assert "ci" in out and "egt_secret" not in out
    envctl(control, "token", "rm", "t0")
    envctl(control, "token", "rm", "t0", status=3)
    envctl(control, "token", "create", "ci", "--expires", "soon", status=2)


def test_audit(control):
    control.audit = [{"seq": n, "at": NOW, "who": "uid 0", "action": "create", "object": f"e{n}",
                      "before": "", "after": "{}", "result": "done", "hash": "ab"} for n in range(1, 4)]
    out, _ = envctl(control, "audit", "ls", "--who", "uid 0")
    assert len(out.splitlines()) == 4 and control.asked[-1].query["who"] == "uid 0"
    out, _ = envctl(control, "audit", "verify")
    assert "true" in out
    control.audit[1]["hash"] = ""
    out, err = envctl(control, "audit", "verify", status=1)
    assert "line 2" in out and "not whole" in err


# -- events

def test_events_that_are_kept(control):
    control.events = [(n, "state", {"id": n, "at": NOW, "environment": f"e{n}", "kind": "state",
                                    "body": {"state": "running", "why": HOSTILE}}) for n in range(1, 6)]
    out, _ = envctl(control, "events")
    assert len(out.splitlines()) == 5 and "state=running" in out and "\x1b" not in out
    assert control.asked[-1].headers["Last-Event-ID"] == "0"
    out, _ = envctl(control, "events", "--since", "3", "-o", "json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [4, 5]
    out, _ = envctl(control, "events", "-o", "yaml")
    assert [one["id"] for one in yaml.safe_load_all(out)] == [1, 2, 3, 4, 5]
    envctl(control, "events", "--since", "x", status=2)


def test_events_are_followed_over_a_lost_connection(control):
    control.environments = [environment(1, "training")]
    control.stream_ends = True  # a reader is cut off again and again
    control.events = [(n, "state", {"id": n, "at": NOW, "environment": "e", "kind": "state"})
                      for n in range(1, 4)]
    argv = [BIN / "envctl", "env", "events", "training", "--since", "1", "-s", control.socket]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() and process.stdout.readline()
    control.events.append((4, "state", {"id": 4, "at": NOW, "environment": "e", "kind": "last"}))
    assert "last" in process.stdout.readline(), "told once, and nothing twice"
    assert control.asked[-1].query == {"environment": environment(1, "")["id"]}
    process.kill()
    process.communicate()


def test_events_that_end_again_and_again_are_left(control):
    control.stream_ends = True
    _, err = envctl(control, "events", "--follow", status=1)
    assert "again and again" in err


def test_events_refused(control):
    control.overrides["GET", "/api/events"] = lambda handler: handler.reply(
        403, Refused(403, "forbidden", "uid 7 may not look").problem, "application/problem+json")
    _, err = envctl(control, "events", "--follow", status=1)
    assert "forbidden: uid 7 may not look" in err


# -- settings

def test_config_explain(control):
    out, _ = envctl(control, "config", "explain", "--control")
    assert out.startswith("KEY") and "control.socket" in out
    out, _ = envctl(control, "config", "explain", "control.socket", "--control")
    assert "control.socket = /run/x" in out and "c.yaml:3" in out
    out, _ = envctl(control, "config", "explain", "control.socket", "--control", "-o", "json")
    assert json.loads(out)["layer"] == "file"
    envctl(control, "config", "explain", "nothing", "--control", status=3)


# -- doctor

def test_doctor(control, ssh_gateway):
    control.checks = [{"name": "database", "status": "ok", "message": "answers", "remedy": ""},
                      {"name": "backup", "status": "warn", "message": "a week old", "remedy": "make one"}]
    arguments = ("doctor", "--gateway-socket", ssh_gateway.admin_socket)
    out, err = envctl(control, *arguments)
    assert err == ""
    lines = out.splitlines()
    words = [line.split()[0] for line in lines if not line.startswith("  ")]
    assert words.count("WARN") == 1 and set(words) == {"OK", "WARN"} and "-> make one" in out
    for name in ("control ", "control's clock", "database", "gateway ", "gateway's clock", "certificate"):
        assert any(line.startswith("OK    " + name) for line in lines), (name, out)
    control.checks.append({"name": "engine", "status": "fail", "message": HOSTILE, "remedy": "start it"})
    out, _ = envctl(control, *arguments, "-o", "json", status=1)
    assert {check["status"] for check in json.loads(out)["checks"]} == {"ok", "warn", "fail"}
    out, _ = envctl(control, *arguments, status=1)
    assert "FAIL" in out and "-> start it" in out and "\x1b" not in out


def test_doctor_without_anybody(control, tmp_path):
    out, _ = envctl(control, "doctor", "-s", tmp_path / "a", "--gateway-socket", tmp_path / "b", status=1)
    assert out.count("FAIL") == 2 and out.count("->") == 2


# -- completion

def complete(control, *words):
    return envctl(control, "completion", "words", "--", *words)[0].split()


def test_completion_knows_the_commands_and_what_there_is(control):
    control.environments = [environment(1, "training"), environment(2, "bad name;rm"),
                            environment(3, HOSTILE)]
    assert complete(control, "env", "re") == ["restart", "rebuild"]
    assert complete(control, "env", "create", "--gpu-mode", "s") == ["shared"]
    assert complete(control, "env", "show", "t") == ["training"]
    assert "bad" not in " ".join(complete(control, "env", "show", ""))
    assert complete(control, "machine", "import", "") == [":files"]
    assert complete(control, "env", "show", "training", "") == []
    assert "--volumes" in complete(control, "env", "rm", "training", "--")
    assert complete(control, "nonsense", "") == []


def test_completion_in_bash(control):
    script = """source <(envctl completion bash)
                show() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _envctl; printf '%s\n' "${COMPREPLY[@]}"; }
                show envctl env st; cd /etc; show envctl env create -f host"""
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ENVGATE_CONTROL_SOCKET": control.socket}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.split()[:2] == ["start", "stop"] and "hosts" in done.stdout, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_of_their_shell(control, shell):
    script = envctl(control, "completion", shell)[0]
    need(shutil.which(shell), f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# -- servers that are none

def test_nobody_is_there(control, tmp_path):
    out, err = envctl(control, "env", "ls", "-s", tmp_path / "gone", status=1)
    assert "is envgate-control running?" in err and "control.socket" in err and out == ""
    dead = str(tmp_path / "dead")
    socket.socket(socket.AF_UNIX).bind(dead)
    _, err = envctl(control, "env", "ls", "-s", dead, status=1)
    assert "nobody listens there" in err


class Script:
    """A server of bytes: each connection gets the next answer, then nothing more."""

    def __init__(self, path, answer, close):
        self.path, self.answer, self.close = str(path), answer, close
        self.count, self.open = 0, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            self.count += 1
            connection.recv(65536)
            connection.sendall(self.answer)
            if self.close:
                connection.close()
            else:
                self.open.append(connection)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("answer, says", [
    (b"", "no answer within 1 s"), (b"HTTP/1.1 200", "no answer within 1 s"),
    (HEAD + b"Content-Length: 10\r\n\r\n{", "no answer within 1 s")])
def test_a_server_that_hangs(control, tmp_path, answer, says):
    server = Script(tmp_path / "s", answer, close=False)
    start = time.monotonic()
    _, err = envctl(control, "env", "ls", "--timeout", "1", "-s", server.path, status=1)
    assert says in err and time.monotonic() - start < 10
    assert server.count == 1, "who hangs is not asked again"


@pytest.mark.parametrize("answer, count, says", [
    (b"", 5, "closed without an answer"), (HEAD + b"Content-Length: 10\r\n\r\n{", 5, "broke off"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", 5, "broke off"),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 1, "no HTTP answer"), (HEAD + b"\r\nnot json", 1, "not JSON"),
    (HEAD + b"\r\n{\"a\":1}", 1, "another version"), (HEAD + b"\r\n[]", 1, "another version"),
    (b"HTTP/1.1 500 Oops\r\n\r\n<html>", 1, "HTTP 500"), (b"HTTP/1.1 302 Found\r\n\r\n", 1, "HTTP 302")])
def test_a_server_that_cuts_off_or_is_another(control, tmp_path, answer, count, says):
    server = Script(tmp_path / "s", answer, close=True)
    out, err = envctl(control, "env", "ls", "-s", server.path, status=1)
    assert says in err and out == "" and server.count == count


def test_a_deletion_that_broke_off_is_not_repeated(control):
    control.machines = [{"name": "m1"}]
    control.overrides["DELETE", "/api/machines/m1"] = lambda handler: handler.connection.close()
    envctl(control, "machine", "rm", "m1", status=1)
    assert len(control.asked) == 1
