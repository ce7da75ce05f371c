#!/usr/bin/python3
"""Physical machines for one program: machine.py PROGRAM [ARGUMENT...].

Each machine is namespaces of its own (mounts, processes, host name) on an address of one network namespace,
with its own /etc (passwd, shadow, host key), home directories, /run and /var/lib, and a real sshd: to end a
session there is to end real processes, and to lock an account is to lock a real one. What PROGRAM is told is
in ENGINE_* variables. It may write "stop NAME", "start NAME" or "rekey NAME" to the descriptor in
ENGINE_CONTROL. All is ended by its pid and removed at the end. Exit status 77: this machine cannot play
others; the reason is the last line."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from engine import CannotRun, end_with_parent, run, wait_for

MACHINES = {"one": "10.77.0.1", "two": "10.77.0.2"}
OWN = ("etc", "root", "home", "run", "var/lib", "tmp")  # what a machine has for itself; /tmp hides ours: last
PASSWD = """root:x:0:0:root:/root:/bin/bash
sshd:x:105:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
ubuntu:x:1000:1000::/home/ubuntu:/bin/bash
ops:x:1500:1500::/home/ops:/bin/bash
"""
SHADOW = "root:*:19000:0:99999:7:::\nubuntu:!:19000:0:99999:7:::\nops:*:19000:0:99999:7:::\n"
PAM = """auth required pam_unix.so nodelay
account required pam_unix.so
session optional pam_loginuid.so
"""


def process_one(name, directory):
    """What runs as process 1 of a machine: its sshd's parent, and whoever else is orphaned there."""
    for own in OWN:
        run("mount", "--bind", directory / own, f"/{own}")
    socket.sethostname(name)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e"], stdin=subprocess.DEVNULL)
    while os.wait()[0] != sshd.pid:
        pass


class Machine:
    def __init__(self, name, directory, within):
        self.name, self.directory, self.within = name, directory, within
        self.process = None

    def make(self, admin_key):
        for own in OWN:
            (self.directory / own).mkdir(parents=True, exist_ok=True)
        etc = self.directory / "etc"
        shutil.copytree("/etc", etc, symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("ssh", "ssl", "docker", "*.lock"))
        (etc / "passwd").write_text(PASSWD)
        (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\nubuntu:x:1000:\nops:x:1500:\n")
        (etc / "shadow").write_text(SHADOW)
        (etc / "gshadow").unlink(missing_ok=True)
        (etc / "pam.d/sshd").write_text(PAM)
        (etc / "ssh").mkdir()
        (etc / "ssh/sshd_config").write_text(
            f"ListenAddress {MACHINES[self.name]}\nHostKey /etc/ssh/ssh_host_ed25519_key\nUsePAM yes\n"
            "PermitRootLogin yes\nPasswordAuthentication yes\nUseDNS no\nMaxStartups 100\nMaxAuthTries 2\n"
            "Subsystem sftp internal-sftp\n")
        (self.directory / "run/sshd").mkdir()
        (self.directory / "tmp").chmod(0o1777)
        for path, uid in (("root", 0), ("home/ubuntu", 1000), ("home/ops", 1500)):
            home = self.directory / path
            home.mkdir(exist_ok=True)
            home.chmod(0o700)
            os.chown(home, uid, uid)
            if uid != 1000:  # either may be the admin
                keys = home / ".ssh/authorized_keys"
                keys.parent.mkdir(mode=0o700)
                keys.write_text(admin_key)
                keys.chmod(0o600)
                for file in (keys, keys.parent):
                    os.chown(file, uid, uid)
        sudoers = etc / "sudoers"
        sudoers.unlink(missing_ok=True)
        sudoers.write_text("root ALL=(ALL:ALL) ALL\nops ALL=(ALL:ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
        self.rekey()

    def rekey(self):
        key = self.directory / "etc/ssh/ssh_host_ed25519_key"
        key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)

    def start(self):
        with open(self.directory / "sshd.log", "ab") as log:
            self.process = subprocess.Popen(
                self.within("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child=KILL",
                            "--mount-proc", "/usr/bin/python3", "-B", "-W", "ignore", __file__,
                            "--process-one", self.name, self.directory),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def answers():
            if self.process.poll() is not None:
                words = (self.directory / "sshd.log").read_text(errors="replace")
                raise CannotRun(f"machine {self.name} ends at once: {words[-600:]}")
            scan = self.within("ssh-keyscan", "-T", "2", "-t", "ed25519", MACHINES[self.name])
            return b"ssh-ed25519" in subprocess.run(scan, capture_output=True).stdout
        wait_for(answers, f"the sshd of machine {self.name} answers", 20)
        (self.directory / "pid").write_text(children.read_text().split()[0])  # for nsenter

    def stop(self):
        if self.process is None:
            return
        self.process.kill()  # its process 1 goes with it, and all processes with that
        self.process.wait()
        self.process = None
        pid = int((self.directory / "pid").read_text()) if (self.directory / "pid").exists() else 0
        wait_for(lambda: pid == 0 or not Path(f"/proc/{pid}").exists(), "process 1 has ended", 10)


class Machines:
    def __init__(self, directory):
        self.directory = directory
        self.namespace = f"envgate-test-{os.getpid()}"
        self.all = {}

    def within(self, *argv):
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, argv)]

    def make(self):
        made = subprocess.run(["ip", "netns", "add", self.namespace], capture_output=True, text=True)
        if made.returncode != 0:
            raise CannotRun(f"a network namespace cannot be made: {made.stderr.strip()}")
        run(*self.within("ip", "link", "set", "lo", "up"))
        key = self.directory / "admin"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", key)
        for name, address in MACHINES.items():
            run(*self.within("ip", "address", "add", f"{address}/32", "dev", "lo"))
            machine = Machine(name, self.directory / name, self.within)
            self.all[name] = machine
            machine.make((self.directory / "admin.pub").read_text())
            machine.start()

    def remove(self):
        for machine in self.all.values():
            machine.stop()
        subprocess.run(["ip", "netns", "del", self.namespace], capture_output=True)


