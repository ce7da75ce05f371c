"""The processes that the quickstart started, written down so that a later run can end exactly those:
a pid is only believed together with the moment at which the process started and the boot it belongs to."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

SECONDS_TO_START = 30

def _boot():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid):
    """(state, parent's pid, start in clock ticks since boot) of a process, or None. The command is
    in parentheses and may hold anything, so the fields are counted from the last one: proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1]), int(fields[19])


def identify(name, pid, kill=False):
    stat = _stat(pid)
    return {"name": name, "pid": pid, "start": stat[2] if stat else 0, "boot": _boot(), "kill": kill}


def alive(record):
    stat = _stat(record["pid"])
    return (stat is not None and stat[0] not in "ZX" and stat[2] == record["start"]
            and record["boot"] == _boot())


def children(pid):
    """Those that a process forked and that still run, such as an sshd's sessions."""
    found = []
    for entry in os.listdir("/proc"):
        stat = _stat(entry) if entry.isdigit() else None
        if stat and stat[1] == pid and stat[0] not in "ZX":
            found.append(identify("child", int(entry)))
    return found


def last_lines(path, count=15):
    try:
        return "\n".join("  " + line for line in path.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return "  (nothing)"


class Processes:
    """The list in DIR/processes.json: added to as each one starts,
    so that nothing is forgotten by a crash."""

    def __init__(self, directory):
        self.path = Path(directory) / "processes.json"
        self.logs = Path(directory) / "log"
        try:
            self.records = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            self.records = []
        self.popen = {}

    def _write(self):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.records, indent=1) + "\n")
        fresh.rename(self.path)

    def log(self, name):
        return self.logs / f"{name}.log"

    def start(self, name, argv, kill=False, environment=None):
        """Starts a server in a session of its own (Ctrl-C is ours to answer), its output in DIR/log/NAME.log.
        With `kill` it is one that is ended by SIGKILL, and does not end by SIGTERM."""
        self.logs.mkdir(exist_ok=True)
        with open(self.log(name), "wb") as out:
            self.popen[name] = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                                stdout=out, stderr=out, start_new_session=True,
                                                env=environment)
        self.add(name, self.popen[name].pid, kill)

    def add(self, name, pid, kill=False):
        self.records.append(identify(name, pid, kill))
        self._write()

    def pids(self):
        return {record["name"]: record["pid"] for record in self.records}

    def find(self, name):
        """The record of that name, if the process still runs."""
        self.reap()
        return next((r for r in self.records if r["name"] == name and alive(r)), None)

    def reap(self):
        for popen in self.popen.values():
            popen.poll()

    def ended(self):
        """The names of those that have ended by themselves."""
        self.reap()
        return [record["name"] for record in self.records if not alive(record)]

    def check(self):
        """Raises, with the last words of the one, when any has ended by itself."""
        if ended := self.ended():
            log = self.log(ended[0])
            raise RuntimeError(f"{ended[0]} ended at once; {log} says:\n{last_lines(log)}")

    def wait(self, name, check):
        """Until `check` says that nothing is the matter. Where it never does, the log of `name` is shown."""
        log = self.log(name)
        deadline = time.monotonic() + SECONDS_TO_START
        while (matter := check()) is not None:
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready within {SECONDS_TO_START} s: {matter}; {log} says:\n"
                                   f"{last_lines(log)}")
            time.sleep(0.02)

    def stop_all(self, but=()):
        """Ends all that still run, last started first:
        the gateway before what stands behind it. Returns the names."""
        stopped = []
        for record in reversed(self.records):
            if record["name"] in but or not alive(record):
                continue
            family = [record, *children(record["pid"])]
            for member in family:
                self.end(member)
            stopped.append(record["name"])
        self.records = []
        self.path.unlink(missing_ok=True)
        return stopped

    def end(self, record, patience=15):
        """SIGTERM and, when that does not end it or is of no use, SIGKILL."""
        numbers = [(signal.SIGTERM, patience), (signal.SIGKILL, 5)]
        for number, seconds in numbers[1:] if record.get("kill") else numbers:
            try:
                if alive(record):
                    os.kill(record["pid"], number)
            except ProcessLookupError:
                pass
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self.reap()
                if not alive(record):
                    return
                time.sleep(0.02)
