"""Two controllers, each a process with its own socket, on one PostgreSQL: one is killed, the other takes
over what it was at."""
import json

import pytest

from conftest import SOCKET, docker, sweep
from plane import Plane, wait_for
from postgres import postgres  # noqa: F401
from test_docker import spec
from wire import Wire

ENVIRONMENTS = 20


@pytest.fixture(scope="module")
def planes(tmp_path_factory, postgres):
    made = []
    for name in ("one", "two"):
        directory = tmp_path_factory.mktemp(name)
        made.append(Plane(directory, docker={"socket": SOCKET, "grace": "1s"}, store=postgres.url,
                          key_file=f"{tmp_path_factory.getbasetemp()}/control.key"))
    for plane in made:
        plane.start()
    yield made
    for plane in made:
        plane.stop()
    sweep()


class Feed:
    """The routes as a gateway that watches knows them."""

    def __init__(self, plane):
        self.wire = Wire(plane.socket).ask("GET", "/api/routes?watch=1")
        assert self.wire.head()[0] == 200
        self.text, self.routes, self.generation, self.generations = b"", {}, None, []

    def take(self):
        """One line."""
        while b"\n" not in self.text:
            self.text += self.wire.chunk()
        line, self.text = self.text.split(b"\n", 1)
        told = json.loads(line)
        if told["type"] == "route":
            self.routes[told["route"]["env"]] = told["route"]
        if told["type"] == "gone":
            self.routes.pop(told["env"], None)
        if told["type"] in ("route", "gone") and "generation" in told:
            self.generations.append(told["generation"])
        if told["type"] != "begin":  # which only says where the snapshot will have come to
            self.generation = told.get("generation", self.generation)

    def until(self, generation):
        while self.generation is None or self.generation < generation:
            self.take()
        return self.routes


def create_half_at_each(planes):
    ids = []
    for number in range(ENVIRONMENTS):
        body = {**spec(), "name": f"number-{number}"}
        ids.append(planes[number % 2].ask("POST", "/api/environments", body)["environment"]["id"])
    return ids


def states(plane):
    return [row["state"] for row in plane.ask("GET", "/api/environments")["environments"]]


def check_all_agree(planes, feeds, ids):
    snapshots = [plane.ask("GET", "/api/routes") for plane in planes]
    assert snapshots[0] == snapshots[1]
    wanted = {route["env"]: route for route in snapshots[0]["routes"]}
    assert set(wanted) == set(ids)
    for feed in feeds:
        assert feed.until(snapshots[0]["generation"]) == wanted
        assert feed.generations == sorted(set(feed.generations)), "a change came twice, or out of its order"
    containers = docker("ps", "-a", "--format", '{{.Label "envgate.env"}} {{.State}}').splitlines()
    assert sorted(containers) == sorted(f"{id} running" for id in ids)
    assert len(docker("volume", "ls", "-q").split()) == len(ids)
    networks = docker("network", "ls", "-q", "--filter", "label=envgate.owner=ada").split()
    assert len(networks) == (1 if ids else 0), networks
    operations = planes[0].ask("GET", "/api/operations?limit=1000")["operations"]
    assert not [one for one in operations if one["state"] != "done"]
    assert all(plane.ask("GET", "/api/audit/verify")["whole"] for plane in planes)


def test_one_takes_over_what_the_other_was_at(planes):
    one, two = planes
    assert one.ask("GET", "/api/status")["install"] == two.ask("GET", "/api/status")["install"]
    one.allow("ada")
    feed = Feed(two)
    ids = create_half_at_each(planes)
    wait_for(lambda: states(two).count("running") >= 3, "some run")
    one.kill()
    assert states(two).count("running") < ENVIRONMENTS, "it was killed in the middle"
    wait_for(lambda: states(two).count("running") == ENVIRONMENTS, "all run", 60)
    wait_for(lambda: not any(two.ask("GET", "/api/status")["passes"].values()), "it rests")
    one.start()
    check_all_agree(planes, [feed, Feed(one)], ids)

    again = Feed(one)
    again.take()  # it has begun
    for number, id in enumerate(ids):
        planes[number % 2].ask("DELETE", f"/api/environments/{id}")
    wait_for(lambda: states(one) == [], "all are gone", 60)
    check_all_agree(planes, [feed, again], [])


def test_one_deletes_while_the_other_creates(planes):
    """The owner's network goes with its last environment, and comes with the first."""
    one, two = planes
    one.allow("ada")
    made = one.do("POST", "/api/environments", spec())
    for number in range(6):
        one, two = two, one
        one.ask("DELETE", f"/api/environments/{made['id']}")
        made = two.do("POST", "/api/environments", {**spec(), "name": f"round-{number}"})
        assert made["target_ip"]
    wait_for(lambda: states(one) == ["running"], "the last one alone is left")
    check_all_agree(planes, [], [made["id"]])
