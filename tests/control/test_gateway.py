"""Both programs: the control plane makes a container, and a customer reaches it through the gateway."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SOCKET, docker, sweep
from gateway_program import Gateway, browse, gets_in, is_open, ssh
from plane import Plane, UnixConnection, wait_for
from test_docker import spec

sys.path.append(str(Path(__file__).parents[2] / "conf/demo"))
from demo_image import SSH_SERVER_AND_PAGE  # noqa: E402


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
    made = Gateway(plane, tmp_path)
    yield made
    made.stop()


def test_a_container_from_request_to_closed_port(plane, gateway):
    """The second flow of the seed on access: made, ssh, a page; stopped and started; gone."""
    made = plane.do("POST", "/api/environments", spec(command=SSH_SERVER_AND_PAGE))
    path = f"/api/environments/{made['id']}"
    access = plane.ask("GET", path + "/access")
    gets_in(access, made["id"])
    assert "You have reached the environment" in browse(gateway, made["id"], 8888)

    plane.do("POST", path + "/stop")
    wait_for(lambda: ssh(access, "hostname") is None, "no way in while it is stopped")
    assert browse(gateway, made["id"], 8888) == 503
    network = docker("network", "ls", "-q", "--filter", "name=owner-ada")
    docker("run", "-d", "--name", "taker", "--network", network, "envgate-test/ssh:1")  # has its address now
    started = plane.do("POST", path + "/start")
    assert started["target_ip"] != made["target_ip"]
    gets_in(access, made["id"])
    wait_for(lambda: "reached" in str(browse(gateway, made["id"], 8888)), "and the page, at the new address")

    docker("rm", "-f", "taker")
    plane.do("DELETE", path)
    wait_for(lambda: not is_open(access["ssh_port"]), "its port is closed")
    assert browse(gateway, made["id"], 8888) == 404


def test_ten_minutes_without_the_control_plane(plane, tmp_path):
    """The gateway's clock is set forward while the control plane is away: it serves on, and catches up."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("faketime is not installed (tests/run installs it)")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    gateway = Gateway(plane, tmp_path, LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(clock),
                      FAKETIME_NO_CACHE="1")
    try:
        made = plane.do("POST", "/api/environments", spec(command=SSH_SERVER_AND_PAGE))
        access = plane.ask("GET", f"/api/environments/{made['id']}/access")
        gets_in(access, made["id"])
        plane.kill()
        # In steps, as time goes: every timer of the gateway's comes due on the way.
        for minute in range(1, 11):
            clock.write_text(f"+{minute * 60}")
            assert ssh(access, "hostname") == made["id"], f"minute {minute}"
            assert "reached" in str(browse(gateway, made["id"], 8888)), f"minute {minute}"
        source = status_of(gateway)["routing"]
        assert not source["connected"] and source["age_seconds"] >= 600, source

        plane.start()
        other = plane.do("POST", "/api/environments", spec())
        gets_in(plane.ask("GET", f"/api/environments/{other['id']}/access"), other["id"])
        plane.do("DELETE", f"/api/environments/{made['id']}")
        wait_for(lambda: not is_open(access["ssh_port"]), "it has caught up")
    finally:
        gateway.stop()


def status_of(gateway):
    connection = UnixConnection(gateway.admin)
    connection.request("GET", "/status")
    status = json.loads(connection.getresponse().read())
    connection.close()
    return status


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
