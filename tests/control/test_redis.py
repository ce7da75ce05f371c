"""Routes in a real Redis: written, and written again after whatever happens to it."""
import json
import signal
import subprocess

import pytest

from conftest import SOCKET, sweep
from plane import Plane, wait_for
from test_docker import spec


class Redis:
    def __init__(self, directory):
        self.socket = directory / "redis.sock"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(lambda: self.ask("PING") == "PONG", "Redis answers")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture
def redis(tmp_path):
    made = Redis(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def plane(tmp_path, redis):
    made = Plane(tmp_path, docker={"socket": SOCKET, "grace": "1s"}, redis={"url": f"unix://{redis.socket}"})
    made.start()
    made.allow("ada")
    yield made
    made.stop()
    sweep()


def test_hashes_of_passwords_stay_out_of_it(plane, redis):
    made = plane.do("POST", "/api/environments", spec(ssh={"mode": "audited"}))
    wait_for(lambda: is_routed(redis, made), "its keys are there")
    users = json.loads(redis.ask("GET", f"env:{made['id']}:route"))["ssh"]["users"]
    assert users == [{"name": "root", "authorized_keys": []}]
    plane.stop()
    plane.settings["redis"]["publish_verifiers"] = True
    plane.start()

    def verifier():
        return json.loads(redis.ask("GET", f"env:{made['id']}:route"))["ssh"]["users"][0].get("verifier", "")
    wait_for(lambda: verifier().startswith("$y$"), "where a setting says so")


def is_routed(redis, environment):
    at = f"env:{environment['id']}:"
    route = json.loads(redis.ask("GET", at + "route") or "{}")
    return (route.get("state") == "running" and route["address"] == environment["target_ip"]
            and redis.ask("GET", at + "ip") == environment["target_ip"]
            and redis.ask("GET", at + "ssh_port") == str(environment["ssh_port"])
            and redis.ask("GET", at + "type") == "container"
            and json.loads(redis.ask("GET", at + "access_info"))["environment_id"] == environment["id"])


def test_routes_are_in_redis_and_come_back(plane, redis):
    redis.ask("SET", "env:theirs:ip", "10.0.0.9")  # another platform's, in the same server
    made = plane.do("POST", "/api/environments", spec())
    wait_for(lambda: is_routed(redis, made), "the route is written")
    password = plane.ask("GET", f"/api/environments/{made['id']}/access")["ssh_password"]
    for key in redis.ask("KEYS", "*").split():
        assert password not in redis.ask("GET", key)

    redis.ask("FLUSHALL")
    wait_for(lambda: is_routed(redis, made), "after FLUSHALL")
    redis.ask("SET", "env:theirs:ip", "10.0.0.9")
    redis.kill()
    redis.start()  # a new server, and empty
    wait_for(lambda: is_routed(redis, made), "after a new server")
    redis.ask("SET", "env:theirs:ip", "10.0.0.9")
    plane.kill()
    redis.ask("FLUSHALL")
    redis.ask("SET", "env:theirs:ip", "10.0.0.9")
    plane.start()
    wait_for(lambda: is_routed(redis, made), "after a restart of control")

    plane.do("POST", f"/api/environments/{made['id']}/stop")
    at = f"env:{made['id']}"
    wait_for(lambda: json.loads(redis.ask("GET", f"{at}:route"))["state"] == "stopped", "it says so")
    assert redis.ask("GET", f"env:{made['id']}:ip") == "", "an address that may be another's by now"
    plane.do("DELETE", f"/api/environments/{made['id']}")
    wait_for(lambda: not redis.ask("KEYS", f"env:{made['id']}:*"), "its keys go")
    assert redis.ask("GET", "env:theirs:ip") == "10.0.0.9"


def test_an_older_route_never_overwrites_a_newer(plane, redis):
    made = plane.do("POST", "/api/environments", spec())
    wait_for(lambda: is_routed(redis, made), "the route is written")
    install = plane.ask("GET", "/api/status")["install"]
    redis.ask("HSET", f"envgate:{install}", made["id"], "1000000")  # as another controller, far ahead
    redis.ask("SET", f"env:{made['id']}:route", "newer")
    redis.ask("DEL", f"envgate:{install}:generation")  # makes ours write everything anew
    wait_for(lambda: redis.ask("GET", f"envgate:{install}:generation"), "written anew")
    assert redis.ask("GET", f"env:{made['id']}:route") == "newer"
