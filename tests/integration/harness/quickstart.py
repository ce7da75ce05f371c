"""conf/quickstart as a person uses it: started, asked, stopped."""
import json
import os
from pathlib import Path

from .machine import BIN, ROOT, debian_tool
from .process import run

QUICKSTART = ROOT / "conf/quickstart"


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def ready_of(data):
    return json.loads((Path(data) / "ready.json").read_text())


class Quickstart:
    """With `docker`, an engine's socket; without, no engine is found, whatever runs on this machine."""

    def __init__(self, docker="/nonexistent/docker.sock", within=()):
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{docker}"}
        self.within = list(within)  # what a command is run by, such as another account

    def run(self, data, *options, check=True, binaries=BIN, seconds=90):
        argv = [*self.within, QUICKSTART, "--data", data, "--bin", binaries, *options]
        return run(argv, seconds=seconds, check=check, env=self.environment)

    def start(self, data, *options):
        """(ready.json, what it printed)."""
        done = self.run(data, "--detach", *options)
        return ready_of(data), done.stdout.decode()

    def stop(self, data, check=True):
        return self.run(data, "--stop", check=check).stdout.decode()


def ssh_argv(ready, *words):
    return [debian_tool("ssh"), "-F", ready["ssh_config"], "-o", "BatchMode=yes",
            "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes", ready["ssh_host"], *words]


def ssh(ready, *words):
    """By the demo's key, as ssh_config has it. Returns what it printed."""
    return run(ssh_argv(ready, *words)).stdout.decode().strip()


def ssh_by_password(ready, directory, command, password=None):
    """The line that was printed, its question for a password answered. That for the host key is not asked: it
    is pinned."""
    answer = Path(directory) / "askpass"
    answer.write_text('#!/bin/sh\nprintf "%s\\n" "$ANSWER"\n')
    answer.chmod(0o755)
    options = ["-F", "none"]
    for option in (f"UserKnownHostsFile=\"{ready['data']}/known_hosts\"", f"HostKeyAlias={ready['ssh_host']}",
                   "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=none", "NumberOfPasswordPrompts=1",
                   "IdentityFile=none", "IdentityAgent=none"):
        options += ["-o", option]
    program, *rest = ready["ssh_by_password"].split()
    return run([debian_tool(program), *rest, *options, command], check=False,
               env={**os.environ, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force",
                    "ANSWER": ready["password"] if password is None else password})


def get(ready, path="", *options, check=True):
    """A page of the demo by curl, which finds *.localhost itself; the CA is enough to trust it."""
    return run([debian_tool("curl"), "-sSf", "--noproxy", "*", "--cacert", ready["ca"], *options,
                ready["url"] + path], check=check)


def envctl(ready, *words):
    """What the command prints, as JSON."""
    done = run([ready["envctl"], *words, "-o", "json"],
               env={**os.environ, "ENVGATE_CONTROL_SOCKET": ready["control_socket"],
                    "ENVGATE_ADMIN_SOCKET": ready["admin_socket"]})
    return json.loads(done.stdout)
