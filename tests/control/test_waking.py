"""An environment that is stopped and starts on demand: whoever comes, by ssh, in passthrough, with a browser
or with a program, is held or told until it runs, and why it does not. Control starts it once.

To hold a start where it is, the calls of control to its engine wait on a FIFO
(control/reconcile/fault_point.hpp)."""
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from audited_gateway import ENTRY_PORT, HTTPS_PORT, Scene, make_key
from plane import wait_for
from test_docker import spec

sys.path.append(str(Path(__file__).parents[2] / "conf/demo"))
from demo_image import SSH_SERVER_AND_PAGE  # noqa: E402

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


class Held:
    """Control makes no call that changes its engine until this is left."""

    def __init__(self, plane):
        self.path = plane.faults / "kill_at"

    def __enter__(self):
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR)  # a reader waits for words, since there is a writer
        return self

    def release(self):
        if self.fd is not None:
            self.path.unlink()
            os.close(self.fd)
            self.fd = None

    def __exit__(self, *_):
        self.release()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = Scene(tmp_path_factory.mktemp("waking"), timeouts={"wake": "40s"})
    try:
        yield made
    finally:
        made.stop()


def asleep(scene, made):
    scene.plane.do("POST", f"/api/environments/{made['id']}/stop")
    scene.settled(made["id"], lambda route: route["state"] == "stopped" and route.get("wake"), "it sleeps")
    return made


@pytest.fixture
def audited(scene):
    key, public = make_key(scene.directory, f"key-{os.urandom(3).hex()}")
    return asleep(scene, {**scene.make(policy={"start": "on_demand"}, keys=[public], reach=True), "key": key})


@pytest.fixture
def passthrough(scene):
    """With a page."""
    body = {**spec(command=SSH_SERVER_AND_PAGE), "policy": {"start": "on_demand"},
            "name": f"p{os.urandom(3).hex()}"}
    made = scene.plane.do("POST", "/api/environments", body)
    wait_for(lambda: scene.route(made["id"]), "the gateway has its route")
    made = {**made, **scene.plane.ask("GET", f"/api/environments/{made['id']}/access")}
    keys = wait_for(lambda: subprocess.run(["ssh-keyscan", "-t", "ed25519", made["target_ip"]],
                                           capture_output=True,
                                           text=True).stdout.split()[1:3], "its server shows its key")
    alias = f"[{made['id']}.ssh.localhost]:{made['ssh_port']}"
    scene.known.write_text(scene.known.read_text() + f"{alias} {' '.join(keys)}\n")
    return asleep(scene, made)


def starts(scene, made):
    told = scene.plane.ask("GET", f"/api/operations?environment={made['id']}")["operations"]
    return [operation for operation in told if operation["kind"] == "start"]


def woken(scene, made):
    return wait_for(lambda: scene.plane.environment(made["id"])["desired"] == "running",
                    "somebody has woken it")


def browse(made, accept, scene):
    """(status, head, body)."""
    host = f"{made['id']}-8888.container.localhost"
    done = subprocess.run(["curl", "-s", "-i", "--http1.1", "--max-time", "20", "--cacert", scene.gateway.ca,
                           "-H", f"Accept: {accept}", "--resolve", f"{host}:{HTTPS_PORT}:127.0.0.1",
                           f"https://{host}:{HTTPS_PORT}/"], capture_output=True, text=True, check=True)
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), head.lower(), body


# -- audited

def test_a_customer_is_told_how_far_it_is_and_then_is_in(scene, audited):
    process = scene.open(scene.argv(audited, "hostname; exit 6", key=audited["key"]))
    with Held(scene.plane):
        woken(scene, audited)
        first = process.stderr.readline().decode()
        assert f"environment {audited['id']}: it is stopped, and is started for you" in first
        second = process.stderr.readline().decode()
        assert re.search(r": (starting|position \d+ in the queue)", second), second
        assert process.poll() is None
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out.decode().strip()) == (6, audited["id"]), error
    assert b"ready" in error
    assert len(starts(scene, audited)) == 1
    scene.ssh(audited, "true", key=audited["key"])
    assert len(starts(scene, audited)) == 1


def test_twenty_at_once_are_one_start(scene, audited):
    gw = ["ssh", *scene.options(key=audited["key"]), f"{audited['id']}@gw", "hostname"]
    argvs = [scene.argv(audited, "hostname", key=audited["key"]) if i % 2 else gw for i in range(20)]
    with Held(scene.plane):
        processes = [scene.open(argv) for argv in argvs]
        for process in processes:
            assert b"is started for you" in process.stderr.readline() + process.stderr.readline()
    for process in processes:
        out, error = process.communicate(timeout=90)
        assert out.decode().strip() == audited["id"], error
    assert len(starts(scene, audited)) == 1


def test_only_who_has_logged_in_wakes(scene, audited):
    stranger, _ = make_key(scene.directory, f"stranger-{os.urandom(3).hex()}")
    assert scene.ssh(audited, "true", key=stranger, check=False).returncode == 255
    assert scene.ssh(audited, "true", password="wrong", check=False).returncode == 255
    assert starts(scene, audited) == []


def test_only_who_may_come_from_there_wakes(scene, audited):
    path = f"/api/environments/{audited['id']}"
    scene.plane.do("PATCH", path, {"policy": {"start": "on_demand", "allow_from": ["192.0.2.0/24"]}})
    scene.settled(audited["id"], lambda route: route.get("allow_from"), "the gateway knows")
    done = scene.ssh(audited, "true", key=audited["key"], check=False)
    assert done.returncode == 255 and "does not allow your address" in done.stderr
    assert starts(scene, audited) == []


