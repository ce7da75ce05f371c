# ctest: timeout=600 processors=2
"""Routes from a real redis-server: written by hand as the existing platform writes them, changed,
expired and lost; with the server gone, frozen, emptied and back. Customers' requests go on all the while."""
import json
import os
import socket
import threading
import time

import pytest

from harness import SLOW, EchoTarget, Redis, Sshd, curl, debian_tool, run, wait_for
from harness.http_target import HttpTarget
from harness.routes import http
from harness.ssh_clients import OpenSsh

SEED = "6hiflzwte2xnkroq"


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path) as server:
        yield server


@pytest.fixture
def gateway(make_gateway, redis, web):
    """Routes from Redis; the web target's port is one of the default ports, for routes that declare none."""
    return make_gateway(settings(redis, web))


def settings(redis, web, **more):
    return {"routes": {"source": "redis", "redis": {"url": redis.url}, **more},
            "http": {"default_ports": [web.port]}}


def set_route(redis, env, generation, http_ports, **more):
    """The JSON route, in one SET, as our own control plane writes it."""
    route = {"env": env, "generation": generation, "kind": "container", "state": "running",
             "address": "127.0.0.1", "http": http_ports, **more}
    redis.cli("SET", f"env:{env}:route", json.dumps(route))
    return route


class Traffic:
    """Requests to one environment, one after the other on fresh connections, until it is stopped.
    Every failure is kept."""

    def __init__(self, gateway, host):
        self.gateway, self.host = gateway, host
        self.count, self.failures = 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.is_set():
            try:
                answer = curl(self.gateway, self.host, check=False, seconds=20)
                if answer.status != 200:
                    self.failures.append((time.monotonic(), answer.status, answer.error))
            except AssertionError as error:
                self.failures.append((time.monotonic(), str(error)))
            self.count += 1

    def more(self, requests=5):
        """Until so many more have been answered."""
        goal = self.count + requests
        wait_for(lambda: self.count >= goal, "the traffic has stopped", 60)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()
        if error == (None, None, None):
            assert not self.failures, f"{len(self.failures)} of {self.count}: {self.failures[:5]}"
            assert self.count > 5


# -- the seed's keys

@pytest.fixture
def machine():
    """An address of its own on loopback, as a rented machine has:
    its sshd can then be on port 22, as the seed has it."""
    number = os.getpid()
    address = f"127.{100 + number % 100}.{number // 100 % 256}.1"
    with socket.socket() as probe:
        try:
            probe.bind((address, 22))
        except OSError as error:
            pytest.skip(f"the seed's targets listen on port 22, which cannot be bound here: {error.strerror}")
    return address


def test_the_seeds_keys_alone_work_at_once(make_gateway, redis, machine, tmp_path):
    """As in the seed: three SETs with redis-cli, and the ssh command and the URL work."""
    with Sshd(tmp_path / "sshd", machine, 22) as sshd, HttpTarget(machine) as page:
        gateway = make_gateway(settings(redis, page))
        port = gateway.ssh_port()
        redis.seed_route(SEED, machine, port, "physical")
        begin = time.monotonic()
        wait_for(lambda: listening(port), "the ssh port did not open", 2)
        wait_for(lambda: gateway.route(SEED)["kind"] == "physical", "the type is not known", 2)
        assert time.monotonic() - begin < 1 * SLOW
        assert run(OpenSsh(sshd, port, tmp_path).command("echo reached")).stdout == b"reached\n"
        assert curl(gateway, gateway.host(SEED, page.port)).status == 200


