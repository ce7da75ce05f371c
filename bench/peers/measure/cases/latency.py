"""latency-h1, latency-h2: how long a request of 1 KB takes from when it is due, at one rate for all: 30
percent of what the slowest of them can do. The CPU that it costs at that rate is told too."""
from ..files import SIZES
from ..h2load import load
from ..rounds import Figure, measure

SHARE = 0.3
CONNECTIONS = 32
PERCENTILES = ("p50", "p99", "p99.9")
CPU = "CPU per request at this rate"


def slowest(bench, names, h2):
    """The lowest rate of a closed loop over all of `names`, requests per second."""
    requests = bench.size(20_000, 4_000)
    rates = []
    for name in names:
        proxy = bench.rig.proxy(name)
        rates.append(load(proxy.https, bench.rig.host(), "/1k", h2=h2, requests=requests,
                          connections=CONNECTIONS, size=SIZES["1k"])["rate"])
    return min(rates)


def latency_case(case, protocol):
    def run(bench):
        names = bench.who("http")
        rate = int(slowest(bench, names, protocol == "h2") * SHARE)
        bench.say(f"{case}: {rate} requests a second")

        def once(name):
            proxy = bench.rig.proxy(name)
            told, cpu = bench.cost(proxy, lambda: bench.client.run(
                "latency", protocol=protocol, port=proxy.https, host=bench.rig.host(), path="/1k",
                bytes=SIZES["1k"], rate=rate, seconds=bench.size(5, 1), connections=CONNECTIONS))
            return {**{key: told[key] for key in PERCENTILES}, CPU: cpu / told["requests"] * 1e6}
        figures = {key: Figure(case, key, "us") for key in (*PERCENTILES, CPU)}
        return measure(bench, figures, names, once)
    return run


CASES = {"latency-h1": latency_case("latency-h1", "h1"), "latency-h2": latency_case("latency-h2", "h2")}
