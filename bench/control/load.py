"""Clients of the control socket, each kind in a process of its own, so that they hold up nobody's clock. They
print JSON when they end.

usage: load.py creates SOCKET COUNT CONNECTIONS OWNERS    seconds of each create, and when it was answered
       load.py reads SOCKET                               until its standard input ends"""
import json
import sys
import threading
import time

from plane import Connection, spec

READS_APART = 0.02


def creates(path, count, connections, owners):
    left, lock, done, failed = iter(range(count)), threading.Lock(), [], []

    def client():
        connection = Connection(path)
        try:
            while True:
                with lock:
                    number = next(left, None)
                if number is None:
                    return
                begun = time.monotonic()
                made = connection.ask("POST", "/api/environments", spec(number, f"owner{number % owners}"))
                ended = time.monotonic()
                done.append((ended - begun, ended, made["environment"]["id"]))
        except Exception as error:  # told to the bench, which counts no such run
            failed.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"creates": done, "failed": failed}


def reads(path):
    """Two clients, 50 reads a second each, timed from when each was due."""
    ended, failed, took = threading.Event(), [], {"one": [], "list": []}
    known = []

    def client(kind):
        connection = Connection(path)
        due = time.monotonic()
        try:
            while not ended.is_set():
                if kind == "list" or not known:
                    rows = connection.ask("GET", "/api/environments?limit=100")["environments"]
                    known[:] = [row["id"] for row in rows]
                else:
                    connection.ask("GET", f"/api/environments/{known[len(took['one']) % len(known)]}")
                took[kind].append(time.monotonic() - due)
                due += READS_APART
                time.sleep(max(0.0, due - time.monotonic()))
        except Exception as error:
            failed.append(repr(error))

    threads = [threading.Thread(target=client, args=(kind,)) for kind in took]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    return {**took, "failed": failed}


if __name__ == "__main__":
    if sys.argv[1] == "creates":
        answer = creates(sys.argv[2], *map(int, sys.argv[3:6]))
    else:
        answer = reads(sys.argv[2])
    print(json.dumps(answer))
