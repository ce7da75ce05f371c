"""ws-64: the CPU of a proxy for a WebSocket message of 64 bytes and its echo; 64 connections, one message
each."""
from ..rounds import Figure, measure

CPU = "CPU per message"


def websocket(bench):
    messages = bench.size(100_000, 10_000)

    def once(name):
        proxy = bench.rig.proxy(name)
        host, port = bench.rig.echo_of(proxy)
        _, cpu = bench.cost(proxy, lambda: bench.client.run(
            "websocket", port=port, host=host, path="/ws", connections=64, messages=messages, bytes=64))
        return {CPU: cpu / messages * 1e6}
    return measure(bench, {CPU: Figure("ws-64", CPU, "us")}, bench.who("ws"), once)


CASES = {"ws-64": websocket}
