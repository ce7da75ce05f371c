"""Free loopback ports, below the range from which the kernel takes the ports of outgoing connections."""
import os
import socket

FIRST, END = 11000, 19000
_next = FIRST + (os.getpid() * 37) % (END - FIRST)


def free_port():
    global _next
    for _ in range(END - FIRST):
        _next = _next + 1 if _next + 1 < END else FIRST
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", _next))
            except OSError:
                continue
            return _next
    raise RuntimeError(f"no free port between {FIRST} and {END}")


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
