"""What Debian's ssh-audit, which nobody here wrote, has to say of an audited port."""
import json
import re

import pytest

from harness import debian_tool, run

# Younger than the ssh-audit that judges them: the post-quantum key exchanges, and the mark of the strict one.
TOO_NEW = {"mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
           "kex-strict-s-v00@openssh.com"}
ABOUT_NEW = {"unknown algorithm", "using experimental algorithm"}


@pytest.fixture(scope="module")
def program():
    return debian_tool("ssh-audit")


@pytest.mark.parametrize("entry", ["port", "shared entry"])
def test_nothing_above_informational(scene, program, entry):
    port = scene.port if entry == "port" else scene.entry_port
    told = json.loads(run([program, "-jj", "-p", port, "127.0.0.1"], check=False).stdout)
    kinds = {kind: {one["algorithm"] if isinstance(one, dict) else one for one in told[kind]}
             for kind in ("kex", "key", "enc", "mac", "compression")}
    assert all(kinds.values()) and kinds["compression"] == {"none"} and TOO_NEW <= kinds["kex"]
    assert told["banner"]["software"] == "envgate" and not told.get("cves")
    # The levels are in its text alone.
    text = run([program, "-n", "-p", port, "127.0.0.1"], check=False).stdout.decode()
    judged, name = set(), None
    for line in text.splitlines():
        found = re.match(r"\((?:kex|key|enc|mac)\) (\S+)\s+-- ", line)
        name = found[1] if found else name if line.lstrip().startswith("`-") else None
        level = re.search(r"-- \[(\w+)\] (.*)|`- \[(\w+)\] (.*)", line)
        if name:
            judged.add(name)
        if level and name:
            grade, note = level[1] or level[3], level[2] or level[4]
            assert grade == "info" or (grade == "warn" and name in TOO_NEW and note in ABOUT_NEW), line
    assert judged == kinds["kex"] | kinds["key"] | kinds["enc"] | kinds["mac"]
    assert not re.search(r"\[fail\]|\(cve\)|\(sec\)", text)
