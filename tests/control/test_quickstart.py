"""conf/quickstart where a Docker engine answers: its demo is a container, of an image that no registry has.
tests/integration has the rest, with a machine that namespaces play."""
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from conftest import SOCKET, docker, sweep

sys.path.append(str(Path(__file__).resolve().parents[1] / "integration"))
from harness import BIN, debian_tool, run, wait_for  # noqa: E402
from harness.quickstart import Quickstart, alive, envctl, get, ssh, ssh_by_password  # noqa: E402

QUICK = Quickstart(SOCKET)


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "a directory"
    yield directory
    QUICK.stop(directory, check=False)
    sweep()


def running():
    return docker("ps", "-q").split()


def test_the_demo_is_reached_as_printed(data, tmp_path):
    ready, out = QUICK.start(data)
    assert ready["backend"] == "docker" and set(ready["pids"]) == {"control", "gateway"}
    assert ready["password"] in out and ready["ssh_by_password"] in out
    assert len(running()) == 1
    assert ssh(ready, "hostname; whoami") == f"{ready['id']}\nroot"
    assert ssh_by_password(ready, tmp_path, "echo reached").stdout == b"reached\n"
    assert ssh_by_password(ready, tmp_path, "echo reached", password="wrong").returncode != 0
    for version in ("--http1.1", "--http2"):
        assert b"You have reached the environment" in get(ready, "", version).stdout
    headers = json.loads(get(ready, "headers", "-L", "-H", 'X-Odd: a"b\\c').stdout)
    assert headers["x-forwarded-proto"] == "https" and headers["x-odd"] == 'a"b\\c'
    assert headers["host"] == ready["url"].split("/")[2]
    (tmp_path / "file").write_text("content\n")
    run([debian_tool("scp"), "-F", ready["ssh_config"], tmp_path / "file", f"{ready['ssh_host']}:copy"])
    assert ssh(ready, "cat copy") == "content"


def test_the_container_is_stopped_and_taken_up_again(data):
    first, _ = QUICK.start(data)
    container = running()
    known = (data / "known_hosts").read_bytes()
    ssh(first, "echo kept >note")
    assert "stopped: demo" in QUICK.stop(data)
    assert running() == [] and docker("ps", "-aq").split() == container
    second, _ = QUICK.start(data)
    assert (second["id"], second["password"]) == (first["id"], first["password"])
    assert running() == container
    assert ssh(second, "cat note") == "kept" and (data / "known_hosts").read_bytes() == known


def test_after_a_crash_nothing_is_left_and_nothing_is_lost(data):
    first, _ = QUICK.start(data)
    container = running()
    ssh(first, "echo kept >note")
    os.kill(first["pids"]["control"], signal.SIGKILL)
    wait_for(lambda: not alive(first["pids"]["control"]), "the control plane has not ended")
    assert first["id"] in QUICK.stop(data)
    assert running() == [] and not alive(first["pids"]["gateway"])
    second, _ = QUICK.start(data)
    assert second["id"] == first["id"] and running() == container and ssh(second, "cat note") == "kept"
    for pid in second["pids"].values():
        os.kill(pid, signal.SIGKILL)
    third, _ = QUICK.start(data)
    assert third["id"] == first["id"] and running() == container and ssh(third, "cat note") == "kept"


def test_without_a_demo_the_printed_lines_make_an_environment(data):
    ready, out = QUICK.start(data, "--no-demo")
    assert running() == [] and "environment" not in ready
    lines = [line.split(None, 1)[1].split() for line in out.splitlines() if "/envctl " in line]
    for line in lines:
        envctl(ready, *line)
    access = envctl(ready, "env", "access", "first")
    assert len(running()) == 1
    page = dict(ready, url=access["urls"][0]["url"])
    wait_for(lambda: b"You have reached" in get(page, check=False).stdout, "the page does not come")
    assert "stopped: first" in QUICK.stop(data)
    assert running() == []
    ready, _ = QUICK.start(data, "--no-demo")
    wait_for(lambda: envctl(ready, "env", "show", "first")["state"] == "running", "it is not started again")
    get(page)


def test_the_printed_lines_make_an_environment_whose_sessions_are_recorded(data, tmp_path):
    if not (BIN / "envgate-session").exists():
        pytest.skip("envgate-session is not built: conf/libssh could not build libssh")
    ready, out = QUICK.start(data)
    lines = [line.partition("#")[0].split(None, 1)[1].split() for line in out.splitlines()
             if "/envctl " in line]
    make, access, ls = lines[-3:]
    assert make[:3] == ["env", "create", "recorded"] and ls == ["session", "ls"]
    made = envctl(ready, *make)["environment"]
    told = envctl(ready, *access)
    keys = envctl(ready, "gateway", "ssh-keys", made["id"])
    with open(data / "known_hosts", "a") as known:
        known.write(keys["known_hosts"] + "\n")
    reached = {**ready, "ssh_host": told["ssh_host"], "password": told["ssh_password"],
               "ssh_by_password": f"ssh root@127.0.0.1 -p {told['ssh_port']}"}
    wait_for(lambda: ssh_by_password(reached, tmp_path, "echo reached").stdout == b"reached\n",
             "its session is served")
    entry = {**reached, "ssh_host": envctl(ready, "gateway", "ssh-keys")["names"][0],
             "ssh_by_password": f"ssh root+{made['id']}@127.0.0.1 -p {ready['audited'].split(':')[1]}"}
    with open(data / "known_hosts", "a") as known:
        known.write(envctl(ready, "gateway", "ssh-keys")["known_hosts"] + "\n")
    assert ssh_by_password(entry, tmp_path, "echo by the shared port").stdout == b"by the shared port\n"
    records = wait_for(lambda: (found := envctl(ready, *ls)["records"])
                       and all(r.get("ended") for r in found) and found,
                       "records are closed")
    assert len(records) == 2 and {record["environment"] for record in records} == {made["id"]}
    run([ready["envctl"], "session", "verify", records[0]["id"], "--socket", ready["admin_socket"]])
    assert ssh(ready, "echo the demo is as it was") == "the demo is as it was"


def test_what_the_demo_is_made_of_stays(data):
    QUICK.start(data)
    QUICK.stop(data)
    done = QUICK.run(data, "--detach", "--backend", "physical", check=False)
    assert done.returncode == 1 and b"docker already" in done.stderr
    done = Quickstart().run(data, "--detach", check=False)
    assert done.returncode == 1 and b"Start Docker" in done.stderr
    assert running() == []
