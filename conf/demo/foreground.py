"""What the quickstart does while it stays: shows the gateway's log as short lines, a few a second,
until Ctrl-C, or until something that it started ends by itself."""
import json
import signal
import time

MOST_LINES_A_SECOND = 8
# The fields of a log line that a person watching wants, in this order; the rest is in the log file.
SHOWN = ("event", "environment_id", "username", "method", "host", "path", "status", "source_ip", "reason",
         "error")


class Stop(Exception):
    pass


def raise_on_signals():
    def stop(_number, _frame):
        raise Stop
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def ignore_signals():
    """While ending what was started: a second Ctrl-C must not leave half of it running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def short(line):
    try:
        fields = json.loads(line)
    except ValueError:
        return line.rstrip()
    if fields.get("level") == "debug":
        return None
    words = [str(fields[name]) for name in SHOWN if fields.get(name) not in (None, "")]
    return f"{str(fields.get('timestamp', ''))[11:19]} {' '.join(words)}"


class LogTail:
    def __init__(self, path):
        self.file = open(path, errors="replace")
        self.file.seek(0, 2)
        self.partial = ""

    def show(self):
        """Prints what came since the last call;
        where it is much, the first lines and how many more there were."""
        text = self.partial + self.file.read()
        *lines, self.partial = text.split("\n")
        shown = [line for line in map(short, lines) if line]
        for line in shown[:MOST_LINES_A_SECOND]:
            print(line, flush=True)
        if len(shown) > MOST_LINES_A_SECOND:
            print(f"         ... and {len(shown) - MOST_LINES_A_SECOND} more lines in the log", flush=True)


def watch(processes, gateway_log):
    """Returns the names of those that ended by themselves. Raises Stop on Ctrl-C, SIGTERM and SIGHUP."""
    tail = LogTail(gateway_log)
    while True:
        time.sleep(1)
        tail.show()
        if ended := processes.ended():
            return ended
