"""envctl's commands for environments and operations against the control plane's API, faked on a Unix socket:
what each asks for, its outputs and exit statuses, waiting, and names that would upset a terminal."""
import json
import os
import re
import subprocess
import time

import pytest
import yaml

from harness import BIN, run, wait_for
from harness.fake_control import NOW, FakeControl, environment, operation

ENV = environment(1, "training")["id"]
HOSTILE = "a\x1b]0;owned\x07\x9b31m\r\nb"


@pytest.fixture
def control(tmp_path):
    with FakeControl(tmp_path) as fake:
        yield fake


def envctl(control, *arguments, status=0, **options):
    """(stdout, stderr), once it has ended with that status."""
    environ = {**os.environ, "ENVGATE_CONTROL_SOCKET": control.socket, "TERM": "xterm"}
    done = run([BIN / "envctl", *arguments], check=False, env=environ, **options)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"{arguments}: exit status {done.returncode}\n{out}\n{err}"
    return out, err


def on_terminal(control, *arguments, typed=b"", **variables):
    """(status, what a terminal of 80 columns was sent)."""
    import pty
    child, master = pty.fork()
    if child == 0:
        environ = {**os.environ, "ENVGATE_CONTROL_SOCKET": control.socket, "TERM": "xterm", **variables}
        os.execve(BIN / "envctl", ["envctl", *arguments], environ)
    os.write(master, typed)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # EIO: the other end is gone
        pass
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


# -- env create

FLAGS = ["--owner", "alice", "--image", "pytorch:2", "--cpu", "2", "--memory", "16GiB", "--shm", "1GiB",
         "--pids", "4096", "--storage", "100GiB", "--gpu", "1", "--gpu-model", "H100", "--gpu-mode",
         "exclusive", "--mount", "volume:data:/data:ro", "--mount", "volume:out:/out", "--port",
         "8888:private", "--port", "6006", "--port", "8443:public:https", "--env", "A=1", "--env", "B=x=y",
         "--command", "sleep", "--command", "inf", "--key", "ssh-ed25519 AAAA me", "--ssh-mode",
         "passthrough", "--user", "root", "--pull", "missing", "--node", "local", "--policy",
         "volumes=keep", "--policy", "restart=true", "--policy", "allow_from=10.0.0.0/8,::1",
         "--start", "on_demand", "--share-with", "bob", "--share-with", "eve", "--forbid", "x11", "--forbid",
         "agent", "--record-input", "--force-command", "top -b"]
BODY = {"name": "training", "owner": "alice", "backend": "docker",
        "spec": {"image": "pytorch:2", "cpu": 2, "memory": "16GiB", "shm": "1GiB", "pids": 4096,
                 "storage": "100GiB", "gpu": {"count": 1, "model": "H100", "mode": "exclusive"},
                 "mounts": [{"type": "volume", "source": "data", "target": "/data", "read_only": True},
                            {"type": "volume", "source": "out", "target": "/out", "read_only": False}],
                 "ports": [{"port": 8888, "access": "private"}, {"port": 6006},
                           {"port": 8443, "access": "public", "scheme": "https"}],
                 "env": {"A": "1", "B": "x=y"}, "command": ["sleep", "inf"],
                 "ssh": {"mode": "passthrough", "user": "root", "keys": ["ssh-ed25519 AAAA me"]},
                 "pull": "missing", "node": "local"},
        "policy": {"volumes": "keep", "restart": True, "allow_from": ["10.0.0.0/8", "::1"],
                   "start": "on_demand", "shared_with": ["bob", "eve"],
                   "ssh": {"forbid": ["x11", "agent"], "record_input": True, "force_command": "top -b"}}}


def test_create_by_options(control):
    out, err = envctl(control, "env", "create", "training", *FLAGS)
    asked = control.asked[-1]
    assert (asked.method, asked.path, asked.query) == ("POST", "/api/environments", {})
    assert asked.json() == BODY
    assert len(asked.headers["Idempotency-Key"]) > 20
    assert asked.headers["Content-Type"] == "application/json"
    assert ENV in out and "creating" in out and "op00000000000001" in out and err == ""


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
@pytest.mark.parametrize("where", ["file", "stdin"])
def test_create_by_a_file_and_options_above_it(control, tmp_path, write, where):
    text = write({**BODY, "name": "other"})
    path = tmp_path / "env.txt"
    path.write_text(text)
    source = {"input": text.encode()} if where == "stdin" else {}
    envctl(control, "env", "create", "-f", "-" if source else path, "training", "--memory", "8GiB",
           "--port", "1", **source)
    spec = {**BODY["spec"], "memory": "8GiB", "ports": [{"port": 1}]}
    assert control.asked[-1].json() == {**BODY, "spec": spec}


