"""A real OpenSSH server as the target, with keys of its own.
It logs in the user who runs the tests, by key."""
import os
import pwd
import socket

from .audited import SecretFile
from .machine import debian_tool, need
from .ports import free_port
from .process import Process, run

CONFIG = """\
Port {port}
ListenAddress {address}
{host_keys}
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
AllowTcpForwarding yes
AllowAgentForwarding yes
GatewayPorts no
X11Forwarding no
PrintMotd no
UseDNS no
MaxStartups 500
MaxSessions 100
LogLevel VERBOSE
AcceptEnv LANG TEST_*
TrustedUserCAKeys {user_ca}
Subsystem sftp {sftp}
"""


class Sshd:
    def __init__(self, directory, address="127.0.0.1", port=None, first=""):
        """`first`: lines of sshd_config that go before the others, and win."""
        self.directory, self.first = directory, first
        directory.mkdir(exist_ok=True)
        self.sshd = debian_tool("sshd")
        self.address = address
        self.port = port or free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.key = directory / "id_ed25519"
        self.host_keys, self.host_key_kinds = directory, ("ed25519", "ecdsa", "rsa")
        self.user_ca = SecretFile(directory / "user_ca")  # for gateways that log in by certificate
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd refuses to start as root without it
        self._make_keys()
        self._write_config()
        self.process = None

    def _keygen(self, kind, path, *more):
        if not path.exists():
            run([debian_tool("ssh-keygen"), "-q", "-t", kind, "-N", "", "-C", "test", "-f", path, *more])

    def _make_keys(self):
        for kind in ("ed25519", "ecdsa", "rsa"):
            self._keygen(kind, self.directory / f"host_{kind}")
        self._keygen("ed25519", self.key)
        # plink and dbclient convert this
        self._keygen("rsa", self.directory / "id_rsa", "-b", "2048", "-m", "PEM")
        public = [(self.directory / f"{name}.pub").read_text() for name in ("id_ed25519", "id_rsa")]
        (self.directory / "authorized_keys").write_text("".join(public))

    def _write_config(self):
        sftp = "/usr/lib/openssh/sftp-server"
        need(os.path.exists(sftp), "openssh-sftp-server is not installed (tests/run installs it)")
        host_keys = "\n".join(f"HostKey {self.directory}/host_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
        self.config = self.directory / "sshd_config"
        text = CONFIG.format(port=self.port, address=self.address, directory=self.directory, sftp=sftp,
                             host_keys=host_keys, user_ca=self.directory / "user_ca.pub")
        self.config.write_text(self.first + text)
        (self.directory / "user_ca.pub").write_text(self.user_ca.line() + "\n")

    def start(self):
        self.process = Process("sshd", [self.sshd, "-D", "-e", "-f", self.config],
                               self.directory / "sshd.log")
        self.process.wait_until(self.answers, "answering")
        return self

    def answers(self):
        try:
            with socket.create_connection((self.address, self.port), 2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def known_hosts(self, *names):
        """A known_hosts file in which the names (as ssh writes them:
        "[127.0.0.1]:50022") have this server's keys."""
        path = self.host_keys / ("known_hosts_" + "".join(c for c in "_".join(names) if c.isalnum()))
        keys = [(self.host_keys / f"host_{kind}.pub").read_text().split() for kind in self.host_key_kinds]
        path.write_text("".join(f"{name} {key[0]} {key[1]}\n" for name in names for key in keys))
        return path

    def fingerprint(self, kind="ed25519"):
        return self._fingerprint(self.host_keys / f"host_{kind}.pub")

    def fingerprint_of_key(self):
        return self._fingerprint(f"{self.key}.pub")

    @staticmethod
    def _fingerprint(path):
        return run([debian_tool("ssh-keygen"), "-l", "-f", path]).stdout.decode().split()[1]

    def options(self, alias="target"):
        """-o options for OpenSSH's clients:
        this key, this server's host key, nothing from the machine's own files."""
        known = self.known_hosts(alias)
        words = ["-F", "none"]
        for option in (f"IdentityFile={self.key}", "IdentitiesOnly=yes", "BatchMode=yes",
                       "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}",
                       "GlobalKnownHostsFile=none", f"HostKeyAlias={alias}", "LogLevel=ERROR",
                       "ConnectTimeout=20"):
            words += ["-o", option]
        return words

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        if self.process:
            self.process.stop()
