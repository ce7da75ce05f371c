"""idle-h1, idle-ws, idle-h2: the memory of a proxy for a connection that was used once and is kept open. PSS
with many connections, less PSS with a few, so that what a start costs is left out. Each sample is from a
fresh proxy."""
from contextlib import ExitStack
import time

from ..process import settled
from ..rounds import Figure, measure

MEMORY = "memory per connection"
FEW = 100


def idle_case(case, kind):
    def run(bench):
        connections = bench.size(5_000, 500)

        def once(name):
            proxy = bench.rig.fresh(name)
            try:
                return {MEMORY: per_connection(bench, proxy, kind, connections)}
            finally:
                proxy.stop()
        figures = {MEMORY: Figure(case, MEMORY, "bytes")}
        names = bench.who("ws" if kind == "ws" else "http")
        return measure(bench, figures, names, once, repeats=1 if bench.quick else None)
    return run


def per_connection(bench, proxy, kind, connections):
    host, port = bench.rig.echo_of(proxy) if kind == "ws" else (bench.rig.host(), proxy.https)
    with ExitStack() as held:
        sizes = []
        for count in (FEW, connections):
            held.enter_context(bench.client.holding("idle", kind=kind, port=port, host=host,
                                                    path="/ws" if kind == "ws" else "/1k", connections=count))
            time.sleep(0.3)  # buffers are given back a moment after their last use
            sizes.append(settled(proxy.pss))
    return (sizes[1] - sizes[0]) / connections


CASES = {f"idle-{kind}": idle_case(f"idle-{kind}", kind) for kind in ("h1", "ws", "h2")}
