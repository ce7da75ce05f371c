"""ssh-logins, ssh-prompt, ssh-idle, ssh-echo, ssh-held, ssh-stuck: what SSH sessions cost besides their
bytes. OpenSSH's own client makes them."""
import signal
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from .. import ssh_client
from ..process import RunError, family, settled
from ..rounds import Figure, measure

OURS = "audited"
PROMPT = "env PS1='rea''dy> ' sh -i"
RAW = "stty raw -echo; echo re''ady; exec cat"


def figure(case, metric, unit, **more):
    return Figure(case, metric, unit, ours=OURS, **more)


def who(bench, *abilities):
    """Ours first."""
    return sorted(bench.who("sessions", *abilities), key=lambda name: name != OURS)


def alone(proxy):
    """Until the processes of ended sessions have been waited for: then their CPU time is the proxy's."""
    settled(lambda: len(family(proxy.processes[0].pid)), 5)


def logins(bench):
    figures = {"rate1": figure("ssh-logins", "rate, one at a time", "1/s", lower_is_better=False),
               "rate8": figure("ssh-logins", "rate, 8 at once", "1/s", lower_is_better=False),
               "cpu": figure("ssh-logins", "CPU per login", "ms")}

    def once(name):
        proxy, count = bench.rig.proxy(name), bench.size(24, 8)
        ssh_client.logins(proxy, 1, 1)

        def work():
            seconds = ssh_client.logins(proxy, count // 2, 1), ssh_client.logins(proxy, count, 8)
            alone(proxy)
            return seconds
        (one, eight), cpu = bench.cost(proxy, work)
        return {"rate1": count // 2 / one, "rate8": count / eight, "cpu": cpu / (count + count // 2) * 1e3}
    return measure(bench, figures, who(bench), once)


def prompt(bench):
    figures = {"median": figure("ssh-prompt", "time to prompt, median", "ms"),
               "p95": figure("ssh-prompt", "time to prompt, p95", "ms")}

    def once(name):
        times = []
        for _ in range(bench.size(20, 4)):
            with ssh_client.terminal(bench.rig.proxy(name), PROMPT, b"ready> ") as session:
                times.append(session.seconds * 1e3)
        return {"median": statistics.median(times), "p95": sorted(times)[int(len(times) * 0.95)]}
    return measure(bench, figures, who(bench, "waits"), once)


def private(pid):
    """Bytes of a process that no other has (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024


def idle(bench):
    few, many = 5, bench.size(55, 15)
    figures = {"all": figure("ssh-idle", "memory of all per session", "MB"),
               "own": figure("ssh-idle", "private memory of its process", "MB"),
               "main": figure("ssh-idle", "of it, in the first process", "MB")}

    def once(name):
        proxy = bench.rig.fresh(name)
        main = proxy.processes[0].pid
        sizes, mains = [], []
        try:
            with ExitStack() as held:
                before = set(family(main))
                for count in (few, many - few):
                    for _ in range(count):
                        held.enter_context(ssh_client.terminal(proxy, PROMPT, b"ready> "))
                    sizes.append(settled(proxy.pss))
                    mains.append(private(main))
                own = sum(private(pid) for pid in set(family(main)) - before)
        finally:
            proxy.stop()
        added = (many - few) * 1e6
        return {"all": (sizes[1] - sizes[0]) / added, "own": own / many / 1e6,
                "main": (mains[1] - mains[0]) / added}
    return measure(bench, figures, who(bench, "waits"), once, repeats=1 if bench.quick else 3)


def endless(proxy):
    """A session with a target that sends for ever."""
    return ssh_client.started(ssh_client.ssh(proxy, "target", "cat /dev/zero"), stdout=subprocess.DEVNULL)


def echoes(session, count):
    """Milliseconds that each byte takes there and back, from when it was due."""
    times, due = [], time.monotonic()
    for number in range(count):
        due = max(due + 0.01, time.monotonic())
        time.sleep(max(0, due - time.monotonic()))
        byte = bytes([ord("a") + number % 26])
        session.stdin.write(byte)
        if ssh_client.read(session, 1) != byte:
            raise RunError("an echo of another byte")
        times.append((time.monotonic() - due) * 1e3)
    return sorted(times)


def echo(bench):
    figures = {"p50": figure("ssh-echo", "echo beside bulk, p50", "ms"),
               "p99": figure("ssh-echo", "echo beside bulk, p99", "ms")}

    def once(name):
        proxy = bench.rig.proxy(name)
        with ssh_client.terminal(proxy, RAW, b"ready\n") as session, endless(proxy):
            echoes(session, 20)  # the other one is under way
            times = echoes(session, bench.size(500, 100))
        return {"p50": statistics.median(times), "p99": times[int(len(times) * 0.99)]}
    return measure(bench, figures, who(bench, "waits"), once)


def held(bench):
    """50 connections that say nothing: fewer than where sshd's MaxStartups, and ours, begin to drop some by
    chance; and sessions that do nothing."""
    metric = "logins a second, of those without"
    figures = {"rate": figure("ssh-held", metric, "", lower_is_better=False)}

    def once(name):
        proxy, count = bench.rig.proxy(name), bench.size(16, 8)
        without = ssh_client.logins(proxy, count, 4)
        with ExitStack() as many:
            for _ in range(50):
                many.enter_context(socket.create_connection(("127.0.0.1", proxy.ssh), 5))
            for _ in range(bench.size(20, 5)):
                many.enter_context(ssh_client.terminal(proxy, PROMPT, b"ready> "))
            return {"rate": without / ssh_client.logins(proxy, count, 4)}
    return measure(bench, figures, who(bench, "waits"), once)


def stuck(bench):
    """CPU seconds of all processes, in 5 seconds with nothing to do: the client has been stopped, and the
    target still wants to send; or a session that asked for compression has passed on what packs well."""
    figures = {key: figure("ssh-stuck", f"CPU, {text}", "s")
               for key, text in (("stopped", "client stopped"), ("packed", "compression asked for"))}

    def spent(proxy):
        before = proxy.cpu()
        time.sleep(5)
        return proxy.cpu() - before

    def once(name):
        proxy, values = bench.rig.proxy(name), {}
        with endless(proxy) as client:
            time.sleep(1)
            client.send_signal(signal.SIGSTOP)
            time.sleep(1)
            values["stopped"] = spent(proxy)
        command = "head -c 100000000 /dev/zero; sleep 60"
        words = ssh_client.ssh(proxy, "-C", "target", command)
        with ssh_client.started(words, stdout=subprocess.PIPE, bufsize=0) as client:
            left = 100_000_000
            while left > 0:
                left -= len(ssh_client.read(client, min(left, 1 << 20)))
            values["packed"] = spent(proxy)
        alone(proxy)
        return values
    return measure(bench, figures, who(bench, "waits"), once, repeats=1 if bench.quick else 2)


CASES = {"ssh-logins": logins, "ssh-prompt": prompt, "ssh-idle": idle, "ssh-echo": echo, "ssh-held": held,
         "ssh-stuck": stuck}
