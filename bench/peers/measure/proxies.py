"""The proxies, ours and the peers', and `direct`: the same work with none in between. Each is one object with
the same face: where it listens, what it can do, and the processes whose CPU and memory are its cost."""
import os
from pathlib import Path
import urllib.error
import urllib.request

from .files import fill
from .ports import accepts, free_port
from .process import PROXY_CORE, Process, family


class Proxy:
    can = {"http", "ws"}
    template = None

    def __init__(self, rig, name, directory, values):
        self.name, self.rig, self.directory = name, rig, directory
        directory.mkdir()
        self.https, self.ssh = free_port(), free_port()
        self.processes = []
        self.values = {**rig.values, "DIR": directory, "HTTPS": self.https, "SSH": self.ssh, **values}

    def configure(self, **more):
        return fill(self.template, self.directory / self.template, {**self.values, **more})

    def start_process(self, *argv, ready):
        process = Process(self.name, argv, self.directory / "log", PROXY_CORE)
        self.processes.append(process)
        process.wait_until(ready, 60)

    def cpu(self):
        return sum(process.cpu() for process in self.processes)

    def pss(self):
        return sum(process.pss() for process in self.processes)

    def stop(self):
        for process in self.processes:
            process.stop()


class Envgate(Proxy):
    can = {"http", "ws", "ssh", "routes"}
    template = "envgate.conf"
    def start(self):
        self.metrics = free_port()
        config = self.configure(METRICS=self.metrics, LEVEL="info" if self.rig.logs else "warn")
        self.start_process(self.program(), "--config", config, ready=self.ready)

    def program(self):
        return self.rig.bin / "envgate"

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/readyz", timeout=60) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def route_count(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=60) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("envgate_routes ") or line.startswith("envgate_routes{"):
                    return int(float(line.split()[-1]))
        return None


class Before(Envgate):
    """Another build of it: what a change has brought."""

    def program(self):
        return self.rig.before / "envgate"


class Haproxy(Proxy):
    can = {"http", "ws", "ssh"}
    template = "haproxy.conf"

    def start(self):
        log = ("log stdout format raw local0 info", "log global") if self.rig.logs else ("", "")
        config = self.configure(LOG=log[0], LOG_GLOBAL=log[1])
        self.start_process("haproxy", "-db", "-f", config, ready=lambda: accepts(self.https))


def nginx_log(rig, directory, name="access.log", form="combined"):
    """In batches, as ours is written."""
    return f"{directory}/{name} {form} buffer=64k flush=1s" if rig.logs else "off"


class Nginx(Proxy):
    can = {"http", "ws", "ssh"}
    template = "nginx.conf"

    def start(self):
        config = self.configure(ACCESS_LOG=nginx_log(self.rig, self.directory),
                                TCP_LOG=nginx_log(self.rig, self.directory, "tcp.log", "tcp"))
        self.start_process("nginx", "-p", self.directory, "-c", config, "-e", self.directory / "error.log",
                           ready=lambda: accepts(self.https))


class Seed(Nginx):
    can = {"http", "lookup"}
    template = "seed.conf"


class Nghttpx(Proxy):
    template = "nghttpx.conf"

    def start(self):
        log = f"accesslog-file={self.directory}/access.log" if self.rig.logs else ""
        config = self.configure(ACCESS_LOG=log)
        self.start_process("nghttpx", f"--conf={config}", ready=lambda: accepts(self.https))


class OpenSsh(Proxy):
    """A jump host. It wants the SSH client of its own kind, so runs with it are told apart by `jump`."""
    can = {"jump"}
    template = "sshd.conf"

    @staticmethod
    def prepare():
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd(8) insists on it

    def start(self):
        self.prepare()
        config = self.configure()
        self.start_process("/usr/sbin/sshd", "-D", "-e", "-f", config, ready=lambda: accepts(self.ssh))

    def wait_alone(self):
        """Until the processes of ended connections have been waited for: then their CPU time is sshd's."""
        self.processes[0].wait_until(lambda: len(family(self.processes[0].pid)) == 1, 5)


class Direct(Proxy):
    """The origin and the echo server, with TLS of their own, on the proxies' core."""
    can = {"http", "ws", "ssh"}
    template = "origin.conf"

    def start(self):
        config = self.configure(ACCESS_LOG=nginx_log(self.rig, self.directory),
                                LISTEN=f"listen 127.0.0.1:{self.https} ssl http2 backlog=4096;")
        self.start_process("nginx", "-p", self.directory, "-c", config, "-e", self.directory / "error.log",
                           ready=lambda: accepts(self.https))
        self.echo = free_port()
        words = self.rig.client_server(echo_tls=self.echo, raw=self.ssh)
        self.start_process(*words, ready=lambda: accepts(self.echo))


PEERS = {"direct": Direct, "haproxy": Haproxy, "nginx": Nginx, "seed": Seed, "nghttpx": Nghttpx,
         "openssh": OpenSsh}
OURS = {"envgate": Envgate, "before": Before}
