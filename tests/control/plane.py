"""A real envgate-control for tests: its files in a directory, its API over the Unix socket."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "integration"))
from harness import wait  # noqa: E402

def wait_for(condition, what, seconds=30):
    return wait.wait_for(condition, what, seconds, 0.02)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("control", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Refused(Exception):
    def __init__(self, status, problem):
        super().__init__(f"{status}: {problem}")
        self.status, self.problem = status, problem


class Plane:
    def __init__(self, directory, **settings):
        self.directory = Path(directory)
        self.socket = self.directory / "control.sock"
        self.log = self.directory / "control.log"
        self.faults = self.directory / "faults"
        self.faults.mkdir(exist_ok=True)
        self.binary = os.environ["ENVGATE_TEST_CONTROL"]
        self.settings = {"socket": str(self.socket), "store": f"sqlite:{self.directory}/control.db",
                         "key_file": f"{self.directory}/control.key", "ports": {"quarantine": "0"},
                         "reconcile": {"resync": "300ms", "retry_first": "100ms", "claim": "1s"}, **settings}
        self.process = None

    def write_settings(self):
        config = self.directory / "control.yaml"
        config.write_text(json.dumps({"domain": "localhost", "control": self.settings}))  # JSON is YAML
        return config

    def start(self):
        config = self.write_settings()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, "--config", config], stdin=subprocess.DEVNULL,
                                            stderr=log, stdout=log,
                                            env={**os.environ, "ENVGATE_TEST_FAULTS": str(self.faults)})
        wait_for(self.answers, "envgate-control answers")
        return self

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            return self.ask("GET", "/readyz")
        except OSError:
            return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None, **headers):
        return self.send(method, path, None if body is None else json.dumps(body), "application/json",
                         **headers)

    def send(self, method, path, text, content_type, **headers):
        connection = UnixConnection(self.socket)
        try:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, text, {"Content-Type": content_type, **fields})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(response.status, json.loads(text))
        return json.loads(text)

    def allow(self, owner, **more):
        amounts = {"cpu": 64, "memory": "64GiB", "gpu": 8, "storage": "1TiB", "environments": 50, **more}
        return self.ask("PUT", f"/api/quotas/{owner}", amounts)

    def do(self, method, path, body=None, state="done", **headers):
        """A change, waited for; returns its environment."""
        answer = self.ask(method, path, body, Prefer="wait=60", **headers)
        assert answer["operation"]["state"] == state, answer["operation"]
        return answer["environment"]

    def environment(self, id):
        return self.ask("GET", f"/api/environments/{id}")

    def routes(self):
        return {route["env"]: route for route in self.ask("GET", "/api/routes")["routes"]}
