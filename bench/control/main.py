#!/usr/bin/python3
"""Measures envgate-control against its goals. Started by bench/control/run, in a network of its own."""
import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import create, prepare, restart
from plane import RunError

ROOT = Path(__file__).resolve().parents[2]
# Each metric's case, unit, factor from what was measured, and goal.
METRICS = {
    "until all run": ("create", "s", 1, 60), "until all accepted": ("create", "s", 1, None),
    "create p50": ("create", "ms", 1000, None), "create p99": ("create", "ms", 1000, 50),
    "read one p50": ("create", "ms", 1000, None), "read one p99": ("create", "ms", 1000, 20),
    "read 100 p50": ("create", "ms", 1000, None), "read 100 p99": ("create", "ms", 1000, 20),
    "CPU each": ("create", "ms", 1000, None), "calls each": ("create", "calls", 1, None),
    "feed p50 while creating": ("create", "ms", 1000, None),
    "feed p99 while creating": ("create", "ms", 1000, None),
    "feed p50 from the answer": ("feed", "ms", 1000, None),
    "feed p99 from the answer": ("feed", "ms", 1000, None),
    "feed p50 from the request": ("feed", "ms", 1000, None),
    "feed p99 from the request": ("feed", "ms", 1000, None),
    "ready": ("restart", "s", 1, 3), "snapshot whole": ("restart", "s", 1, 3),
    "until settled": ("restart", "s", 1, None), "CPU until settled": ("restart", "s", 1, None),
    "calls until settled": ("restart", "calls", 1, None), "peak memory": ("restart", "MB", 1, None),
    "memory": ("restart", "MB", 1, None), "CPU of a look": ("restart", "ms", 1000, None),
    "calls of a look": ("restart", "calls", 1, None),
}


def arguments():
    parser = argparse.ArgumentParser(prog="bench/control/run", description="Measures envgate-control.")
    parser.add_argument("--only", choices=["create", "restart"], help="this case only")
    parser.add_argument("--quick", action="store_true", help="a fifth of the environments, one run of each")
    parser.add_argument("--repeats", type=int, help="runs of each (default: 5, or 1 with --quick)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--postgres", action="store_true", help="create: on a PostgreSQL of its own")
    parser.add_argument("--control", type=Path, default=ROOT / "build/release/bin/envgate-control",
                        metavar="FILE", help="another build's envgate-control")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def runs(options, directory):
    """{metric: values}, and how many runs failed."""
    repeats = options.repeats or (1 if options.quick else 5)
    todo = [name for name in ("create", "restart") if options.only in (None, name)]
    prepared = prepare(options, directory / "prepared") if "restart" in todo else None
    values, failed = {}, 0
    for case in todo:
        for number in range(repeats):
            where = directory / f"{case}{number}"
            try:
                told = (one_create(options, where) if case == "create"
                        else restart(options, where, *prepared))
            except RunError as error:
                print(f"{case}: a run that does not count: {error}", file=sys.stderr)
                failed += 1
                continue
            for metric, value in told.items():
                values.setdefault(metric, []).append(value * METRICS[metric][2])
    return values, failed


def one_create(options, where):
    options.store = None
    if not options.postgres:
        return create(options, where)
    sys.path.append(str(ROOT / "tests/control"))
    from postgres import Postgres
    server = Postgres()
    try:
        options.store = server.start().url
        return create(options, where)
    finally:
        server.stop()


def report(values, stream):
    rows = []
    for metric, measured in values.items():
        case, unit, _, goal = METRICS[metric]
        rows.append({"case": case, "metric": metric, "unit": unit, "goal": goal,
                     "median": statistics.median(measured), "low": min(measured), "high": max(measured),
                     "runs": len(measured)})
    print(f"{'case':8} {'metric':26} {'median':>10} {'low':>10} {'high':>10} unit   goal", file=stream)
    for row in rows:
        missed = row["goal"] is not None and row["median"] >= row["goal"]
        goal = "" if row["goal"] is None else f"{row['goal']} {'MISSED' if missed else ''}"
        print(f"{row['case']:8} {row['metric']:26} {row['median']:10.2f} {row['low']:10.2f} "
              f"{row['high']:10.2f} {row['unit']:6} {goal}", file=stream)
    return rows


def main():
    options = arguments()
    if options.check:
        return 0
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(f"{platform.machine()}, Linux {platform.release()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="envgate-bench-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        values, failed = runs(options, Path(directory))
    rows = report(values, sys.stdout)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    missed = [row for row in rows if row["goal"] is not None and row["median"] >= row["goal"]]
    return 1 if failed or not rows or missed else 0


sys.exit(main())
