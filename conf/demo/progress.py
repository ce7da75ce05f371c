"""A line for what takes long, so that nobody wonders whether it still works."""
import contextlib
import threading

QUIET_SECONDS = 2


@contextlib.contextmanager
def step(what):
    """Says what is being done, if it is not done within 2 s."""
    timer = threading.Timer(QUIET_SECONDS, print, [f"{what} ..."], {"flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
