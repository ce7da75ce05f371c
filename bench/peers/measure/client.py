"""Our own load client (bench/peers/client), for what h2load cannot do. It checks every answer itself and ends
with an error where one is wrong; else it prints one line of JSON."""
import json

import subprocess
from contextlib import contextmanager

from .process import LOAD_CORE, RunError, child_setup, run


class Client:
    def __init__(self, program):
        self.program = program

    def words(self, mode, **arguments):
        return [str(self.program), mode, *(f"{key}={value}" for key, value in arguments.items())]

    def run(self, mode, *command, limit=60, **arguments):
        """`command`: for `bulk`, a program whose input and output take the place of the connection."""
        out = run(self.words(mode, **arguments) + [str(word) for word in command], limit, LOAD_CORE)
        try:
            return json.loads(out)
        except json.JSONDecodeError:
            raise RunError(f"the load client printed {out[:200]!r}") from None

    @contextmanager
    def holding(self, mode, **arguments):
        """The client while it holds its connections; checked at the end that they were all still there."""
        with subprocess.Popen(self.words(mode, **arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, preexec_fn=child_setup(LOAD_CORE)) as popen:
            try:
                if popen.stdout.readline() != b"ready\n":
                    raise RunError(f"the load client: {popen.stderr.read().decode()[-400:].strip()}")
                yield
                _, err = popen.communicate(timeout=30)
                if popen.returncode != 0:
                    raise RunError(f"the load client: {err.decode()[-400:].strip()}")
            finally:
                popen.kill()
