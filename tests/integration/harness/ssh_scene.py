"""A gateway whose audited sessions are attacked: one environment of a real sshd, one of a target that a test
bends, and a customer who was there before and must notice nothing. What every attack leaves behind is counted
here."""
import json
import os
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from . import audited, contract
from .echo_target import EchoTarget
from .gateway import Gateway
from .hostile_ssh import Client, Ended, Server
from .machine import BIN, need
from .ports import free_port
from .process import _die_with_parent
from .routes import ENV, RouteFile
from .ssh_clients import OpenSsh
from .wait import wait_for

BENT = "bent0target"
MEBIBYTE = 1 << 20


def stat_fields(pid):
    """Of /proc/PID/stat, those behind the name: its state, its parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def children(pid):
    """The processes that `pid` started and that have not been waited for."""
    found = set()
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and int(stat_fields(entry.name)[1]) == pid:
                found.add(int(entry.name))
        except OSError:
            pass
    return found


def memory(pid):
    """The most that it ever had of resident memory, in bytes; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max([int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")], default=0)


def cpu_seconds(pid):
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until_left(server):
    """Reads on, so that nothing that it was sent resets the connection."""
    try:
        while True:
            server.receive()
    except Ended:
        pass


class Bystander:
    """OpenSSH's client with `cat` at the other end."""

    def __init__(self, argv, log):
        self.log = open(log, "ab")
        self.popen = subprocess.Popen([*map(str, argv), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.log, preexec_fn=_die_with_parent)
        self.check()

    def check(self):
        data = os.urandom(3000)
        self.popen.stdin.write(data)
        self.popen.stdin.flush()
        assert self.popen.stdout.read(len(data)) == data, Path(self.log.name).read_text()

    def leave(self):
        self.popen.stdin.close()
        assert self.popen.stdout.read() == b"" and self.popen.wait(20) == 0
        self.log.close()

    def kill(self):
        self.popen.kill()
        self.popen.wait()
        self.log.close()


class Scene:
    def __init__(self, directory, ca, sshd, **more):
        need((BIN / "envgate-session").exists(),
             "envgate-session is not built: conf/libssh could not build libssh")
        self.sshd, self.user = sshd, sshd.user
        self.key = load_ssh_private_key(sshd.key.read_bytes(), None)
        self.entry_port = free_port()
        settings = audited.settings(directory, sshd, bind=f"127.0.0.1:{self.entry_port}", **more)
        self.gateway = Gateway(directory, ca, settings)
        self.target = EchoTarget(self._serve)
        self.host_key = Ed25519PrivateKey.generate()
        self.script = None
        self.served = []  # what became of each script
        self.port, self.bent_port = self.gateway.ssh_port(), self.gateway.ssh_port()
        self.routes = RouteFile(directory / "routes.yaml")
        self.route(ENV, self.port)
        self.bend_route()

    def route(self, env, port, **changes):
        way = {**audited.ssh(port, self.sshd), **changes}
        return self.routes.set(env, ssh=way, kind="physical")

    def bend_route(self, **changes):
        return self.route(BENT, self.bent_port, **{"target_port": self.target.port,
                                                   "host_keys": [audited.ssh_line(self.host_key)], **changes})

    # -- peers

    def _serve(self, connection):
        script = self.script
        try:
            self.served.append((script, script(connection.sock)))
        except Ended as ended:
            self.served.append((script, ended))

    def server(self, sock, **bent):
        return Server(sock, host_key=self.host_key, **bent)

    def client(self, port=None, **bent):
        """Keys are exchanged, and the service is asked for."""
        client = Client(port or self.port, **bent).handshake().ask_service()
        client.line = lambda: self.line_of(client)
        return client

    def customer(self, port=None, **bent):
        return self.client(port, **bent).login(self.user, self.key)

    def ssh(self, *words, env=ENV, port=None):
        """The argv of OpenSSH's client."""
        seen = audited.entry(self.sshd, self.gateway.directory, env)
        return OpenSsh(seen, port or self.port, self.gateway.directory).argv() + list(words)

    def bystander(self):
        return Bystander(self.ssh(), self.gateway.directory / "bystander.log")

    # -- processes

    def keeper(self):
        found = children(self.gateway.process.pid)
        return found.pop() if len(found) == 1 else None

    def sessions(self):
        keeper = self.keeper()
        return children(keeper) if keeper else set()

    def newest(self, before):
        """The session process that was not among `before`."""
        return wait_for(lambda: self.sessions() - before, "no session process came").pop()

    def counts(self):
        return {"sessions": len(self.sessions()), "files": self.gateway.process.open_files(),
                "keeper's files": len(os.listdir(f"/proc/{self.keeper()}/fd"))}

    def crashes(self):
        return self.gateway.refused("session_crashed") + self.gateway.refused("session_outside_sandbox")

    # -- before and after an attack

    def measure(self):
        return self.keeper(), self.counts(), self.gateway.rss(), self.crashes()

    def check(self, before):
        keeper, counts, rss, crashes = before
        assert self.gateway.process.alive() and self.keeper() == keeper
        wait_for(lambda: all(now <= counts[what] for what, now in self.counts().items()),
                 lambda: f"before: {counts}, now: {self.counts()}", 40)
        assert self.crashes() == crashes, self.gateway.process.tail()
        if self.gateway.memory_means_something():
            wait_for(lambda: self.gateway.rss() < rss + 12 * MEBIBYTE,
                     lambda: f"{rss} bytes before, {self.gateway.rss()} now")
        self.log()

    def log(self, event=None):
        """Every line of the log, read as strictly as any reader may: each is one JSON object."""
        text = self.gateway.process.log.read_bytes().decode("utf-8")
        lines = [json.loads(line) for line in text.split("\n") if line]
        return [line for line in lines if event is None or line.get("event") == event]

    def line_of(self, client):
        """The one line of the log that says how this client's connection ended."""
        def lines():
            return [line for line in self.log(contract.SSH_EVENT) if line["source_ip"] == client.source]
        wait_for(lines, lambda: f"no line of {client.source}: {self.gateway.process.tail(5)}")
        assert len(lines()) == 1
        return lines()[0]

    def __enter__(self):
        self.gateway.start()
        for env in (ENV, BENT):
            self.gateway.wait_route(self.routes.routes[env])
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.target.stop()
