# ctest: timeout=200
"""What is of audited sessions alone: entries, records, policy, and how they end."""
import hashlib
import json
import os
import signal
import socket
import subprocess

import pytest

from harness import audited, debian_tool, free_port, need, run, wait_for
from harness.audited import SHARED
from harness.machine import BIN
from harness.routes import ENV
from harness.routes import ssh as passthrough
from harness.ssh_clients import OpenSsh

HIDDEN = "h1ddenhostenv000"


@pytest.fixture
def shared_port():
    return free_port()


@pytest.fixture
def gateway(make_gateway, routes, sshd, tmp_path, shared_port):
    need((BIN / "envgate-session").exists(),
         "envgate-session is not built: conf/libssh could not build libssh")
    settings = audited.settings(tmp_path / "gateway", sshd, bind=f"127.0.0.1:{shared_port}")
    gateway = make_gateway(settings, start=False)
    gateway.env_port = gateway.ssh_port()
    route = routes.set(ENV, ssh=audited.ssh(gateway.env_port, sshd), kind="container")
    gateway.start()
    gateway.wait_route(route)
    return gateway


@pytest.fixture
def client(gateway, sshd, tmp_path):
    return OpenSsh(audited.entry(sshd, gateway.directory, ENV), gateway.env_port, tmp_path)


def shared(gateway, sshd, port, user, *more):
    """ssh to the entry that all share."""
    seen = audited.entry(sshd, gateway.directory, SHARED)
    return [debian_tool("ssh"), *map(str, seen.options()), "-p", str(port), *more, f"{user}@127.0.0.1"]


def records(gateway):
    return gateway.admin("GET", "/api/sessions")[1]["records"]


def ended_record(gateway, known=()):
    """The one record that is not `known`, once it has ended."""
    def find():
        return next((r for r in records(gateway) if r["id"] not in known and r.get("ended")), None)
    return wait_for(find, "no record has ended")


