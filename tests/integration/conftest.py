"""Fixtures: a certificate authority and an sshd for the whole module run,
and per test a gateway with a route file."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import audited  # noqa: E402
from harness import Ca, EchoTarget, Gateway, HttpTarget, RouteFile, Sshd  # noqa: E402
from harness.machine import BIN, need  # noqa: E402
from harness.routes import ENV, http, ssh  # noqa: E402
from harness.ssh_scene import Scene  # noqa: E402
from harness.victim import ENV as VICTIM  # noqa: E402
from harness.victim import answer_each  # noqa: E402

DOMAIN = "envgate.test"


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    return Ca(tmp_path_factory.mktemp("ca"), DOMAIN)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def web():
    with HttpTarget() as target:
        yield target


@pytest.fixture(scope="module", params=["passthrough", "audited"])
def ssh_gateway(request, tmp_path_factory, ca, sshd):
    """One gateway for a module whose tests change nothing in it: one environment, in either mode, and its
    port `env_port`."""
    directory = tmp_path_factory.mktemp("gateway")
    routes = RouteFile(directory / "routes.yaml")
    is_audited = request.param == "audited"
    if is_audited:
        need((BIN / "envgate-session").exists(),
             "envgate-session is not built: conf/libssh could not build libssh")
    gateway = Gateway(directory, ca, audited.settings(directory, sshd) if is_audited else None)
    gateway.env_port = gateway.ssh_port()
    gateway.audited = is_audited
    way = audited.ssh(gateway.env_port, sshd) if is_audited else ssh(gateway.env_port, sshd.port)
    route = routes.set(ENV, ssh=way, kind="physical")
    with gateway:
        gateway.wait_route(route)
        yield gateway


@pytest.fixture
def entry(ssh_gateway, sshd):
    """The sshd as clients of `ssh_gateway` see it."""
    return audited.entry(sshd, ssh_gateway.directory, ENV) if ssh_gateway.audited else sshd


# -- for the modules of attacks

@pytest.fixture(scope="module")
def target():
    """The attacked environment's target."""
    with EchoTarget(answer_each) as server:
        yield server


@pytest.fixture(scope="module")
def front(tmp_path_factory, request, ca, target):
    """A gateway before `target`, with the settings in FRONT, if the module has any.
    It opens a connection to the target for each request, so that what came of one stands by itself."""
    directory = tmp_path_factory.mktemp("attacks")
    routes = RouteFile(directory / "routes.yaml")
    settings = {"target": {"pool_idle": "0"}, **getattr(request.module, "FRONT", {})}
    with Gateway(directory, ca, settings) as gateway:
        gateway.wait_route(routes.set(VICTIM, http=[http(8888, target.port)]))
        yield gateway


@pytest.fixture
def name(front):
    """The public name of the attacked environment."""
    return front.host(VICTIM, 8888)


# -- for the modules of hostile SSH peers

@pytest.fixture(scope="module")
def scene(tmp_path_factory, request, ca, sshd):
    """A gateway with audited sessions, with the settings of ssh.audited in AUDITED, if the module has any."""
    with Scene(tmp_path_factory.mktemp("scene"), ca, sshd, **getattr(request.module, "AUDITED", {})) as stage:
        yield stage


@pytest.fixture(scope="module")
def bystander(scene):
    customer = scene.bystander()
    yield customer
    customer.leave()


@pytest.fixture
def untouched(scene, bystander):
    """Whatever the test does: the customer who was there before goes on, and nothing is left behind."""
    before = scene.measure()
    yield
    bystander.check()
    scene.check(before)


# -- a gateway for one test

@pytest.fixture
def routes(tmp_path):
    """The route file of the `gateway` fixture's gateways; a test fills it before or after they start."""
    directory = tmp_path / "gateway"
    directory.mkdir()
    return RouteFile(directory / "routes.yaml")


@pytest.fixture
def make_gateway(tmp_path, ca, routes):
    """Starts gateways with settings of the test's own, and ends them with it: make_gateway(settings, ...)."""
    started = []

    def make(settings=None, start=True, name="gateway", **options):
        gateway = Gateway(tmp_path / name, ca, settings, **options)
        started.append(gateway)
        return gateway.start() if start else gateway

    yield make
    for gateway in started:
        gateway.dispose()


@pytest.fixture
def gateway(make_gateway):
    return make_gateway()


@pytest.fixture
def host(gateway, routes, web):
    """The public name of an application that answers, in both protocols."""
    gateway.wait_route(routes.set(ENV, http=[http(8888, web.port)]))
    return gateway.host(ENV, 8888)


@pytest.fixture(params=[False, True], ids=["h1", "h2"])
def http2(request):
    return request.param