def test_create_reads_yaml_as_people_write_it(control, tmp_path):
    path = tmp_path / "env.yaml"
    path.write_text("name: 'true'\nowner: alice\nspec:\n  image: x\n  cpu: 0.5\n"
                    "  env: {PORT: 8080, ON: yes, V: 1.10}\n  gpu: {count: 1}\n  ports: [{port: 80}]\n")
    envctl(control, "env", "create", "-f", path, "--env", "MORE=1")
    body = control.asked[-1].json()
    assert body["name"] == "true" and body["spec"]["cpu"] == 0.5 and body["spec"]["gpu"] == {"count": 1}
    assert body["spec"]["env"] == {"PORT": "8080", "ON": "yes", "V": "1.10", "MORE": "1"}


def test_create_for_physical_machines(control, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# mine\nssh-ed25519 AAAA a\n\nssh-rsa BBBB b\n")
    envctl(control, "env", "create", "big", "--owner", "bob", "--backend", "physical", "--selector", "gpus=8",
           "--selector", "gpu_model=H100", "--selector", "memory=1TiB", "--key", keys)
    body = control.asked[-1].json()
    assert body["spec"] == {"selector": {"gpus": 8, "gpu_model": "H100", "memory": "1TiB"},
                            "ssh": {"keys": ["ssh-ed25519 AAAA a", "ssh-rsa BBBB b"]}}


@pytest.mark.parametrize("arguments, says", [
    ("x", "--owner"), ("--owner a", "NAME"), ("x --owner a --cpu many", "--cpu"),
    ("x --owner a --port 0", "--port"), ("x --owner a --port 80:a:b:c", "--port"),
    ("x --owner a --mount data:/data", "--mount"),
    ("x --owner a --env A", "--env"), ("x --owner a --wait=soon", "--wait"),
    ("x --owner a -o xml", "--output"),
    ("x --owner a --idempotency-key a\x01b", "--idempotency-key"), ("x --owner a --timeout 0", "--timeout"),
    ("x --owner a --owner b", "twice"), ("x y", "[NAME]"), ("x --owner a --key /dev/null", "--key")])
def test_create_misuse_asks_nobody(control, arguments, says):
    out, err = envctl(control, "env", "create", *arguments.split(" "), status=2)
    assert says in err and out == "" and control.asked == []


@pytest.mark.parametrize("text, says", [
    ("a: [1", ":"), ("- 1\n", "map"), ("a: 1\na: 2\n", "twice"), ("", "map"), ("spec: 5\n", "spec"),
    ("a: &a [x, x]\nb: " + "[*a, " * 40 + "1" + "]" * 40, "deep"),
    ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
     "aliases")], ids=["cut", "list", "twice", "empty", "spec", "deep", "laughs"])
def test_create_refuses_files_that_make_no_sense(control, tmp_path, text, says):
    path = tmp_path / "env.yaml"
    path.write_text(text)
    _, err = envctl(control, "env", "create", "x", "--owner", "a", "-f", path, status=2)
    assert "env.yaml" in err and says in err and control.asked == []


def test_create_never_sends_a_private_key(control, tmp_path):
    path = tmp_path / "id"
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    _, err = envctl(control, "env", "create", "x", "--owner", "a", "--key", path, status=2)
    assert ".pub" in err and control.asked == []


def test_create_that_keeps_its_volumes(control):
    envctl(control, "env", "create", "x", "--owner", "a", "--image", "i", "--keep-volumes")
    assert control.asked[-1].json()["policy"] == {"volumes": "keep"}


def test_dry_run_only_checks(control):
    out, _ = envctl(control, "env", "create", "x", "--owner", "a", "--dry-run")
    assert "nothing was created" in out and control.asked[-1].query == {"dry_run": "1"}
    assert control.environments == []


def test_problems_say_everything_there_is(control):
    out, err = envctl(control, "env", "create", "x", "--owner", "a", "--image", "huge", status=1)
    assert out == ""
    assert err == ("envctl: invalid: the spec has errors\n  /spec/memory: more than any node has\n"
                   "  /spec/cpu: is not a number?[31m\n  (HTTP 422, request req-7)\n")


# -- waiting

STEPS = [("running", "pull", "layer 1", 1, 4), ("running", "pull", "layer 3", 3, 4),
         ("running", "start", "", 0, 0), ("done", "start", "", 0, 0)]


def test_wait_tells_the_steps_and_ends_with_what_there_is_then(control):
    control.script = STEPS
    out, err = envctl(control, "env", "create", "training", "--owner", "a", "--wait", "-o", "json")
    assert err.splitlines() == ["pending", "pull: layer 1", "pull: layer 3", "start"]
    answer = json.loads(out)
    assert answer["operation"]["state"] == "done" and answer["environment"]["state"] == "running"
    looks = [asked for asked in control.asked if asked.path.startswith("/api/operations/")]
    assert looks[0].headers["Prefer"] == "wait=1"


