"""A physical machine that this one plays: namespaces of its own (mounts, processes, host name) with its own
/etc (passwd, shadow, host key), home directories, /run and /var/lib, and a real sshd. To end a session there
is to end real processes, to lock an account is to lock a real one, and this machine's own accounts are out of
reach: all else of its files is there to be read only. Its network is this machine's.

An ordinary user can start one, too, where user namespaces are allowed and newuidmap gives him a range of ids.
As a program: namespace_machine.py NAME DIRECTORY is what runs as the machine's process 1."""
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

OWN = ("etc", "root", "home", "run", "var/lib", "tmp")  # what a machine has for itself
# What programs read in /etc: the rest, where this machine's secrets are, is not copied.
ETC = ("alternatives", "bash.bashrc", "debian_version", "environment", "host.conf", "hosts", "inputrc",
       "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "login.defs", "os-release", "pam.conf",
       "pam.d", "profile", "profile.d", "protocols", "resolv.conf", "security", "services", "shells",
       "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone")
SSHD = "/usr/sbin/sshd"
# pam_unix alone: this machine's own modules may ask its directory servers, or want longer passwords.
PAM = {
    "sshd": "auth required pam_unix.so nodelay\n"
            "account required pam_unix.so\n"
            "session optional pam_loginuid.so\n",
    "chpasswd": "password required pam_unix.so yescrypt\n",
}
SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
UsePAM yes
PermitRootLogin yes
PasswordAuthentication yes
PrintMotd no
UseDNS no
Subsystem sftp internal-sftp
"""


class Account(NamedTuple):
    name: str
    uid: int
    hash: str = "*"  # no password is it


ROOT = Account("root", 0)


def make(directory, sshd_lines, accounts=(ROOT,)):
    """Its files, in a directory that is empty. `sshd_lines` say at least where its sshd listens."""
    for own in OWN:
        (directory / own).mkdir(parents=True, exist_ok=True)
    (directory / "tmp").chmod(0o1777)
    (directory / "run/sshd").mkdir(mode=0o755)
    etc = directory / "etc"
    _copy_etc(etc)
    homes = {account.name: "/root" if account.uid == 0 else f"/home/{account.name}" for account in accounts}
    _write(etc, "passwd", [f"{a.name}:x:{a.uid}:{a.uid}::{homes[a.name]}:/bin/bash" for a in accounts] +
           ["sshd:x:105:65534::/run/sshd:/usr/sbin/nologin",
            "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin"])
    _write(etc, "group", [f"{a.name}:x:{a.uid}:" for a in accounts] +
           ["tty:x:5:", "shadow:x:42:", "nogroup:x:65534:"])
    _write(etc, "shadow", [f"{a.name}:{a.hash}:19000:0:99999:7:::" for a in accounts])
    (etc / "shadow").chmod(0o640)
    _write(etc, "nsswitch.conf", ["passwd: files", "group: files", "shadow: files", "hosts: files dns"])
    (etc / "pam.d").mkdir(exist_ok=True)
    for service, text in PAM.items():
        (etc / "pam.d" / service).write_text(text)
    (etc / "ssh").mkdir()
    (etc / "ssh/sshd_config").write_text("\n".join(sshd_lines) + "\n" + SSHD_CONFIG)
    for account in accounts:
        home = directory / homes[account.name].lstrip("/")
        home.mkdir(exist_ok=True)
        home.chmod(0o700)
        _give(home, account)
    new_host_key(directory)


def _copy_etc(etc):
    for name in ETC:
        source, target = Path("/etc") / name, etc / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_unreadable)
        elif os.access(source, os.R_OK):
            shutil.copy(source, target)


def _unreadable(directory, names):
    return [name for name in names
            if not (os.path.islink(f"{directory}/{name}") or os.access(f"{directory}/{name}", os.R_OK))]


def _write(etc, name, lines):
    (etc / name).write_text("".join(line + "\n" for line in lines))


def _give(path, account):
    if account.uid != 0:  # in an ordinary user's machine he is root, and what he makes is root's
        os.chown(path, account.uid, account.uid)


def admit(directory, account, public_key):
    """Lets the key into an account."""
    home = directory / ("root" if account.uid == 0 else f"home/{account.name}")
    keys = home / ".ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_text(public_key)
    keys.chmod(0o600)
    for path in (keys, keys.parent):
        _give(path, account)


def host_key_file(directory):
    return directory / "etc/ssh/ssh_host_ed25519_key"


def new_host_key(directory):
    key = host_key_file(directory)
    key.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True,
                   stdin=subprocess.DEVNULL)


def _unshare():
    words = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child=KILL"]
    return words if os.geteuid() == 0 else words + ["--user", "--map-root-user", "--map-auto"]


def command(name, directory):
    """What starts it. It dies of SIGKILL, with all its processes."""
    return [*_unshare(), sys.executable, "-B", "-W", "ignore", __file__, name, directory]


def obstacle():
    """None where such a machine can be started by this account, else what stands in the way."""
    if not Path(SSHD).exists():
        return f"{SSHD} is not installed (conf/setup installs it)"
    tried = subprocess.run([*_unshare(), "mount", "-t", "proc", "proc", "/proc"], capture_output=True,
                           text=True, stdin=subprocess.DEVNULL)
    return None if tried.returncode == 0 else f"namespaces cannot be made: {tried.stderr.strip()}"


# -- within the namespaces

_libc = ctypes.CDLL(None, use_errno=True)
MS_BIND = 4096
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY = 1
SYS_mount_setattr = 442  # on every architecture


def _mount(source, target, kind=None, flags=0, options=None):
    words = [word if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    if _libc.mount(*words[:3], flags, words[3]) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


def _set_attributes(path, add, clear, flags=0):
    attributes = struct.pack("=QQQQ", add, clear, 0, 0)
    if _libc.syscall(SYS_mount_setattr, AT_FDCWD, os.fsencode(path), flags, attributes, len(attributes)) != 0:
        raise OSError(ctypes.get_errno(), f"mount_setattr {path}: {os.strerror(ctypes.get_errno())}")


def _set_up_mounts(directory):
    """One of them may hide the directory itself (/home, /tmp), so all are opened first."""
    opened = {own: os.open(directory / own, os.O_PATH | os.O_DIRECTORY) for own in OWN}
    _set_attributes("/", MOUNT_ATTR_RDONLY, 0, AT_RECURSIVE)
    _mount("proc", "/proc", "proc")
    # Terminals of its own: sshd gives them to the account that logs in.
    _mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
    _mount("/dev/pts/ptmx", "/dev/ptmx", None, MS_BIND)
    _mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777")
    for own, descriptor in opened.items():
        _mount(f"/proc/self/fd/{descriptor}", f"/{own}", None, MS_BIND)
        _set_attributes(f"/{own}", 0, MOUNT_ATTR_RDONLY)
        os.close(descriptor)


def process_one(name, directory):
    """Its sshd's parent, and whoever else is orphaned there."""
    _set_up_mounts(Path(directory))
    socket.sethostname(name)
    os.chdir("/")
    sshd = subprocess.Popen([SSHD, "-D", "-e"], stdin=subprocess.DEVNULL)
    while os.wait()[0] != sshd.pid:
        pass


if __name__ == "__main__":
    process_one(sys.argv[1], sys.argv[2])
