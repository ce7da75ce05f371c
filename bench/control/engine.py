#!/usr/bin/python3
"""A container engine of memory alone, for the bench: the part of the Docker Engine API that backends/docker
uses, on a Unix socket, each call with a delay. Its containers' addresses are of 127.0.0.0/8, where one
listener on port 22 is the SSH server of all of them. `/bench/...` is the bench's own: what was called, and
the containers as a file.

usage: engine.py SOCKET [--look-ms N] [--act-ms N] [--containers FILE]"""
import argparse
import asyncio
import collections
import json
import re
import urllib.parse

API = "1.43"
IMAGE = {"Id": "sha256:" + "1f" * 32, "RepoDigests": ["bench/ssh@sha256:" + "2e" * 32],
         "Architecture": "amd64", "Os": "linux"}
STARTED = "2026-01-02T03:04:05.678901234Z"
SAID = b"login set\n"
VERSION = re.compile(r"/v1\.[0-9]+")


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def listed(container):
    """As GET /containers/json shows it, with what Docker tells besides."""
    running = container["State"]["Status"] == "running"
    return {"Id": container["Id"], "Names": [container["Name"]], "Image": container["Config"]["Image"],
            "ImageID": IMAGE["Id"], "Command": "/usr/sbin/sshd -D", "Created": 1767323045,
            "Ports": [{"PrivatePort": 22, "Type": "tcp"}], "Labels": container["Config"]["Labels"],
            "State": container["State"]["Status"], "Status": "Up 2 hours" if running else "Created",
            "HostConfig": {"NetworkMode": container["HostConfig"]["NetworkMode"]},
            "NetworkSettings": {"Networks": container["NetworkSettings"]["Networks"]}, "Mounts": []}


