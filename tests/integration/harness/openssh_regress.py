"""OpenSSH's own regression scripts (Debian's openssh-tests, the installed version's), led through a gateway.

A script starts an sshd on a port of its own, or has one behind a ProxyCommand, and connects to it. It runs as
it is; the programs that it is told to use are wrappers:

    sshd          listens elsewhere, as the target of an audited route whose listening port is the script's
    sshd -i       goes to a second route's port, whose target starts the real one with the script's settings
    sftp-server   goes through ssh, where the script would start it by itself; so does scp, at the far end
    ssh -Q        names those algorithms alone that the gateway speaks

Both sshds trust no key but the gateway's certificates: what came by any other way would not log in."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from . import audited, contract
from .machine import SLOW, debian_tool, need
from .ports import free_port
from .process import Process, run

INSTALLED = Path("/usr/lib/openssh/regress")
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
HELPERS = ("netcat", "mkdtemp", "modpipe")
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")

SSHD = """\
#!/bin/sh
case " $* " in
*" -i "*)
  {regress}/netcat -U {directory}/ask </dev/null
  exec {regress}/netcat -N 127.0.0.1 {proxy_port} ;;
*" -t "* | *" -T "*) exec {sshd} "$@" ;;
*) exec {sshd} -p {target_port} {trust} "$@" ;;
esac
"""

SSH = """\
#!/bin/sh
case " $* " in
*" -Q "*)
  for asked; do :; done
  if [ -f {algorithms}/$asked ]; then
    {ssh} -Q $asked | grep -Fxf {algorithms}/$asked
  else
    {ssh} -Q $asked
  fi ;;
*) exec {ssh} "$@" ;;
esac
"""

QUOTE = """\
words=
for word; do words="$words '$(printf %s "$word" | sed "s/'/'\\\\\\\\''/g")'"; done
"""

SFTP_SERVER_WRAPPER = """\
#!/bin/sh
[ -z "$SSH_CONNECTION" ] || exec {sftp_server} "$@"
[ $# -ne 0 ] || exec {ssh} -q -F {directory}/ssh_proxy -s somehost sftp
""" + QUOTE + """\
exec {ssh} -q -F {directory}/ssh_proxy somehost "{sftp_server} $words"
"""

SCP = """\
#!/bin/sh
far=no
for word; do case $word in -t | -f) far=yes ;; esac; done
[ $far = yes ] || exec {scp} "$@"
""" + QUOTE + """\
exec {ssh} -q -F {directory}/ssh_proxy somehost "{scp} $words"
"""


def gateways_algorithms(gateway, entry, directory):
    """What the gateway offers its clients, as `ssh -Q` names them: files of `directory`."""
    talk = run([debian_tool("ssh"), "-o", "LogLevel=DEBUG3", *entry.options(), "-p", gateway.env_port,
                f"{entry.user}@127.0.0.1", "true"]).stderr.decode()
    offer = talk.split("peer server KEXINIT proposal", 1)[1]
    directory.mkdir()

    def lists(name, *fields):
        found = {word.strip() for field in fields
                 for word in re.search(rf"{field}: (.*)", offer)[1].split(",")}
        (directory / name).write_text("".join(f"{word}\n" for word in sorted(found)))

    lists("kex", "KEX algorithms")
    lists("cipher", "ciphers ctos", "ciphers stoc")
    lists("cipher-auth", "ciphers ctos", "ciphers stoc")
    lists("mac", "MACs ctos", "MACs stoc")
    (directory / "key-plain").write_text("".join(f"{kind}\n" for kind in KEY_TYPES))


class Inetd:
    """Starts `argv` for each connection to its port, the connection being its input and output."""

    def __init__(self, argv):
        self.argv = argv
        self.socket = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.socket.getsockname()[1]
        self.children = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return  # it was closed
            with connection:
                self.children.append(subprocess.Popen(self.argv, stdin=connection, stdout=connection,
                                                      stderr=subprocess.DEVNULL))
            self.children = [child for child in self.children if child.poll() is None]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()


class Keys:
    """User keys of every type, which are the scripts' host keys, too: made once, copied for each script."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        for kind in KEY_TYPES:
            run([debian_tool("ssh-keygen"), "-q", "-N", "", "-C", kind, "-t", kind, "-f", directory / kind])

    def copy(self, into):
        for path in self.directory.iterdir():
            shutil.copy(path, into)

    def lines(self):
        return [(self.directory / f"{kind}.pub").read_text().strip() for kind in KEY_TYPES]


