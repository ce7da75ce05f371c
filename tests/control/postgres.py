"""A PostgreSQL of the test's own, on a Unix socket in a folder; run as the user postgres, since the server
refuses root."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


class Postgres:
    def __init__(self):
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if os.geteuid() != 0 or not programs:
            pytest.skip("a PostgreSQL needs root and the package postgresql (tests/run installs it)")
        self.programs = programs[-1].parent
        self.folder = Path(tempfile.mkdtemp(prefix="envgate-postgres-"))
        shutil.chown(self.folder, "postgres")
        self.url = f"postgres://postgres@/postgres?host={self.folder}"

    def run(self, program, *arguments):
        # Not piped: the server would hold the pipe open.
        subprocess.run(["runuser", "-u", "postgres", "--", self.programs / program, *arguments], cwd="/",
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60)

    def start(self):
        data = self.folder / "data"
        self.run("initdb", "-N", "-A", "trust", "-D", data)
        self.run("pg_ctl", "-w", "-D", data, "-l", self.folder / "log", "-o",
                 f"-k {self.folder} -c listen_addresses='' -c fsync=off", "start")
        return self

    def stop(self):
        if (self.folder / "data/postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-m", "immediate", "-D", self.folder / "data", "stop")
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def postgres():
    made = Postgres()
    try:
        yield made.start()
    finally:
        made.stop()
