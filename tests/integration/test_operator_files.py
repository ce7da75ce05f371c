"""The files for operators in conf/: units that systemd takes, alerts about metrics that there are."""
import re
import shutil
import subprocess

import pytest
import yaml

from harness import BIN
from harness.machine import ROOT

UNITS = sorted((ROOT / "conf/systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    placed = tmp_path / unit.name
    placed.write_text(unit.read_text().replace("/usr/bin/envgate", str(BIN / "envgate")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", placed], capture_output=True, text=True,
                          check=False)
    about_it = [line for line in done.stderr.splitlines() if unit.name in line]
    assert done.returncode == 0 and not about_it, done.stderr


def system_calls(words):
    """The sets of systemd's that are named, and theirs, as names of calls."""
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True,
                          check=True).stdout
    sets = {}
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.split()[0]
            sets[name] = set()
        elif line.startswith(" ") and not line.lstrip().startswith("#"):
            sets[name].add(line.strip())
    found = set()
    while words:
        word = words.pop()
        if word in sets:
            words |= sets[word]
        else:
            found.add(word)
    return found


def test_the_gateways_unit_leaves_audited_sessions_what_they_need():
    """A call that the unit takes away ends the process, as one that the sandbox does."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = (ROOT / "conf/systemd/envgate.service").read_text()
    left = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        words = system_calls(set(line.lstrip("~").split()))
        left = left - words if line.startswith("~") else left | words
    sandbox = (ROOT / "gateway/ssh/session/sandbox.cpp").read_text()
    needed = set(re.findall(r"SCMP_SYS\((\w+)\)", sandbox)) | {"seccomp", "clone", "execve", "wait4",
                                                               "signalfd4"}
    assert len(needed) > 40 and needed <= left, needed - left
    assert "ptrace" not in left and "setuid" not in left
    # One session that is killed for want of memory must not take the unit with it.
    assert "OOMPolicy=continue" in unit


def test_alerts_are_about_metrics_that_there_are():
    names = set()
    for room in ("base", "record", "routing", "gateway", "control"):
        for source in (ROOT / room).rglob("*.cpp"):
            names |= set(re.findall(r'"(envgate_[a-z_]+)"', source.read_text()))
    rules = yaml.safe_load((ROOT / "conf/prometheus/envgate.rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len(alerts) > 8
    for rule in alerts:
        used = set(re.findall(r"envgate_[a-z_]+", rule["expr"]))
        assert used and used <= names, f"{rule['alert']}: {used - names} is no metric"
        assert rule["annotations"]["summary"] and rule["annotations"]["remedy"], rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_prometheus_takes_the_alerts():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    rules = ROOT / "conf/prometheus/envgate.rules.yml"
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