def test_who_goes_away_is_waited_for_no_more(scene, audited):
    with Held(scene.plane):
        process = scene.open(scene.argv(audited, "true", key=audited["key"]))
        assert b"is started for you" in process.stderr.readline()
        process.kill()
        process.communicate()
        line = wait_for(lambda: [line for line in scene.log("ssh_connection")
                                 if line["environment_id"] == audited["id"]], "its session has ended", 20)
        assert line[0]["status"] != "success"


# -- passthrough

def test_passthrough_is_held_until_it_is_up(scene, passthrough):
    with Held(scene.plane):
        process = scene.open(scene.argv(passthrough, "hostname; exit 2"), passthrough["ssh_password"])
        woken(scene, passthrough)
        assert process.poll() is None
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out.decode().strip()) == (2, passthrough["id"]), error
    assert len(starts(scene, passthrough)) == 1


def test_a_jump_leads_to_passthrough_and_wakes_it(scene, passthrough):
    """By a key of the owner's, which the target itself does not know: inside, its own sshd asks for more."""
    key, public = make_key(scene.directory, f"jump-{os.urandom(3).hex()}")
    owner = scene.plane.environment(passthrough["id"])["owner"]
    scene.plane.ask("POST", f"/api/owners/{owner}/keys", {"public_key": public})
    scene.settled(passthrough["id"], lambda route: route["ssh"].get("users"), "its route has the key")
    jump = f"ProxyCommand=ssh -F {scene.config} -i {key} -o IdentitiesOnly=yes -W %h:%p me@gw"
    done = scene.run(["ssh", *scene.options(passthrough), "-o", jump,
                      f"root@{passthrough['id']}.ssh.localhost", "hostname; exit 6"],
                     password=passthrough["ssh_password"], check=False)
    assert (done.returncode, done.stdout.strip()) == (6, passthrough["id"]), done.stderr
    assert len(starts(scene, passthrough)) == 1


# -- HTTPS

def test_a_browser_is_shown_a_page_that_loads_itself_again(scene, passthrough):
    with Held(scene.plane):
        status, head, body = browse(passthrough, BROWSER, scene)
        assert status == 503 and re.search(r"^refresh: \d+$", head, re.M) and "text/html" in head
        assert "started for you" in body
        status, head, body = browse(passthrough, "application/json", scene)
        assert status == 503 and "application/problem+json" in head and "refresh" not in head
        problem = json.loads(body)
        assert problem["status"] == 503 and re.search(r"^retry-after: \d+$", head, re.M)
        assert "starting" in json.dumps(problem), problem
    status, _, body = wait_for(lambda: (got := browse(passthrough, BROWSER, scene)) and got[0] == 200 and got,
                               "the application comes")
    assert "You have reached the environment" in body
    assert len(starts(scene, passthrough)) == 1


# -- what does not start

def broken(scene, made):
    scene.plane.do("PATCH", f"/api/environments/{made['id']}", {"spec": {"image": "not/there:1"}})
    return made


def first_line(port):
    """What the port says before it closes, to somebody who speaks SSH."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b"SSH-2.0-test\r\n")
        return connection.makefile("rb").readline().decode()


def test_why_it_does_not_start_is_said_to_all(scene, audited, passthrough):
    broken(scene, audited)
    done = scene.ssh(audited, "true", key=audited["key"], check=False)
    assert done.returncode == 255
    assert re.search(rf"environment {audited['id']} does not start: .*not/there", done.stderr), done.stderr

    broken(scene, passthrough)
    assert re.match(rf"envgate: environment {passthrough['id']} does not start: .*not/there",
                    first_line(passthrough["ssh_port"]))
    status, head, body = browse(passthrough, BROWSER, scene)
    assert status == 503 and "not/there" in body and "refresh" not in head
    status, _, body = browse(passthrough, "application/json", scene)
    assert status == 503 and "not/there" in json.loads(body)["now"]


def test_nobody_is_held_for_longer_than_the_deadline(scene, audited, passthrough):
    scene.envctl("gateway", "set", "timeouts.wake", "1s")
    try:
        with Held(scene.plane):
            done = scene.ssh(audited, "true", key=audited["key"], check=False)
            assert done.returncode == 255 and "has not come up in time" in done.stderr
            assert "has not come up in time" in first_line(passthrough["ssh_port"])
    finally:
        scene.envctl("gateway", "unset", "timeouts.wake")
    wait_for(lambda: scene.plane.environment(audited["id"])["state"] == "running",
             "it has come up all the same")
    assert scene.ssh(audited, "hostname", key=audited["key"]).stdout.strip() == audited["id"]


# -- who wants nothing

def test_a_port_scan_starts_nothing(scene, audited, passthrough):
    said = []

    def scan(port, words):
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            if words is not None:
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
                said.append(connection.makefile("rb").read())
    ports = (audited["ssh_port"], passthrough["ssh_port"], ENTRY_PORT)
    threads = [threading.Thread(target=scan, args=(port, words)) for port in ports
               for words in (None, b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01", b"SS")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(said) == 12
    for made in (audited, passthrough):
        assert starts(scene, made) == []
        assert scene.plane.environment(made["id"])["desired"] == "stopped"


@pytest.fixture(autouse=True)
def nothing_is_left(scene):
    """Environments of one test are deleted, so that the engine and the ports are the next one's."""
    yield
    (scene.plane.faults / "kill_at").unlink(missing_ok=True)
    for environment in scene.plane.ask("GET", "/api/environments")["environments"]:
        scene.plane.ask("DELETE", f"/api/environments/{environment['id']}")
