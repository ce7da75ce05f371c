"""The quickstart's environments: the demo is made or taken up again; what runs is put to rest when the
control plane is about to end, and woken by the next start."""
import json
from urllib.parse import urlencode

import docker_engine

NAME = OWNER = "demo"
QUOTA = {"cpu": 4, "memory": "4GiB", "gpu": 0, "storage": "10GiB", "environments": 4}


def find_demo(api):
    query = urlencode({"owner": OWNER, "name": NAME})
    found = api.ask("GET", f"/api/environments?{query}")["environments"]
    return found[0] if found else None


def bring_up_demo(api, demo, key):
    """Makes the demo, or starts the one that is there. Returns the environment as it runs."""
    there = find_demo(api)
    if there is None:
        if api.find(f"/api/quotas/{OWNER}") is None:
            api.ask("PUT", f"/api/quotas/{OWNER}", QUOTA)
        spec = {**demo.spec(), "ssh": {"user": "root", "keys": [key]}}
        return api.change("POST", "/api/environments",
                          {"name": NAME, "owner": OWNER, "backend": demo.BACKEND, "spec": spec})
    return api.change("POST", f"/api/environments/{there['id']}/start")


class Rest:
    """DIR/resting.json has the ids of those that were stopped, and DIR/installation.json what is needed to
    stop containers where the control plane has died before."""

    def __init__(self, data):
        self.resting_file = data / "resting.json"
        self.installation_file = data / "installation.json"

    def remember_installation(self, api, engine):
        install = api.ask("GET", "/api/status")["install"]
        self.installation_file.write_text(json.dumps({"install": install, "engine": engine}) + "\n")

    def put(self, api):
        """Stops the demo and every container. Other physical machines are the operator's: they stay as they
        are. Returns the names."""
        running = [e for e in api.environments()
                   if e["desired"] == "running" and (e["backend"] == "docker" or is_demo(e))]
        asked = [api.ask("POST", f"/api/environments/{e['id']}/stop") for e in running]
        self._remember([e["id"] for e in running])
        for answer in asked:
            api.ask("GET", f"/api/operations/{answer['operation']['id']}", Prefer="wait=30")
        return [e["name"] for e in running]

    def put_without_control(self):
        """Their rows still want them to run, so the control plane starts them again by itself."""
        try:
            told = json.loads(self.installation_file.read_text())
        except (FileNotFoundError, ValueError):
            return []
        if not told["engine"] or docker_engine.obstacle(told["engine"]) is not None:
            return []
        return docker_engine.stop_containers(told["engine"], told["install"])

    def wake(self, api):
        """All but the demo, which is waited for."""
        for id in self._resting():
            there = api.find(f"/api/environments/{id}")
            if there and there["desired"] == "stopped" and not is_demo(there):
                api.ask("POST", f"/api/environments/{id}/start")
        self.resting_file.unlink(missing_ok=True)

    def _resting(self):
        try:
            return json.loads(self.resting_file.read_text())
        except (FileNotFoundError, ValueError):
            return []

    def _remember(self, ids):
        self.resting_file.write_text(json.dumps(sorted({*self._resting(), *ids})) + "\n")


def is_demo(environment):
    return (environment["owner"], environment["name"]) == (OWNER, NAME)
