#!/usr/bin/python3
"""Measures envgate beside its peers. Started by bench/peers/run, which installs and builds what it needs."""
import argparse
import os
import platform
import resource
import signal
import sys
import time
from pathlib import Path

from measure import bars, report
from measure.bench import Bench
from measure.cases import CASES
from measure.process import LOAD_CORE
from measure.peers import PEERS
from measure.svg import overview, picture

ROOT = Path(__file__).resolve().parent.parent.parent


def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run", description="Measures envgate beside its peers.")
    parser.add_argument("--only", action="append", default=[], metavar="CASE[,CASE]",
                        help="these cases only; one or more of: " + " ".join(CASES))
    parser.add_argument("--quick", action="store_true",
                        help="small and few runs: all cases in less than 4 minutes on an idle machine")
    parser.add_argument("--repeats", type=int, help="runs of each (default: 6, or 2 with --quick)")
    parser.add_argument("--peers", metavar="NAME[,NAME]",
                        help="these beside envgate only; some of: " + " ".join(PEERS))
    parser.add_argument("--before", type=Path, metavar="DIR",
                        help="measure another build's envgate too, under the name `before`")
    parser.add_argument("--no-logs", dest="logs", action="store_false", help="nobody writes an access log")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin", metavar="DIR",
                        help="where envgate is (default: build/release/bin)")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", metavar="DIR",
                        help="where peers.json and the pictures go (default: build/bench)")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)  # these words only
    options = parser.parse_args()
    built = ROOT / "build/release/bin"
    options.client, options.micro = built / "bench_client", built / "bench_routes"
    options.cases = [case for words in options.only for case in words.split(",") if case] or list(CASES)
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"no case is called {' or '.join(unknown)}; there are: {' '.join(CASES)}")
    options.peers = chosen_peers(parser, options)
    return options


def chosen_peers(parser, options):
    """Everybody's name, ours first."""
    asked = PEERS if options.peers is None else [name for name in options.peers.split(",") if name]
    unknown = sorted(set(asked) - set(PEERS))
    if unknown:
        parser.error(f"no peer is called {' or '.join(unknown)}; there are: {' '.join(PEERS)}")
    if options.before and not (options.before / "envgate").is_file():
        parser.error(f"--before: there is no envgate in {options.before}")
    before = ["before", "audited-before"] if options.before else []
    return ["envgate", "audited", *before] + [name for name in PEERS if name in asked]


def prepare_machine():
    """This program and the load live on one core, the proxies on another. SIGTERM ends it as SIGINT does."""
    if not {0, 1} <= os.sched_getaffinity(0):
        sys.exit("bench: cores 0 and 1 are needed: one for the proxy, one for everything else")
    os.sched_setaffinity(0, {LOAD_CORE})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def run_cases(bench, options):
    figures = []
    for case in options.cases:
        bench.say(case)
        mine = CASES[case](bench)
        for figure in mine:
            print(report.details(figure), flush=True)
        figures += mine
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{case}.svg").write_text(picture(mine))
        (options.out / "peers.json").write_text(report.as_json(figures))
        (options.out / "overview.svg").write_text(overview(figures))
    return figures


def main():
    options = arguments()
    if options.check:
        return 0
    prepare_machine()
    start = time.monotonic()
    bench = Bench(options)
    try:
        figures = run_cases(bench, options)
        print(f"\n{report.tables(figures)}\n")
        for line in bars.told(figures):
            print(line)
        print(f"{time.strftime('%Y-%m-%d')}, {platform.platform()}, {os.cpu_count()} cores, "
              f"{time.monotonic() - start:.0f} s, access logs {'on' if options.logs else 'off'}: "
              f"bench/peers/run {' '.join(sys.argv[1:])}")
        for text in bench.discarded:
            print("not counted: " + text)
        print(f"pictures and peers.json are in {options.out}")
    finally:
        bench.close()
    return 0 if all(figure.median(figure.ours) is not None for figure in figures) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; everything that was started has been ended")
