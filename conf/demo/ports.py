"""Which ports the quickstart listens on: the well-known choice where it is free, else any that is."""
import socket


def is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def choose(preferred, taken=(), last=None):
    """`preferred` or, where it is not free, the next free one up to `last`; `taken` are chosen already."""
    for port in range(preferred, (last or preferred + 200) + 1):
        if port not in taken and is_free(port):
            return port
    raise RuntimeError(f"no port from {preferred} to {last or preferred + 200} is free on 127.0.0.1")
