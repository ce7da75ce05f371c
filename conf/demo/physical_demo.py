"""The demo environment on a physical machine, which is played by namespaces of this one. Its files, and with
them its accounts and host key, stay in DIR/machine; its page is served beside it."""
import json
import shutil
import subprocess
from pathlib import Path

import demo_image
import namespace_machine
import ports
import probe
from progress import step

NAME = "here"
ADDRESS = "127.0.0.1"


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
                raise RuntimeError(f"port {port} of the demo's machine is in use by another program: end "
                                   f"that, or choose another directory with --data")
        processes.start("machine", namespace_machine.command(NAME, self.directory), kill=True)
        processes.start("web", ["/bin/busybox", "httpd", "-f", "-c", "/dev/null", "-h", demo_image.SITE,
                                "-p", f"{ADDRESS}:{self.ports['web']}"],
                        environment={"PATH": "/usr/bin:/bin"})
        with step("starting the demo's machine"):
            processes.wait("machine", lambda: probe.ssh_banner(self.ports["ssh"]))
            self._register(api)

    def _make(self):
        """Once: what was begun and not ended is begun anew. The ports are the machine's, and so they stay."""
        if self.ports_file.exists():
            return
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
