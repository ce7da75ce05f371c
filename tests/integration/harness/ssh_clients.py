"""The SSH command line clients, each behind the same few verbs, so that one test runs them all:
`command` is the argv that runs a remote command, `forward` the argv that only forwards."""
import os

from .machine import debian_tool
from .process import run


class OpenSsh:
    name = "openssh"
    forwards = {"L", "R", "D"}

    def __init__(self, sshd, port, directory, host="127.0.0.1", more=()):
        self.options = [*sshd.options(), *more]
        self.port, self.where = port, f"{sshd.user}@{host}"

    def argv(self, *options):
        return [debian_tool("ssh"), *self.options, "-p", self.port, *options, self.where]

    def command(self, *words, agent=False):
        return [*self.argv(*(["-A"] if agent else [])), *words]

    def forward(self, kind, spec):
        return self.argv("-N", "-o", "ExitOnForwardFailure=yes", f"-{kind}", spec)

    def copy(self, source, destination):
        """scp; a remote path begins with ":"."""
        return [debian_tool("scp"), "-q", *self.options, "-P", self.port,
                *(self.where + path if path.startswith(":") else path for path in (source, destination))]

    def rsync_shell(self):
        argv = [debian_tool("ssh"), *map(str, self.options), "-p", str(self.port)]
        return " ".join(f"'{word}'" for word in argv)


class Plink:
    name = "plink"
    forwards = {"L", "R", "D"}

    def __init__(self, sshd, port, directory):
        key = directory / "id.ppk"
        run([debian_tool("puttygen"), sshd.directory / "id_rsa", "-O", "private", "-o", key])
        # Its settings and seeds live in the home directory; -hostkey makes it trust this server's key alone.
        self.environment = {"HOME": str(directory)}
        self.port, self.where = port, f"{sshd.user}@127.0.0.1"
        self.options = ["-batch", "-P", str(port), "-i", str(key)]
        for kind in sshd.host_key_kinds:
            self.options += ["-hostkey", sshd.fingerprint(kind)]

    def command(self, *words, agent=False):
        return [debian_tool("plink"), "-ssh", *self.options, *(["-A"] if agent else []), self.where, *words]

    def forward(self, kind, spec):
        return [debian_tool("plink"), "-ssh", *self.options, "-N", f"-{kind}", spec, self.where]

    def copy(self, source, destination):
        return [debian_tool("pscp"), "-q", *self.options,
                *(self.where + path if path.startswith(":") else path for path in (source, destination))]

    def rsync_shell(self):
        return " ".join([debian_tool("plink"), "-ssh", *self.options])


class Dbclient:
    name = "dbclient"
    forwards = {"L", "R"}

    def __init__(self, sshd, port, directory):
        key = directory / "id.dropbear"
        if not key.exists():
            run([debian_tool("dropbearconvert"), "openssh", "dropbear", sshd.directory / "id_rsa", key])
        home = directory / "dropbear-home"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        self.environment = {"HOME": str(home)}
        self.options = ["-y", "-i", str(key), "-p", str(port)]  # -y: it has no way to name a known_hosts file
        self.where = f"{sshd.user}@127.0.0.1"

    def command(self, *words, agent=False):
        return [debian_tool("dbclient"), *self.options, *(["-A"] if agent else []), self.where, *words]

    def forward(self, kind, spec):
        return [debian_tool("dbclient"), *self.options, "-N", f"-{kind}", spec, self.where]

    def copy(self, source, destination):
        # scp's old protocol over any ssh program that takes `-l user host command`
        script = ("#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in "
                  "-x|-oPermitLocalCommand=no|-oClearAllForwardings=yes|-oRemoteCommand=none|"
                  "-oRequestTTY=no|-oForwardAgent=no|--) shift;; *) break;; esac; done\n"
                  f"exec {debian_tool('dbclient')} {' '.join(self.options)} \"$@\"\n")
        wrapper = os.path.join(self.environment["HOME"], "dbclient-for-scp")
        with open(wrapper, "w") as file:
            file.write(script)
        os.chmod(wrapper, 0o755)
        return [debian_tool("scp"), "-q", "-O", "-S", wrapper,
                *(self.where + path if path.startswith(":") else path for path in (source, destination))]

    def rsync_shell(self):
        return " ".join([debian_tool("dbclient"), *self.options])


CLIENTS = {client.name: client for client in (OpenSsh, Plink, Dbclient)}
