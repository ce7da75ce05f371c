"""Routes from the control plane's feed: followed as they change, served on while it is away, and caught up
with when it is back. The feed is a stand-in; everything else is real."""
import socket

import pytest

from harness import FeedServer, curl, run, wait_for
from harness.routes import http, ssh
from harness.ssh_clients import OpenSsh


@pytest.fixture
def feed(tmp_path):
    with FeedServer(tmp_path) as server:
        yield server


@pytest.fixture
def gateway(make_gateway, feed):
    return make_gateway(settings(feed))


def settings(feed, **more):
    return {"routes": {"source": "control", "control": {"socket": feed.socket}, **more}}


def routing(gateway):
    return gateway.admin("GET", "/status")[1]["routing"]


def wait_state(gateway, state):
    wait_for(lambda: routing(gateway)["state"] == state, lambda: f"not {state}: {routing(gateway)}", 15)


def test_ssh_and_https_work_and_changes_are_followed(gateway, feed, sshd, web, tmp_path):
    port = gateway.ssh_port()
    route = feed.set("demo", ssh=ssh(port, sshd.port), http=[http(8888, web.port)])
    gateway.wait_route(route)
    assert feed.requests == ["GET /api/routes?watch=1 HTTP/1.0"]
    assert run(OpenSsh(sshd, port, tmp_path).command("echo reached")).stdout == b"reached\n"
    assert curl(gateway, gateway.host("demo", 8888)).status == 200
    assert routing(gateway)["source"] == "control" and routing(gateway)["state"] == "live"
    assert "control" in gateway.envctl("status").stdout.decode()
    gateway.wait_route(feed.set("demo", http=[http(9999, web.port)]))
    assert curl(gateway, gateway.host("demo", 8888)).status == 403
    assert curl(gateway, gateway.host("demo", 9999)).status == 200
    feed.remove("demo")
    gateway.wait_gone("demo")
    assert curl(gateway, gateway.host("demo", 9999)).status == 404


def test_killed_it_serves_on_and_obeys_what_changed_meanwhile(gateway, feed, sshd, web, tmp_path):
    port = gateway.ssh_port()
    feed.set("goes", http=[http(8888, web.port)])
    feed.set("changes", http=[http(8888, web.port)])
    gateway.wait_route(feed.set("stays", ssh=ssh(port, sshd.port), http=[http(8888, web.port)]))
    feed.kill()
    wait_state(gateway, "stale")
    assert gateway.ready()
    assert curl(gateway, gateway.host("goes", 8888)).status == 200
    assert run(OpenSsh(sshd, port, tmp_path).command("echo reached")).stdout == b"reached\n"
    assert curl(gateway, gateway.host("unknown", 8888), seconds=15).status == 503
    feed.remove("goes")
    changed = feed.set("changes", http=[http(9999, web.port)])
    added = feed.set("added", http=[http(8888, web.port)])
    feed.start()
    wait_state(gateway, "live")
    gateway.wait_route(changed)
    gateway.wait_route(added)
    gateway.wait_gone("goes")
    assert curl(gateway, gateway.host("goes", 8888)).status == 404
    assert curl(gateway, gateway.host("changes", 9999)).status == 200
    assert curl(gateway, gateway.host("added", 8888)).status == 200
    assert run(OpenSsh(sshd, port, tmp_path).command("echo reached")).stdout == b"reached\n"
    # Away is said once, however often it is tried.
    assert len([line for line in gateway.log_lines("route_feed_lost") if line["level"] == "warn"]) <= 3


def test_starts_from_its_snapshot_while_the_control_plane_is_away(make_gateway, feed, web, tmp_path):
    gateway = make_gateway(settings(feed, snapshot=str(tmp_path / "snapshot")))
    gateway.wait_route(feed.set("kept", http=[http(8888, web.port)]))
    gateway.stop()
    feed.kill()
    gateway.start()
    assert curl(gateway, gateway.host("kept", 8888)).status == 200
    feed.start()
    wait_state(gateway, "live")
    gateway.wait_route(feed.set("kept", http=[http(9999, web.port)]))


def test_a_stopped_environment_without_an_address_is_not_connected_to(gateway, feed, web):
    port = gateway.ssh_port()
    # A target on every address, which the unspecified one would reach.
    with socket.create_server(("0.0.0.0", 0)) as bait:
        number = bait.getsockname()[1]
        gateway.wait_route(feed.set("asleep", state="stopped", address=None, ssh=ssh(port, number),
                                    http=[http(8888, number)]))
        assert "address" not in gateway.route("asleep")
        answer = curl(gateway, gateway.host("asleep", 8888))
        assert answer.status == 503 and answer.header("retry-after")
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"SSH-2.0-test\r\n")
            said = b""
            while more := client.recv(4096):
                said += more
        assert b"asleep is stopped" in said
        line, = wait_for(lambda: gateway.log_lines("ssh_connection"), "the visit is not logged")
        assert line["status"] == "stopped" and line["environment_id"] == "asleep"
        assert "asleep" in gateway.envctl("routes").stdout.decode()
        bait.setblocking(False)
        with pytest.raises(BlockingIOError):
            bait.accept()
        gateway.wait_route(feed.set("asleep", http=[http(8888, web.port)]))
    assert curl(gateway, gateway.host("asleep", 8888)).status == 200


def test_nonsense_is_logged_and_harms_no_route(gateway, feed, web):
    gateway.wait_route(feed.set("demo", http=[http(8888, web.port)]))
    feed.send("{nonsense")
    wait_for(lambda: len(feed.requests) > 1, "it did not begin again")
    assert "{nonsense" in gateway.log_lines("route_feed_lost")[0]["error"]
    wait_state(gateway, "live")
    assert curl(gateway, gateway.host("demo", 8888)).status == 200
