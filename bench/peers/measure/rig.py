"""Everything that a measurement stands on: one temporary directory, the certificate, Redis with its routes,
the origin and the echo server on the load's core, and the proxies, started when first asked for."""
import json
import shutil
import tempfile
from pathlib import Path

from . import files
from .ports import accepts, free_port
from .process import LOAD_CORE, Process
from .peers import ALL
from .redis import Redis, command
from .ssh_proxies import SshTarget

ENV = "6hiflzwte2xnkroq"
OTHER_ROUTES = 10_000


def other_env(number):
    return f"other{number:011d}"


class Rig:
    def __init__(self, bin_directory, client, logs, before=None):
        self.bin, self.client, self.logs = Path(bin_directory), Path(client), logs
        self.before = before  # where another build is, to measure it too
        self.directory = Path(tempfile.mkdtemp(prefix="envgate-bench-"))
        self.proxies, self.servers, self.count = {}, [], 0
        self.target = None
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self):
        self.values = {"USER": files.user(), "BODY": files.BODY, "ORIGIN": free_port(), "ECHO": free_port(),
                       "RAW": free_port(), **files.limits(), **files.make_certificate(self.directory),
                       **files.make_ssh_keys(self.directory),
                       "FILES": files.make_bodies(self.directory / "bodies")}
        self.directory.chmod(0o755)
        self.redis = Redis(self.directory / "redis")
        self.servers.append(self.redis)
        self.values["REDIS"] = self.redis.port
        self._fill_redis()
        self._start_origin()
        self._start_echo()

    def _fill_redis(self):
        """The route that is measured, as the seed's platform writes it, among ten thousand others."""
        self.redis.call("SET", f"env:{ENV}:ip", "127.0.0.1")
        self.redis.call("SET", f"env:{ENV}:type", "container")
        self.redis.pipeline(command("SET", f"env:{other_env(i)}:ip", f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}")
                            for i in range(OTHER_ROUTES))

    def add_ssh_route(self, port):
        """An environment for each gateway's port, in our JSON: the seed's keys always lead to port 22."""
        route = {"env": f"ssh{port}", "generation": 1, "kind": "container", "state": "running",
                 "address": "127.0.0.1", "ssh": {"listen_port": port, "target_port": self.values["RAW"]}}
        self.redis.call("SET", f"env:{route['env']}:route", json.dumps(route))

    def _start_origin(self):
        directory = self.directory / "origin"
        directory.mkdir()
        port = self.values["ORIGIN"]
        listen = "".join(f"listen 127.0.0.{host}:{port} backlog=4096; " for host in (1, 2))
        config = files.fill("origin.conf", directory / "origin.conf",
                            {**self.values, "DIR": directory, "LISTEN": listen, "ACCESS_LOG": "off"})
        self.serve("origin", ["nginx", "-p", directory, "-c", config, "-e", directory / "error.log"], port)

    def _start_echo(self):
        echo, raw = self.values["ECHO"], self.values["RAW"]
        self.serve("echo", self.client_server(echo=echo, raw=raw), echo)

    def serve(self, name, argv, port):
        process = Process(name, argv, self.directory / f"{name}.log", LOAD_CORE)
        self.servers.append(process)
        process.wait_until(lambda: accepts(port))

    def client_server(self, **ports):
        """The words that start our client program as a server: `echo`, `echo_tls` (WebSocket) and `raw`
        ports."""
        return [self.client, "serve", *(f"{key}={port}" for key, port in ports.items()),
                f"cert={self.values['CERT']}", f"key={self.values['KEY']}"]

    def ssh_target(self):
        """The sshd that SSH sessions are with, started when first asked for."""
        if self.target is None:
            self.target = SshTarget(self)
            self.servers.append(self.target)
        return self.target

    def proxy(self, name):
        if name not in self.proxies:
            self.proxies[name] = self.fresh(name)
        return self.proxies[name]

    def fresh(self, name, **values):
        """A proxy that nobody has used yet, its configuration's values changed as told. Owns: the caller
        stops it; close() does so at the latest."""
        self.count += 1
        proxy = ALL[name](self, name, self.directory / f"{name}{self.count}", values)
        self.servers.append(proxy)
        if "ssh" in proxy.can and "routes" in proxy.can:
            self.add_ssh_route(proxy.ssh)
        proxy.start()
        return proxy

    def body(self, size):
        """A file of that many bytes; the origin serves it under its name."""
        return files.make_zeros(self.values["FILES"], size)

    def host(self, env=ENV, port=None):
        return f"{env}-{port or self.values['ORIGIN']}.container.{files.DOMAIN}"

    def echo_of(self, proxy):
        """Where a client finds the WebSocket echo behind `proxy`: (host, port)."""
        return self.host(port=self.values["ECHO"]), getattr(proxy, "echo", proxy.https)

    def close(self):
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
