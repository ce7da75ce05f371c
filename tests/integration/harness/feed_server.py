"""A control plane that is nothing but its feed: GET /api/routes?watch=1 on a Unix socket, as
control/api/README.md has it. It holds routes, tells each reader of them all and then of every change, and can
be killed and come back."""
import json
import os
import socket
import threading
from pathlib import Path

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"


class FeedServer:
    def __init__(self, directory, install="a1b2c3d4"):
        self.socket = str(Path(directory) / "control.sock")
        self.install = install
        self.generation = 0
        self.routes = {}
        self.requests = []  # the first line of each
        self._lock = threading.Lock()  # over everything above and below
        self._readers = []
        self._listener = self._ending = None
        self._threads = []
        self.start()

    def start(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen(8)
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._accept), threading.Thread(target=self._live)]
        for thread in self._threads:
            thread.start()

    def kill(self):
        """As if the process was gone: the socket, and every connection."""
        self._ending.set()
        os.unlink(self.socket)
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        with self._lock:
            for reader in self._readers:
                reader.close()
            self._readers = []

    def set(self, env, **fields):
        """Adds or replaces a route, and returns it. Works while killed, too: the next snapshot has it."""
        with self._lock:
            generation = self.routes.get(env, {}).get("generation", 0) + 1
            route = {"env": env, "generation": generation, "kind": "container", "state": "running",
                     "address": "127.0.0.1", **fields}
            route = {key: value for key, value in route.items() if value is not None}
            self.routes[env] = route
            self.generation += 1
            self._tell({"type": "route", "generation": self.generation, "route": route})
        return route

    def remove(self, env):
        with self._lock:
            del self.routes[env]
            self.generation += 1
            self._tell({"type": "gone", "generation": self.generation, "env": env})

    def send(self, line):
        """Any line at all, to every reader."""
        with self._lock:
            self._tell(line)

    def readers(self):
        with self._lock:
            return len(self._readers)

    def _tell(self, line):
        data = (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n"
        for reader in list(self._readers):
            try:
                reader.sendall(data)
            except OSError:
                reader.close()
                self._readers.remove(reader)

    def _accept(self):
        while not self._ending.is_set():
            try:
                reader, _ = self._listener.accept()
            except OSError:
                return
            request = b""
            reader.settimeout(5)
            while b"\r\n\r\n" not in request:
                request += reader.recv(4096) or b"\r\n\r\n"
            with self._lock:
                self.requests.append(request.split(b"\r\n")[0].decode())
                lines = [{"type": "begin", "install": self.install, "generation": self.generation},
                         *({"type": "route", "route": route} for route in self.routes.values()),
                         {"type": "end", "generation": self.generation}]
                reader.sendall(HEAD + b"".join(json.dumps(line).encode() + b"\n" for line in lines))
                self._readers.append(reader)

    def _live(self):
        while not self._ending.wait(1):
            with self._lock:
                self._tell({"type": "alive", "generation": self.generation})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self._ending.is_set():
            self.kill()
