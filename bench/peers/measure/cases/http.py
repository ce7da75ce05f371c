"""h1, h2, h2-64x1, h1-100k, h2-100k, down-1g, up-1g: the CPU of a proxy for each request, or each gigabyte."""
from ..files import SIZES
from ..h2load import load
from ..rounds import Figure, measure

CPU = "CPU per request"


def requests_case(case, path, h2, connections, streams, full, quick):
    def run(bench):
        requests = bench.size(full, quick)

        def once(name):
            proxy = bench.rig.proxy(name)
            _, cpu = bench.cost(proxy, lambda: load(
                proxy.https, bench.rig.host(), "/" + path, h2=h2, requests=requests, connections=connections,
                streams=streams, size=SIZES[path]))
            return {CPU: cpu / requests * 1e6}
        return measure(bench, {CPU: Figure(case, CPU, "us")}, bench.who("http"), once)
    return run


CASES = {
    "h1": requests_case("h1", "1k", False, 64, 1, 80_000, 15_000),
    "h2": requests_case("h2", "1k", True, 8, 16, 100_000, 20_000),
    "h2-64x1": requests_case("h2-64x1", "1k", True, 64, 1, 80_000, 15_000),
    "h1-100k": requests_case("h1-100k", "100k", False, 64, 1, 10_000, 2_000),
    "h2-100k": requests_case("h2-100k", "100k", True, 8, 16, 10_000, 2_000),
}
