"""A plane, its gateway with audited sessions, and customers who come through it with OpenSSH's own programs.
What they know of host keys is what `envctl gateway ssh-keys` prints."""
import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess
import time

from audited import make_key
from conftest import SOCKET, sweep
from gateway_program import HTTPS_PORT, Gateway
from plane import Plane, wait_for
from test_docker import spec

ENTRY_PORT = 2222
BIN = os.environ.get("TESTED_BIN", "")
HOSTNAMES = """\
Host gw
  HostName 127.0.0.1
  Port {entry}
  HostKeyAlias [localhost]:{entry}
Host *
  UserKnownHostsFile {known}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  IdentityAgent none
  NumberOfPasswordPrompts 1
  ConnectTimeout 30
"""
ASKPASS = """\
#!/bin/sh
case $1 in
  *code*) sed -n 1p "$CODES"; sed -i 1d "$CODES" ;;
  *) printf '%s\\n' "$ANSWER" ;;
esac
"""


class Scene:
    def __init__(self, directory, **settings):
        self.directory = directory
        self.plane = Plane(directory, docker={"socket": SOCKET, "grace": "1s"}).start()
        self.plane.allow("ada")
        audited = {"host_key_file": f"{directory}/ssh_host_key", "bind": f"127.0.0.1:{ENTRY_PORT}",
                   "penalties": {"enabled": False}}
        records = {"directory": f"{directory}/records", "key_file": f"{directory}/record.key",
                   "min_free": "1MiB"}
        self.gateway = Gateway(self.plane, directory, settings={
            "ssh": {"audited": {**audited, **settings.pop("audited", {})}}, "audit": {"records": records},
            **settings})
        self.known = directory / "known_hosts"
        self.config = directory / "ssh_config"
        self.config.write_text(HOSTNAMES.format(entry=ENTRY_PORT, known=self.known))
        self.askpass = directory / "askpass"
        self.askpass.write_text(ASKPASS)
        self.askpass.chmod(0o755)
        self.codes = directory / "codes"
        self.known.touch()
        wait_for(lambda: self.gateway.admin.exists() and self.envctl("gateway", "health", check=False),
                 "the gateway is ready")
        self.learn()

    def stop(self):
        self.gateway.stop()
        if self.plane.process.poll() is not None:
            self.plane.start()
        self.plane.stop()
        sweep()

    # -- the operator

    def envctl(self, *words, check=True):
        """What it printed; without `check`, nothing where it failed."""
        done = subprocess.run([f"{BIN}/envctl", *map(str, words)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, "ENVGATE_ADMIN_SOCKET": str(self.gateway.admin),
                                   "ENVGATE_CONTROL_SOCKET": str(self.plane.socket)})
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def learn(self, environment=None):
        """A line of known_hosts, as an operator gives it to customers."""
        told = self.envctl("gateway", "ssh-keys", *([environment] if environment else []))
        self.known.write_text(self.known.read_text() + told)
        return told

    def log(self, event):
        lines = [line for line in self.gateway.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line.get("event") == event]

    def ended(self, count):
        """The lines of connections, once so many have ended."""
        def enough():
            lines = self.log("ssh_connection")
            return lines if len(lines) >= count else None
        return wait_for(enough, f"{count} connections have ended")

    def records(self, **filters):
        words = [word for name, value in filters.items() for word in (f"--{name}", value)]
        return json.loads(self.envctl("session", "ls", "-o", "json", *words))["records"]

    def closed_records(self, environment, count):
        """Of that environment, once they are so many and all are closed."""
        def closed():
            found = self.records(env=environment)
            return found if len(found) == count and all(record.get("ended") for record in found) else None
        return wait_for(closed, f"{count} records of {environment} are closed")

    def closed_record(self, environment, before=()):
        """The one that was not among those `before`, once it is closed. (Of one second any is the first.)"""
        known = {record["id"] for record in before}
        found = self.closed_records(environment, len(known) + 1)
        return next(record for record in found if record["id"] not in known)

    def verify(self, record):
        """(exit status, what it says)."""
        done = subprocess.run([f"{BIN}/envctl", "session", "verify", record["id"], "--socket",
                               self.gateway.admin,
                               "--key", f"{self.directory}/record.key.pub"], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def events_of(self, record):
        """What the record's log tells, without the links of its chain."""
        path = self.directory / "records" / f"{record['id']}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    # -- environments

    def make(self, policy=None, image=None, reach=True, keys=(), **ssh):
        body = spec(ssh={"mode": "audited", "keys": list(keys), **ssh})
        body["policy"] = policy or {}
        if image:
            body["spec"]["image"] = image
        body["name"] = f"env{len(self.plane.ask('GET', '/api/environments')['environments'])}"
        return self.take(self.plane.do("POST", "/api/environments", body), reach)

    def take(self, made, reach=True):
        wait_for(lambda: self.route(made["id"]), "the gateway has its route")
        self.learn(made["id"])
        made = {**made, **self.plane.ask("GET", f"/api/environments/{made['id']}/access")}
        if reach:  # its server may still be starting
            wait_for(lambda: self.route(made["id"])["ssh"].get("host_keys"), "its host keys are pinned")
        return made

    def route(self, id):
        told = self.envctl("gateway", "route", id, "-o", "json", check=False)
        return json.loads(told) if told else None

    def settled(self, id, what, message):
        """Once the gateway's route of it is as `what` wants it."""
        return wait_for(lambda: (route := self.route(id)) and what(route) and route, message)

    # -- customers

    def environ(self, password="", codes=()):
        self.codes.write_text("".join(f"{code}\n" for code in codes))
        return {**os.environ, "SSH_ASKPASS": str(self.askpass), "SSH_ASKPASS_REQUIRE": "force",
                "ANSWER": password, "CODES": str(self.codes)}

    def options(self, made=None, key=None):
        words = ["-F", self.config]
        if key:
            words += ["-i", key, "-o", "PasswordAuthentication=no"]
        else:
            words += ["-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password"]
        if made:
            words += ["-o", f"HostKeyAlias=[{made['id']}.ssh.localhost]:{made['ssh_port']}", "-o",
                      f"Port={made['ssh_port']}"]
        return words

    def argv(self, made, *words, key=None, options=()):
        """To the environment's own port."""
        return ["ssh", *self.options(made, key), *options, "root@127.0.0.1", *words]

    def run(self, argv, password="", codes=(), check=True, seconds=60, data=None):
        done = subprocess.run([str(word) for word in argv], env=self.environ(password, codes), text=True,
                              input=data or "", timeout=seconds, capture_output=True)
        assert not check or done.returncode == 0, f"{argv}: {done.returncode} {done.stdout} {done.stderr}"
        return done

    def ssh(self, made, *words, key=None, options=(), check=True, **more):
        """By key, or by the environment's password."""
        password = "" if key else made["ssh_password"]
        return self.run(self.argv(made, *words, key=key, options=options), check=check,
                        **{"password": password, **more})

    def open(self, argv, password=""):
        """A session that goes on: its ends are pipes."""
        return subprocess.Popen([str(word) for word in argv], env=self.environ(password),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Cat:
    """A customer with `cat` at the other end."""

    def __init__(self, scene, made, **more):
        self.process = scene.open(scene.argv(made, "cat", **more), made["ssh_password"])
        self.check()

    def check(self, text=b"a line\n"):
        self.process.stdin.write(text)
        self.process.stdin.flush()
        assert self.process.stdout.read(len(text)) == text, self.process.stderr.read()

    def leave(self):
        out, error = self.process.communicate(timeout=30)
        assert self.process.returncode == 0 and out == b"", error

    def told(self):
        """Once it has ended by itself: (exit status, what it said on stderr)."""
        _, error = self.process.communicate(timeout=30)
        return self.process.returncode, error.decode()


def code_of(secret, step=None):
    """RFC 6238, by Python's own hmac."""
    step = int(time.time()) // 30 if step is None else step
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 10**6:06}"


__all__ = ["ENTRY_PORT", "HTTPS_PORT", "Cat", "Scene", "code_of", "make_key"]