def test_access_info_carries_what_it_says(gateway, redis, web):
    """The seed's fourth key holds a password, which must appear nowhere."""
    redis.seed_route(SEED, "127.0.0.1", gateway.ssh_port())
    redis.cli("SET", f"env:{SEED}:access_info",
              json.dumps({"environment_id": SEED, "ssh_password": "hunter2hunter2"}))
    route = wait_for(lambda: gateway.route(SEED), "the route did not come")
    assert "hunter2" not in json.dumps(route)
    assert "hunter2" not in gateway.process.log.read_text()


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def test_our_own_key_wins_over_the_seeds(gateway, redis, web):
    with HttpTarget(name="json") as other:
        redis.seed_route("both", "127.0.0.1", gateway.ssh_port())
        wait_for(lambda: gateway.route("both"), "the route did not come")
        set_route(redis, "both", 1, [http(8888, other.port)])
        wait_for(lambda: gateway.route("both")["generation"] == 1, "the JSON route is not obeyed")
        assert curl(gateway, gateway.host("both", 8888)).json()["target"] == "json"
        redis.cli("DEL", "env:both:route")
        wait_for(lambda: curl(gateway, gateway.host("both", 8888)).status == 403,
                 "it did not fall back to the seed's keys")
        assert curl(gateway, gateway.host("both", web.port)).status == 200
        # it lost whatever the record said of who may come, and how
        assert [line["environment_id"] for line in gateway.log_lines("route_record_gone")] == ["both"]


# -- changes

def test_a_change_is_obeyed_within_50_ms(gateway, redis, web):
    """From the moment that Redis has taken the SET until a
    request reaches the new target, measured over many."""
    with HttpTarget(name="a") as a, HttpTarget(name="b") as b:
        set_route(redis, "hops", 1, [http(8888, a.port)])
        wait_for(lambda: gateway.route("hops"), "the route did not come")
        delays = []
        for generation in range(2, 22):
            target = (a, b)[generation % 2]
            set_route(redis, "hops", generation, [http(8888, target.port)])
            begin = time.monotonic()
            while gateway.route("hops")["generation"] != generation:
                assert time.monotonic() - begin < 5
            delays.append(time.monotonic() - begin)
            assert curl(gateway, gateway.host("hops", 8888)).json()["target"] == target.name
        assert sorted(delays)[-2] < 0.05 * SLOW, sorted(delays)


def test_not_one_byte_to_the_old_target_after_a_change(gateway, redis):
    """Once the gateway has acknowledged a generation, the old address is another tenant's."""
    def answer(connection):
        answered = 0
        while connection.recv():
            while answered < connection.received.count(b"\r\n\r\n"):
                answered += 1
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with EchoTarget(answer) as old, EchoTarget(answer) as new:
        set_route(redis, "tenant", 1, [http(8888, old.port)])
        wait_for(lambda: gateway.route("tenant"), "the route did not come")
        host = gateway.host("tenant", 8888)
        with Traffic(gateway, host) as traffic:
            traffic.more()
            set_route(redis, "tenant", 2, [http(8888, new.port)])
            wait_for(lambda: gateway.route("tenant")["generation"] == 2, "the change is not obeyed")
            traffic.more(2)  # those that were already on their way
            before = sum(map(len, old.seen()))
            traffic.more(20)
            assert sum(map(len, old.seen())) == before
        assert all(connection.ended.is_set() for connection in old.connections), \
            "a pooled connection was kept"


def test_delete_and_expiry(gateway, redis, web):
    set_route(redis, "deleted", 1, [http(8888, web.port)])
    redis.seed_route("expires", "127.0.0.1", gateway.ssh_port())
    for env in ("deleted", "expires"):
        wait_for(lambda: gateway.route(env), f"the route of {env} did not come")
    redis.cli("DEL", "env:deleted:route")
    gateway.wait_gone("deleted", 1)
    assert curl(gateway, gateway.host("deleted", 8888)).status == 404
    for key in ("ip", "ssh_port", "type"):
        redis.cli("PEXPIRE", f"env:expires:{key}", "300")
    gateway.wait_gone("expires", 5)


