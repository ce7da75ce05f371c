"""Thousands of connections, held open by processes of their own,
since a process may have only so many files open; and the target that so many need."""
import contextlib
import multiprocessing
import os
import resource
import selectors
import socket
import ssl

from .machine import SLOW
from .ports import free_port

BANNER = b"SSH-2.0-idle\r\n"
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _hold(connect, count, pipe):
    """Opens `count` connections, says how many stand, and holds them until told to check, or to go."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    held, failed = [], ""
    try:
        for _ in range(count):
            held.append(connect())
    except OSError as error:
        failed = repr(error)
    pipe.send((len(held), failed))
    while pipe.recv() == "check":
        pipe.send(sum(map(_is_quiet, held)))
    for sock in held:
        sock.close()
    os._exit(0)  # nothing of the parent's is this process's to tidy up


def _is_quiet(sock):
    """Open, with nothing to read: neither an end nor an error has come."""
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    quiet = not selector.select(0)
    selector.close()
    return quiet


class Crowd:
    """`count` connections, as `connect()` makes them."""

    def __init__(self, connect, count, processes=2):
        context = multiprocessing.get_context("fork")
        self.pipes, self.processes = [], []
        for _ in range(processes):
            mine, theirs = context.Pipe()
            process = context.Process(target=_hold, args=(connect, count // processes, theirs), daemon=True)
            process.start()
            self.pipes.append(mine)
            self.processes.append(process)

    def stand(self, seconds=120):
        """How many connections were made; fails where one was refused."""
        total = 0
        for pipe in self.pipes:
            assert pipe.poll(seconds * SLOW), "the connections are not open in time"
            count, failed = pipe.recv()
            assert not failed, f"after {count} connections: {failed}"
            total += count
        return total

    def quiet(self):
        for pipe in self.pipes:
            pipe.send("check")
        return sum(pipe.recv() for pipe in self.pipes)

    def go(self):
        for pipe in self.pipes:
            pipe.send("go")
        for process in self.processes:
            process.join(30)

    def end(self):
        for process in self.processes:
            if process.is_alive():
                process.kill()
                process.join()


def _serve_banners(port, ready):
    """Says its banner, hears what comes, and never ends by itself."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    ready.set()
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.sendall(BANNER)
                selector.register(sock, selectors.EVENT_READ)
            elif not _drain(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def _drain(sock):
    try:
        return sock.recv(65536) != b""
    except OSError:
        return False


@contextlib.contextmanager
def banner_target():
    """The port of a target for a crowd of ssh connections; it lives in a process of its own."""
    port, context = free_port(), multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_serve_banners, args=(port, ready), daemon=True)
    process.start()
    assert ready.wait(10 * SLOW), "the target does not listen"
    try:
        yield port
    finally:
        process.kill()
        process.join()


def tls_connection(gateway, host):
    """Connects and asks once, so that what is idle is a connection that has been used."""
    context = ssl.create_default_context(cafile=str(gateway.ca.file))
    port, request = gateway.https_port, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    def connect():
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30 * SLOW),
                                   server_hostname=host)
        sock.sendall(request)
        answer = b""
        while not answer.endswith(b"ok"):
            piece = sock.recv(1000)
            if not piece:
                raise ConnectionResetError("closed instead of an answer")
            answer += piece
        return sock
    return connect


def ssh_connection(port):
    def connect():
        sock = socket.create_connection(("127.0.0.1", port), 30 * SLOW)
        sock.sendall(BANNER)
        answer = b""
        while len(answer) < len(BANNER):
            piece = sock.recv(1000)
            if not piece:
                raise ConnectionResetError(f"closed after {answer!r}")
            answer += piece
        return sock
    return connect
