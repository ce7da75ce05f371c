"""A TCP server that records every byte it is sent, connection by connection, and answers as its script says.
The recording is what "what the target saw" means in the tests."""
import select
import socket
import struct
import threading

from .machine import SLOW
from .ports import free_port
from .wait import wait_for


class Connection:
    """One accepted connection. Thread: its own; `received` and `ended` may be read from the test's."""

    def __init__(self, sock, peer):
        self.sock = sock
        self.peer = peer
        self.received = bytearray()
        self.ended = threading.Event()     # the peer has sent its last byte
        self.error = None

    def recv(self, size=65536):
        try:
            data = self.sock.recv(size)
        except OSError as error:
            self.error = error
            data = b""
        self.received += data
        if not data:
            self.ended.set()
        return data

    def recv_until(self, mark):
        """Everything received so far, once `mark` is in it, or the peer has ended."""
        while mark not in self.received and self.recv():
            pass
        return bytes(self.received)

    def recv_all(self):
        while self.recv():
            pass
        return bytes(self.received)

    def wait_until_left(self, seconds=30):
        """Reads nothing until the peer has closed or reset."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        poll.poll(seconds * 1000)

    def send(self, data):
        self.sock.sendall(data)

    def shutdown_write(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def echo(connection):
    while data := connection.recv():
        connection.send(data)


class EchoTarget:
    """`script(connection)` runs in a thread for each connection;
    when it returns, the connection is closed."""

    def __init__(self, script=echo, address="127.0.0.1", port=None):
        self.script = script
        self.address = address
        self.port = port or free_port()
        self.connections = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, self.port))
        self.listener.listen(1024)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            sock.settimeout(120 * SLOW)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, peer)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.script(connection)
        except OSError as error:
            connection.error = error
        finally:
            connection.ended.set()
            connection.sock.close()

    def wait_connection(self, index=0, seconds=10):
        wait_for(lambda: len(self.connections) > index, f"the target got no connection number {index}",
                 seconds)
        return self.connections[index]

    def seen(self):
        """What each connection has received so far."""
        return [bytes(connection.received) for connection in self.connections]

    def stop(self):
        """Stops listening and cuts every connection."""
        # shutdown wakes the thread that is in accept(); close alone would leave the port open under it
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.connections:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
