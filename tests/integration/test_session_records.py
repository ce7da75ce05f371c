"""envctl session verify, replay and export, on records that harness/chained_record.py wrote; and asciinema on
the same."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import BIN, SLOW, run
from harness.chained_record import ChainedRecord, cast

EVENTS = [(0.5, "o", "$ lss\b \b\r\n"), (1.0, "r", "100x30"), (1.25, "m", "here"), (1.5, "o",
           "\x1b]0;title\x07\x1b[31mr\u00e9d\x1b[0m\x1b[6n\x1b]52;c;AAAA\x1b\\\r\n"), (2.0, "x", "0")]


@pytest.fixture
def record(tmp_path):
    made = ChainedRecord(tmp_path / "a.cast", Ed25519PrivateKey.generate())
    made.write_public_key(tmp_path / "record.key.pub")
    return made.write(cast(EVENTS))


def session(*words, status=0, **options):
    done = run([BIN / "envctl", "session", *words], check=False, **options)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout.decode(), done.stderr.decode()


def verify(record, *more, status):
    out, err = session("verify", record.path, *more, status=status)
    assert err == "" and out.startswith(f"{record.path}: ") and out.count("\n") == 1
    return out.removeprefix(f"{record.path}: ").rstrip("\n")


# -- verify

def test_whole(record, tmp_path):
    size = record.path.stat().st_size
    whole = f"whole, {size} bytes in 6 blocks, "
    assert verify(record, "--key", tmp_path / "record.key.pub", status=0) == whole + "signed by the key given"
    assert verify(record, status=0) == whole + f"signed by {record.public}, which was not compared with a key"


def test_signed_by_another_and_by_nobody(record, tmp_path):
    other = ChainedRecord(tmp_path / "b.cast", Ed25519PrivateKey.generate())
    key = other.write_public_key(tmp_path / "other.pub")
    assert f"signed by an unknown key, {record.public}" in verify(record, "--key", key, status=1)
    unsigned = ChainedRecord(tmp_path / "c.cast").write(cast(EVENTS))
    assert verify(unsigned, status=1).endswith("in 6 blocks, not signed")


def test_cut_off_and_changed_are_told_apart(record):
    pieces = cast(EVENTS)
    record.write(pieces, end=False)
    with record.path.open("ab") as file:
        file.write(b"[2.5, \"o\", \"los")
    assert verify(record, status=1).startswith("cut off: 15 bytes after the last block are not covered; ")
    data = bytearray(record.path.read_bytes())
    data[len(pieces[0]) + len(pieces[1]) + 3] ^= 1
    record.path.write_bytes(data)
    assert verify(record, status=1) == "changed at block 3: its bytes are not those that were written"
    record.chain_path.unlink()
    assert verify(record, status=1).startswith("changed in its chain: ")


def test_several_files_and_the_worst_of_them(record, tmp_path):
    out, _ = session("verify", record.path, record.path)
    assert out.count(": whole, ") == 2
    out, err = session("verify", tmp_path / "none.cast", record.path, status=3)
    assert ": whole, " in out and "none.cast" in err
    _, err = session("verify", record.path, "--key", tmp_path / "none.pub", status=3)
    assert "none.pub" in err
    _, err = session("verify", record.path, "--key", record.path, status=1)
    assert "no public key" in err


# -- replay

SHOWN = "$ lss\b \b\r\n\x1b[31mr\u00e9d\x1b[0m\r\n"


def test_replay_leaves_out_what_could_harm(record):
    assert session("replay", record.path, "--speed", "1000")[0] == SHOWN
    raw, _ = session("replay", record.path, "--speed", "1000", "--raw")
    assert raw == "".join(data for _, code, data in EVENTS if code == "o")


def test_replay_takes_its_time(record):
    record.write(cast([(0.2, "o", "a"), (10_000, "o", "b"), (10_000.4, "o", "c")]))
    done = run([BIN / "envctl", "session", "replay", record.path, "--idle-limit", "0.4", "--speed", "0.5"])
    assert done.stdout == b"abc"
    assert 2.0 <= done.seconds < 2.0 + 5 * SLOW  # (0.2 + 0.4 + 0.4) / 0.5


@pytest.mark.parametrize("options", ["--speed 0", "--speed -1", "--speed x", "--speed nan", "--speed inf",
                                     "--idle-limit 0", "--idle-limit 1s"])
def test_replay_misuse(record, options):
    out, err = session("replay", record.path, *options.split(), status=2)
    assert out == "" and options.split(maxsplit=1)[0] in err


def on_terminal(argv, until=None, end=None):
    """What a program shows on a terminal of its own; `end` is sent to it once `until` is there."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        os.execvpe(argv[0], [str(word) for word in argv], environment)
    out, deadline = b"", time.monotonic() + 30 * SLOW
    try:
        while True:
            ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not done in time, after {out!r}"
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                piece = b""
            if not piece:
                _, status = os.waitpid(pid, 0)
                pid = 0
                return out.decode(), os.waitstatus_to_exitcode(status)
            out += piece
            if until and until in out:
                os.kill(pid, end)
                until = None
    finally:
        os.close(terminal)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_interrupted_replay_restores_the_terminal(record):
    record.write(cast([(0.1, "o", "\x1b[?1049h\x1b[?25lseen"), (5000, "o", "never")], columns=500))
    out, status = on_terminal([BIN / "envctl", "session", "replay", record.path], b"seen", signal.SIGINT)
    assert status == 0 and "never" not in out
    assert out.startswith("envctl: the record is 500x24; this terminal has fewer columns")
    assert out.index("seen") < out.index("\x1b[?1049l") < out.index("\x1b[?25h")


# -- export

def test_export_as_text(record):
    assert session("export", record.path, "--text")[0] == "$ ls\nr\u00e9d\n"
    _, err = session("export", record.path, status=2)
    assert "--text" in err


def test_what_is_no_record(record, tmp_path):
    for verb in (["replay"], ["export", "--text"]):
        _, err = session(*verb, tmp_path / "none.cast", status=3)
        assert "none.cast" in err
        _, err = session(*verb, record.chain_path, status=1)
        assert "no header of an asciicast v2" in err
    record.write([*cast(EVENTS[:1]), b"[1, 2]\n"])
    out, err = session("export", record.path, "--text", status=1)
    assert out == "$ ls\n" and "line 3 is no event" in err


# -- another player

@pytest.mark.parametrize("verb", ["cat", "play"])
def test_asciinema_plays_it(record, verb, tmp_path, monkeypatch):
    program = shutil.which("asciinema")
    if not program:
        pytest.skip("asciinema is not installed")
    monkeypatch.setenv("ASCIINEMA_CONFIG_HOME", str(tmp_path))
    speed = ["--speed", "1000"] if verb == "play" else []
    out, status = on_terminal([program, verb, *speed, record.path])
    assert status == 0, out
    assert "".join(data for _, code, data in EVENTS if code == "o") in out


def test_b2sum_computes_the_same_hash(record):
    """As record/README.md says."""
    done = subprocess.run(["b2sum", "-l", "256"], input=cast(EVENTS)[0], capture_output=True, check=True)
    assert f'"hash":"{done.stdout.decode().split()[0]}"' in record.chain_path.read_text().splitlines()[1]
