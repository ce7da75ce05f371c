"""kill -9 of envgate-control before and after each call that leaves it, in every operation: after a restart
it converges, and nothing is leaked."""
import http.client

import pytest

from audited import ask_credential, log_in, make_key
from conftest import docker
from plane import wait_for
from test_docker import spec, ssh

MOST_POINTS = 80  # no operation passes so many


def arm(plane, number):
    (plane.faults / "passed").unlink(missing_ok=True)
    (plane.faults / "kill_at").write_text(f"{number}\n")


def disarm(plane):
    (plane.faults / "kill_at").unlink()


def operate(plane, method, path, body, key):
    """True if it was killed on the way."""
    try:
        answer = plane.ask(method, path, body, Prefer="wait=60", Idempotency_Key=key)
        assert answer["operation"]["state"] == "done", answer
    except (OSError, http.client.HTTPException):
        plane.process.wait(10)
        return True
    return False


def check_nothing_leaked(plane):
    """What Docker has, what is leased, counted and routed is what the rows say."""
    rows = plane.ask("GET", "/api/environments")["environments"]
    containers = docker("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
    assert len(containers) == len(rows), (containers, rows)
    assert set(plane.routes()) == {row["id"] for row in rows}
    running = [row for row in rows if row["state"] == "running"]
    used = plane.ask("GET", "/api/quotas/ada")["used"]
    assert used["environments"] == len(rows) and used["cpu"] == 0.5 * len(running), (used, rows)
    assert sum("running" in line for line in containers) == len(running)
    assert len(docker("volume", "ls", "-q").split()) == len(rows)
    operations = plane.ask("GET", "/api/operations?sort=-created_at")["operations"]
    assert not [o for o in operations if o["state"] in ("pending", "running")]
    assert plane.ask("GET", "/api/audit/verify")["whole"]


def settled(plane, id, state):
    row = plane.environment(id)
    return row["state"] == state and (state != "running" or row["target_ip"] is not None)


def by_password(plane, id):
    return ssh(plane.ask("GET", f"/api/environments/{id}/access"), "hostname") == id


def through_every_point(plane, prepare, method, path, body, after, gets_in=by_password):
    """Kills at the first point, the second, ... until the operation passes none more."""
    for number in range(1, MOST_POINTS):
        id = prepare()
        arm(plane, number)
        where = path.format(id=id)
        killed = operate(plane, method, where, body, f"key-{method}-{path}-{number}-{id}")
        points = (plane.faults / "passed").read_text().split()
        disarm(plane)
        if killed:
            plane.start()
            # As a client that lost the connection does: the same request again.
            answer = plane.ask(method, where, body, Prefer="wait=60",
                               Idempotency_Key=f"key-{method}-{path}-{number}-{id}")
            id = answer["environment"]["id"]
        elif id is None:
            id = plane.ask("GET", "/api/environments")["environments"][0]["id"]
        wait_for(lambda: settled(plane, id, after), f"{after} after {points[-1]}")
        wait_for(lambda: not any(plane.ask("GET", "/api/status")["passes"].values()), "it rests")
        try:
            check_nothing_leaked(plane)
        except AssertionError as problem:
            raise AssertionError(f"killed at point {number}, {points[-1]}") from problem
        if after == "running":
            assert gets_in(plane, id), f"no login after {points[-1]}"
        if not killed:
            return number - 1
    raise AssertionError("the operation passes ever more points")


@pytest.fixture
def environments(plane):
    plane.allow("ada")

    def drop():
        for row in plane.ask("GET", "/api/environments")["environments"]:
            plane.do("DELETE", f"/api/environments/{row['id']}")

    def in_state(state):
        rows = plane.ask("GET", "/api/environments")["environments"]
        id = rows[0]["id"] if rows else plane.do("POST", "/api/environments", spec())["id"]
        plane.do("POST", f"/api/environments/{id}/{'start' if state == 'running' else 'stop'}")
        return id
    return drop, in_state


def test_create(plane, environments):
    drop, _ = environments
    points = through_every_point(plane, drop, "POST", "/api/environments", spec(), "running")
    assert points > 15


def test_stop(plane, environments):
    _, in_state = environments
    path = "/api/environments/{id}/stop"
    assert through_every_point(plane, lambda: in_state("running"), "POST", path, None, "stopped") > 5


def test_start(plane, environments):
    _, in_state = environments
    path = "/api/environments/{id}/start"
    assert through_every_point(plane, lambda: in_state("stopped"), "POST", path, None, "running") > 7


def test_rebuild(plane, environments):
    _, in_state = environments
    path = "/api/environments/{id}/rebuild"
    assert through_every_point(plane, lambda: in_state("running"), "POST", path, {}, "running") > 15


@pytest.mark.parametrize("mode,before", [("audited", "passthrough"), ("passthrough", "audited")])
def test_switch_of_the_ssh_mode(plane, environments, tmp_path, mode, before):
    _, in_state = environments
    own, public = make_key(tmp_path, "gateway")

    def switched():
        id = in_state("running")
        plane.do("PATCH", f"/api/environments/{id}", {"spec": {"ssh": {"mode": before}}})
        return id

    def by_credential(plane, id):
        given = ask_credential(plane, id, public)
        address = plane.environment(id)["target_ip"]
        return log_in(tmp_path, given, own, address, 22, "hostname") == id and not by_password(plane, id)
    points = through_every_point(plane, switched, "PATCH", "/api/environments/{id}",
                                 {"spec": {"ssh": {"mode": mode}}}, "running",
                                 by_credential if mode == "audited" else by_password)
    assert points > 7


def test_delete(plane, environments):
    _, in_state = environments
    path = "/api/environments/{id}"
    assert through_every_point(plane, lambda: in_state("running"), "DELETE", path, None, "deleted") > 7
