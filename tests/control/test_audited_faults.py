"""One part of an audited session dies: what lives on, what those who are there and those who come are told,
and what is found in the record."""
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import openssh_image
from audited_gateway import BIN, Cat, Scene, make_key
from conftest import SOCKET, docker
from plane import wait_for


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def with_key(scene, **more):
    key, public = make_key(scene.directory, f"key-{os.urandom(3).hex()}")
    return {**scene.make(keys=[public], **more), "key": key}


def children(pid):
    """Processes that `pid` has started."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if int(Path(entry.path, "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def sessions(scene):
    """The session processes: children of the gateway's one child."""
    keeper, = children(scene.gateway.process.pid)
    return set(children(keeper))


def new_session(scene, made):
    before = sessions(scene)
    cat = Cat(scene, made, key=made["key"])
    pid, = sessions(scene) - before
    return cat, pid


def test_the_control_plane_dies(scene):
    made = with_key(scene)
    cat = Cat(scene, made, key=made["key"])
    scene.plane.kill()
    cat.check(b"it goes on\n")
    done = scene.ssh(made, "true", key=made["key"], check=False)
    assert done.returncode == 255
    assert f"{made['id']} cannot be logged in to now: the control plane does not answer" in done.stderr
    wrong = scene.ssh(made, "true", password="wrong", check=False)
    assert "control plane" not in wrong.stderr, "who he is is known without it"
    scene.plane.start()
    wait_for(lambda: scene.ssh(made, "hostname", key=made["key"], check=False).stdout.strip() == made["id"],
             "after its return they log in")
    cat.check(b"and on\n")
    cat.leave()
    wait_for(lambda: all(record.get("ended") for record in scene.records()), "all records are closed")
    for record in scene.records(env=made["id"]):
        assert scene.verify(record)[0] == 0
    status = json.loads(scene.envctl("gateway", "status", "-o", "json"))
    assert status["ready"] is True


def test_a_session_process_dies(scene):
    made, other = with_key(scene), with_key(scene)
    cat, pid = new_session(scene, made)
    bystanders = [new_session(scene, made)[0], new_session(scene, other)[0]]
    os.kill(pid, signal.SIGKILL)
    status, _ = cat.told()
    assert status == 255
    for bystander in bystanders:
        bystander.check()
    record, = wait_for(lambda: [record for record in scene.records(env=made["id"]) if record.get("ended")],
                       "its record is closed")
    assert record["reason"] == "session_lost"
    assert scene.verify(record)[0] == 0
    assert sum("ended" not in record or not record["ended"] for record in scene.records()) == 2
    for bystander in bystanders:
        bystander.leave()
    assert scene.ssh(made, "hostname", key=made["key"]).stdout.strip() == made["id"]


def test_the_keeper_of_all_sessions_dies(scene):
    made = with_key(scene)
    cat, _ = new_session(scene, made)
    keeper, = children(scene.gateway.process.pid)
    os.kill(keeper, signal.SIGKILL)
    assert cat.told()[0] == 255
    assert scene.verify(scene.closed_record(made["id"]))[0] == 0
    wait_for(lambda: scene.ssh(made, "hostname", key=made["key"], check=False).stdout.strip() == made["id"],
             "another is started")
    assert scene.log("session_keeper_ended")


@pytest.mark.parametrize("server", ["dropbear", "openssh"])
def test_the_targets_sshd_dies(scene, server):
    made = with_key(scene, **({"image": openssh_image.make(SOCKET)} if server == "openssh" else {}))
    other = with_key(scene)
    cat, _ = new_session(scene, made)
    bystander, _ = new_session(scene, other)
    container, = docker("ps", "-q", "--filter", f"name={made['id']}").split()
    first = docker("inspect", "-f", "{{.State.Pid}}", container)
    mine = [pid for pid in children(int(first)) if "httpd" not in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(mine) == 1, "the server's process for this session"
    os.kill(mine[0], signal.SIGKILL)
    status, said = cat.told()
    assert status == 255 and "the environment closed the connection" in said
    bystander.check()
    bystander.leave()
    record = scene.closed_record(made["id"])
    assert record["reason"] == "target_closed"
    assert scene.verify(record)[0] == 0
    assert scene.ssh(made, "hostname", key=made["key"]).stdout.strip() == made["id"]


def test_the_gateway_dies(scene):
    made = with_key(scene)
    terminal = scene.open(scene.argv(made, key=made["key"], options=["-tt"]))
    terminal.stdin.write(b"echo to be k''ept\n")
    terminal.stdin.flush()
    said = b""
    while b"to be kept" not in said:
        said += terminal.stdout.readline()
    record, = scene.records(env=made["id"])
    file = scene.directory / "records" / f"{record['id']}-1.cast"
    wait_for(lambda: file.exists() and "to be kept" in file.read_text() and
             Path(f"{file}.chain").read_text().count("\n") > 1, "it is on the disk, and vouched for")
    scene.gateway.process.kill()
    scene.gateway.process.wait()
    terminal.communicate(timeout=30)
    assert terminal.returncode == 255

    def verify():
        done = subprocess.run([f"{BIN}/envctl", "session", "verify", file, "--key",
                               f"{scene.directory}/record.key.pub"], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    status, words = verify()
    assert status == 1 and "cut off" in words, words
    scene.gateway.start()
    wait_for(lambda: scene.envctl("gateway", "health", check=False), "it is ready again")
    closed = scene.closed_record(made["id"])
    assert closed["id"] == record["id"] and closed["reason"] == "cut off"
    status, words = scene.verify(closed)
    assert status == 1 and "cut off" in words, words
    scene.settled(made["id"], lambda route: route["state"] == "running", "it has its routes")
    done = scene.ssh(made, "hostname", key=made["key"])
    assert done.stdout.strip() == made["id"], "sessions are served, with the same host key"
    assert scene.verify(scene.closed_record(made["id"], [closed]))[0] == 0


def test_without_a_folder_for_records_it_does_not_start(scene):
    scene.gateway.stop()
    settings = json.loads(scene.gateway.config.read_text())
    settings["audit"]["records"]["directory"] = f"{scene.directory}/absent/records"
    scene.gateway.config.write_text(json.dumps(settings))
    scene.gateway.start()
    assert scene.gateway.process.wait(30) == 1
    last = scene.gateway.log.read_text().splitlines()[-1]
    assert "audit.records.directory" in last and "give audit.records a directory" in last