class Engine:
    def __init__(self, containers):
        self.by_name, self.by_id, self.rows = {}, {}, {}
        self.networks, self.volumes, self.execs = {}, {}, {}
        self.calls = collections.Counter()
        self.made = self.addresses = 0
        for container in containers:
            self.keep(container)
            for name, joined in container["NetworkSettings"]["Networks"].items():
                owner = container["Config"]["Labels"]["envgate.owner"]
                install = container["Config"]["Labels"]["envgate.install"]
                self.networks[name] = {"Name": name, "Id": joined["NetworkID"], "Created": STARTED,
                                       "Labels": {"envgate.install": install, "envgate.owner": owner}}
        self.made = self.addresses = len(containers)

    def keep(self, container):
        self.by_name[container["Name"][1:]] = self.by_id[container["Id"]] = container
        self.rows[container["Id"]] = json.dumps(listed(container))

    def container(self, key):
        found = self.by_id.get(key) or self.by_name.get(key)
        if found is None:
            raise Refused(404, f"No such container: {key}")
        return found

    def new_id(self):
        self.made += 1
        return f"{self.made:064x}"

    # Each answers (status, body); a body of bytes goes out as it is.

    def ping(self, _query, _body):
        return 200, b"OK"

    def info(self, _query, _body):
        return 200, {"ID": "bench", "ServerVersion": "24.0", "NCPU": 1 << 20, "MemTotal": 1 << 56}

    def image(self, _query, _body, _name):
        return 200, IMAGE

    def network(self, _query, _body, name):
        if name not in self.networks:
            raise Refused(404, f"network {name} not found")
        return 200, self.networks[name]

    def make_network(self, _query, body):
        made = {"Name": body["Name"], "Id": self.new_id(), "Created": STARTED, "Labels": body["Labels"]}
        self.networks[body["Name"]] = made
        return 201, {"Id": made["Id"], "Warning": ""}

    def list_networks(self, _query, _body):
        return 200, list(self.networks.values())

    def make_volume(self, _query, body):
        return 201, self.volumes.setdefault(body["Name"], body)

    def list_volumes(self, query, _body):
        wanted = json.loads(query["filters"][0])["label"]
        return 200, {"Volumes": [volume for volume in self.volumes.values() if all(
            f"{name}={volume['Labels'].get(name)}" in wanted for name in volume["Labels"])]}

    def list_containers(self, _query, _body):
        return 200, ("[" + ",".join(self.rows.values()) + "]").encode()

    def create(self, query, body):
        name = query["name"][0]
        if name in self.by_name:
            raise Refused(409, f"Conflict. The container name {name} is already in use")
        container = {"Id": self.new_id(), "Name": "/" + name, "Created": STARTED, "Image": IMAGE["Id"],
                     "Config": body, "HostConfig": body["HostConfig"],
                     "State": {"Status": "created", "Running": False, "Error": "", "ExitCode": 0},
                     "NetworkSettings": {"Ports": {}, "Networks": {}}, "Mounts": []}
        self.keep(container)
        return 201, {"Id": container["Id"], "Warnings": []}

    def inspect(self, _query, _body, key):
        return 200, self.container(key)

    def start(self, _query, _body, key):
        container = self.container(key)
        if container["State"]["Status"] == "running":
            return 304, b""
        self.addresses += 1
        n = self.addresses
        container["State"] = {"Status": "running", "Running": True, "Error": "", "ExitCode": 0,
                              "StartedAt": STARTED}
        mode = container["HostConfig"]["NetworkMode"]
        container["NetworkSettings"]["Networks"] = {mode: {
            "NetworkID": self.networks[mode]["Id"], "EndpointID": container["Id"],
            "IPAddress": f"127.{16 + (n >> 16)}.{n >> 8 & 255}.{n & 255}", "IPPrefixLen": 16,
            "Gateway": "127.16.0.1", "MacAddress": "02:42:ac:10:00:02", "Aliases": None, "Links": None}}
        self.keep(container)
        return 204, b""

    def stop(self, _query, _body, key):
        container = self.container(key)
        container["State"] = {"Status": "exited", "Running": False, "Error": "", "ExitCode": 143}
        self.keep(container)
        return 204, b""

    def remove(self, _query, _body, key):
        container = self.container(key)
        del self.by_name[container["Name"][1:]], self.by_id[container["Id"]], self.rows[container["Id"]]
        return 204, b""

    def remove_thing(self, _query, _body, key):
        for things in (self.networks, self.volumes):
            for name in [name for name, thing in things.items() if key in (name, thing.get("Id"))]:
                del things[name]
        return 204, b""

    def make_exec(self, _query, _body, key):
        made = self.new_id()
        self.execs[made] = self.container(key)["Id"]
        return 201, {"Id": made}

    def told(self, _query, _body):
        return 200, self.calls

    def dumped(self, _query, _body):
        return 200, list(self.by_id.values())


# Method, path, handler, its name among the calls, and whether it changes something.
TABLE = [(method, re.compile(path + "$"), handler, name, acts) for method, path, handler, name, acts in [
    ("GET", r"/_ping", Engine.ping, "ping", False),
    ("GET", r"/info", Engine.info, "info", False),
    ("GET", r"/containers/json", Engine.list_containers, "list", False),
    ("GET", r"/containers/([^/]+)/json", Engine.inspect, "inspect", False),
    ("GET", r"/images/(.+)/json", Engine.image, "image", False),
    ("GET", r"/networks", Engine.list_networks, "networks", False),
    ("GET", r"/networks/([^/]+)", Engine.network, "network", False),
    ("GET", r"/volumes", Engine.list_volumes, "volumes", False),
    ("POST", r"/containers/create", Engine.create, "create", True),
    ("POST", r"/containers/([^/]+)/start", Engine.start, "start", True),
    ("POST", r"/containers/([^/]+)/stop", Engine.stop, "stop", True),
    ("POST", r"/containers/([^/]+)/exec", Engine.make_exec, "exec", False),
    ("POST", r"/networks/create", Engine.make_network, "make network", True),
    ("POST", r"/volumes/create", Engine.make_volume, "make volume", False),
    ("DELETE", r"/containers/([^/]+)", Engine.remove, "remove", True),
    ("DELETE", r"/(?:networks|volumes)/([^/]+)", Engine.remove_thing, "remove thing", True),
    ("GET", r"/bench/calls", Engine.told, "", False),
    ("GET", r"/bench/containers", Engine.dumped, "", False),
]]
HIJACKED = re.compile(r"/exec/([^/]+)/start$")


