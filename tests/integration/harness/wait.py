"""Waiting for a condition with a deadline: the only way in which a test waits."""
import time

from .machine import SLOW


class Deadline:
    """A moment, `seconds` from now (longer under a sanitizer)."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds * SLOW

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def passed(self):
        return time.monotonic() >= self.end


def wait_for(condition, what, seconds=10.0, every=0.01):
    """Returns the first true value of `condition()`. Fails with `what` when the time is over; `what` may be a
    function, called then, so that it can say how things stood."""
    deadline = Deadline(seconds)
    while True:
        value = condition()
        if value:
            return value
        if deadline.passed():
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(min(every, deadline.left()))
