"""routes-churn, unknown-storm, route-visible: what changes in Redis, and names that are not there, cost ours
and the seed's design; and how soon a change is obeyed. The other peers look nothing up."""
import http.client
import socket
import ssl
import threading
import time

from ..files import DOMAIN, SIZES
from ..h2load import load
from ..process import RunError
from ..redis import command
from ..rig import ENV, OTHER_ROUTES, other_env
from ..rounds import Figure, measure

PER_SECOND, BATCH = 1_000, 10
CHANGE_DEADLINE = 3  # seconds


def lookers(bench):
    return bench.who("routes") + bench.who("lookup")


class Churn:
    """Changes other environments' routes, 1,000 a second, on a thread, until it is left."""

    def __init__(self, redis):
        self.redis, self.stopping, self.changes = redis, threading.Event(), 0

    def __enter__(self):
        self.start = time.monotonic()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        while not self.stopping.wait(max(0, self.start + self.changes / PER_SECOND - time.monotonic())):
            numbers = [(self.changes + i) % OTHER_ROUTES for i in range(BATCH)]
            address = f"10.200.{self.changes // BATCH % 250}.1"
            self.redis.pipeline(command("SET", f"env:{other_env(number)}:ip", address) for number in numbers)
            self.changes += BATCH

    def __exit__(self, *error):
        self.stopping.set()
        self.thread.join()
        rate = self.changes / (time.monotonic() - self.start)
        if error == (None, None, None) and rate < 0.9 * PER_SECOND:
            raise RunError(f"only {rate:.0f} routes a second were changed")


def churn(bench):
    requests = bench.size(80_000, 10_000)
    figures = {"still": Figure("routes-churn", "CPU per request, no route changes", "us"),
               "churn": Figure("routes-churn", "CPU per request, 1,000 routes change a second", "us")}

    def cpu_of(proxy):
        _, cpu = bench.cost(proxy, lambda: load(proxy.https, bench.rig.host(), "/1k", h2=False,
                                                requests=requests, connections=64, size=SIZES["1k"]))
        return cpu / requests * 1e6

    def once(name):
        proxy = bench.rig.proxy(name)
        still = cpu_of(proxy)
        with Churn(bench.rig.redis):
            changing = cpu_of(proxy)
        return {"still": still, "churn": changing}
    return measure(bench, figures, lookers(bench), once)


def storm(bench):
    """Half the requests are for one of 1,000 names that are nowhere."""
    count = bench.size(60_000, 6_000)
    figures = {"redis": Figure("unknown-storm", "Redis commands per 1,000 requests", "1"),
               "cpu": Figure("unknown-storm", "CPU per request", "us")}

    def once(name):
        proxy, redis = bench.rig.proxy(name), bench.rig.redis
        before = redis.commands_processed()
        _, cpu = bench.cost(proxy, lambda: bench.client.run(
            "requests", port=proxy.https, host=bench.rig.host(), domain=DOMAIN,
            target=bench.rig.values["ORIGIN"], path="/1k", bytes=SIZES["1k"], count=count, threads=32,
            unknown=1_000))
        commands = redis.commands_processed() - before - 1  # the question itself
        return {"redis": commands / count * 1e3, "cpu": cpu / count * 1e6}
    return measure(bench, figures, lookers(bench), once)


def kept_connection(bench, proxy):
    """A connection on which requests are asked one after the other."""
    context = ssl.create_default_context(cafile=bench.rig.values["CERT"])
    plain = socket.create_connection(("127.0.0.1", proxy.https), 10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = http.client.HTTPSConnection(bench.rig.host(), context=context)
    connection.sock = context.wrap_socket(plain, server_hostname=bench.rig.host())
    return connection


def where(connection):
    """The address at which the target was reached."""
    connection.request("GET", "/where")
    answer = connection.getresponse()
    body = answer.read().decode()
    if answer.status != 200:
        raise RunError(f"answered with {answer.status} while its route changed")
    return body


def obeyed_after(bench, connection, address):
    """Seconds from the SET to the first answer from `address`."""
    start = time.perf_counter()
    bench.rig.redis.call("SET", f"env:{ENV}:ip", address)
    while where(connection) != address:
        if time.perf_counter() - start > CHANGE_DEADLINE:
            raise RunError(f"a changed route was not obeyed within {CHANGE_DEADLINE} s")
    return time.perf_counter() - start


def visible(bench):
    figures = {key: Figure("route-visible", f"SET to obeyed, {key}", "ms") for key in ("p50", "p99")}
    changes = bench.size(500, 100)

    def once(name):
        connection, times = kept_connection(bench, bench.rig.proxy(name)), []
        try:
            for turn in range(changes):
                times.append(obeyed_after(bench, connection, f"127.0.0.{2 - turn % 2}"))
                time.sleep(0.002)
        finally:
            bench.rig.redis.call("SET", f"env:{ENV}:ip", "127.0.0.1")
            connection.close()
        times.sort()
        return {"p50": times[len(times) // 2] * 1e3, "p99": times[int(len(times) * 0.99)] * 1e3}
    return measure(bench, figures, lookers(bench), once)


CASES = {"routes-churn": churn, "unknown-storm": storm}
VISIBLE = {"route-visible": visible}
