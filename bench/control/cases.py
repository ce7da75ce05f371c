"""What is measured. Each run starts its own programs in a directory of its own and gives {metric: value}."""
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from plane import HERE, Connection, Engine, Plane, RunError, fresh, wait_for
from rows import multiply

OWNERS = 20
CONNECTIONS = 12


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Feed:
    """The gateway's feed, read to the end of its first snapshot and on: when each line came."""

    def __init__(self, path, patience=60):
        self.path, self.snapshot, self.routes, self.failed = path, None, 0, None
        self.lines, self.ended = [], False
        self.until = time.monotonic() + patience
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def open(self):
        while True:
            try:
                connection = Connection(self.path)
                connection.request("GET", "/api/routes?watch=1")
                return connection, connection.getresponse()
            except OSError as error:
                if time.monotonic() > self.until:
                    raise RunError(f"no feed: {error}") from error
                time.sleep(0.002)

    def follow(self):
        try:
            self.connection, answer = self.open()
            self.connection.socket.settimeout(10)
            for line in answer:
                if line.startswith(b'{"type":"end"'):
                    self.snapshot = time.monotonic()
                elif self.snapshot:
                    self.lines.append((time.monotonic(), line))
                else:
                    self.routes += line.startswith(b'{"type":"route"')
        except Exception as error:  # told to whoever waits
            if not self.ended:
                self.failed = repr(error)

    def wait_whole(self, seconds=60):
        wait_for(lambda: self.snapshot or self.failed, "the feed's snapshot", seconds, 0.005)
        if self.failed:
            raise RunError(self.failed)

    def close(self):
        self.ended = True
        self.connection.socket.shutdown(2)
        self.thread.join(5)
        if self.failed:
            raise RunError(self.failed)