def test_wait_draws_a_bar_on_a_terminal(control):
    control.script = STEPS
    status, shown = on_terminal(control, "env", "create", "training", "--owner", "a", "--wait")
    assert status == 0
    bars = [part.rstrip() for part in shown.split("\r") if part.startswith("[")]
    assert bars[0] == "[....................] pending"
    assert "[###############-----] 3/4 pull: layer 3" in bars
    assert "\x1b[32mrunning\x1b[0m" in shown


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(control, variables):
    control.environments = [environment(1, "training")]
    status, shown = on_terminal(control, "env", "ls", **variables)
    assert status == 0 and "running" in shown and "\x1b" not in shown
    _, shown = on_terminal(control, "env", "ls")
    assert "\x1b[32mrunning\x1b[0m" in shown


def test_wait_ends_with_1_where_the_operation_fails(control):
    control.script = [("running", "pull", "", 0, 0), ("failed", "pull", "", 0, 0)]
    out, err = envctl(control, "env", "create", "x", "--owner", "a", "--wait", status=1)
    assert "ImageMissing: no such image" in err and out == ""


def test_wait_ends_with_5_when_its_time_is_over(control):
    control.script = [("running", "pull", "", 0, 0)] * 1000
    _, err = envctl(control, "env", "create", "x", "--owner", "a", "--wait=1", status=5)
    assert "envctl op wait op00000000000001" in err
    _, err = envctl(control, "op", "wait", "op00000000000001", "--for", "1", status=5)


def test_wait_ends_with_5_where_control_hangs(control):
    control.script = [("running", "pull", "", 0, 0)] * 1000
    control.overrides["GET", "/api/operations/op00000000000001"] = lambda handler: control.over.wait()
    start = time.monotonic()
    _, err = envctl(control, "env", "create", "x", "--owner", "a", "--wait=1", status=5)
    assert "has not ended within 1 s" in err and time.monotonic() - start < 20


def test_wait_outlives_a_restart_of_control(control):
    control.script = [("running", "pull", "", 0, 0)] * 3 + [("done", "", "", 0, 0)]
    argv = [BIN / "envctl", "env", "create", "x", "--owner", "a", "--wait=60", "-s", control.socket]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(control.asked) > 1, "nobody waits")
    control.__exit__()
    os.unlink(control.socket)
    time.sleep(0.5)  # longer than one look: it has met a socket that is not there
    control.__enter__()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "done" in out, err


def test_operations(control):
    step = {"name": "pull", "state": "done", "started_at": NOW, "finished_at": NOW, "message": "m"}
    control.operations = [operation(n, ENV, "done", steps=[step]) for n in range(5)]
    out, _ = envctl(control, "op", "ls")
    assert len(out.splitlines()) == 6 and out.startswith("ID")
    out, _ = envctl(control, "op", "show", "op00000000000002")
    assert "pull" in out and "STEP" in out
    out, _ = envctl(control, "op", "wait", "op00000000000002", "-o", "yaml")
    assert yaml.safe_load(out)["state"] == "done"
    envctl(control, "op", "show", "op9", status=3)


# -- looking

def test_lists_come_in_pages_and_in_every_output(control):
    control.environments = [environment(n, f"e{n}", "stopped" if n % 2 else "running") for n in range(7)]
    out, _ = envctl(control, "env", "ls")
    assert len(out.splitlines()) == 8 and "16 GiB" not in out and "\x1b" not in out
    out, _ = envctl(control, "env", "ls", "-o", "wide")
    assert "16 GiB" in out
    for output, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        out, _ = envctl(control, "env", "ls", "-o", output)
        assert load(out)["environments"] == control.environments, output
    out, _ = envctl(control, "env", "ls", "--limit", "3", "-o", "json")
    assert len(json.loads(out)["environments"]) == 3
    envctl(control, "env", "ls", "--owner", "a b", "--state", "running", "--sort", "-created_at")
    asked = control.asked[-1].query
    assert (asked["owner"], asked["state"], asked["sort"]) == ("a b", "running", "-created_at")


def test_a_list_that_never_ends_is_left(control):
    control.overrides["GET", "/api/environments"] = \
        lambda handler: handler.reply(200, {"environments": [], "next": "again"})
    _, err = envctl(control, "env", "ls", status=1)
    assert "does not end" in err


