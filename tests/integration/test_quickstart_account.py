# ctest: processors=2
"""The quickstart of an ordinary account. Nothing runs beside it that could take the ports that it chose."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness import BIN, debian_tool, need, run
from harness.quickstart import QUICKSTART, Quickstart, alive, get, ssh, ssh_by_password

STRANGER = 4321  # an account that this machine has not


@pytest.fixture
def stranger():
    """(what runs a command as an ordinary account with ids to give away, its directory). The account is in
    its own view of /etc alone."""
    directory = Path(tempfile.mkdtemp(prefix="envgate-"))
    for name, line in {"passwd": f"stranger:x:{STRANGER}:{STRANGER}::{directory}:/bin/sh", "group":
                       f"stranger:x:{STRANGER}:", "subuid": f"stranger:{1 << 20}:65536",
                       "subgid": f"stranger:{1 << 20}:65536"}.items():
        known = Path("/etc") / name
        (directory / name).write_text((known.read_text() if known.exists() else "") + line + "\n")
    os.chown(directory, STRANGER, STRANGER)
    binds = " && ".join(f"mount --bind {directory}/{name} /etc/{name}"
                        for name in ("passwd", "group", "subuid", "subgid"))
    yield ["unshare", "--mount", "sh", "-c", f'{binds} && exec setpriv --reuid={STRANGER} --regid={STRANGER} '
           f'--clear-groups env -u XDG_RUNTIME_DIR HOME={directory} "$@"', "sh"], directory
    shutil.rmtree(directory)


def test_an_ordinary_account_needs_no_rights(stranger, tmp_path):
    within, directory = stranger
    need(Path("/etc/subuid").exists(), "there is no /etc/subuid on this machine")
    need(os.getuid() == 0, "another account can be played by root alone")
    need(run([*within, "test", "-x", BIN / "envgate", "-a", "-r", QUICKSTART], check=False).returncode == 0,
         "another account may not read these programs")
    tried = run([*within, "unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork",
                 "--mount-proc", "true"], check=False)
    need(tried.returncode == 0, f"user namespaces cannot be made: {tried.stderr.decode().strip()}")
    quick, data = Quickstart(within=within), directory / "data"
    try:
        ready, _ = quick.start(data)
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in ready["pids"].values()} == {STRANGER}
        assert ssh(ready, "id -u; awk '$1 == 0 {print $2}' /proc/self/uid_map") == f"0\n{STRANGER}"
        assert ssh_by_password(ready, tmp_path, "echo in").stdout == b"in\n"
        tty = run([debian_tool("ssh"), "-tt", "-F", ready["ssh_config"], ready["ssh_host"], "tty"])
        assert tty.stdout.startswith(b"/dev/pts/")
        assert b"You have reached" in get(ready).stdout
        assert "stopped: demo" in quick.stop(data)
        assert not any(map(alive, ready["pids"].values()))
    finally:
        quick.stop(data, check=False)
