"""ssh-transfer, ssh-sftp, ssh-rsync: bytes through SSH sessions, between files in memory. OpenSSH's own
clients and rsync move them; AES-128-GCM everywhere."""
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .. import ssh_client
from ..process import RunError
from ..rounds import measure
from .ssh_sessions import alone, figure, who

GB = 10**9
MEMORY = Path("/dev/shm")
CHUNK = 1 << 24


@contextmanager
def in_memory():
    directory = Path(tempfile.mkdtemp(prefix="envgate-bench-", dir=MEMORY))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def random_file(path, size):
    with open("/dev/urandom", "rb") as source, open(path, "wb") as out:
        for at in range(0, size, CHUNK):
            out.write(source.read(min(CHUNK, size - at)))
    return path


def zeros_file(path, size):
    with open(path, "wb") as out:
        for at in range(0, size, CHUNK):
            out.write(bytes(min(CHUNK, size - at)))
    return path


def timed(bench, proxy, work):
    def until_told():
        seconds = work()
        alone(proxy)
        return seconds
    return bench.cost(proxy, until_told)


def transfer(bench):
    size, kinds = bench.size(GB, GB // 10), ("", ", zeros")
    figures = {}
    for kind in kinds:
        for way in ("up", "down"):
            figures["rate", way, kind] = figure("ssh-transfer", f"rate {way}{kind}", "MB/s",
                                                lower_is_better=False)
            figures["cpu", way, kind] = figure("ssh-transfer", f"CPU per GB {way}{kind}", "s")
    with in_memory() as directory:
        files = {"": random_file(directory / "random", size),
                 ", zeros": zeros_file(directory / "zeros", size)}

        def once(name):
            proxy, values = bench.rig.proxy(name), {}
            for _, way, kind in (key for key in figures if key[0] == "rate"):
                seconds, cpu = timed(bench, proxy, lambda: ssh_client.moved(proxy, way, files[kind], size))
                values["rate", way, kind], values["cpu", way, kind] = size / seconds / 1e6, cpu / size * GB
            return values
        return measure(bench, figures, who(bench), once)


def sftp(bench):
    """Of one file. Ours hashes what passes; `unrecorded` does not."""
    size, figures = bench.size(GB, GB // 10), {}
    for way in ("up", "down"):
        figures["rate", way] = figure("ssh-sftp", f"rate {way}", "MB/s", lower_is_better=False)
        figures["cpu", way] = figure("ssh-sftp", f"CPU per GB {way}", "s")
    with in_memory() as directory:
        source, there, back = random_file(directory / "random", size), directory / "there", directory / "back"

        def once(name):
            proxy, values = bench.rig.proxy(name), {}
            for way, line in (("up", f"put {source} {there}"), ("down", f"get {there} {back}")):
                seconds, cpu = timed(bench, proxy, lambda: ssh_client.sftp(proxy, line))
                values["rate", way], values["cpu", way] = size / seconds / 1e6, cpu / size * GB
            if back.stat().st_size != size:
                raise RunError(f"{back.stat().st_size} of {size} bytes came back")
            there.unlink()
            back.unlink()
            return values
        return measure(bench, figures, who(bench), once)


def rsync(bench):
    count = bench.size(10_000, 1_000)
    figures = {"seconds": figure("ssh-rsync", f"{count:,} files of 1 KB", "s"),
               "cpu": figure("ssh-rsync", "CPU", "s")}
    with in_memory() as directory:
        source, there = directory / "source", directory / "there"
        source.mkdir()
        for number in range(count):
            (source / f"file{number}").write_bytes(bytes([number % 251]) * 1024)

        def once(name):
            proxy = bench.rig.proxy(name)
            seconds, cpu = timed(bench, proxy, lambda: ssh_client.rsync(proxy, source, there))
            if sum(1 for _ in there.iterdir()) != count:
                raise RunError("not all files came")
            shutil.rmtree(there)
            return {"seconds": seconds, "cpu": cpu}
        return measure(bench, figures, who(bench), once)


CASES = {"ssh-transfer": transfer, "ssh-sftp": sftp, "ssh-rsync": rsync}