def test_names_and_ids(control):
    control.environments = [environment(1, "training"), environment(2, "twice"), environment(3, "twice"),
                            environment(4, "gone", "deleted"), environment(5, "gone")]
    for word, number in (("training", 1), (ENV, 1), ("gone", 5)):
        out, _ = envctl(control, "env", "show", word, "-o", "json")
        assert json.loads(out)["id"] == control.environments[number - 1]["id"]
    out, err = envctl(control, "env", "show", "twice", status=4)
    assert control.environments[1]["id"] in err and control.environments[2]["id"] in err and out == ""
    _, err = envctl(control, "env", "show", "nobody", status=3)
    assert "envctl env ls" in err
    envctl(control, "env", "show", "envxxxxxxxxxxxxx", status=3)


def test_access_and_open(control):
    control.environments = [environment(1, "training")]
    out, _ = envctl(control, "env", "access", "training")
    for text in (control.environments[0]["ssh_host"], "50001", "root", "Pa55!word",
                 "https://x-8888.envgate.test"):
        assert text in out
    assert f"\nssh root@{ENV}.ssh.envgate.test -p 50001\n" in out
    out, _ = envctl(control, "env", "access", "training", "-o", "json")
    assert json.loads(out)["ssh_password"] == "Pa55!word"
    out, _ = envctl(control, "env", "open", "training", "8888")
    assert out == "https://x-8888.envgate.test/open?ticket=T\n" and control.asked[-1].json() == {"port": 8888}
    envctl(control, "env", "open", "training", "0", status=2)


def test_hostile_bytes_are_harmless_in_every_output(control):
    control.environments = [environment(1, HOSTILE, conditions=[
        {"type": HOSTILE, "status": "false", "reason": HOSTILE, "message": HOSTILE, "since": NOW}])]
    for command in (("ls",), ("show", ENV), ("start", ENV)):
        for output in ("table", "wide", "json", "yaml"):
            done = run([BIN / "envctl", "env", *command, "-o", output, "-s", control.socket])
            assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", done.stdout), (command, output)
            if output in ("json", "yaml") and command != ("start", ENV):
                value = {"json": json.loads, "yaml": yaml.safe_load}[output](done.stdout)
                assert (value["environments"][0] if command == ("ls",) else value)["name"] == HOSTILE
    status, shown = on_terminal(control, "env", "rm", ENV, typed=b"x\n")
    assert status == 1 and "\x07" not in shown and "\x1b" not in shown


# -- changing

@pytest.mark.parametrize("verb", ["start", "stop", "restart", "rebuild", "rotate"])
def test_changes(control, verb):
    control.environments = [environment(1, "training"), environment(2, "going", "deleting")]
    out, _ = envctl(control, "env", verb, "training", "--wait")
    assert ENV in out and "done" in out
    asked = [one for one in control.asked if one.method == "POST"][-1]
    assert asked.path == f"/api/environments/{ENV}/{verb}" and asked.body == ""
    _, err = envctl(control, "env", verb, "going", status=4)
    assert "conflict: it is being deleted" in err


def test_rebuild_of_another_image(control):
    control.environments = [environment(1, "training")]
    envctl(control, "env", "rebuild", "training", "--image", "pytorch:3")
    assert control.asked[-1].json() == {"image": "pytorch:3"}


def test_rm_asks_first(control):
    control.environments = [environment(1, "training")]
    _, err = envctl(control, "env", "rm", "training", status=2)
    assert "--yes" in err
    status, shown = on_terminal(control, "env", "rm", "training", typed=b"trainin\n")
    assert status == 1 and "nothing was deleted" in shown
    assert not [asked for asked in control.asked if asked.method == "DELETE"]
    status, _ = on_terminal(control, "env", "rm", "training", typed=b"training\n")
    assert status == 0 and control.asked[-1].method == "DELETE" and control.asked[-1].query == {}
    control.environments = [environment(1, "training")]
    envctl(control, "env", "rm", "training", "--yes", "--volumes", "keep", "--wait")
    assert [asked.query for asked in control.asked if asked.method == "DELETE"][-1] == {"volumes": "keep"}
    envctl(control, "env", "rm", "training", "--yes", status=3)
    envctl(control, "env", "rm", ENV, "--yes", "--volumes", "burn", status=2)


# -- the same POST again

def test_a_post_that_broke_off_is_sent_again_with_its_key(control):
    def cut_off(handler):
        del control.overrides["POST", "/api/environments"]
        control.answer(control.asked[-1])  # it was done, and the answer is lost
        handler.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{")

    control.overrides["POST", "/api/environments"] = cut_off
    out, err = envctl(control, "env", "create", "training", "--owner", "a")
    assert len(control.environments) == 1 and ENV in out and err == ""
    assert len({asked.headers["Idempotency-Key"] for asked in control.asked}) == 1 and len(control.asked) == 2


def test_the_key_can_be_given(control):
    for _ in range(2):
        envctl(control, "env", "create", "training", "--owner", "a", "--idempotency-key", "mine")
    assert len(control.environments) == 1
