"""The real `envgate`, started with settings of its own and watched through its admin socket."""
import copy
import http.client
import itertools
import json
import re
import signal
import socket
from pathlib import Path

import yaml

from . import contract
from .machine import BIN, SANITIZED
from .ports import free_port, free_ports, give_back
from .process import Process, run
from .wait import wait_for

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
SANITIZER_FINDING = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def merged(base, changes):
    """`base` with `changes` laid over it, mappings merged key by key."""
    out = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


class Gateway:
    def __init__(self, directory, ca, settings=None, ssh_ports=50, domain=None):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.ca = ca
        self.domain = domain or ca.domain
        self.ports = {"https": free_port(), "http": free_port(), "metrics": free_port(),
                      "ssh": free_ports(ssh_ports)}
        self.settings = merged(contract.settings(self.ports, self.directory, ca, self.domain), settings or {})
        self.config = self.directory / "envgate.yaml"
        self.admin_socket = self.settings["admin"]["socket"]
        self._ssh_ports = itertools.count(self.ports["ssh"][0])
        self.process = None
        self.write_settings()

    # -- settings and life

    def write_settings(self, changes=None):
        if changes:
            self.settings = merged(self.settings, changes)
        self.config.write_text(yaml.safe_dump(self.settings, sort_keys=False))

    def start(self, wait=True, arguments=()):
        options = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
                   "TSAN_OPTIONS": "halt_on_error=0"}
        self.process = Process("envgate", [BIN / "envgate", "--config", self.config, *arguments],
                               self.directory / "envgate.log", env=options)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=20):
        self.process.wait_until(self.ready, "ready", seconds)

    def ready(self):
        try:
            return self.admin("GET", contract.ADMIN_READY)[0] == 200
        except OSError:
            return False

    def stop(self):
        """Ends it and checks that it ended well: exit status 0, and nothing for a sanitizer to say."""
        if self.process is None:
            return
        was_alive = self.process.alive()
        status = self.process.stop(20)
        text = self.process.log.read_text(errors="replace")
        assert not SANITIZER_FINDING.search(text), text[-8000:]
        if was_alive:
            assert status == 0, f"envgate ended with {status} on SIGTERM:\n{self.process.tail(60)}"

    def dispose(self):
        """Ends it for good: its ports may be another's."""
        self.stop()
        give_back(self.ports["ssh"])

    def sighup(self):
        self.process.signal(signal.SIGHUP)

    def sigterm(self):
        self.process.signal(signal.SIGTERM)

    def rss(self):
        return self.process.rss()

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.stop()

    # -- addresses

    @property
    def https_port(self):
        return self.ports["https"]

    @property
    def http_port(self):
        return self.ports["http"]

    def ssh_port(self):
        """A port of the range that no route was given yet."""
        port = next(self._ssh_ports)
        assert port <= self.ports["ssh"][1], "the test wants more ssh ports than it asked for"
        return port

    def host(self, env, port):
        return f"{env}-{port}.container.{self.domain}"

    def ssh_host(self, env):
        return f"{env}.ssh.{self.domain}"

    # -- the admin socket

    def admin(self, method, path, body=None):
        """(status, parsed JSON or text)."""
        connection = UnixConnection(self.admin_socket)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, json.loads(text) if is_json and text else text

    def route(self, env):
        """The route as the gateway holds it, or None."""
        status, body = self.admin("GET", f"{contract.ADMIN_ROUTES}/{env}")
        return body if status == 200 else None

    def wait_route(self, route, seconds=5):
        """Until the gateway holds this route, in this generation."""
        wait_for(lambda: (self.route(route["env"]) or {}).get("generation") == route["generation"],
                 lambda: f"the gateway does not hold {route}, but {self.route(route['env'])}", seconds)

    def wait_gone(self, env, seconds=5):
        wait_for(lambda: self.route(env) is None, f"the gateway still holds a route for {env}", seconds)

    def sessions(self):
        return self.admin("GET", contract.ADMIN_SESSIONS)[1]["sessions"]

    def metrics(self):
        """Every sample: [(name, {label: value}, number)]."""
        text = self.admin("GET", contract.ADMIN_METRICS)[1]
        samples = []
        for line in text.splitlines():
            match = SAMPLE.match(line)
            if match:
                samples.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
        return samples

    def metric(self, name, **labels):
        """The sum of the samples of that name that carry these labels; 0 where there is none."""
        return sum(value for sample, have, value in self.metrics()
                   if sample == name and labels.items() <= have.items())

    def refused(self, reason):
        return self.metric(contract.REFUSED, reason=reason)

    def log_lines(self, event=None):
        """The log so far: parsed lines, those of one event if it is given."""
        lines = []
        for text in self.process.log.read_text(errors="replace").splitlines():
            if text.startswith("{"):
                line = json.loads(text)
                if event is None or line.get("event") == event:
                    lines.append(line)
        return lines

    def envctl(self, *arguments, check=True):
        return run([BIN / "envctl", "gateway", *arguments, "--socket", self.admin_socket], check=check)

    def memory_means_something(self):
        return not SANITIZED
