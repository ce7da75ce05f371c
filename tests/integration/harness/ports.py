"""Ports for one test process. They lie below the kernel's ephemeral range, so that no outgoing connection
takes one, and are leased in chunks by a file lock, so that two test processes never choose the same."""
import fcntl
import os
import socket
import tempfile

FIRST, END, CHUNK = 20000, 32700, 100
_directory = os.path.join(tempfile.gettempdir(), f"envgate-test-ports-{os.getuid()}")
_held = []  # open lock files: they are released when this process ends
_iterator = iter(())


def _lease(chunk):
    os.makedirs(_directory, exist_ok=True)
    file = open(os.path.join(_directory, str(chunk)), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def _fresh():
    for first in range(FIRST, END - CHUNK, CHUNK):
        if _lease(first):
            yield from range(first, first + CHUNK)
    raise RuntimeError("no test port is left: are many test runs going on at once?")


def free_port():
    global _iterator
    if not _held:
        _iterator = _fresh()
    return next(port for port in _iterator if _is_free(port))


_returned = []  # ranges that a stopped gateway has given back: (first, last)


def free_ports(count):
    """`count` ports in a row, for a range that a gateway is given: (first, last)."""
    for block in _returned:
        if block[1] - block[0] + 1 == count and all(map(_is_free, range(block[0], block[1] + 1))):
            _returned.remove(block)
            return block
    chunks = -(-count // CHUNK)
    mine = []
    for chunk in range(END - CHUNK, FIRST, -CHUNK):  # from the top, where free_port seldom comes
        mine = [chunk, *mine] if _lease(chunk) else []
        if len(mine) == chunks:
            if all(map(_is_free, range(chunk, chunk + count))):
                return chunk, chunk + count - 1
            mine.pop()
    raise RuntimeError(f"no {count} test ports in a row are left")


def give_back(block):
    _returned.append(block)
