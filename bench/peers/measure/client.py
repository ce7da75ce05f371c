"""Our own load client (bench/peers/client), for what h2load cannot do. It checks every answer itself and ends with an
error where one is wrong; else it prints one line of JSON."""
import json

from .process import LOAD_CORE, RunError, run


class Client:
    def __init__(self, program):
        self.program = program

    def words(self, mode, **arguments):
        return [str(self.program), mode, *(f"{key}={value}" for key, value in arguments.items())]

    def run(self, mode, *command, seconds=60, **arguments):
        """`command`: for `bulk`, a program whose input and output take the place of the connection."""
        out = run(self.words(mode, **arguments) + [str(word) for word in command], seconds, LOAD_CORE)
        try:
            return json.loads(out)
        except json.JSONDecodeError:
            raise RunError(f"the load client printed {out[:200]!r}") from None
