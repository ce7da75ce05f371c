"""What this machine and this build are."""
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("TESTED_BIN", ROOT / "build/release/bin"))
SANITIZED = bool(os.environ.get("TESTED_SANITIZE"))
# Time is stretched, and the largest transfers are smaller, where every instruction is checked.
SLOW = 4 if SANITIZED else 1
BIG = 1 << 26 if SANITIZED else 1 << 30


def debian_tool(name):
    """The path of a program from a Debian package, or the test is skipped with the reason."""
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin") or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (tests/run installs it)")
    return path


def need(condition, reason):
    """Skips the test unless the machine can run it."""
    if not condition:
        pytest.skip(reason)
