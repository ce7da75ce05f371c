"""A remote Docker node: the engine of these tests over TLS, without its socket."""
import os
import socket
import subprocess

import pytest

from conftest import SOCKET, docker, sweep
from plane import Plane, Refused, wait_for
from test_docker import spec

TLS = os.environ.get("ENGINE_TLS", "")
FILES = os.environ.get("ENGINE_DIRECTORY", "")


def node(name="far", **more):
    return {"name": name, "host": TLS, "address": "127.0.0.1", "ca": f"{FILES}/ca.pem",
            "certificate": f"{FILES}/client.pem", "private_key": f"{FILES}/client.key", **more}


@pytest.fixture
def remote(tmp_path):
    directory = tmp_path / "remote"
    directory.mkdir()
    made = Plane(directory, docker={"socket": "", "grace": "1s"}).start()
    made.allow("ada")
    yield made
    made.stop()
    sweep()


def ssh(port, password, command):
    done = subprocess.run(["dbclient", "-y", "-y", "-p", str(port), "root@127.0.0.1", command],
                          env={**os.environ, "DROPBEAR_PASSWORD": password}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


def test_an_environment_on_a_node_is_reached_where_it_is_published(remote):
    with pytest.raises(Refused) as refused:
        remote.ask("POST", "/api/environments", spec())
    assert refused.value.status == 422 and "envctl node add" in str(refused.value.problem)
    added = remote.ask("POST", "/api/nodes", node(gpus=[{"id": "0", "model": "A100"}]))
    assert added["state"] == "available" and added["environments"] == 0
    made = remote.do("POST", "/api/environments", spec())
    assert made["node"] == "far" and made["target_ip"] == "127.0.0.1"
    route = remote.routes()[made["id"]]
    assert route["address"] == "127.0.0.1"
    assert route["ssh"]["target_port"] != 22 and route["http"][0]["target_port"] != 8888
    password = remote.ask("GET", f"/api/environments/{made['id']}/access")["ssh_password"]
    assert ssh(route["ssh"]["target_port"], password, "hostname") == made["id"]

    first = route["ssh"]["target_port"]
    remote.do("POST", f"/api/environments/{made['id']}/stop")
    remote.do("POST", f"/api/environments/{made['id']}/start")
    port = remote.routes()[made["id"]]["ssh"]["target_port"]
    assert ssh(port, password, "hostname") == made["id"], f"it was at {first} before"

    shown = wait_for(lambda: (seen := remote.ask("GET", "/api/nodes/far"))["cpu"] and seen,
                     "its size is known")
    assert shown["environments"] == 1 and shown["used"]["cpu"] == 0.5 and shown["memory"] > 0
    assert [one["name"] for one in remote.ask("GET", "/api/nodes")["nodes"]] == ["far"]
    with pytest.raises(Refused) as refused:
        remote.ask("DELETE", "/api/nodes/far")
    assert refused.value.status == 409 and "1 environments" in refused.value.problem["detail"]

    assert remote.ask("POST", "/api/nodes/far/maintenance")["state"] == "maintenance"
    with pytest.raises(Refused) as refused:
        remote.ask("POST", "/api/environments", spec())
    assert refused.value.problem["code"] == "no_node"
    remote.ask("POST", "/api/nodes/far/available")

    remote.stop()  # the node is in the database
    remote.start()
    assert ssh(port, password, "hostname") == made["id"]
    remote.do("DELETE", f"/api/environments/{made['id']}")
    assert docker("ps", "-aq") == ""
    remote.ask("DELETE", "/api/nodes/far")
    assert remote.ask("GET", "/api/nodes")["nodes"] == []
    audit = remote.ask("GET", "/api/audit?object=far")["audit"]
    assert [line["action"] for line in audit] == ["node_add", "node_state", "node_state", "node_remove"]


def test_what_is_no_node_is_refused_with_the_reason(remote, plane):
    with pytest.raises(Refused) as refused:
        remote.ask("POST", "/api/nodes", {"name": "local", "host": TLS, "address": "far.example",
                                          "ca": "ca.pem", "certificate": "/c", "colour": 1,
                                          "gpus": [{"model": "x"}]})
    assert refused.value.status == 422
    assert {error["pointer"] for error in refused.value.problem["errors"]} == {
        "/name", "/address", "/ca", "/private_key", "/colour", "/gpus/0/id"}
    for wrong, word in (({"ca": "/nowhere.pem"}, "TLS"), ({"host": "127.0.0.1:1"}, "nobody answers"),
                        ({"ca": f"{FILES}/client.pem"}, "TLS")):
        with pytest.raises(Refused) as refused:
            remote.ask("POST", "/api/nodes", node(**wrong))
        assert refused.value.problem["code"] == "unreachable" and word in refused.value.problem["detail"]
    remote.ask("POST", "/api/nodes", node())
    with pytest.raises(Refused) as refused:  # one engine, two names: each would sweep the other's away
        remote.ask("POST", "/api/nodes", node("twin"))
    assert refused.value.status == 409 and "node far already" in refused.value.problem["detail"]
    with pytest.raises(Refused) as refused:
        plane.ask("POST", "/api/nodes", node())
    assert "node local already" in refused.value.problem["detail"]
    with pytest.raises(Refused) as refused:
        plane.ask("DELETE", "/api/nodes/local")
    assert "control.docker.socket" in refused.value.problem["detail"]
    assert plane.ask("GET", "/api/nodes/local")["socket"] == SOCKET


def checks_of(plane):
    return {check["name"]: check for check in plane.ask("GET", "/api/doctor")["checks"]}


def test_doctor_sees_certificates_clocks_and_open_doors(remote):
    remote.ask("POST", "/api/nodes", node())
    wait_for(lambda: "engine docker/far" in checks_of(remote), "the node has been looked at")
    checks = checks_of(remote)
    assert checks["engine docker/far"]["status"] == "ok"
    # Its certificate is good for two days.
    assert checks["certificate for node far"]["status"] == "warn"
    assert checks["clock of node far"]["status"] == "ok"
    assert checks["exposed ports"]["status"] == "ok" and "leased ports" not in checks
    with socket.create_server(("0.0.0.0", 2375)), socket.create_server(("127.0.0.1", 6379)), \
            socket.create_server(("127.0.0.1", 50123)):
        checks = checks_of(remote)
    assert checks["exposed port 0.0.0.0:2375"]["status"] == "fail"
    assert "--tlsverify" in checks["exposed port 0.0.0.0:2375"]["remedy"]
    assert not any(name.endswith(":6379") for name in checks), "loopback is nobody else's"
    assert "50123" in checks["leased ports"]["message"]
