"""ssh-bulk and ssh-connects: connections that begin with SSH banners, as the passthrough wants them, and then
carry any bytes. OpenSSH is measured as the jump host that `ssh -J` goes through, so its sshd decrypts and
encrypts what the others only pass on; that is what a customer would have instead."""
import time

from ..files import user
from ..process import RunError
from ..rounds import Figure, measure

GIB = 1 << 30


def jump_command(bench, proxy):
    """The words of `ssh -W`, which is what `ssh -J` runs, through the jump host to the target."""
    settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes")
    options = [word for setting in settings for word in ("-o", setting)]
    return ["ssh", "-F", "none", "-q", "-i", bench.rig.values["USER_KEY"], "-p", proxy.ssh, *options,
            "-c", "aes128-gcm@openssh.com", "-W", f"127.0.0.1:{bench.rig.values['RAW']}",
            f"{user()}@127.0.0.1"]


def transfer(bench, proxy, direction, size, limit=300):
    """One connection that carries `size` bytes: seconds."""
    if "jump" in proxy.can:
        words = ("--", *jump_command(bench, proxy))
        told = bench.client.run("bulk", *words, limit=limit, direction=direction, bytes=size)
        proxy.wait_alone()
    else:
        told = bench.client.run("bulk", limit=limit, port=proxy.ssh, direction=direction, bytes=size)
    return told["seconds"]


def bulk(bench):
    size = bench.size(4 * GIB, GIB >> 2)
    figures = {}
    for way in ("up", "down"):
        figures[way] = Figure("ssh-bulk", f"CPU per GB {way}", "s")
        figures[way + " rate"] = Figure("ssh-bulk", f"rate {way}", "MB/s", lower_is_better=False)

    def once(name):
        proxy, values = bench.rig.proxy(name), {}
        for way in ("up", "down"):
            seconds, cpu = bench.cost(proxy, lambda: transfer(bench, proxy, way, size))
            values.update({way: cpu / size * 1e9, way + " rate": size / seconds / 1e6})
        return values
    return measure(bench, figures, bench.who("ssh") + bench.who("jump"), once)


def jumps(bench, proxy, count):
    """Connections through the jump host, one after the other: seconds. Few: each is a key exchange and a
    process."""
    start = time.monotonic()
    for _ in range(count):
        transfer(bench, proxy, "down", 1, limit=30)
    return time.monotonic() - start


def connects(bench):
    figures = {"cpu": Figure("ssh-connects", "CPU per connection", "us"),
               "rate": Figure("ssh-connects", "rate", "1/s", lower_is_better=False)}

    def once(name):
        proxy = bench.rig.proxy(name)
        if "jump" in proxy.can:
            count = bench.size(30, 5)
            seconds, cpu = bench.cost(proxy, lambda: jumps(bench, proxy, count))
        else:
            count = bench.size(10_000, 1_000)
            told, cpu = bench.cost(proxy, lambda: bench.client.run(
                "banners", port=proxy.ssh, count=count, threads=16))
            if told["connections"] != count:
                raise RunError(f"{told['connections']} of {count} connections")
            seconds = told["seconds"]
        return {"cpu": cpu / count * 1e6, "rate": count / seconds}
    return measure(bench, figures, bench.who("ssh") + bench.who("jump"), once)


CASES = {"ssh-bulk": bulk, "ssh-connects": connects}
