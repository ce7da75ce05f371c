"""One run of the bench: its options, its rig, and what it has to say."""
import sys
import time

from .client import Client
from .peers import ALL
from .rig import Rig


class Bench:
    def __init__(self, options):
        self.quick = options.quick
        self.repeats = options.repeats or (2 if options.quick else 6)
        self.peers = options.peers
        self.rig = Rig(options.bin, options.client, options.logs, options.before)
        self.client = Client(options.client)
        self.micro = options.micro
        self.discarded = []

    def size(self, full, quick):
        return quick if self.quick else full

    def who(self, *abilities):
        """The names of all that are measured and can do every one of `abilities`, ours first."""
        return [name for name in self.peers if set(abilities) <= ALL[name].can]

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def discard(self, case, name, error, again):
        text = f"{case}: a run of {name} is not counted: {error}"
        self.discarded.append(text)
        self.say(text + (" (once more)" if again else ""))

    def cost(self, proxy, work):
        """What `work()` gives, and the CPU seconds that `proxy` spent meanwhile."""
        before = proxy.cpu()
        outcome = work()
        return outcome, proxy.cpu() - before

    def close(self):
        self.rig.close()
