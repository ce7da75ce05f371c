"""Programs that a test runs. None outlives it:
each is ended by its pid, and the kernel ends it when the test process itself is killed."""
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

from .machine import SLOW
from .wait import wait_for

_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A server: started in a session of its own, its output in a file."""

    def __init__(self, name, argv, log, env=None, cwd=None):
        self.name = name
        self.log = Path(log)
        self.argv = [str(word) for word in argv]
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          cwd=cwd, env={**os.environ, **(env or {})},
                                          start_new_session=True, preexec_fn=_die_with_parent)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def tail(self, lines=20):
        return "\n".join(line[:300] for line in self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, condition, what, seconds=10.0):
        """As wait_for, and fails at once when the program ends before the condition holds."""
        def check():
            if not self.alive():
                raise AssertionError(f"{self.name} ended ({self.popen.returncode}) before it was {what}:\n"
                                     f"{' '.join(self.argv)}\n{self.tail()}")
            return condition()
        return wait_for(check, lambda: f"{self.name} is not {what}:\n{self.tail()}", seconds)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=10.0):
        """Its exit status, as Popen gives it."""
        try:
            return self.popen.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {seconds} s:\n{self.tail()}") from None

    def stop(self, seconds=10.0):
        """SIGTERM, then SIGKILL if it takes longer than `seconds`. Returns the exit status."""
        if self.alive():
            self.signal(signal.SIGTERM)
            try:
                self.popen.wait(seconds * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode

    def kill(self):
        """SIGKILL for it and what it started: its session is its own."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()

    def rss(self):
        """Resident memory, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no VmRSS: it has ended")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def run(argv, seconds=60.0, check=True, **options):
    """A program that ends by itself: its CompletedProcess, output as bytes, and `seconds` taken.
    With `check`, an exit status other than 0 fails the test and shows what it printed."""
    argv = [str(word) for word in argv]
    options.setdefault("capture_output", True)
    if "input" not in options and "stdin" not in options:
        options["stdin"] = subprocess.DEVNULL
    start = time.monotonic()
    try:
        done = subprocess.run(argv, timeout=seconds * SLOW, preexec_fn=_die_with_parent, **options)
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(f"not done within {seconds} s: {' '.join(argv)}\n"
                             f"{expired.stdout!r}\n{expired.stderr!r}") from None
    done.seconds = time.monotonic() - start
    if check and done.returncode != 0:
        out = (done.stdout or b"")[-2000:]
        err = (done.stderr or b"")[-4000:]
        raise AssertionError(f"exit status {done.returncode}: {' '.join(argv)}\n{out!r}\n"
                             f"{err.decode(errors='replace') if isinstance(err, bytes) else err}")
    return done
