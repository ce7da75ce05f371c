"""h1, h2, h2-64x1, h1-100k, h2-100k: the CPU of a proxy for each request. down-1g, up-1g: for each gigabyte
of one streamed body."""
from ..files import SIZES
from ..h2load import load
from ..rounds import Figure, measure

CPU = "CPU per request"
CPU_GB = "CPU per GB"
RATE = "rate"


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


def stream_case(case, path, upload):
    """One request on one connection of HTTP/1.1. An upload is answered with its length in digits, as the
    origin counted it, or with 500 where that is not what was announced."""
    def run(bench):
        size = bench.size(SIZES["1g"], SIZES["1g"] >> 3)
        body = bench.rig.body(size)

        def once(name):
            proxy = bench.rig.proxy(name)
            told, cpu = bench.cost(proxy, lambda: load(
                proxy.https, bench.rig.host(), path or "/" + body.name, h2=False, requests=1, connections=1,
                size=len(str(size)) if upload else size, upload=body if upload else None, seconds=120))
            return {CPU_GB: cpu / size * 1e9, RATE: size / told["seconds"] / 1e6}
        figures = {CPU_GB: Figure(case, CPU_GB, "s"), RATE: Figure(case, RATE, "MB/s", lower_is_better=False)}
        return measure(bench, figures, bench.who("http"), once)
    return run


CASES = {
    "h1": requests_case("h1", "1k", False, 64, 1, 80_000, 10_000),
    "h2": requests_case("h2", "1k", True, 8, 16, 100_000, 15_000),
    "h2-64x1": requests_case("h2-64x1", "1k", True, 64, 1, 80_000, 10_000),
    "h1-100k": requests_case("h1-100k", "100k", False, 64, 1, 10_000, 1_500),
    "h2-100k": requests_case("h2-100k", "100k", True, 8, 16, 10_000, 1_500),
    "down-1g": stream_case("down-1g", None, upload=False),
    "up-1g": stream_case("up-1g", "/count", upload=True),
}