def test_an_unknown_environment_is_known_as_soon_as_it_is_written(gateway, redis, web):
    """That it was asked for before, and was not there, must not be remembered against it."""
    host = gateway.host("late", 8888)
    assert curl(gateway, host).status == 404
    set_route(redis, "late", 1, [http(8888, web.port)])
    wait_for(lambda: curl(gateway, host).status == 200, "it is still not known", 1)


def test_the_last_of_many_quick_writes_is_obeyed(gateway, redis, web):
    """Changes that come while an earlier one is being read win over that read."""
    set_route(redis, "race", 5, [http(8888, web.port)])
    wait_for(lambda: gateway.route("race"), "the route did not come")
    for generation in range(6, 40):
        set_route(redis, "race", generation, [http(8888, web.port)])
    wait_for(lambda: gateway.route("race")["generation"] == 39, "the last write is not obeyed")


def test_bad_routes_harm_no_other(gateway, redis, web):
    redis.cli("SET", "env:broken:route", "{not json")
    redis.cli("SET", "env:metadata:ip", "169.254.169.254")
    redis.cli("SET", "env:named:ip", "db.internal")
    redis.cli("SET", "env:UPPER:ip", "127.0.0.1")
    redis.cli("LPUSH", "env:list:ip", "127.0.0.1")
    redis.cli("SET", "env:public:ip", "8.8.8.8")
    set_route(redis, "good", 1, [http(8888, web.port)])
    wait_for(lambda: gateway.route("good"), "the good route did not come")
    for env in ("broken", "metadata", "named", "list", "public"):
        assert gateway.route(env) is None, env
        assert curl(gateway, gateway.host(env, 8888)).status == 404
    assert curl(gateway, gateway.host("good", 8888)).status == 200


# -- the server's troubles, under traffic

@pytest.fixture
def host(gateway, redis, web):
    set_route(redis, "steady", 1, [http(8888, web.port)])
    wait_for(lambda: gateway.route("steady"), "the route did not come")
    return gateway.host("steady", 8888)


def source_is_connected(gateway):
    return gateway.metric("envgate_route_source_connected") == 1


def test_killed_and_restarted_empty(gateway, redis, web, host):
    """kill -9, then a new server with nothing in it:
    known environments go on, since nothing says that they are gone."""
    with Traffic(gateway, host) as traffic:
        traffic.more()
        redis.kill()
        wait_for(lambda: not source_is_connected(gateway), "the loss was not noticed")
        traffic.more(10)
        redis.start()
        wait_for(lambda: source_is_connected(gateway), "it did not connect again", 20)
        set_route(redis, "steady", 2, [http(8888, web.port)])  # the control plane fills it again
        wait_for(lambda: (gateway.route("steady") or {}).get("generation") == 2,
                 "changes are not followed again")
        traffic.more()


def test_changes_made_while_away_are_found_on_return(gateway, redis, web, tmp_path):
    redis.cli("CONFIG", "SET", "appendonly", "yes")
    set_route(redis, "stays", 1, [http(8888, web.port)])
    set_route(redis, "changes", 1, [http(8888, web.port)])
    set_route(redis, "goes", 1, [http(8888, web.port)])
    for env in ("stays", "changes", "goes"):
        wait_for(lambda: gateway.route(env), f"{env} did not come")
    redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
    set_route(redis, "changes", 2, [http(9999, web.port)])
    redis.cli("DEL", "env:goes:route")
    wait_for(lambda: gateway.route("changes")["generation"] == 2, "the change was missed", 10)
    gateway.wait_gone("goes", 10)
    assert gateway.route("stays")