class Load:
    def __init__(self, *arguments):
        self.popen = subprocess.Popen([sys.executable, HERE / "load.py", *map(str, arguments)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def result(self, seconds=300):
        out, _ = self.popen.communicate(timeout=seconds)  # which ends its standard input
        told = json.loads(out)
        if told["failed"]:
            raise RunError(f"a client: {told['failed'][0]}")
        return told


def told_after(feed, creates):
    """Seconds from each create's answer to its route in the feed; 0 where the feed was first."""
    first = {}
    for at, line in feed.lines:
        told = json.loads(line)
        if told["type"] == "route":
            first.setdefault(told["route"]["env"], at)
    missing = [id for _, _, id in creates if id not in first]
    if missing:
        raise RunError(f"{len(missing)} environments are not in the feed")
    return [max(0.0, first[id] - answered) for _, answered, id in creates]


def change_routes(plane, feed, count):
    """Changes one after the other, whose routes follow: seconds from asking, and from the answer, to the
    line."""
    ids = [row["id"] for row in plane.ask("GET", "/api/environments?limit=100")["environments"]]
    from_asked, from_answered = [], []
    for number in range(count):
        mark = f"10.{200 + (number >> 8)}.{number & 255}.0/24"
        seen = len(feed.lines)
        asked = time.monotonic()
        plane.ask("PATCH", f"/api/environments/{ids[number % len(ids)]}", {"policy": {"allow_from": [mark]}})
        answered = time.monotonic()
        at = wait_for(lambda: next((at for at, line in feed.lines[seen:] if mark.encode() in line), None),
                      "the change in the feed", 10, 0.001)
        from_asked.append(at - asked)
        from_answered.append(max(0.0, at - answered))
        wait_for(plane.resting, "its pass has ended", 10, 0.02)
    return from_asked, from_answered


def create(options, directory):
    """1,000 environments, made by 12 clients, with readers and a feed beside them; then changes of routes,
    with nothing else going on."""
    count = 200 if options.quick else 1000
    directory = fresh(directory)
    engine, plane, feed = Engine(directory), None, None
    try:
        plane = Plane(options.control, directory, engine, options.store).wait_ready()
        for number in range(OWNERS):
            plane.allow(f"owner{number}")
        feed = Feed(plane.socket)
        feed.wait_whole()
        reads = Load("reads", plane.socket)
        begun, cpu, calls = time.monotonic(), plane.cpu(), sum(engine.calls().values())
        creates = Load("creates", plane.socket, count, CONNECTIONS, OWNERS)
        told = creates.result()["creates"]
        wait_for(lambda: plane.running() == count, "all are running", 300, 0.1)
        took = time.monotonic() - begun
        cpu = plane.cpu() - cpu
        calls = sum(engine.calls().values()) - calls
        read = reads.result()
        latency = [seconds for seconds, _, _ in told]
        loaded = told_after(feed, told)
        wait_for(plane.resting, "it rests", 30)
        asked, answered = change_routes(plane, feed, 20 if options.quick else 200)
        feed.close()
        return {"until all run": took, "until all accepted": max(at for _, at, _ in told) - begun,
                "create p50": percentile(latency, 0.5), "create p99": percentile(latency, 0.99),
                "read one p50": percentile(read["one"], 0.5), "read one p99": percentile(read["one"], 0.99),
                "read 100 p50": percentile(read["list"], 0.5),
                "read 100 p99": percentile(read["list"], 0.99),
                "CPU each": cpu / count, "calls each": calls / count,
                "feed p50 while creating": percentile(loaded, 0.5),
                "feed p99 while creating": percentile(loaded, 0.99),
                "feed p50 from the answer": percentile(answered, 0.5),
                "feed p99 from the answer": percentile(answered, 0.99),
                "feed p50 from the request": percentile(asked, 0.5),
                "feed p99 from the request": percentile(asked, 0.99)}
    finally:
        for program in (plane, engine):
            if program:
                program.stop()


def prepare(options, directory):
    """A database of many running environments, and the containers that the engine has of them."""
    count = 2000 if options.quick else 10000
    directory = fresh(directory)
    engine, plane = Engine(directory), None
    try:
        plane = Plane(options.control, directory, engine).wait_ready()
        for number in range(OWNERS):
            plane.allow(f"owner{number}")
        Load("creates", plane.socket, OWNERS, CONNECTIONS, OWNERS).result()
        wait_for(lambda: plane.running() == OWNERS and plane.resting(), "the first are running", 60)
        plane.stop()
        made = multiply(directory / "control.db", engine.containers(), count)
    finally:
        for program in (plane, engine):
            if program:
                program.stop()
    (directory / "containers.json").write_text(json.dumps(made))
    return directory, count


def restart(options, directory, prepared, count):
    """Control starts on `prepared`."""
    directory = fresh(directory)
    for name in ("control.db", "control.key", "containers.json"):
        shutil.copy(Path(prepared) / name, directory / name)
    engine = Engine(directory, directory / "containers.json")
    plane = feed = None
    try:
        plane = Plane(options.control, directory, engine)
        feed = Feed(plane.socket)
        plane.wait_ready()
        ready = time.monotonic() - plane.started
        feed.wait_whole()
        if feed.routes != count:
            raise RunError(f"the snapshot has {feed.routes} routes")
        whole = feed.snapshot - plane.started
        before = None

        def settled():
            nonlocal before
            plane.check()
            calls, was = engine.calls(), before
            before = calls
            return calls.get("list", 0) > 0 and plane.resting() and calls == was

        wait_for(settled, "the reconciler has settled", 300, 0.2)
        took, cpu, calls = time.monotonic() - plane.started, plane.cpu(), sum(before.values())
        peak = plane.memory("VmHWM")
        feed.close()
        lists, cpu_before, calls_before = before["list"], plane.cpu(), calls
        looks = 1 if options.quick else 2
        wait_for(lambda: engine.calls()["list"] >= lists + looks, "looks at everything", 120, 0.2)
        wait_for(plane.resting, "the look has ended", 30, 0.2)
        return {"ready": ready, "snapshot whole": whole, "until settled": took, "CPU until settled": cpu,
                "calls until settled": calls, "peak memory": peak, "memory": plane.memory("VmRSS"),
                "CPU of a look": (plane.cpu() - cpu_before) / looks,
                "calls of a look": (sum(engine.calls().values()) - calls_before) / looks}
    finally:
        for program in (plane, engine):
            if program:
                program.stop()
