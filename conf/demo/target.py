"""The demo environment: a real OpenSSH server and a small web page on this
machine, as the gateway's target. Both listen on 127.0.0.1 alone, and the SSH
server admits one key, made at the first run, for the user who runs it."""
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

SSHD_CONFIG = """\
# Written by conf/quickstart at each start.
Port {port}
ListenAddress 127.0.0.1
HostKey "{directory}/host_ed25519"
AuthorizedKeysFile "{tokens}/demo_key.pub"
PidFile none
# The data directory may lie below one that others can write to, such as /tmp;
# the keys themselves are protected.
StrictModes no
UsePAM {pam}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
PrintMotd no
UseDNS no
Subsystem sftp internal-sftp
"""


def _locked(user):
    """Is the account locked (a "!" before its password)? Without PAM,
    sshd refuses such a user even with a key."""
    try:
        for line in Path("/etc/shadow").read_text().splitlines():
            name, password = line.split(":")[:2]
            if name == user:
                return password.startswith("!")
    except PermissionError:
        pass  # not root: sshd cannot read it either
    return False


class DemoTarget:
    def __init__(self, directory):
        self.directory = Path(directory) / "demo"
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.key = self.directory / "demo_key"
        self.host_key = self.directory / "host_ed25519"

    def prepare(self, sshd_port):
        self.directory.mkdir(mode=0o700, exist_ok=True)
        for path, comment in ((self.key, "envgate demo"), (self.host_key, "envgate demo host")):
            if not path.exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment,
                                "-f", str(path)], check=True)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd does not start as root without it
        (self.directory / "sshd_config").write_text(SSHD_CONFIG.format(
            port=sshd_port, directory=self.directory, user=self.user,
            tokens=str(self.directory).replace("%", "%%"), pam="yes" if _locked(self.user) else "no"))

    def sshd_command(self):
        # sshd runs itself again for each connection, and wants to be called by its full path for that.
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
        if sshd is None:
            raise RuntimeError("there is no sshd on this machine: run conf/setup, or use --no-demo")
        return [sshd, "-D", "-e", "-f", self.directory / "sshd_config"]

    def web_command(self, port):
        return [sys.executable, "-B", Path(__file__).with_name("web.py"), str(port)]

    def public_host_key(self):
        return " ".join(Path(f"{self.host_key}.pub").read_text().split()[:2])
