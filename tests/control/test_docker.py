"""Environments on a real Docker engine, by envgate-control's own API."""
import json
import os
import subprocess
import threading

import pytest

from conftest import docker
from plane import Refused, wait_for
from wire import Wire

IMAGE = "envgate-test/ssh:1"


def spec(**more):
    return {"name": "one", "owner": "ada",
            "spec": {"image": IMAGE, "cpu": 0.5, "memory": "128MiB", "pull": "never",
                     "mounts": [{"source": "data", "target": "/data"}], "ports": [{"port": 8888}], **more}}


def ssh(access, command):
    done = subprocess.run(["dbclient", "-y", "-y", f"root@{access['target_ip']}", command],
                          env={**os.environ, "DROPBEAR_PASSWORD": access["ssh_password"]},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else None


def test_a_container_from_request_to_tombstone(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", spec())
    path = f"/api/environments/{made['id']}"
    assert made["state"] == "running" and made["target_ip"]
    access = plane.ask("GET", path + "/access")
    assert set(access) >= {"ssh_host", "ssh_port", "ssh_username", "ssh_password", "target_ip", "jupyter_url",
                           "type", "created_at", "environment_id"}
    assert ssh(access, "hostname; echo kept >/data/file") == made["id"]
    assert access["commands"]["ssh"] == f"ssh root@{made['id']}.ssh.localhost -p {access['ssh_port']}"

    network = docker("network", "ls", "-q", "--filter", "name=owner-ada")
    docker("run", "-d", "--name", "taker", "--network", network, IMAGE)
    stopped = plane.do("POST", path + "/stop")
    assert stopped["state"] == "stopped" and stopped["target_ip"] is None
    assert plane.routes()[made["id"]]["state"] == "stopped"
    used = plane.ask("GET", "/api/quotas/ada")["used"]
    assert used["cpu"] == 0 and used["environments"] == 1
    docker("run", "-d", "--name", "other", "--network", network, IMAGE)  # takes the address
    started = plane.do("POST", path + "/start")
    assert started["target_ip"] not in (None, made["target_ip"]), "its address was taken meanwhile"
    assert plane.routes()[made["id"]]["address"] == started["target_ip"]
    access = plane.ask("GET", path + "/access")
    assert ssh(access, "cat /data/file") == "kept"

    rebuilt = plane.do("POST", path + "/rebuild")
    assert rebuilt["generation"] == 2
    access = plane.ask("GET", path + "/access")
    assert ssh(access, "cat /data/file") == "kept"
    plane.do("POST", path + "/rotate")
    old, access = access, plane.ask("GET", path + "/access")
    assert ssh(old, "true") is None and ssh(access, "echo in") == "in"

    docker("rm", "-f", "taker", "other")
    gone = plane.do("DELETE", path)
    assert gone["state"] == "deleted"
    assert made["id"] not in plane.routes()
    assert docker("ps", "-aq") == "" and docker("volume", "ls", "-q") == ""
    with pytest.raises(Refused) as refused:
        plane.ask("GET", path + "/access")
    assert refused.value.status == 404


def test_what_is_changed_by_hand_is_mended(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", spec())
    name = docker("ps", "--format", "{{.Names}}")
    docker("rm", "-f", name)
    wait_for(lambda: docker("ps", "-q"), "the container is made again")
    wait_for(lambda: plane.environment(made["id"])["state"] == "running", "it runs")
    access = plane.ask("GET", f"/api/environments/{made['id']}/access")
    wait_for(lambda: ssh(access, "hostname") == made["id"], "its customer gets in")
    docker("stop", "-t", "0", name)
    wait_for(lambda: docker("ps", "-q"), "it is started again")


def test_a_change_stands_whose_client_has_gone(plane):
    plane.allow("ada")
    with Wire(plane.socket) as wire:
        wire.ask("POST", "/api/environments", json.dumps(spec()).encode(), Prefer="wait=60")
        wait_for(lambda: plane.ask("GET", "/api/environments")["environments"], "it is accepted")
    made = plane.ask("GET", "/api/environments")["environments"][0]
    wait_for(lambda: plane.environment(made["id"])["state"] == "running", "it runs all the same")
    access = plane.ask("GET", f"/api/environments/{made['id']}/access")
    wait_for(lambda: ssh(access, "hostname") == made["id"], "its customer gets in")


def test_orphans_go_and_strangers_stay(plane):
    plane.allow("ada")
    install = plane.ask("GET", "/api/status")["install"]
    docker("run", "-d", "--name", f"envgate-{install}-orphan", "-l", f"envgate.install={install}",
           "-l", "envgate.env=orphan", IMAGE)
    docker("run", "-d", "--name", "stranger", IMAGE)
    docker("run", "-d", "--name", "neighbour", "-l", "envgate.install=other", "-l", "envgate.env=orphan",
           IMAGE)
    wait_for(lambda: set(docker("ps", "--format", "{{.Names}}").split()) == {"stranger", "neighbour"},
             "the orphan alone goes")


def test_a_missing_image_is_a_failure_that_says_so(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", spec(image="not/there:1"), state="failed")
    assert made["state"] == "failed"
    ready = next(c for c in made["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "missing" and "not/there" in ready["message"]
    patched = plane.do("PATCH", f"/api/environments/{made['id']}", {"spec": {"image": IMAGE}})
    assert patched["state"] == "running"


def test_fifty_creates_at_once_never_pass_the_quota(plane):
    plane.allow("ada", environments=3)
    outcomes = []

    def create():
        try:
            outcomes.append(plane.ask("POST", "/api/environments", spec())["environment"]["id"])
        except Refused as refused:
            outcomes.append(refused.problem["code"])
    threads = [threading.Thread(target=create) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("quota_exceeded") == 47, outcomes


def test_no_secret_is_in_the_log_or_the_database(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", spec())
    password = plane.ask("GET", f"/api/environments/{made['id']}/access")["ssh_password"]
    plane.stop()
    for path in plane.directory.glob("control.*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path
    plane.start()


def engine(word):
    """The daemon itself: "stop" or "start"; returns when that is so."""
    os.write(int(os.environ["ENGINE_CONTROL"]), f"{word}\n".encode())
    assert os.read(int(os.environ["ENGINE_ANSWER"]), 3) == b"ok\n"


def test_an_engine_that_goes_and_comes_back(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", spec())
    path = f"/api/environments/{made['id']}"
    access = plane.ask("GET", path + "/access")
    engine("stop")
    try:
        wait_for(lambda: not plane.ask("GET", "/api/status")["engines"][0]["answers"], "it is missed")
        checks = {check["name"]: check["status"] for check in plane.ask("GET", "/api/doctor")["checks"]}
        assert checks["engine docker/local"] == "fail"
        # What is asked for meanwhile is accepted, and waits.
        later = plane.ask("POST", "/api/environments", {**spec(), "name": "later"})
        operation = later["operation"]["id"]
        wait_for(lambda: plane.environment(later["environment"]["id"])["conditions"], "it says why it waits")
        ready = plane.environment(later["environment"]["id"])["conditions"][0]
        assert ready["reason"] == "unreachable" and "start the engine" in ready["message"]
        assert plane.ask("GET", f"/api/operations/{operation}")["state"] in ("pending", "running")
    finally:
        engine("start")
    wait_for(lambda: plane.ask("GET", f"/api/operations/{operation}")["state"] == "done", "it is made now")
    # The daemon ended its containers with itself.
    wait_for(lambda: ssh(plane.ask("GET", path + "/access"), "hostname") == made["id"], "it is started again")
    assert plane.ask("GET", path + "/access")["ssh_password"] == access["ssh_password"]
    assert len(docker("ps", "-q").split()) == 2
