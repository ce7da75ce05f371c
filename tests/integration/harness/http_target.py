"""An HTTP server as the target: sized, chunked and endless bodies, server-sent events, WebSocket, any status.
It runs on aiohttp, in a thread of its own."""
import asyncio
import hashlib
import json
import random
import threading
import time
from functools import lru_cache

from aiohttp import web

from .machine import SLOW
from .ports import free_port

BLOCK = random.Random(1).randbytes(1 << 20)


def pattern(size):
    """The body that /bytes/SIZE sends, in pieces."""
    while size > 0:
        piece = BLOCK if size >= len(BLOCK) else BLOCK[:size]
        yield piece
        size -= len(piece)


@lru_cache
def pattern_sha256(size):
    digest = hashlib.sha256()
    for piece in pattern(size):
        digest.update(piece)
    return digest.hexdigest()


class HttpTarget:
    def __init__(self, address="127.0.0.1", port=None, name="target"):
        self.address = address
        self.port = port or free_port()
        self.name = name
        self.requests = []        # (method, path) of each request, in order of arrival
        self.close_codes = []     # of each WebSocket that has ended, as its client gave it
        self.open_streams = 0     # event streams and endless bodies that are being sent now
        self.sent = 0             # bytes of endless bodies handed to the socket
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self.thread.start()
        assert started.wait(10 * SLOW), "the HTTP target did not start"

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        started.set()
        self.loop.run_forever()

    async def _start(self):
        app = web.Application(client_max_size=1 << 40, middlewares=[self._record])
        app.add_routes([
            web.get("/bytes/{size}", self._bytes),
            web.get("/chunked/{size}", self._chunked),
            web.get("/endless", self._endless),
            web.get("/events", self._events),
            web.get("/ws", self._websocket),
            web.get("/status/{status}", self._status),
            web.get("/gzip", self._gzip),
            web.get("/cookie", self._cookie),
            web.get("/slow/{seconds}", self._slow),
            web.route("*", "/upload", self._upload),
            web.route("*", "/refuse-upload", self._refuse_upload),
            web.route("*", "/slow-upload", self._slow_upload),
            web.route("*", "/{tail:.*}", self._echo)])
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, self.address, self.port, shutdown_timeout=0.1).start()

    @web.middleware
    async def _record(self, request, handler):
        self.requests.append((request.method, request.path_qs))
        try:
            return await handler(request)
        except ConnectionError:
            return web.Response()  # the other side went away in the middle of it, as some tests want

    async def _echo(self, request):
        """The request as the target saw it."""
        body = await request.read()
        peer = request.transport.get_extra_info("peername") if request.transport else None
        return web.json_response({
            "target": self.name, "method": request.method, "path": request.raw_path,
            "version": list(request.version),
            "headers": [[k.decode("latin-1"), v.decode("latin-1")] for k, v in request.raw_headers],
            "body": body.decode("latin-1"), "peer": peer})

    async def _bytes(self, request):
        size = int(request.match_info["size"])
        answer = web.StreamResponse(headers={"Content-Length": str(size),
                                             "Content-Type": "application/octet-stream"})
        await answer.prepare(request)
        if request.method != "HEAD":
            for piece in pattern(size):
                await answer.write(piece)
        return answer

    async def _chunked(self, request):
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for piece in pattern(int(request.match_info["size"])):
            await answer.write(piece)
        return answer

    async def _endless(self, request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        self.open_streams += 1
        try:
            while True:
                await answer.write(BLOCK)
                self.sent += len(BLOCK)
        finally:
            self.open_streams -= 1

    async def _events(self, request):
        """Server-sent events, each with the moment at which it was written (CLOCK_MONOTONIC, nanoseconds)."""
        count, pause = int(request.query.get("count", 20)), float(request.query.get("pause", 0.1))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream",
                                             "Cache-Control": "no-cache"})
        await answer.prepare(request)
        self.open_streams += 1
        try:
            for number in range(count):
                await answer.write(f"id: {number}\ndata: {time.monotonic_ns()}\n\n".encode())
                await asyncio.sleep(pause)
        finally:
            self.open_streams -= 1
        return answer

    async def _websocket(self, request):
        socket = web.WebSocketResponse(max_msg_size=1 << 26, protocols=("chat",))
        await socket.prepare(request)
        async for message in socket:
            if message.type == web.WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type == web.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        self.close_codes.append(socket.close_code)
        return socket

    async def _status(self, request):
        return web.Response(status=int(request.match_info["status"]),
                            text="" if request.method == "HEAD" else None)

    async def _gzip(self, _request):
        import gzip
        body = gzip.compress(b"compressed by the target " * 100, mtime=0)
        return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})

    async def _cookie(self, request):
        answer = web.Response(text="cookie")
        answer.headers["Set-Cookie"] = request.query["set"]
        return answer

    async def _slow(self, request):
        await asyncio.sleep(float(request.match_info["seconds"]))
        return web.Response(text="at last")

    async def _upload(self, request):
        digest, size = hashlib.sha256(), 0
        async for piece in request.content.iter_chunked(1 << 18):
            digest.update(piece)
            size += len(piece)
        return web.json_response({"size": size, "sha256": digest.hexdigest(),
                                  "length": request.headers.get("Content-Length"),
                                  "encoding": request.headers.get("Transfer-Encoding")})

    async def _slow_upload(self, request):
        """Reads nothing of the body for a while:
        what the sender can get rid of meanwhile is somebody's buffer."""
        await asyncio.sleep(float(request.query["pause"]))
        return await self._upload(request)

    async def _refuse_upload(self, _request):
        """An answer before the body was read."""
        return web.Response(status=413, text="too large", headers={"Connection": "close"})

    def stop(self):
        if not self.loop.is_running():
            return
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(20 * SLOW)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def header(echoed, name):
    """Every value of a header in what /echo answered, in order."""
    if isinstance(echoed, (str, bytes)):
        echoed = json.loads(echoed)
    return [value for key, value in echoed["headers"] if key.lower() == name.lower()]
