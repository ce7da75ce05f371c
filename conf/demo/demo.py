"""The demo environment: what it is made of, how it is brought up, and what people are told of it."""
import subprocess

import docker_engine
import environments
import namespace_machine
import probe
from docker_demo import DockerDemo
from physical_demo import PhysicalDemo
from progress import step
from show import shell_word, ssh_by_password


class Demo:
    def __init__(self, data, api, processes):
        self.data, self.api, self.processes = data, api, processes
        self.kind = None

    def choose(self, wanted, engine, why_not):
        """As it was made before, else as wanted, else a container where Docker answers."""
        there = environments.find_demo(self.api)
        backend = there["backend"] if there else wanted or ("docker" if engine else "physical")
        if wanted and wanted != backend:
            raise RuntimeError(f"the demo of {self.data} is {backend} already: choose another directory with "
                               f"--data")
        docker = "; ".join(why_not) or f"there is no {' and no '.join(docker_engine.candidates())}"
        if backend == "docker":
            if not engine:
                raise RuntimeError(f"the demo is to be a container, and no engine will do: {docker}. Start "
                                   f"Docker, or choose another directory with --data, and --backend physical")
            self.kind = DockerDemo(engine)
            return
        if (obstacle := namespace_machine.obstacle()) is not None:
            raise RuntimeError(f"no demo environment can be made here.\n  Docker: {docker}\n"
                               f"  A machine played by namespaces: {obstacle}\n"
                               f"Start Docker, or run this as root; --no-demo starts without one")
        if why_not and not there and not wanted:
            print(f"the demo is no container: {docker}")
        self.kind = PhysicalDemo(self.data)

    def bring_up(self, key, ca, https_port):
        """Makes it or takes it up again; returns its part of ready.json, once all of that is true."""
        self.kind.prepare(self.processes, self.api)
        with step("starting the demo environment"):
            there = environments.bring_up_demo(self.api, self.kind, key)
            access = self.api.ask("GET", f"/api/environments/{there['id']}/access")
            host, port = access["ssh_host"], access["ssh_port"]
            key_of_host = self._pin(host, *self.kind.host(there))
            pages = [entry["url"] for entry in access["urls"] if entry["access"] == "public"]
            if pages:  # its owner may have closed it
                self.processes.wait("gateway", lambda: probe.page(ca, pages[0], https_port))
            self.processes.wait("gateway", lambda: self._through_gateway(port, key_of_host))
        image = {"image": self.kind.image} if self.kind.BACKEND == "docker" else {}
        return {**image, "environment": there["name"], "id": there["id"], "backend": there["backend"],
                "url": pages[0] if pages else "",
                "ssh": f"ssh -F {shell_word(self.data / 'ssh_config')} {host}",
                "ssh_by_password": ssh_by_password(host, port), "password": access["ssh_password"],
                "ssh_host": host, "ssh_port": port, "ssh_user": access["ssh_username"],
                "ssh_key": str(self.data / "keys/demo")}

    def _pin(self, name, address, port):
        """The target's host key, asked of itself and not through the gateway."""
        silent = f"no SSH server tells its key at {address}:{port}"
        self.processes.wait("control", lambda: None if host_key(address, port) else silent)
        key = host_key(address, port)
        (self.data / "known_hosts").write_text(f"{name} {key}\n")
        return key

    @staticmethod
    def _through_gateway(port, expected):
        key = host_key("127.0.0.1", port)
        if key and key != expected:
            raise RuntimeError(f"port {port}, which is the demo's, is in use by another SSH server: end "
                               f"that, or choose another directory with --data")
        return None if key else f"no SSH server answers on port {port}"


def host_key(address, port):
    """Its type and base64 text; None where nobody answers."""
    found = subprocess.run(["ssh-keyscan", "-T", "3", "-t", "ed25519", "-p", str(port), address],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = [line.split() for line in found.stdout.splitlines() if not line.startswith("#")]
    return " ".join(lines[0][1:3]) if lines else None
