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
