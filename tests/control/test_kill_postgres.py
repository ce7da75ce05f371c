"""The kill test on PostgreSQL and with Redis: after each kill and restart Docker, SQL and Redis agree."""
import json

import pytest

from conftest import SOCKET, docker, sweep
from plane import Plane, wait_for
from postgres import postgres  # noqa: F401
from test_docker import spec, ssh
from test_kill import arm, check_nothing_leaked, disarm, operate, settled
from test_redis import Redis

NEVER = 10**6  # no operation passes so many points


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    made = Redis(tmp_path_factory.mktemp("redis"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def plane(tmp_path_factory, postgres, redis):
    made = Plane(tmp_path_factory.mktemp("control"), docker={"socket": SOCKET, "grace": "1s"},
                 redis={"url": f"unix://{redis.socket}"}, store=postgres.url)
    made.start()
    made.allow("ada")
    yield made
    made.stop()
    sweep()


def in_redis(redis, install):
    """By environment: its route, with the index's generation and the address that the seed's readers take."""
    routes = {}
    for key in redis.ask("KEYS", "env:*:route").split():
        id = key.split(":")[1]
        routes[id] = (json.loads(redis.ask("GET", key)), redis.ask("HGET", f"envgate:{install}", id),
                      redis.ask("GET", f"env:{id}:ip"))
    others = {key.split(":")[1] for key in redis.ask("KEYS", "env:*").split()}
    assert others == set(routes), "keys that no route explains"
    assert set(redis.ask("HKEYS", f"envgate:{install}").split()) == set(routes)
    return routes


def redis_agrees(plane, redis):
    """Every route of the database is in Redis as it is there, and nothing else."""
    answer = plane.ask("GET", "/api/routes")
    wanted = {route["env"]: (route, str(route["generation"]), route.get("address") or "")
              for route in answer["routes"]}
    try:
        return (redis.ask("GET", f"envgate:{answer['install']}:generation") == str(answer["generation"])
                and in_redis(redis, answer["install"]) == wanted)
    except AssertionError:
        return False


def has_died(plane):
    return plane.process.poll() is not None


def rested(plane, redis):
    """Also where the kill came after the answer: the publisher is a thread of its own."""
    try:
        return redis_agrees(plane, redis)
    except OSError:
        return has_died(plane)


def check(plane, redis, id, after):
    wait_for(lambda: settled(plane, id, after), after)
    wait_for(lambda: not any(plane.ask("GET", "/api/status")["passes"].values()), "it rests")
    check_nothing_leaked(plane)
    wait_for(lambda: redis_agrees(plane, redis), "Redis agrees", 10)
    if after == "running":
        access = plane.ask("GET", f"/api/environments/{id}/access")
        assert ssh(access, "hostname") == id
        assert redis.ask("GET", f"env:{id}:ip") == access["target_ip"]


def after_every_call(plane, redis, prepare, method, path, body, after):
    """One run counts the points; then one kill after each call. Before a call is after the one before it:
    test_kill.py does both."""
    def request(number, key):
        id = prepare()
        wait_for(lambda: redis_agrees(plane, redis), "Redis agrees")
        arm(plane, number)
        where = path.format(id=id)
        killed = operate(plane, method, where, body, key)
        if not killed:
            wait_for(lambda: has_died(plane) or rested(plane, redis), "it rests")
            killed = has_died(plane)
        points = (plane.faults / "passed").read_text().split()
        disarm(plane)
        return where, killed, points

    def again(where, key):
        """As a client that lost the connection does."""
        answer = plane.ask(method, where, body, Prefer="wait=60", Idempotency_Key=key)
        return answer["environment"]["id"]

    where, killed, points = request(NEVER, "count" + path)
    assert not killed
    check(plane, redis, again(where, "count" + path), after)
    calls = [number for number, name in enumerate(points, 1) if name.endswith(".after")]
    for number in calls:
        key = f"key-{method}-{path}-{number}"
        where, killed, passed = request(number, key)
        if killed:
            plane.kill()  # waits for its end
            plane.start()
        try:
            check(plane, redis, again(where, key), after)
        except AssertionError as problem:
            raise AssertionError(f"killed at point {number}, {passed[-1]}") from problem
    return [points[number - 1] for number in calls]


def drop(plane):
    for row in plane.ask("GET", "/api/environments")["environments"]:
        plane.do("DELETE", f"/api/environments/{row['id']}")


def test_create(plane, redis):
    path = "/api/environments"
    calls = after_every_call(plane, redis, lambda: drop(plane), "POST", path, spec(), "running")
    assert len(calls) > 8 and "redis.put.after" in calls and "docker.POST.after" in calls, calls


def test_delete(plane, redis):
    def one():
        rows = plane.ask("GET", "/api/environments")["environments"]
        return rows[0]["id"] if rows else plane.do("POST", "/api/environments", spec())["id"]
    calls = after_every_call(plane, redis, one, "DELETE", "/api/environments/{id}", None, "deleted")
    assert len(calls) > 4 and "redis.put.after" in calls and "docker.DELETE.after" in calls, calls
    assert docker("ps", "-aq") == "" and not redis.ask("KEYS", "env:*")
