"""The programs of the bench: the real envgate-control and the engine of memory, each ended by its pid, and a
connection to their sockets."""
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class RunError(Exception):
    """A run that must not be counted; the text says why."""


class Connection(http.client.HTTPConnection):
    """Kept from one request to the next."""

    def __init__(self, path):
        super().__init__("bench", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
        self.socket = self.sock  # http.client forgets it where an answer is the last one

    def ask(self, method, path, body=None):
        self.request(method, path, None if body is None else json.dumps(body),
                     {"Content-Type": "application/json"})
        answer = self.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RunError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)


def wait_for(condition, what, seconds, every=0.02):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RunError(f"not within {seconds} s: {what}")
        time.sleep(every)


class Program:
    def __init__(self, argv, log):
        self.log = Path(log)
        self.started = time.monotonic()
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=out, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG,
                                                                                    signal.SIGKILL))
        self.pid = self.popen.pid

    def check(self):
        if self.popen.poll() is not None:
            raise RunError(f"{self.popen.args[0]} has ended: {self.log.read_text()[-500:]}")

    def cpu(self):
        """Seconds, user and system, of all its threads: clock_getcpuclockid(3)."""
        return time.clock_gettime_ns((~self.pid << 3) | 2) / 1e9

    def memory(self, field):
        """MB (10^6) of a line of /proc/PID/status: VmRSS, VmHWM."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RunError(f"no {field}")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(30)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait()


class Engine(Program):
    def __init__(self, directory, containers=None):
        self.socket = Path(directory) / "engine.sock"
        self.socket.unlink(missing_ok=True)
        more = ["--containers", containers] if containers else []
        super().__init__([sys.executable, HERE / "engine.py", self.socket, *more],
                         Path(directory) / "engine.log")
        self.connection = Connection(self.socket)
        wait_for(self.answers, "the engine answers", 60)

    def answers(self):
        self.check()
        return self.socket.exists() and self.calls() is not None

    def calls(self):
        try:
            return self.connection.ask("GET", "/bench/calls")
        except ConnectionRefusedError:
            return None

    def containers(self):
        return self.connection.ask("GET", "/bench/containers")


class Plane(Program):
    """envgate-control with its defaults, but for the ports: ten thousand environments need as many."""

    def __init__(self, binary, directory, engine, store=None):
        directory = Path(directory)
        self.socket = directory / "control.sock"
        settings = {"socket": str(self.socket), "store": store or f"sqlite:{directory}/control.db",
                    "key_file": f"{directory}/control.key", "docker": {"socket": str(engine.socket)},
                    "ports": {"ssh": "20000-49999", "tcp": "50000-50999"}}
        config = directory / "control.yaml"
        config.write_text(json.dumps({"domain": "localhost", "control": settings}))  # JSON is YAML
        self.connection = Connection(self.socket)
        super().__init__([binary, "--config", config], directory / "control.log")

    def ask(self, method, path, body=None):
        self.check()
        return self.connection.ask(method, path, body)

    def ready(self):
        self.check()
        try:
            return self.connection.ask("GET", "/readyz")
        except OSError:
            self.connection.close()
            return None

    def wait_ready(self):
        wait_for(self.ready, "envgate-control answers", 60, 0.001)
        return self

    def allow(self, owner):
        self.ask("PUT", f"/api/quotas/{owner}", {"cpu": 100000, "memory": "1000TiB", "gpu": 0,
                                                 "storage": "1000TiB", "environments": 100000})

    def running(self):
        """How many environments are running, by the gauge."""
        connection = self.connection
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        for line in text.splitlines():
            if line.startswith('envgate_control_environments{state="running"}'):
                return int(float(line.split()[1]))
        return 0

    def resting(self):
        return not any(self.ask("GET", "/api/status")["passes"].values())


def spec(number, owner):
    return {"name": f"bench {number}", "owner": owner,
            "spec": {"image": "bench/ssh:1", "cpu": 1, "memory": "1GiB", "ports": [{"port": 8888}],
                     "env": {"LANG": "C.UTF-8"}, "ssh": {"user": "root"}}}


def fresh(path):
    os.makedirs(path)
    return Path(path)