def events(gateway, record, kind):
    path = next(f for f in gateway.directory.glob(f"**/{record['id']}.jsonl"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line.get("event") == kind]


def verified(gateway, record):
    argv = [BIN / "envctl", "session", "verify", record["id"], "--socket", gateway.admin_socket]
    return run(argv, check=False)


# -- ways in

def test_the_user_name_says_where_to(gateway, sshd, shared_port):
    for user in (f"{sshd.user}+{ENV}", ENV):
        done = run([*shared(gateway, sshd, shared_port, user), "echo here"])
        assert done.stdout == b"here\n"
    done = run([*shared(gateway, sshd, shared_port, f"nobody+{ENV}"), "true"], check=False)
    assert done.returncode == 255 and b"Permission denied" in done.stderr


def test_jumps_lead_to_where_the_key_is_authorized(gateway, routes, sshd, shared_port, client):
    """Audited within audited, end to end to a passthrough environment, and nowhere else."""
    keys = audited.ssh(0, sshd)["users"]
    gateway.wait_route(routes.set("plain", ssh={**passthrough(gateway.ssh_port(), sshd.port), "users": keys}))
    gateway.wait_route(routes.set(HIDDEN, ssh=passthrough(gateway.ssh_port(), sshd.port)))
    jump = shared(gateway, sshd, shared_port, "anybody", "-W", "%h:%p")

    def through(host, seen):
        options = [*map(str, seen.options()), "-o", f"ProxyCommand={' '.join(jump)}"]
        return run([debian_tool("ssh"), *options, f"{sshd.user}@{host}", "echo through"], check=False)

    assert through(gateway.ssh_host("plain"), sshd).stdout == b"through\n"
    assert through(gateway.ssh_host(ENV), audited.entry(sshd, gateway.directory, ENV)).stdout == b"through\n"
    assert len(records(gateway)) == 1, "the inner session is recorded, and nothing else"
    for host in (gateway.ssh_host(HIDDEN), "127.0.0.1", "nowhere.example"):
        assert through(host, sshd).returncode == 255
    def refused():
        return {line["to"]: line["reason"] for line in gateway.log_lines("ssh_jump")
                if line["status"] == "failure"}
    wait_for(lambda: len(refused()) == 3, lambda: f"refused: {refused()}")
    assert all("there is no environment" in reason for reason in refused().values())


# -- the record

def test_a_copied_file_is_recorded_with_its_hash(gateway, client, tmp_path):
    content = os.urandom(3 << 20)
    (tmp_path / "up").write_bytes(content)
    for more in ([], ["-O"]):
        known = [record["id"] for record in records(gateway)]
        argv = client.copy(str(tmp_path / "up"), f":{tmp_path}/there")
        run([argv[0], *more, *argv[1:]])
        record = ended_record(gateway, known)
        (moved,) = [event for event in events(gateway, record, "file") if event["op"] == "write"]
        assert (moved["bytes"], moved["direction"], moved["result"]) == (len(content), "upload", "ok")
        assert moved["sha256"] == hashlib.sha256(content).hexdigest(), more
        assert verified(gateway, record).returncode == 0
        (tmp_path / "there").unlink()


def test_who_came_and_how_is_in_the_record(gateway, client, sshd):
    run(client.command("echo out; echo err >&2; exit 3"), check=False)
    record = ended_record(gateway)
    assert (record["environment"], record["user"], record["method"]) == (ENV, sshd.user, "publickey")
    assert events(gateway, record, "exec")[0]["command"].startswith("echo out")
    assert {(e["stream"], e["data"]) for e in events(gateway, record, "output")} == {("stdout", "out\n"),
                                                                                  ("stderr", "err\n")}
    assert events(gateway, record, "exit")[0]["status"] == 3


# -- policy

def test_what_a_route_forbids_holds(gateway, routes, sshd, tmp_path):
    way = audited.ssh(gateway.env_port, sshd)
    gateway.wait_route(routes.set(ENV, ssh={**way, "forbid": ["exec", "local_forwarding", "sftp"]}))
    client = OpenSsh(audited.entry(sshd, gateway.directory, ENV), gateway.env_port, tmp_path)
    assert run(client.command("echo no"), check=False).stdout == b""
    assert run(client.copy(str(gateway.config), f":{tmp_path}/no"), check=False).returncode != 0
    assert not (tmp_path / "no").exists()
    with socket.create_server(("127.0.0.1", 0)) as there:
        argv = client.argv("-W", f"127.0.0.1:{there.getsockname()[1]}")
        assert run(argv, check=False, input=b"").returncode == 255
    wait_for(lambda: all(record.get("ended") for record in records(gateway)), "a session goes on")
    refused = [event["what"] for record in records(gateway) for event in events(gateway, record, "refused")]
    assert sorted(refused) == ["exec", "local_forwarding", "sftp"]
    assert run(client.argv("-T"), input=b"echo shell\n").stdout.endswith(b"shell\n")


# -- the end

def opened(client):
    """A session that goes on: its process, once it has answered."""
    process = subprocess.Popen([*map(str, client.argv()), "echo on; cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"on\n"
    return process


def test_a_killed_session_is_told(gateway, client):
    process = opened(client)
    record = records(gateway)[0]
    run([BIN / "envctl", "session", "kill", record["id"], "--socket", gateway.admin_socket])
    assert process.wait(20) == 255
    assert b"the gateway has ended this session" in process.stderr.read()
    assert ended_record(gateway)["reason"] == "killed"
    assert verified(gateway, record).returncode == 0


def test_an_idle_session_ends_as_the_setting_says(make_gateway, gateway, client):
    gateway.write_settings({"timeouts": {"tunnel_idle": "1s"}})
    gateway.sighup()
    wait_for(lambda: gateway.log_lines("reloaded"), "not reloaded")
    process = opened(client)
    assert process.wait(60) == 255  # looked at every 15 s
    assert b"nothing has passed for 1s" in process.stderr.read()


def test_the_gateways_end_is_told_and_its_records_are_whole(gateway, client):
    process = opened(client)
    record = records(gateway)[0]
    gateway.sigterm()
    wait_for(lambda: gateway.log_lines("draining"), "not draining")
    gateway.sigterm()
    assert process.wait(20) == 255
    assert b"the gateway has ended this session" in process.stderr.read()
    wait_for(lambda: not gateway.process.alive(), "the gateway has not ended")
    (path,) = gateway.directory.glob(f"**/{record['id']}.json")
    assert json.loads(path.read_text())["reason"] == "gateway_ended"
    (log,) = gateway.directory.glob(f"**/{record['id']}.jsonl")
    assert run([BIN / "envctl", "session", "verify", log], check=False).returncode == 0


def test_a_killed_gateway_takes_its_sessions_with_it(gateway, client):
    process = opened(client)
    gateway.process.signal(signal.SIGKILL)
    wait_for(lambda: not gateway.process.alive(), "the gateway has not ended")
    assert process.wait(20) == 255
