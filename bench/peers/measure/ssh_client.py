"""OpenSSH's clients, as customers have them, with the settings that lead to the target through one proxy."""
import select
import shlex
import subprocess
import time
from contextlib import ExitStack, contextmanager

from .process import LOAD_CORE, RunError, child_setup, run

LIMIT = 120  # seconds, for anything


def ssh(proxy, *words):
    return ["ssh", "-F", str(proxy.config), *map(str, words)]


# A shell, since a fork of it costs little beside a login.
LOGINS = 'count=$1; shift; while [ "$count" -gt 0 ]; do "$@" </dev/null || exit; count=$((count - 1)); done'


def logins(proxy, count, at_once):
    """Seconds for `count` logins (a multiple of `at_once`), so many at once; each waits for its command's
    answer."""
    words = ["sh", "-c", LOGINS, "sh", str(count // at_once), *ssh(proxy, "target", "echo in")]
    start = time.monotonic()
    with ExitStack() as all_started:
        shells = [all_started.enter_context(started(words, stdout=subprocess.PIPE)) for _ in range(at_once)]
        said = b"".join(output(shell) for shell in shells)
    if said != b"in\n" * count:
        raise RunError(f"{said.count(b'in')} of {count} logins")
    return time.monotonic() - start


def moved(proxy, way, path, size):
    """Seconds that a file takes through a remote cat."""
    start = time.monotonic()
    if way == "up":
        with open(path, "rb") as file:
            told = run(ssh(proxy, "target", "wc -c"), LIMIT, stdin=file)
        if int(told) != size:
            raise RunError(f"{told.strip()} of {size} bytes came")
        return time.monotonic() - start
    with started(ssh(proxy, "target", f"cat {shlex.quote(str(path))}"), stdout=subprocess.PIPE) as source, \
            started(["wc", "-c"], stdin=source.stdout, stdout=subprocess.PIPE) as count:
        source.stdout.close()
        source.stdout = None
        told = output(count)
        output(source)
        if source.returncode != 0 or int(told) != size:
            raise RunError(f"status {source.returncode}, {int(told)} of {size} bytes came")
    return time.monotonic() - start


def sftp(proxy, line):
    """Seconds of one sftp with one command."""
    words = ["sftp", "-q", "-F", str(proxy.config)]
    if getattr(proxy, "sftp_server", None):
        words += ["-s", str(proxy.sftp_server)]
    start = time.monotonic()
    run([*words, "-b", "/dev/stdin", "target"], LIMIT, stdin=_text(line))
    return time.monotonic() - start


def rsync(proxy, source, destination):
    start = time.monotonic()
    run(["rsync", "-a", "-e", shlex.join(ssh(proxy)), f"{source}/", f"target:{destination}"], LIMIT)
    return time.monotonic() - start


def _text(line):
    echo = subprocess.Popen(["echo", line], stdout=subprocess.PIPE)
    echo.wait()
    return echo.stdout


@contextmanager
def started(argv, **options):
    """A program on the load's core, ended by its pid if it has not ended by itself."""
    options.setdefault("stdin", subprocess.DEVNULL)
    popen = subprocess.Popen(argv, stderr=subprocess.DEVNULL, preexec_fn=child_setup(LOAD_CORE), **options)
    try:
        yield popen
    finally:
        for pipe in (popen.stdin, popen.stdout):
            if pipe:
                pipe.close()
        popen.kill()
        popen.wait()


def output(program, seconds=LIMIT):
    """All that a program of `started` says."""
    try:
        return program.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        raise RunError(f"{program.args[0]} has not ended within {seconds} s") from None


def read(session, most, seconds=30):
    """What has come, at least a byte."""
    if not select.select([session.stdout], [], [], seconds)[0]:
        raise RunError(f"nothing came for {seconds} s")
    piece = session.stdout.read(most)
    if not piece:
        raise RunError("a session ended too early")
    return piece


@contextmanager
def terminal(proxy, command, prompt):
    """A session with a terminal, once `prompt` has been seen; `seconds` until then."""
    start = time.monotonic()
    with started(ssh(proxy, "-tt", "target", command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                 bufsize=0) as session:
        seen = b""
        while prompt not in seen:
            seen += read(session, 4096)
        session.seconds = time.monotonic() - start
        yield session
