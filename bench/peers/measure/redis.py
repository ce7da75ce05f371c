"""The real redis-server, and just enough of its protocol to fill it, change it and count what it is asked."""
import socket

from .ports import accepts, free_port
from .process import LOAD_CORE, Process


def command(*words):
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Redis:
    def __init__(self, directory):
        directory.mkdir()
        self.port = free_port()
        argv = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", directory, "--maxmemory-policy", "noeviction",
                "--loglevel", "warning"]
        self.process = Process("redis-server", argv, directory / "log", LOAD_CORE)
        self.process.wait_until(lambda: accepts(self.port))
        self.connect()

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def call(self, *words):
        self.socket.sendall(command(*words))
        return self.reply()

    def reply(self):
        """A simple, integer or bulk reply; these commands have no others."""
        line = self.replies.readline()
        if line[:1] == b"-" or not line:
            raise RuntimeError(f"redis answered: {line!r}")
        if line[:1] != b"$":
            return line[1:-2].decode()
        return self.replies.read(int(line[1:]) + 2)[:-2].decode()

    def pipeline(self, commands):
        """Sends all of `commands` (bytes, as from `command`), and then reads as many replies."""
        commands = list(commands)
        self.socket.sendall(b"".join(commands))
        for _ in commands:
            self.reply()

    def commands_processed(self):
        """How many it has been sent since its start. Asking adds one."""
        for line in self.call("INFO", "stats").splitlines():
            if line.startswith("total_commands_processed:"):
                return int(line.split(":")[1])
        raise RuntimeError("redis does not tell total_commands_processed")

    def stop(self):
        self.socket.close()
        self.process.stop()
