"""What the policy of an audited environment forbids is not to be had by any way to it; what it permits is.
Control tells the gateway, whose sessions keep to it; the target is OpenSSH, which would do it all."""
import contextlib
import http.server
import json
import os
import socket
import subprocess
import threading

import pytest

import openssh_image
from audited_gateway import Scene, make_key
from conftest import SOCKET
from plane import wait_for

PAGE = b"the customer's own page"
FEATURES = ["shell", "exec", "pty", "sftp", "agent", "x11", "local_forwarding", "remote_forwarding",
            "unix_forwarding"]


class Page(http.server.BaseHTTPRequestHandler):
    """What the customer has at home."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ways:
    """Every way to each feature: a function that says whether it was had."""

    def __init__(self, scene, made, key):
        self.scene, self.made, self.key = scene, made, key
        self.home = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.home.serve_forever, daemon=True).start()
        self.home_port = self.home.server_address[1]
        self.agent = scene.directory / "agent"
        self.agent_process = subprocess.Popen(["ssh-agent", "-D", "-a", self.agent],
                                              stdout=subprocess.DEVNULL)
        wait_for(self.agent.exists, "the agent listens")
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(self.agent)},
                       check=True)

    def close(self):
        self.home.shutdown()
        self.agent_process.terminate()
        self.agent_process.wait()

    def run(self, *words, options=(), data=None, environ=None):
        argv = self.scene.argv(self.made, *words, key=self.key, options=options)
        done = subprocess.run([str(word) for word in argv], env={**self.scene.environ(), **(environ or {})},
                              capture_output=True, text=True, timeout=60, input=data or "")
        assert done.returncode != 255 or "Connection" not in done.stderr or data is None, done.stderr
        return done

    @contextlib.contextmanager
    def forwarding(self, *options):
        """An ssh that only forwards, once it says that it does. Gives False where it was refused."""
        argv = self.scene.argv(self.made, key=self.key, options=["-N", "-v", "-o", "ExitOnForwardFailure=yes",
                                                                *options])
        process = subprocess.Popen([str(word) for word in argv], env=self.scene.environ(), text=True,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        up = False
        for line in process.stderr:
            up = up or "Entering interactive session" in line
            remote = any(option.startswith("-R") for option in options)
            if up and (not remote or "forward success" in line or "forward failure" in line.lower()):
                up = "failure" not in line.lower()
                break
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        try:
            yield up
        finally:
            process.terminate()
            process.wait(20)
            reader.join()

    def get(self, *words):
        """A page by curl; nothing where there is none."""
        done = subprocess.run(["curl", "-s", "--max-time", "10", *words], capture_output=True)
        return done.stdout if done.returncode == 0 else b""

    # -- programs

    def shell(self):
        return {"shell": self.run(options=["-T"], data="echo shel''led\n").stdout == "shelled\n"}

    def exec(self):
        there = f"root@127.0.0.1:old{os.getpid()}"
        copy = self.scene.run(["scp", "-q", "-O", *self.scene.options(self.made, self.key), self.scene.config,
                               there], check=False)
        return {"exec": self.run("echo did").stdout == "did\n", "scp -O": copy.returncode == 0,
                "with a pty": "did" in self.run("echo did", options=["-tt"]).stdout}

    def sftp(self):
        options = self.scene.options(self.made, self.key)
        copy = self.scene.run(["scp", "-q", "-s", *options, self.scene.config, "root@127.0.0.1:new"],
                              check=False)
        listed = self.scene.run(["sftp", "-q", "-b", "-", *options, "root@127.0.0.1"], data="ls -a\n",
                                check=False)
        return {"scp -s": copy.returncode == 0, "sftp": listed.returncode == 0}

    def pty(self):
        done = self.run("tty", options=["-tt"])
        shell = self.run(options=["-tt"], data="tty; exit\n")
        return {"with a command": "/dev/pts" in done.stdout, "with a shell": "/dev/pts" in shell.stdout}

    # -- what the target may ask for

    def agent_(self):
        environ = {"SSH_AUTH_SOCK": str(self.agent)}
        options = ["-A", "-o", f"IdentityAgent={self.agent}"]
        done = self.run("ssh-add -l", options=options, environ=environ)
        return {"exec": "SHA256:" in done.stdout,
                "shell": "SHA256:" in self.run(options=["-T", *options], environ=environ,
                                               data="ssh-add -l\n").stdout}

    def x11(self):
        environ = {"DISPLAY": "127.0.0.1:99"}
        return {way: "localhost:1" in self.run("echo $DISPLAY", options=[way], environ=environ).stdout
                for way in ("-X", "-Y")}

    # -- forwards

    def local_forwarding(self):
        had = {}
        port, socks = free_port(), free_port()
        with self.forwarding("-L", f"{port}:127.0.0.1:8888", "-D", str(socks)) as up:
            assert up
            had["-L"] = b"You have reached" in self.get(f"http://127.0.0.1:{port}/")
            had["-D"] = b"You have reached" in self.get("--socks5", f"127.0.0.1:{socks}",
                                                        "http://127.0.0.1:8888/")
        done = self.run(options=["-W", "127.0.0.1:8888"], data="GET / HTTP/1.0\r\n\r\n")
        had["-W"] = "You have reached" in done.stdout
        return had

    def remote_forwarding(self):
        with self.forwarding("-R", f"7777:127.0.0.1:{self.home_port}") as up:
            page = self.run("wget -q -O - http://127.0.0.1:7777/").stdout if up else ""
        with self.forwarding("-R", "7778") as dynamic:
            pass
        return {"-R": page == PAGE.decode(), "-R of any": dynamic}

    def unix_forwarding(self):
        """From a Unix socket there, and to one: each by the other."""
        port = free_port()
        path = f"/tmp/{port}.sock"
        with self.forwarding("-R", f"{path}:127.0.0.1:{self.home_port}") as up:
            with self.forwarding("-L", f"{port}:{path}"):
                there_and_back = self.get(f"http://127.0.0.1:{port}/") == PAGE
        with self.forwarding("-L", f"{port}:/run/none.sock"):
            self.get(f"http://127.0.0.1:{port}/")  # for the record
        return {"-R": up, "-L": there_and_back}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = Scene(tmp_path_factory.mktemp("policy"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def made(scene):
    key, public = make_key(scene.directory, "customer")
    return {**scene.make(image=openssh_image.make(SOCKET), keys=[public]), "key": key}


@pytest.fixture(scope="module")
def ways(scene, made):
    all_of_them = Ways(scene, made, made["key"])
    yield all_of_them
    all_of_them.close()


def set_policy(scene, made, **ssh):
    """Of the environment, whatever it was before; the gateway's, then."""
    whole = {"forbid": [], "force_command": "", "record_input": False, **ssh}
    scene.plane.do("PATCH", f"/api/environments/{made['id']}", {"policy": {"ssh": whole}})

    def arrived(route):
        told = route["ssh"]
        return (sorted(told.get("forbid", [])) == sorted(ssh.get("forbid", [])) and
                told.get("force_command", "") == ssh.get("force_command", "") and
                told.get("record_input", False) == ssh.get("record_input", False))
    scene.settled(made["id"], arrived, f"the gateway knows of {ssh}")


