"""What a customer's SSH session can go through: the target's own sshd, OpenSSH's two ways over a host in
between, and ours. All reach the same target, as the same user. Each has its client's settings (ssh -F)."""
import base64
import json

from .files import fill, user
from .ports import accepts, free_port
from .process import LOAD_CORE, Process, run
from .proxies import Envgate, OpenSsh, Proxy

ENV = "6hiflzwte2xnkroq"
CIPHER = "aes128-gcm@openssh.com"
CLIENT = """\
Host *
  User {user}
  IdentityFile {key}
  IdentitiesOnly yes
  BatchMode yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /dev/null
  LogLevel ERROR
  Ciphers {cipher}
Host target
  HostName 127.0.0.1
  Port {port}
{more}"""
# With the other end's command and terminal, if there are any. What SFTP asks for comes as its program.
ONWARD = """\
#!/bin/sh
if [ -n "$SSH_TTY" ]; then terminal=-tt; fi
exec ssh -F {config} $terminal target ${{SSH_ORIGINAL_COMMAND:+"$SSH_ORIGINAL_COMMAND"}}
"""


def client_settings(path, rig, port, more=""):
    path.write_text(CLIENT.format(user=user(), key=rig.values["USER_KEY"], cipher=CIPHER, port=port,
                                  more=more))
    return path


def seed_of(private_key):
    """The 32 secret bytes of an Ed25519 key as ssh-keygen writes it: they stand before the public half."""
    lines = private_key.read_text().splitlines()[1:-1]
    public = base64.b64decode(private_key.with_suffix(".pub").read_text().split()[1])[-32:]
    blob = base64.b64decode("".join(lines))
    at = blob.rindex(public)
    return blob[at - 32:at]


class SshTarget:
    """The sshd of the environment, on the load's core; and a CA that it trusts, whose secret our gateways
    have."""

    def __init__(self, rig):
        self.directory = rig.directory / "ssh_target"
        self.directory.mkdir()
        ca, secret = self.directory / "ca", self.directory / "ca_secret"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ca], 30)
        secret.write_text(seed_of(ca).hex() + "\n")
        secret.chmod(0o600)
        self.values = {"CA_PUBLIC": ca.with_suffix(".pub"), "CA_SECRET": secret}
        self.port = free_port()
        config = fill("ssh_target.conf", self.directory / "ssh_target.conf",
                      {**rig.values, **self.values, "SSH": self.port})
        self.process = Process("target", ["/usr/sbin/sshd", "-D", "-e", "-f", config], self.directory / "log",
                               LOAD_CORE)
        self.process.wait_until(lambda: accepts(self.port))

    def stop(self):
        self.process.stop()


class Session(Proxy):
    """`config`: settings of the client that lead to the target through this."""
    can = {"sessions", "waits"}
    more, port = "", None

    def start(self):
        self.values.update(self.rig.ssh_target().values)
        self.start_it()
        self.config = client_settings(self.directory / "client", self.rig, self.port or self.ssh, self.more)

    def sshd(self, template):
        OpenSsh.prepare()
        self.template = template
        config = self.configure()
        self.start_process("/usr/sbin/sshd", "-D", "-e", "-f", config, ready=lambda: accepts(self.ssh))


class Sshd(Session):
    """No proxy: another sshd like the target's, on the proxies' core."""

    def start_it(self):
        self.sshd("ssh_target.conf")


class Jump(Session):
    """ssh -J: the client runs another ssh for the way there."""

    def start_it(self):
        self.sshd("sshd.conf")
        self.port = self.rig.ssh_target().port
        self.more = ("  ProxyJump jump\n"
                     f"Host jump\n  HostName 127.0.0.1\n  Port {self.ssh}\n")


class Bastion(Session):
    def start_it(self):
        inner = client_settings(self.directory / "inner", self.rig, self.rig.ssh_target().port)
        onward = self.directory / "onward"
        onward.write_text(ONWARD.format(config=inner))
        onward.chmod(0o755)
        self.sshd("ssh_bastion.conf")


class Gateway(Session):
    template, mode, exec_output = "audited.conf", "audited", "1MiB"
    ready, program = Envgate.ready, Envgate.program

    def start_it(self):
        routes, self.metrics = self.directory / "routes.yaml", free_port()
        routes.write_text(json.dumps({"routes": [self.route()]}))  # JSON is YAML
        config = self.configure(ROUTES=routes, METRICS=self.metrics, EXEC_OUTPUT=self.exec_output,
                                LEVEL="info" if self.rig.logs else "warn")
        self.start_process(self.program(), "--config", config, ready=self.ready)
        self.processes[0].wait_until(lambda: accepts(self.ssh))

    def route(self):
        target = {"listen_port": self.ssh, "target_port": self.rig.ssh_target().port, "mode": self.mode}
        if self.mode == "audited":
            host, key = (" ".join(self.values[name].with_suffix(".pub").read_text().split()[:2])
                         for name in ("HOST_KEY", "USER_KEY"))
            target |= {"host_keys": [host], "users": [{"name": user(), "authorized_keys": [key]}]}
        return {"env": ENV, "generation": 1, "kind": "container", "state": "running", "address": "127.0.0.1",
                "ssh": target}


class Passthrough(Gateway):
    mode = "passthrough"


class Audited(Gateway):
    pass


class AuditedBefore(Audited):
    def program(self):
        return self.rig.before / "envgate"


class Unrecorded(Gateway):
    """Audited, with nothing kept of commands. Files are recorded wherever SFTP is recognised, so the client
    asks for its program by a name that says nothing."""
    can = {"sessions"}
    exec_output = "0"

    def start_it(self):
        super().start_it()
        self.sftp_server = self.directory / "no-name"
        self.sftp_server.symlink_to("/usr/lib/openssh/sftp-server")


SESSION_PEERS = {"sshd": Sshd, "ssh-j": Jump, "bastion": Bastion, "passthrough": Passthrough,
                 "unrecorded": Unrecorded}
SESSION_OURS = {"audited": Audited, "audited-before": AuditedBefore}
