"""Both programs: the control plane makes a container, and a customer reaches it through the gateway."""
import json
import os
import socket
import subprocess

import pytest

from conftest import SOCKET, docker, sweep
from plane import Plane, wait_for
from test_docker import spec


@pytest.fixture
def plane(tmp_path):
    made = Plane(tmp_path, docker={"socket": SOCKET, "grace": "1s"},
                 tickets={"key_file": f"{tmp_path}/tickets.key"}).start()
    made.allow("ada")
    yield made
    made.stop()
    sweep()


@pytest.fixture
def gateway(plane, tmp_path):
    config = tmp_path / "gateway.yaml"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*new, "-days", "2", "-subj", "/CN=test", "-addext",
                    "subjectAltName=DNS:*.container.localhost", "-keyout", tmp_path / "tls.key", "-out",
                    tmp_path / "tls.pem"], check=True, capture_output=True)
    config.write_text(json.dumps({
        "domain": "localhost", "admin": {"socket": f"{tmp_path}/admin.sock"}, "metrics": {"bind": ""},
        "routes": {"source": "control", "control": {"socket": str(plane.socket)},
                   "snapshot": f"{tmp_path}/routes.snapshot"},
        "ssh": {"bind": "127.0.0.1"}, "http": {"bind": ""},
        "private": {"key_file": f"{tmp_path}/tickets.key"},
        "https": {"bind": "127.0.0.1:8443", "certificates": [
            {"certificate": f"{tmp_path}/tls.pem", "key": f"{tmp_path}/tls.key"}]}}))
    with open(tmp_path / "gateway.log", "ab") as log:
        process = subprocess.Popen([os.environ["ENVGATE_TEST_GATEWAY"], "--config", config],
                                   stdin=subprocess.DEVNULL, stderr=log)
    yield process
    process.terminate()
    process.wait(40)


def ssh(access, command):
    done = subprocess.run(["dbclient", "-y", "-y", "-p", str(access["ssh_port"]), "root@127.0.0.1", command],
                          env={**os.environ, "DROPBEAR_PASSWORD": access["ssh_password"]},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else None


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_customer_gets_in_whatever_happens_behind(plane, gateway):
    made = plane.do("POST", "/api/environments", spec())
    path = f"/api/environments/{made['id']}"
    access = plane.ask("GET", path + "/access")
    wait_for(lambda: ssh(access, "hostname") == made["id"], "ssh through the gateway")

    plane.do("POST", path + "/stop")
    wait_for(lambda: ssh(access, "hostname") is None, "no way in while it is stopped")
    network = docker("network", "ls", "-q", "--filter", "name=owner-ada")
    docker("run", "-d", "--name", "taker", "--network", network, "envgate-test/ssh:1")  # has its address now
    started = plane.do("POST", path + "/start")
    assert started["target_ip"] != made["target_ip"]
    wait_for(lambda: ssh(access, "hostname") == made["id"], "ssh at the new address")

    plane.kill()  # the gateway serves on, and what changes meanwhile it learns later
    assert ssh(access, "hostname") == made["id"]
    plane.start()
    docker("rm", "-f", "taker")
    plane.do("DELETE", path)
    wait_for(lambda: not is_open(access["ssh_port"]), "its port is closed")


def curl(*arguments):
    asked = ["curl", "-sk", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", *arguments]
    return subprocess.run(asked, capture_output=True, text=True).stdout


def test_a_private_port_opens_by_a_link_alone(plane, gateway, tmp_path):
    body = spec(ports=[{"port": 22, "access": "private"}, {"port": 8888}])
    made = plane.do("POST", "/api/environments", body)
    host = f"{made['id']}-22.container.localhost"
    at = ["--resolve", f"{host}:8443:127.0.0.1"]
    wait_for(lambda: curl(*at, f"https://{host}:8443/") == "401", "closed without a link")
    link = plane.ask("POST", f"/api/environments/{made['id']}/tickets", {"port": 22})["url"]
    link = link.replace(f"{host}/", f"{host}:8443/")
    jar = ["-c", f"{tmp_path}/jar", "-b", f"{tmp_path}/jar"]
    assert curl(*at, *jar, link) == "303"
    # The target speaks SSH, which is no answer: but it was asked.
    assert curl(*at, *jar, f"https://{host}:8443/") == "502"
    assert curl(*at, link) == "401", "once"
    with pytest.raises(Exception, match="not a private port"):
        plane.ask("POST", f"/api/environments/{made['id']}/tickets", {"port": 8888})
