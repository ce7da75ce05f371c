"""The demo environment's web page, as a customer's application would be: a page,
server-sent events and a WebSocket. It knows nothing of the gateway. Usage: web.py PORT (on 127.0.0.1)."""
import base64
import hashlib
import html
import json
import socket
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("page.html")
# RFC 6455, section 1.3.
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MOST_MESSAGE = 1 << 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            self.send_page()
        elif path == "/events":
            self.send_events()
        elif path == "/ws":
            self.echo_websocket()
        elif path == "/headers":
            self.answer(200, "application/json", json.dumps(dict(self.headers), indent=1).encode())
        else:
            self.answer(404, "text/plain", b"no such page\n")

    do_HEAD = do_GET

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_page(self):
        rows = "".join(f"<tr><th>{html.escape(k)}<td>{html.escape(v)}" for k, v in self.headers.items())
        text = PAGE.read_text().replace("{{host}}", html.escape(self.headers.get("Host", "")))
        self.answer(200, "text/html; charset=utf-8", text.replace("{{headers}}", rows).encode())

    def send_events(self):
        """The time of day, once a second, until the browser goes away."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        while True:
            self.wfile.write(f"data: {time.strftime('%H:%M:%S')}\n\n".encode())
            time.sleep(1)

    def echo_websocket(self):
        key = self.headers.get("Sec-WebSocket-Key", "")
        if "websocket" not in self.headers.get("Upgrade", "").lower() or not key:
            return self.answer(426, "text/plain", b"this is a WebSocket\n")
        accept = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()
        self.close_connection = True
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        while (frame := self.read_frame()) is not None:
            opcode, payload = frame
            if opcode == 8:  # close: say it back and end (RFC 6455, section 5.5.1)
                self.send_frame(8, payload[:2])
                return
            if opcode == 9:
                self.send_frame(10, payload)
            elif opcode in (0, 1, 2):
                self.send_frame(opcode or 1, payload)

    def read_frame(self):
        """(opcode, payload) of a frame, or None at the end.
        Fragments are answered one by one, which an echo may."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        opcode, length = head[0] & 15, head[1] & 127
        if length == 126:
            length, = struct.unpack(">H", self.rfile.read(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.rfile.read(8))
        if length > MOST_MESSAGE or not head[1] & 128:
            return None  # too long, or not masked as a client's frames must be (section 5.1)
        mask, payload = self.rfile.read(4), self.rfile.read(length)
        return opcode, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    def send_frame(self, opcode, payload):
        length = len(payload)
        head = struct.pack(">BB", 128 | opcode, length) if length < 126 else \
            struct.pack(">BBH", 128 | opcode, 126, length) if length < 65536 else \
            struct.pack(">BBQ", 128 | opcode, 127, length)
        self.wfile.write(head + payload)

    def log_message(self, text, *arguments):
        print(f"{time.strftime('%H:%M:%S')} {self.client_address[0]} {text % arguments}", flush=True)

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, socket.timeout):
            pass  # the browser went away


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
