"""The route file: source `file`, written the way an operator's tool would,
by renaming a finished file into place."""
import os

import yaml

ENV = "6hiflzwte2xnkroq"  # an environment, where any would do


class RouteFile:
    def __init__(self, path):
        self.path = path
        self.routes = {}
        self.write()

    def write(self):
        text = yaml.safe_dump({"routes": list(self.routes.values())}, sort_keys=False)
        self.write_text(text)

    def write_text(self, text):
        """Any text at all, for files that are wrong."""
        fresh = f"{self.path}.new"
        with open(fresh, "w") as file:
            file.write(text)
        os.rename(fresh, self.path)

    def set(self, env, write=True, **fields):
        """Adds or replaces a route, and returns it; the generation goes up by itself unless it is given."""
        before = self.routes.get(env, {})
        route = {"env": env, "generation": before.get("generation", 0) + 1, "kind": "container",
                 "state": "running", "address": "127.0.0.1", **fields}
        self.routes[env] = route
        if write:
            self.write()
        return route

    def change(self, env, **fields):
        """Changes some fields of a route that is there."""
        before = {key: value for key, value in self.routes[env].items() if key not in ("env", "generation")}
        return self.set(env, **{**before, **fields})

    def remove(self, env):
        del self.routes[env]
        self.write()


def http(port, target_port, **more):
    return {"port": port, "target_port": target_port, "scheme": "http", "access": "public", **more}


def ssh(listen_port, target_port):
    return {"listen_port": listen_port, "target_port": target_port}