def test_frozen_for_30_seconds(gateway, redis, web, host):
    """SIGSTOP: the connection stays open and nothing comes. No request waits for it."""
    with Traffic(gateway, host) as traffic:
        traffic.more()
        redis.freeze()
        try:
            wait_for(lambda: not source_is_connected(gateway), "the silence was not noticed", 10)
            begin = time.monotonic()
            while time.monotonic() - begin < 30:
                traffic.more(3)
            # an unknown one cannot be asked for: it is refused within its deadline, not held for ever
            answer = curl(gateway, gateway.host("unknown", 8888), seconds=15)
            assert answer.status in (404, 503) and answer.seconds < 10
        finally:
            redis.thaw()
        wait_for(lambda: source_is_connected(gateway), "it did not recover", 20)
        set_route(redis, "steady", 2, [http(8888, web.port)])
        wait_for(lambda: gateway.route("steady")["generation"] == 2, "changes are not followed again")


def test_flushall_empties_the_routes(gateway, redis, web, host):
    """Here the server itself says that they are gone."""
    assert curl(gateway, host).status == 200
    redis.cli("FLUSHALL")
    gateway.wait_gone("steady", 15)
    assert curl(gateway, host).status == 404
    set_route(redis, "steady", 3, [http(8888, web.port)])
    wait_for(lambda: curl(gateway, host).status == 200, "it did not come back")


def test_start_without_redis_from_the_last_good_table(make_gateway, redis, web, tmp_path):
    """The gateway is restarted while Redis is away: it starts from its own copy and serves what it knew."""
    snapshot = str(tmp_path / "snapshot")
    gateway = make_gateway(settings(redis, web, snapshot=snapshot))
    set_route(redis, "kept", 1, [http(8888, web.port)])
    wait_for(lambda: gateway.route("kept"), "the route did not come")
    wait_for(lambda: (tmp_path / "snapshot").exists() and b"kept" in (tmp_path / "snapshot").read_bytes(),
             "the table was not written", 20)
    gateway.stop()
    redis.kill()
    gateway.start(wait=False)
    host = gateway.host("kept", 8888)

    def answers():
        answer = curl(gateway, host, check=False)
        return answer.status == 200
    gateway.process.wait_until(answers, "serving from its snapshot", 20)
    redis.start()
    set_route(redis, "kept", 2, [http(8888, web.port)])
    wait_for(lambda: gateway.route("kept")["generation"] == 2, "it did not return to Redis", 20)


def test_start_before_redis(make_gateway, redis, web):
    """Nothing known and nobody to ask: not ready, and ready as soon as there is."""
    redis.kill()
    gateway = make_gateway(settings(redis, web), start=False)
    gateway.start(wait=False)
    gateway.process.wait_until(lambda: healthy(gateway), "alive")
    assert not gateway.ready()
    redis.start()
    set_route(redis, "first", 1, [http(8888, web.port)])
    gateway.wait_ready()
    wait_for(lambda: gateway.route("first"), "the route did not come")


def healthy(gateway):
    try:
        return gateway.admin("GET", "/healthz")[0] == 200
    except OSError:
        return False


def test_an_evicting_server_is_named(make_gateway, tmp_path, web):
    """The seed's own setting, allkeys-lru, can drop routes silently:
    it is said, or refused where that was asked for."""
    with Redis(tmp_path, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as redis:
        gateway = make_gateway(settings(redis, web))
        wait_for(lambda: gateway.metric("envgate_redis_may_evict_routes") == 1, "the metric does not say so")
        assert any("allkeys-lru" in json.dumps(line) for line in gateway.log_lines())


def test_a_thousand_routes_at_once(gateway, redis, web):
    """A pipelined write, as a platform fills a new server; and customers need not wait for the last."""
    lines = "".join(
        f"SET env:many{n}:route '" + json.dumps({"env": f"many{n}", "generation": 1, "kind": "container",
                                                "state": "running", "address": "127.0.0.1",
                                                "http": [http(8888, web.port)]}) + "'\n" for n in range(1000))
    run([debian_tool("redis-cli"), "-p", redis.port], input=lines.encode())
    wait_for(lambda: gateway.metric("envgate_routes") >= 1000,
             lambda: f"{gateway.metric('envgate_routes')} of 1000")
    assert curl(gateway, gateway.host("many999", 8888)).status == 200
