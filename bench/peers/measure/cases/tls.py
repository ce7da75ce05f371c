"""tls-new, tls-resumed: the CPU of a proxy for a TLS connection with one request of 1 KB in it."""
from ..files import SIZES
from ..rounds import Figure, measure

CPU = "CPU per connection"


def connection_case(case, resume):
    def run(bench):
        count = bench.size(4_000, 600)

        def once(name):
            proxy = bench.rig.proxy(name)
            _, cpu = bench.cost(proxy, lambda: bench.client.run(
                "connects", port=proxy.https, host=bench.rig.host(), path="/1k", bytes=SIZES["1k"],
                count=count, threads=16, resume=int(resume)))
            return {CPU: cpu / count * 1e6}
        return measure(bench, {CPU: Figure(case, CPU, "us")}, bench.who("http"), once)
    return run


CASES = {"tls-new": connection_case("tls-new", False), "tls-resumed": connection_case("tls-resumed", True)}
