"""Programs that the bench runs: each pinned to a core, each ended by its pid, and ended by the kernel when
the bench itself is killed. What a program costs is read here too: CPU time and memory, of it and all that it
has started."""
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

LOAD_CORE, PROXY_CORE = 0, 1
PR_SET_PDEATHSIG = 1
TICK = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None)


class RunError(Exception):
    """A run that must not be counted; the text says why."""


def child_setup(core):
    def setup():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})
    return setup


def _stat(pid):
    """The fields of /proc/PID/stat from the third on, which no name can confuse; None when it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def family(root):
    """`root` and every process below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        fields = entry.isdigit() and _stat(entry)
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, more = [], [root]
    while more:
        pid = more.pop()
        found.append(pid)
        more += parents.get(pid, [])
    return found


def _cpu_clock(pid):
    """CPU nanoseconds of all its threads, ended ones too: clock_getcpuclockid(3), as its source makes the
    id."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


class Process:
    """A server with its output in a file, in a session of its own."""

    def __init__(self, name, argv, log, core):
        self.name, self.log, self.argv = name, Path(log), [str(word) for word in argv]
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          start_new_session=True, preexec_fn=child_setup(core))
        self.pid, self.stopped = self.popen.pid, False

    def tail(self, lines=8):
        return "\n".join(line[:300] for line in self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if self.popen.poll() is not None:
                raise RunError(f"{self.name} ended ({self.popen.returncode}) at its start: {self.tail()}")
            if time.monotonic() > end:
                raise RunError(f"{self.name} is not ready after {seconds} s: {self.tail()}")
            time.sleep(0.005)
        return self

    def cpu(self):
        """Seconds of CPU, user and system, of it and its children, those that have ended too."""
        total = 0.0
        for pid in family(self.pid):
            fields = _stat(pid)
            if fields:
                total += _cpu_clock(pid) / 1e9 + (int(fields[13]) + int(fields[14])) / TICK
        return total

    def pss(self):
        """Bytes of memory, pages that are shared counted by share (proc(5), smaps_rollup)."""
        total = 0
        for pid in family(self.pid):
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total * 1024

    def stop(self, seconds=3):
        """SIGTERM, and SIGKILL to its whole session if it takes longer."""
        if self.stopped:
            return
        self.stopped = True
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()


def run(argv, seconds, core=LOAD_CORE, **options):
    """A program that ends by itself: what it printed. Errors: RunError on a bad status or when the time is
    over."""
    argv = [str(word) for word in argv]
    options.setdefault("stdin", subprocess.DEVNULL)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                          preexec_fn=child_setup(core), **options) as popen:
        try:
            out, err = popen.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(popen.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise RunError(f"{Path(argv[0]).name} has not ended within {seconds} s") from None
            raise
    if popen.returncode != 0:
        text = (err or out).decode(errors="replace").strip()[-400:]
        raise RunError(f"{Path(argv[0]).name} ended with {popen.returncode}: {text}")
    return out.decode(errors="replace")


def settled(read, seconds=5):
    """The value of `read()` once two in a row, a moment apart, are the same; or the last when the time is
    over."""
    end = time.monotonic() + seconds
    before = read()
    while time.monotonic() < end:
        time.sleep(0.1)
        value = read()
        if value == before:
            break
        before = value
    return before