class Script:
    """One script, with a directory, an sshd and two environments of its own."""

    routes_lock = threading.Lock()  # scripts run beside each other, on one route file

    def __init__(self, name, directory, gateway, routes, keys, user_ca, algorithms):
        """`user_ca`: the gateway's, whose certificates the sshds trust."""
        self.name, self.directory, self.gateway, self.routes = name, directory, gateway, routes
        self.user = run(["id", "-un"]).stdout.decode().strip()
        self.envs = [f"{name.replace('-', '')}{way}" for way in ("listens", "inetd")]
        # The two ports after its own are the script's to use.
        self.port, _, _, self.proxy_port = (gateway.ssh_port() for _ in range(4))
        self.target_port = free_port()
        self.log = directory / "output"
        (directory / "bin").mkdir(parents=True)
        self._lay_out(keys, user_ca, algorithms)
        self.inetd = Inetd([debian_tool("sshd"), "-i", "-f", directory / "sshd_proxy",
                            "-E", directory / "sshd.log", *self._trust()])
        self.host_keys = [" ".join(key.split()[:2]) for key in keys.lines()]
        self.authorized = None
        self._authorize(keys.lines())
        self._answer_asks()

    def _trust(self):
        return ["-oAuthorizedKeysFile=none", f"-oTrustedUserCAKeys={self.directory}/gateway_ca.pub"]

    def _lay_out(self, keys, user_ca, algorithms):
        keys.copy(self.directory)
        for helper in HELPERS:
            (self.directory / helper).symlink_to(INSTALLED / helper)
        (self.directory / "gateway_ca.pub").write_text(user_ca.line() + "\n")
        host = audited.SecretFile(self.gateway.directory / "ssh_host_key")
        (self.directory / "gateway_host_keys").write_text(
            "".join(f"localhost-with-alias {host.host_key(env)}\n" for env in self.envs))
        words = {"directory": self.directory, "regress": INSTALLED, "algorithms": algorithms,
                 "proxy_port": self.proxy_port, "target_port": self.target_port,
                 "trust": " ".join(self._trust()), "sftp_server": SFTP_SERVER,
                 **{tool: debian_tool(tool) for tool in ("ssh", "sshd", "scp")}}
        for tool, text in (("ssh", SSH), ("sshd", SSHD), ("sftp-server", SFTP_SERVER_WRAPPER), ("scp", SCP)):
            path = self.directory / "bin" / tool
            path.write_text(text.format(**words))
            path.chmod(0o755)

    # -- the routes, whose user has the keys that the script has authorized

    def _authorize(self, keys):
        with self.routes_lock:
            if keys == self.authorized:
                return
            for env, port, target in ((self.envs[0], self.port, self.target_port),
                                      (self.envs[1], self.proxy_port, self.inetd.port)):
                way = {"listen_port": port, "target_port": target, "mode": "audited",
                       "host_keys": self.host_keys, "users": [{"name": self.user, "authorized_keys": keys}]}
                self.gateway.wait_route(self.routes.set(env, ssh=way))
            self.authorized = keys

    def _answer_asks(self):
        """Before it connects to the second route the wrapper asks here, and waits until the routes follow."""
        self.asks = socket.socket(socket.AF_UNIX)
        self.asks.bind(str(self.directory / "ask"))
        self.asks.listen(50)

        def answer():
            while True:
                try:
                    asker = self.asks.accept()[0]
                except OSError:
                    return
                with asker:
                    text = (self.directory / f"authorized_keys_{self.user}").read_text()
                    keys = [line for line in text.splitlines() if line.split(" ")[0] in KEY_TYPES]
                    self._authorize(keys)

        self.answering = threading.Thread(target=answer, daemon=True)
        self.answering.start()

    # -- the run

    def environment(self, direct):
        tools = {"SSH": debian_tool("ssh"), "SSHD": debian_tool("sshd"), "SFTPSERVER": SFTP_SERVER}
        known = {}
        if not direct:
            own = ("ssh", "sshd", "sftp-server", *(["scp"] if self.name in ("scp", "scp-uri") else []))
            tools = {tool.replace("-", "").upper(): self.directory / "bin" / tool for tool in own}
            known["TEST_SSH_SSH_CONFOPTS"] = f"KnownHostsCommand /bin/cat {self.directory}/gateway_host_keys"
        port = free_port() if direct else self.port
        return {"TEST_SHELL": "sh", "TEST_SSH_UNSAFE_PERMISSIONS": "1", "BUILDDIR": str(INSTALLED),
                "TEST_SSH_PORT": str(port), "SSH_CONNECTION": "", "LC_ALL": "C", **known,
                **{f"TEST_SSH_{name}": str(path) for name, path in tools.items()}}

    def run(self, changes=(), direct=False, seconds=400):
        """Its exit status; what it printed is in `log`. `changes`: replaced in its text."""
        source = INSTALLED
        if changes:
            source = self.directory / "changed"
            source.mkdir(exist_ok=True)
            shutil.copy(INSTALLED / "sshd-log-wrapper.sh", source)
            text = (INSTALLED / f"{self.name}.sh").read_text()
            for old, new in changes:
                assert old in text, f"{self.name}.sh has no longer {old!r}"
                text = text.replace(old, new)
            (source / f"{self.name}.sh").write_text(text)
        argv = ["sh", INSTALLED / "test-exec.sh", self.directory, source / f"{self.name}.sh"]
        process = Process(self.name, argv, self.log, env=self.environment(direct), cwd=self.directory)
        try:
            return process.wait(seconds)
        finally:
            process.kill()
            self._end_sshd()

    def _end_sshd(self):
        """The one that the script started, if it left it running."""
        try:
            os.kill(int((self.directory / "pidfile").read_text()), signal.SIGTERM)
        except (OSError, ValueError):
            pass

    def sessions(self):
        """The gateway's log lines of sessions in this script's environments."""
        return [line for line in self.gateway.log_lines(contract.SSH_EVENT)
                if line["environment_id"] in self.envs]

    def told(self):
        """What it printed, and the logs of what failed, for the report."""
        parts = [self.log.read_text(errors="replace")[-4000:]]
        for name in ("failed-regress.log", "failed-ssh.log", "failed-sshd.log"):
            path = self.directory / name
            if path.exists():
                parts.append(f"-- {name}\n" + path.read_text(errors="replace")[-6000:])
        return "\n".join(parts)

    def close(self):
        self.inetd.close()
        self.asks.shutdown(socket.SHUT_RDWR)
        self.asks.close()
        self.answering.join(10 * SLOW)


def need_scripts():
    need((INSTALLED / "test-exec.sh").exists(), "openssh-tests is not installed (tests/run installs it)")