def run_program(machines, argv):
    asks, control = os.pipe()
    answer, answers = os.pipe()
    told = {"DIRECTORY": machines.directory, "CONTROL": control, "ANSWER": answer,
            **{name.upper(): address for name, address in MACHINES.items()}}
    environment = {**os.environ, **{f"ENGINE_{name}": str(value) for name, value in told.items()}}
    program = subprocess.Popen(machines.within(*argv), env=environment, pass_fds=(control, answer),
                               stdin=subprocess.DEVNULL, preexec_fn=end_with_parent)
    os.close(control)
    os.close(answer)
    with os.fdopen(asks) as lines:
        for line in lines:  # ends with the program
            what, name = line.split()
            {"stop": Machine.stop, "start": Machine.start, "rekey": Machine.rekey}[what](machines.all[name])
            os.write(answers, b"ok\n")
    return program.wait()


def check_machine():
    if os.geteuid() != 0:
        raise CannotRun("namespaces with accounts of their own need root")
    for tool in ("/usr/sbin/sshd", "/usr/bin/ssh", "/usr/sbin/chpasswd", "/usr/bin/dbclient"):
        if not Path(tool).exists():
            raise CannotRun(f"{tool} is not installed (tests/run installs it)")
    tried = subprocess.run(["unshare", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "true"],
                           capture_output=True, text=True)
    if tried.returncode != 0:
        raise CannotRun(f"namespaces cannot be made: {tried.stderr.strip()}")


def main(argv):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what follows `finally` runs
    directory = Path(tempfile.mkdtemp(prefix="envgate-physical-"))
    machines = Machines(directory)
    try:
        check_machine()
        machines.make()
        return run_program(machines, argv)
    except CannotRun as reason:
        print(f"SKIPPED backends.physical: {reason}")
        return 77
    finally:
        machines.remove()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1] == "--process-one":
        process_one(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main(sys.argv[1:]))
