"""WebSocket through the gateway: the websockets library over HTTP/1.1,
wsproto over an HTTP/2 stream (RFC 8441), and handshakes that are not in order, of which nothing may pass."""
import asyncio
import base64
import hashlib
import os
import ssl

import pytest
import websockets
import wsproto
import wsproto.events
from wsproto.frame_protocol import CloseReason

from harness import SLOW, EchoTarget, RawTls, wait_for
from harness.h2_client import H2Client
from harness.http_target import BLOCK
from harness.routes import ENV, http


def with_socket(gateway, host, use, **options):
    """Runs `use(websocket)` over a WebSocket to /ws."""
    context = ssl.create_default_context(cafile=str(gateway.ca.file))

    async def go():
        options.setdefault("max_size", 1 << 26)
        async with websockets.connect(f"wss://{host}:{gateway.https_port}/ws", ssl=context, host="127.0.0.1",
                                      port=gateway.https_port, server_hostname=host, **options) as socket:
            return await use(socket)
    return asyncio.run(asyncio.wait_for(go(), 60 * SLOW))


def test_text_and_binary(gateway, host):
    async def use(socket):
        await socket.send("grüße")
        text = await socket.recv()
        await socket.send(BLOCK[:100000])
        return text, await socket.recv() == BLOCK[:100000]
    assert with_socket(gateway, host, use) == ("grüße", True)


def test_large_messages_and_many_small_ones(gateway, host):
    async def use(socket):
        await socket.send(BLOCK * 16)
        large = await socket.recv() == BLOCK * 16
        for number in range(500):
            await socket.send(str(number))
        return large, [await socket.recv() for _ in range(500)]
    large, small = with_socket(gateway, host, use, compression=None)
    assert large and small == [str(n) for n in range(500)]


def test_compression_is_the_two_ends_affair(gateway, host):
    async def use(socket):
        await socket.send("a" * 100000)
        return [type(e).__name__ for e in socket.extensions], await socket.recv() == "a" * 100000
    assert with_socket(gateway, host, use, compression="deflate") == (["PerMessageDeflate"], True)


def test_subprotocol(gateway, host):
    async def use(socket):
        return socket.subprotocol
    assert with_socket(gateway, host, use, subprotocols=["other", "chat"]) == "chat"


def test_ping_and_close(gateway, host, web):
    async def use(socket):
        await asyncio.wait_for(await socket.ping(), 10)
        await socket.close(4001, "enough")
    with_socket(gateway, host, use)
    wait_for(lambda: 4001 in web.close_codes, "the target has not heard the client's reason")


def test_a_message_leaves_at_once(gateway, host):
    """Round trips, one at a time: no delay is added that a person typing in a terminal would feel."""
    async def use(socket):
        loop, slowest = asyncio.get_running_loop(), []
        for _ in range(50):
            begin = loop.time()
            await socket.send("x")
            await socket.recv()
            slowest.append(loop.time() - begin)
        return sorted(slowest)
    assert with_socket(gateway, host, use, compression=None)[25] < 0.03 * SLOW


def test_it_is_closed_when_the_target_goes(gateway, routes):
    def accept_and_go(connection):
        head = connection.recv_until(b"\r\n\r\n")
        connection.send(handshake_answer(head) + b"\x81\x02hi")
    with EchoTarget(accept_and_go) as target:
        gateway.wait_route(routes.set("goes", http=[http(8888, target.port)]))

        async def use(socket):
            first = await socket.recv()
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            return first
        assert with_socket(gateway, gateway.host("goes", 8888), use) == "hi"


# -- the handshake, by hand

def accept_for(key):
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def handshake_answer(head):
    key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")
               if line.lower().startswith(b"sec-websocket-key:"))
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_for(key) + b"\r\n\r\n")


def opening(host, **changes):
    fields = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **changes}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return "GET /ws HTTP/1.1\r\n" + "".join(lines) + "\r\n"


@pytest.fixture
def raw(gateway, routes):
    targets = []

    def make(script):
        targets.append(EchoTarget(script))
        env = f"raw{len(targets)}"
        gateway.wait_route(routes.set(env, http=[http(8888, targets[-1].port)]))
        return gateway.host(env, 8888), targets[-1]
    yield make
    for target in targets:
        target.stop()


