"""A control plane whose engine does not answer: what is asked of it is accepted, and stays pending. Its
directory may be entered by other accounts."""
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from plane import Plane

READ, GATEWAY, OPERATE, ADMIN = "daemon", "mail", "games", "users"  # groups of every Debian
REDIS_PASSWORD = "Redis-Pass-1"


def spec(name="one", owner="ada", **more):
    return {"name": name, "owner": owner,
            "spec": {"image": "not/there:1", "cpu": 0.5, "memory": "64MiB", **more}}


@pytest.fixture(scope="module")
def plane():
    if os.geteuid() != 0:
        pytest.skip("asking as other accounts needs root")
    directory = Path(tempfile.mkdtemp(prefix="envgate-api-"))
    directory.chmod(0o755)
    made = Plane(directory, docker={"socket": f"{directory}/no-engine.sock"},
                 redis={"url": f"redis://:{REDIS_PASSWORD}@127.0.0.1:1/0"},
                 groups={"read": READ, "gateway": GATEWAY, "operate": OPERATE, "admin": ADMIN},
                 ports={"quarantine": "0", "probe": "false"})
    try:
        made.start()
        made.allow("ada", cpu=4096, memory="900TiB", storage="900TiB", environments=1000)
        yield made
        made.stop()
    finally:
        if made.process.poll() is None:
            made.kill()
        shutil.rmtree(directory)


def sql(plane, *statements):
    """One transaction, as another controller on the same database writes: (statement, rows) each."""
    connection = sqlite3.connect(plane.directory / "control.db", timeout=20, isolation_level="IMMEDIATE")
    with connection:
        for statement, rows in statements:
            connection.executemany(statement, rows)
    connection.close()


def sockets_of(plane):
    """Its descriptors of connections that it accepted; those to Redis and the engine come and go."""
    table = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    accepted = {f"socket:[{line[6]}]" for line in table if line[-1] == str(plane.socket) and line[5] == "03"}
    count = 0
    for entry in Path(f"/proc/{plane.process.pid}/fd").iterdir():
        try:
            count += os.readlink(entry) in accepted
        except FileNotFoundError:
            pass
    return count


def resident(plane):
    """Bytes."""
    pages = int(Path(f"/proc/{plane.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