class Connection(asyncio.Protocol):
    """Requests one after the other; a program's stream ends the connection."""
    engine = look = act = None

    def connection_made(self, transport):
        self.transport, self.buffer, self.streaming = transport, b"", False

    def data_received(self, data):
        self.buffer += data
        if self.streaming:
            self.hear()
            return
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *fields = self.buffer[:end].decode().split("\r\n")
        sizes = [int(line[15:]) for line in fields if line.lower().startswith("content-length:")]
        size = sizes[0] if sizes else 0
        if len(self.buffer) < end + 4 + size:
            return
        body, self.buffer = self.buffer[end + 4:end + 4 + size], self.buffer[end + 4 + size:]
        method, target, _ = first.split(" ")
        self.serve(method, target, body)

    def serve(self, method, target, body):
        path, _, query = target.partition("?")
        path = VERSION.sub("", path, 1) if path.startswith("/v1.") else path
        if HIJACKED.match(path):
            self.engine.calls["run"] += 1
            asyncio.get_running_loop().call_later(self.look, self.upgrade)
            return
        for wanted, pattern, handler, name, acts in TABLE:
            found = pattern.match(path) if wanted == method else None
            if not found:
                continue
            if name:
                self.engine.calls[name] += 1
            names = [urllib.parse.unquote(part) for part in found.groups()]
            asyncio.get_running_loop().call_later(
                self.act if acts else self.look if name else 0, self.answer, handler,
                urllib.parse.parse_qs(query), json.loads(body) if body else None, names)
            return
        self.engine.calls["unknown"] += 1
        self.send(404, {"message": "page not found"})

    def answer(self, handler, query, body, names):
        try:
            self.send(*handler(self.engine, query, body, *names))
        except Refused as refused:
            self.send(refused.status, {"message": str(refused)})

    def send(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status} Said\r\nApi-Version: {API}\r\nContent-Type: application/json\r\n"
        if status not in (204, 304):
            head += f"Content-Length: {len(data)}\r\n"
        self.transport.write(head.encode() + b"\r\n" + data)

    def upgrade(self):
        self.transport.write(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
                             b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        self.streaming = True
        self.hear()

    def hear(self):
        """The login ends with an empty line."""
        if not self.buffer.endswith(b"\n\n"):
            return
        self.streaming = False
        asyncio.get_running_loop().call_later(self.act, self.finish)

    def finish(self):
        self.transport.write(b"\1\0\0\0" + len(SAID).to_bytes(4, "big") + SAID)
        self.transport.close()


async def greet(_reader, writer):
    writer.write(b"SSH-2.0-bench\r\n")
    writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--look-ms", type=float, default=2)
    parser.add_argument("--act-ms", type=float, default=50)
    parser.add_argument("--containers")
    options = parser.parse_args()
    containers = []
    if options.containers:
        with open(options.containers, encoding="utf-8") as file:
            containers = json.load(file)
    Connection.engine = Engine(containers)
    Connection.look, Connection.act = options.look_ms / 1000, options.act_ms / 1000
    loop = asyncio.get_running_loop()
    ssh = await asyncio.start_server(greet, "0.0.0.0", 22, backlog=1024)
    server = await loop.create_unix_server(Connection, options.socket, backlog=1024)
    async with ssh, server:
        await server.serve_forever()


asyncio.run(main())