def test_bytes_after_the_opening_are_held_until_101(gateway, raw):
    """What a client sends before it is told 101 may be a request smuggled past us:
    the target sees it after 101 only."""
    seen_before_101 = []

    def script(connection):
        head = connection.recv_until(b"\r\n\r\n")
        connection.sock.settimeout(0.5)
        try:
            connection.recv()
        except TimeoutError:
            pass
        seen_before_101.append(bytes(connection.received[len(head):]))
        connection.sock.settimeout(30)
        connection.send(handshake_answer(head))
        connection.recv_until(b"smuggled")
        connection.send(b"\x81\x03got")
    name, target = raw(script)
    with RawTls(gateway, name) as client:
        client.send(opening(name).encode() + b"GET /smuggled")
        assert client.recv_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        assert client.recv_exactly(5) == b"\x81\x03got"
    assert seen_before_101 == [b""]


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
], ids=["wrong accept", "no accept", "another protocol"])
def test_a_101_that_is_not_true_opens_no_tunnel(gateway, raw, answer):
    def script(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(answer)
        connection.recv_all()
    name, target = raw(script)
    with RawTls(gateway, name) as client:
        client.send(opening(name).encode())
        assert client.response()[0] == 502
    assert b"smuggled" not in b"".join(target.seen())


def test_a_refusal_by_the_target_comes_through(gateway, raw):
    def script(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        connection.recv_all()
    name, target = raw(script)
    with RawTls(gateway, name) as client:
        client.send(opening(name).encode())
        assert client.response()[::2] == (403, b"no")


def test_other_upgrades_are_not_forwarded(gateway, raw):
    """h2c is dropped: the request is served as it is, or refused,
    but the target never hears of the upgrade."""
    def script(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.recv_all()
    name, target = raw(script)
    with RawTls(gateway, name) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n"
                    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                    "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n".encode())
        client.response()
    seen = b"".join(target.seen()).lower()
    assert b"h2c" not in seen and b"http2-settings" not in seen


def test_sessions_show_a_websocket(gateway, host):
    async def use(socket):
        await socket.send("x")
        await socket.recv()
        return await asyncio.get_running_loop().run_in_executor(None, gateway.sessions)
    assert any(s["environment"] == ENV for s in with_socket(gateway, host, use))


# -- over HTTP/2

class WebSocketStream:
    """A WebSocket on one stream of an HTTP/2 connection: extended CONNECT, then wsproto's frames in DATA."""

    def __init__(self, client, host, path="/ws", extra=()):
        self.client = client
        self.id = client.request([(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                                  (":path", path), (":authority", f"{host}:{client.port}"),
                                  ("sec-websocket-version", "13"), *extra], end=False)
        self.stream = client.streams[self.id]
        self.protocol = wsproto.Connection(wsproto.ConnectionType.CLIENT)
        client.pump_until(lambda: self.stream.status or self.stream.ended, "the answer to CONNECT")

    def send(self, event):
        self.client.send(self.id, self.protocol.send(event))

    def receive(self):
        """The next whole message or close, as wsproto's event (text and bytes in one piece)."""
        parts = []
        while True:
            self.client.pump_until(lambda: self.stream.data or self.stream.ended, "a frame")
            data = bytes(self.stream.data)
            del self.stream.data[:]
            self.protocol.receive_data(data or None)
            for event in self.protocol.events():
                if isinstance(event, wsproto.events.Message):
                    parts.append(event.data)
                    if event.message_finished:
                        return ("" if isinstance(event.data, str) else b"").join(parts)
                else:
                    return event


def test_h2_offers_extended_connect(gateway, host):
    """RFC 8441, section 3: SETTINGS_ENABLE_CONNECT_PROTOCOL = 1."""
    import h2.settings
    with H2Client(gateway, host) as client:
        assert client.settings()[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1


def test_h2_echo(gateway, host):
    with H2Client(gateway, host, seconds=30) as client:
        client.settings()
        socket = WebSocketStream(client, host)
        assert socket.stream.status == 200
        socket.send(wsproto.events.TextMessage("over h2"))
        assert socket.receive() == "over h2"
        socket.send(wsproto.events.BytesMessage(BLOCK))
        assert socket.receive() == BLOCK
        socket.send(wsproto.events.CloseConnection(CloseReason.NORMAL_CLOSURE, "done"))
        assert socket.receive().code == CloseReason.NORMAL_CLOSURE


def test_h2_two_sockets_and_a_request_on_one_connection(gateway, host):
    with H2Client(gateway, host) as client:
        client.settings()
        first, second = WebSocketStream(client, host), WebSocketStream(client, host)
        first.send(wsproto.events.TextMessage("one"))
        second.send(wsproto.events.TextMessage("two"))
        assert client.get(host, "/between")[0] == 200
        assert (second.receive(), first.receive()) == ("two", "one")


def test_h2_refusal(gateway, host):
    """A target that does not want the WebSocket answers for itself; an unknown environment is 404."""
    with H2Client(gateway, host) as client:
        client.settings()
        assert WebSocketStream(client, host, "/status/403").stream.status == 403
        assert WebSocketStream(client, gateway.host("nobody", 8888)).stream.status == 404


def test_h2_reset_by_the_client_ends_the_targets_side(gateway, routes):
    def script(connection):
        connection.send(handshake_answer(connection.recv_until(b"\r\n\r\n")))
        connection.recv_all()
    with EchoTarget(script) as target:
        gateway.wait_route(routes.set("resets", http=[http(8888, target.port)]))
        host = gateway.host("resets", 8888)
        with H2Client(gateway, host) as client:
            client.settings()
            socket = WebSocketStream(client, host)
            assert socket.stream.status == 200
            client.h2.reset_stream(socket.id)
            client.flush()
            wait_for(lambda: target.connections[-1].ended.is_set(), "the target's side is still open")