def refusals(scene, made):
    return [event["what"] for record in scene.records(env=made["id"]) for event in scene.events_of(record)
            if event.get("event") == "refused"]


@pytest.mark.parametrize("feature", FEATURES)
def test_what_is_forbidden_is_not_to_be_had_by_any_way(scene, made, ways, feature):
    had = getattr(ways, {"agent": "agent_"}.get(feature, feature))
    set_policy(scene, made, forbid=[])
    assert all(had().values()), f"while it is permitted: {had()}"
    before = refusals(scene, made).count(feature)
    set_policy(scene, made, forbid=[feature])
    assert not any(had().values()), f"forbidden, and had: {had()}"
    wait_for(lambda: refusals(scene, made).count(feature) > before, "its record tells of it")
    if feature not in ("exec", "shell"):
        assert ways.run("echo others").stdout == "others\n", "what is not forbidden goes on"


def test_the_owners_policy_is_beside_the_environments(scene, made, ways):
    set_policy(scene, made, forbid=["pty"])
    assert all(ways.sftp().values())
    scene.plane.ask("PUT", "/api/owners/ada/policy", {"ssh": {"forbid": ["sftp"]}})
    scene.settled(made["id"], lambda route: set(route["ssh"]["forbid"]) == {"pty", "sftp"}, "both count")
    assert not any(ways.sftp().values()) and not any(ways.pty().values())
    scene.plane.ask("PUT", "/api/owners/ada/policy", {})
    scene.settled(made["id"], lambda route: route["ssh"]["forbid"] == ["pty"], "his is gone")
    assert all(ways.sftp().values())


def test_a_forced_command_runs_in_place_of_any(scene, made, ways):
    set_policy(scene, made, force_command="echo forced; cat >/dev/null")
    assert ways.run("echo mine").stdout == "forced\n"
    assert ways.run(options=["-T"], data="echo mine\n").stdout == "forced\n"
    assert "forced" in ways.run("echo mine", options=["-tt"], data="\4").stdout
    assert not any(ways.sftp()[way] for way in ("scp -s", "sftp"))
    copy = scene.run(["scp", "-q", "-O", *scene.options(made, made["key"]), scene.config,
                      "root@127.0.0.1:forced"],
                     check=False)
    assert copy.returncode != 0
    set_policy(scene, made)
    assert ways.run("ls forced").returncode != 0, "it was copied"


def terminals(scene, made, before):
    """Of the record that was not there before, once it is closed."""
    record = scene.closed_record(made["id"], before)
    files = sorted((scene.directory / "records").glob(f"{record['id']}-*.cast"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()[1:]]
    return record, lines


@pytest.mark.parametrize("recorded", [False, True])
def test_input_is_recorded_where_the_policy_says_so(scene, made, ways, recorded):
    set_policy(scene, made, **({"record_input": True} if recorded else {}))
    before = scene.records(env=made["id"])
    ways.run(options=["-tt"], data="stty -echo; echo rea''dy\nexit # not echoed\n")
    record, lines = terminals(scene, made, before)
    typed = "".join(line[2] for line in lines if line[1] == "i")
    assert ("not echoed" in typed) is recorded
    assert "ready" in "".join(line[2] for line in lines if line[1] == "o")
    assert scene.verify(record)[0] == 0
