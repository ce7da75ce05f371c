import os
import subprocess

import pytest

from plane import Plane

SOCKET = os.environ.get("ENGINE_SOCKET", "")


def docker(*arguments):
    done = subprocess.run(["/usr/bin/docker", "-H", f"unix://{SOCKET}", *arguments], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=True)
    return done.stdout.strip()


def sweep():
    """Everything that a test left in the engine, so that the next one finds it empty."""
    for name in docker("ps", "-aq").split():
        docker("rm", "-fv", name)
    for name in docker("volume", "ls", "-q").split():
        docker("volume", "rm", name)


@pytest.fixture
def plane(tmp_path):
    made = Plane(tmp_path, docker={"socket": SOCKET, "grace": "1s"}).start()
    yield made
    made.stop()
    sweep()
