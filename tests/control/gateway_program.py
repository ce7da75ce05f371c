"""A real gateway that follows a plane's routes, and customers who come through it."""
import json
import os
import socket
import subprocess

from plane import wait_for

from harness.gateway import merged  # noqa: E402 (plane has made it known)

HTTPS_PORT = 8443


class Gateway:
    def __init__(self, plane, directory, targets=(), settings=None, **environment):
        """`targets`: addresses of this machine's own that routes may lead to; that takes naming each.
        `settings`: laid over those that every gateway here has."""
        self.directory = directory
        self.admin = directory / "admin.sock"
        self.ca = directory / "tls.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
                        "subjectAltName=DNS:*.container.localhost,DNS:*.ssh.localhost", "-keyout",
                        directory / "tls.key", "-out",
                        self.ca], check=True, capture_output=True)
        self.config = directory / "gateway.yaml"
        self.environment = {**os.environ, **environment}
        self.log = directory / "gateway.log"
        self.config.write_text(json.dumps(merged({
            "domain": "localhost", "admin": {"socket": str(self.admin)}, "metrics": {"bind": ""},
            "routes": {"source": "control", "control": {"socket": str(plane.socket)},
                       "snapshot": f"{directory}/routes.snapshot",
                       **({"allowed_targets": list(targets)} if targets else {})},
            "ssh": {"bind": "127.0.0.1"}, "http": {"bind": ""},
            "private": {"key_file": plane.settings.get("tickets", {}).get("key_file", "")},
            "https": {"bind": f"127.0.0.1:{HTTPS_PORT}", "certificates": [
                {"certificate": str(self.ca), "key": f"{directory}/tls.key"}]}}, settings or {})))
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([os.environ["ENVGATE_TEST_GATEWAY"], "--config", self.config],
                                            stdin=subprocess.DEVNULL, stderr=log, env=self.environment)

    def stop(self):
        self.process.terminate()
        self.process.wait(40)


def ssh(access, command):
    """What it printed; nothing where there is no way in. (dbclient ends with 0 after wrong passwords.)"""
    done = subprocess.run(["dbclient", "-y", "-y", "-p", str(access["ssh_port"]), "root@127.0.0.1", command],
                          env={**os.environ, "DROPBEAR_PASSWORD": access["ssh_password"]},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return done.stdout.strip() or None if done.returncode == 0 else None


def gets_in(access, host):
    return wait_for(lambda: ssh(access, "hostname") == host, "a customer gets in by ssh")


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def browse(gateway, environment, port, path="/"):
    """The page's text, with HTTP/2 and the certificate checked; or its status where that is not 200."""
    host = f"{environment}-{port}.container.localhost"
    done = subprocess.run(["curl", "-s", "--max-time", "10", "--http2", "--cacert", gateway.ca, "--resolve",
                           f"{host}:{HTTPS_PORT}:127.0.0.1", "-w", "\n%{http_code}",
                           f"https://{host}:{HTTPS_PORT}{path}"], capture_output=True, text=True)
    text, _, status = done.stdout.rpartition("\n")
    return text if status == "200" else int(status)
