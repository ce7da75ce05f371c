"""Three HTTP/1.1 servers that nobody here wrote: h11, aiohttp and node. Each is given bytes as a client would
send them and says which requests it read there: the witnesses of the differential tests."""
import asyncio
import json
import re
import shutil
import socket
import threading

import h11
from aiohttp import web

from .machine import SLOW
from .ports import free_port
from .process import Process
from .ssh_sockets import recv_end

# Follows what is to be read: a server that finds the end of a
# request elsewhere than we do reads this one wrongly, or not at all.
END = b"GET /the-end HTTP/1.1\r\nHost: end\r\nConnection: close\r\n\r\n"
AT_END = ("GET", "/the-end", b"")
REFUSED = "refused"


def path_of(target):
    """Of a request-target in any form, what stands for the
    path in the origin form (RFC 9112, section 3.2)."""
    for scheme in ("http://", "https://"):
        if target.lower().startswith(scheme):
            path = re.sub("^[^/?]*", "", target[len(scheme):])
            return path if path.startswith("/") else "/" + path
    return target


def h11_requests(data):
    """[(method, path, body)], closed by REFUSED where h11 finds an error."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    found, head, body = [], None, b""
    try:
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                return found + [("unfinished", server.trailing_data[0], body)] if head else found
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                rest = server.trailing_data[0]
                return found + [("left over", rest, b"")] if rest else found
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append((head.method.decode(), path_of(head.target.decode("latin-1")), body))
                head = None
                server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                server.send(h11.EndOfMessage())
                if server.our_state is h11.DONE and server.their_state is h11.DONE:
                    server.start_next_cycle()
    except h11.RemoteProtocolError:
        return found + [REFUSED]


class _Server:
    """A server that answers each request with what it read, in X-Seen."""

    def requests(self, data):
        with socket.create_connection(("127.0.0.1", self.port), 10 * SLOW) as sock:
            sock.sendall(data + END)
            answer = recv_end(sock)
        return list(self._parse(answer))

    @staticmethod
    def _parse(answer):
        while answer:
            head, _, answer = answer.partition(b"\r\n\r\n")
            status = int(head.split()[1])
            fields = {name.lower(): value.strip() for name, _, value in
                      (line.partition(b":") for line in head.split(b"\r\n")[1:])}
            if status < 200:
                continue
            if b"x-seen" not in fields:
                yield REFUSED
                return
            method, target, body = json.loads(bytes.fromhex(fields[b"x-seen"].decode()))
            yield method, path_of(target), body.encode("latin-1")
            assert fields[b"content-length"] == b"0"


def _seen(method, target, body):
    return json.dumps([method, target, body.decode("latin-1")]).encode().hex()


class H11Reader:
    name = "h11"

    def requests(self, data):
        return h11_requests(data + END)

    def stop(self):
        pass


class AiohttpReader(_Server):
    name = "aiohttp"

    def __init__(self):
        self.port = free_port()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._run, args=(started,), daemon=True).start()
        assert started.wait(10 * SLOW), "the aiohttp reader did not start"

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        started.set()
        self.loop.run_forever()

    async def _start(self):
        async def answer(request):
            body = await request.read()
            return web.Response(headers={"X-Seen": _seen(request.method, request.raw_path, body)})
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


NODE_SERVER = """
require('http').createServer({keepAliveTimeout: 500}, (request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => {
    const seen = JSON.stringify([request.method, request.url, Buffer.concat(parts).toString('latin1')]);
    response.setHeader('X-Seen', Buffer.from(seen).toString('hex'));
    response.setHeader('Content-Length', '0');
    response.end();
  });
}).listen(Number(process.argv[1]), '127.0.0.1');
"""


def node():
    """The path of node, or None."""
    return shutil.which("nodejs") or shutil.which("node")


class NodeReader(_Server):
    name = "node"

    def __init__(self, directory):
        self.port = free_port()
        self.process = Process("node", [node(), "-e", NODE_SERVER, self.port], directory / "node.log")
        self.process.wait_until(self._up, "listening", 20)

    def _up(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.stop()


