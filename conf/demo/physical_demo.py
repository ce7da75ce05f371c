"""The demo environment on a physical machine, which is played by namespaces of this one. Its files, and with them
its accounts and host key, stay in DIR/machine; its page is served beside it."""
import json
import shutil
import subprocess
import time
from pathlib import Path

import demo_image
import namespace_machine
import ports
import probe
from progress import step

NAME = "here"
ADDRESS = "127.0.0.1"
SECONDS_TO_START = 20


class PhysicalDemo:
    BACKEND = "physical"

    def __init__(self, data):
        self.data = Path(data)
        self.directory = self.data / "machine"
        self.ports_file = self.directory / "ports.json"
        self.admin_key = self.data / "keys/machine_admin"
        self.ports = {}

    def prepare(self, processes, api):
        self._make()
        self.ports = json.loads(self.ports_file.read_text())
        for port in self.ports.values():
            if not ports.is_free(port):
                raise RuntimeError(f"port {port} of the demo's machine is in use by another program: end that, or "
                                   f"choose another directory with --data")
        processes.start("machine", namespace_machine.command(NAME, self.directory), kill=True)
        processes.start("web", ["/bin/busybox", "httpd", "-f", "-c", "/dev/null", "-h", demo_image.SITE,
                                "-p", f"{ADDRESS}:{self.ports['web']}"], environment={"PATH": "/usr/bin:/bin"})
        with step("starting the demo's machine"):
            self._wait(processes)
            self._register(api)

    def _make(self):
        """Once: what was begun and not ended is begun anew. The ports are the machine's, and so they stay."""
        if self.ports_file.exists():
            return
        if (reason := namespace_machine.obstacle()) is not None:
            raise RuntimeError(f"no demo environment can be made here. {reason}")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        self.admin_key.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "envgate demo admin", "-f",
                        self.admin_key], check=True, stdin=subprocess.DEVNULL)
        chosen = {"ssh": ports.choose(42022)}
        chosen["web"] = ports.choose(demo_image.SITE_PORT, chosen.values())
        namespace_machine.make(self.directory, [f"Port {chosen['ssh']}", f"ListenAddress {ADDRESS}"])
        namespace_machine.admit(self.directory, namespace_machine.ROOT,
                                Path(f"{self.admin_key}.pub").read_text())
        self.ports_file.write_text(json.dumps(chosen) + "\n")

    def _wait(self, processes):
        end = time.monotonic() + SECONDS_TO_START
        while (matter := probe.ssh_banner(self.ports["ssh"])) is not None:
            processes.check()
            if time.monotonic() > end:
                raise RuntimeError(f"the demo's machine: {matter}; see {processes.log('machine')}")
            time.sleep(0.02)

    def _register(self, api):
        if api.find(f"/api/machines/{NAME}") is None:
            host_key = Path(f"{namespace_machine.host_key_file(self.directory)}.pub").read_text().strip()
            api.ask("POST", "/api/machines", {"name": NAME, "address": ADDRESS, "ssh_port": self.ports["ssh"],
                                              "admin_key": str(self.admin_key), "host_keys": [host_key]})
        seen = api.ask("POST", f"/api/machines/{NAME}/check")
        if not seen["facts"]["reachable"]:
            raise RuntimeError(f"the demo's machine is up, and cannot be used: {seen['facts']['reason']}")

    def spec(self):
        return {"machine": NAME, "ports": [{"port": self.ports["web"], "access": "public"}]}

    def host(self, _environment):
        return ADDRESS, self.ports["ssh"]

    def words(self):
        return "a machine played by namespaces of this one"
