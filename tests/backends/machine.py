#!/usr/bin/python3
"""Physical machines for one program: machine.py PROGRAM [ARGUMENT...].

Each is a conf/demo/namespace_machine.py on an address of one network namespace. What PROGRAM is told is in
ENGINE_* variables. It may write "stop NAME", "start NAME" or "rekey NAME" to the descriptor in
ENGINE_CONTROL. All is ended by its pid and removed at the end. Exit status 77: this machine cannot play
others; the reason is the last line."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from engine import CannotRun, end_with_parent, run, wait_for

import namespace_machine  # engine has added conf/demo to the path

MACHINES = {"one": "10.77.0.1", "two": "10.77.0.2"}
OTHER_PORT = 2022  # beside 22: some sshd do not listen there
ROOT = namespace_machine.ROOT
OPS = namespace_machine.Account("ops", 1500)
ACCOUNTS = [ROOT, namespace_machine.Account("ubuntu", 1000, "!"), OPS]


class Machine:
    def __init__(self, name, directory, within):
        self.name, self.directory, self.within = name, directory, within
        self.process = None

    def make(self, admin_key):
        self.directory.mkdir()
        sshd_lines = ["Port 22", f"Port {OTHER_PORT}", f"ListenAddress {MACHINES[self.name]}",
                      "MaxStartups 100", "MaxAuthTries 2"]
        namespace_machine.make(self.directory, sshd_lines, ACCOUNTS)
        for account in (ROOT, OPS):  # either may be the admin
            namespace_machine.admit(self.directory, account, admin_key)
        sudoers = self.directory / "etc/sudoers"
        sudoers.write_text("root ALL=(ALL:ALL) ALL\nops ALL=(ALL:ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)

    def rekey(self):
        namespace_machine.new_host_key(self.directory)

    def start(self):
        with open(self.directory / "sshd.log", "ab") as log:
            self.process = subprocess.Popen(
                self.within(*namespace_machine.command(self.name, self.directory)),
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
    told = {"DIRECTORY": machines.directory, "CONTROL": control, "ANSWER": answer, "SSH_PORT": OTHER_PORT,
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
    if (reason := namespace_machine.obstacle()) is not None:
        raise CannotRun(reason)


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
    sys.exit(main(sys.argv[1:]))
