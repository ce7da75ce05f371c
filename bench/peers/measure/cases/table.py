"""routes-1m: how long the gateway takes to load a table from Redis, the memory it then has, and, in process,
how long a lookup takes (bench/micro). Nobody else has such a table."""
import re
import time

from ..process import PROXY_CORE, RunError, run, settled
from ..redis import Redis, command
from ..rounds import Figure, measure

PIECE = 2_000  # environments a pipeline
DEADLINE = 120  # seconds


def fill_redis(redis, count):
    """Four keys an environment, as the seed's platform writes them."""
    info = ('{"environment_id":"%s","type":"container","ssh_host":"%s.ssh.bench.test","ssh_port":0,'
            '"ssh_username":"root","target_ip":"%s","created_at":"2026-02-02T10:30:00Z"}')
    for first in range(0, count, PIECE):
        commands = []
        for i in range(first, min(first + PIECE, count)):
            env, ip = f"{i * 0x9e3779b1 % (1 << 40):016x}", f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"
            commands.append(command("MSET", f"env:{env}:ip", ip, f"env:{env}:ssh_port", "0",
                                    f"env:{env}:type", "container",
                                    f"env:{env}:access_info", info % (env, env, ip)))
        redis.pipeline(commands)


def wait_for_routes(proxy, count):
    """It may say that it is ready before: then it asks Redis for what it does not know yet."""
    end = time.monotonic() + DEADLINE
    while (routes := proxy.route_count()) != count:
        if time.monotonic() > end:
            raise RunError(f"{routes} of {count} routes are loaded after {DEADLINE} s")
        time.sleep(0.02)


def load_once(bench, redis, count):
    start = time.monotonic()
    proxy = bench.rig.fresh("envgate", REDIS=redis.port)
    try:
        wait_for_routes(proxy, count)
        return {"load": time.monotonic() - start, "memory": settled(proxy.pss) / 1e6}
    finally:
        proxy.stop()


def loading(bench, count):
    bench.say(f"routes-1m: filling a Redis with {count:,} environments")
    redis = Redis(bench.rig.directory / f"redis{count}")
    bench.rig.servers.append(redis)
    fill_redis(redis, count)
    figures = {"load": Figure("routes-1m", f"load time, {count:,} routes", "s"),
               "memory": Figure("routes-1m", f"memory, {count:,} routes", "MB")}
    try:
        return measure(bench, figures, ["envgate"], lambda _: load_once(bench, redis, count))
    finally:
        redis.stop()


def lookups(bench, counts):
    figures = {count: Figure("routes-1m", f"lookup, {count:,} routes", "ns") for count in counts}

    def once(_):
        text = run([bench.micro, *counts], 120, PROXY_CORE)
        found = re.findall(r"(\d+) routes:.*?, ([\d.]+) ns a lookup", text)
        told = {int(count): float(ns) for count, ns in found}
        if set(told) != set(counts):
            raise RunError(f"bench_routes told of {sorted(told)}")
        return told
    return measure(bench, figures, ["envgate"], once)


def table(bench):
    return loading(bench, bench.size(1_000_000, 100_000)) + lookups(bench, [10_000, 100_000, 1_000_000])


CASES = {"routes-1m": table}
