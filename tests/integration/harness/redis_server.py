"""A real redis-server, on a port of its own and with nothing on disk unless a test asks for it."""
import signal
import socket

from .machine import debian_tool
from .ports import free_port
from .process import Process, run


class Redis:
    def __init__(self, directory, *options):
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.options = options
        self.process = None
        self.start()

    def start(self):
        argv = [debian_tool("redis-server"), "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", self.directory, "--daemonize", "no",
                "--maxmemory-policy", "noeviction", *self.options]
        self.process = Process("redis-server", argv, self.directory / "redis.log")
        self.process.wait_until(self.answers, "answering")
        return self

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def cli(self, *words):
        """What redis-cli prints, as an operator would type it."""
        argv = [debian_tool("redis-cli"), "-p", self.port, "-e", *words]
        return run(argv).stdout.decode().rstrip("\n")

    def seed_route(self, env, address, ssh_port, kind="container"):
        """The seed's keys, each with a SET of its own, as the existing platform writes them."""
        self.cli("SET", f"env:{env}:ip", address)
        self.cli("SET", f"env:{env}:ssh_port", ssh_port)
        self.cli("SET", f"env:{env}:type", kind)

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()

    def restart(self):
        """On the same port, and empty."""
        self.process.stop()
        return self.start()

    def stop(self):
        if self.process.alive():
            self.thaw()
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
