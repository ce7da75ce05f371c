"""The processes of audited sessions: killed, stopped, crowded out, and held up by peers that take their
time."""
# ctest: timeout=300 processors=2
import os
import signal
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import Deadline, Sshd, audited, run, wait_for
from harness.hostile_ssh import AUTH_FAILURE, Client, Ended, string
from harness.machine import SLOW
from harness.routes import ENV, ssh
from harness.ssh_scene import BENT, Bystander, Scene, children

PASSING = "passing0through"
# Of a password that nobody knows.
VERIFIER = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
STRANGER = Ed25519PrivateKey.generate()


@pytest.fixture
def make_scene(tmp_path, ca, sshd):
    """A scene of the test's own, with settings of ssh.audited; ends with it."""
    made = []

    def make(**settings):
        made.append(Scene(tmp_path, ca, sshd, **settings).__enter__())
        return made[-1]
    yield make
    for scene in made:
        scene.__exit__()


# -- what takes its time: begun before the first test, looked at in the last ones

class Slow:
    """A session process that was stopped, and a login to a target that says nothing."""

    def __init__(self, scene):
        self.scene, self.told = scene, None
        before = scene.sessions()
        self.stopped = scene.customer()
        self.process = scene.newest(before)
        os.kill(self.process, signal.SIGSTOP)
        self.left = threading.Event()
        scene.script = lambda sock: self.left.wait(120)
        self.waiting = scene.client(scene.bent_port)
        self.waiting.sock.settimeout(60 * SLOW)
        self.waiting.send(self.waiting.signed(scene.user, scene.key))
        self.thread = threading.Thread(target=self.hear, daemon=True)
        self.thread.start()

    def hear(self):
        self.told = self.waiting.farewell()


@pytest.fixture(scope="module", autouse=True)
def slow(tmp_path_factory, ca, sshd):
    with Scene(tmp_path_factory.mktemp("slow"), ca, sshd) as scene:
        held = Slow(scene)
        yield held
        held.left.set()


# -- processes that end

@pytest.mark.usefixtures("untouched")
def test_a_session_process_that_is_killed(scene):
    """It takes its session with it, and nothing else; it is no crash that the source is punished for."""
    before = scene.sessions()
    client = scene.customer()
    os.kill(scene.newest(before), signal.SIGKILL)
    assert client.farewell() == ""
    client.close()
    assert scene.line_of(client)["status"] == "session_lost"
    scene.customer().close()


@pytest.mark.usefixtures("untouched")
def test_a_session_process_that_is_killed_while_it_logs_in(scene):
    before = scene.sessions()
    client = scene.client()
    os.kill(scene.newest(before), signal.SIGKILL)
    assert client.farewell() == ""
    client.close()
    scene.customer().close()


def test_a_keeper_that_is_killed(make_scene):
    """Its sessions end with it; new ones work within seconds; what is passed through does not notice."""
    scene = make_scene()
    port = scene.gateway.ssh_port()
    scene.gateway.wait_route(scene.routes.set(PASSING, ssh=ssh(port, scene.sshd.port), kind="physical"))
    argv = [*map(str, scene.sshd.options()), "-p", str(port), f"{scene.user}@127.0.0.1"]
    passing = Bystander(["/usr/bin/ssh", *argv], scene.gateway.directory / "passing.log")
    files = scene.gateway.process.open_files()
    for _ in range(2):
        client = scene.customer()
        half_way = scene.client()
        sessions = scene.sessions()
        assert len(sessions) == 2
        keeper = scene.keeper()
        os.kill(keeper, signal.SIGKILL)
        assert client.farewell() == half_way.farewell() == ""
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in sessions),
                 "a session outlived its keeper")
        wait_for(lambda: scene.keeper() not in (None, keeper), "no keeper came")
        wait_for(lambda: works(scene), "new sessions do not work", 5)
        passing.check()
        client.close()
        half_way.close()
    passing.leave()
    wait_for(lambda: scene.gateway.process.open_files() <= files, "descriptors are left")
    wait_for(lambda: not scene.sessions(), "processes are left")
    assert len(scene.log("session_keeper_ended")) == 2 and scene.crashes() == 0


def works(scene):
    try:
        scene.customer().close()
        return True
    except (Ended, OSError):
        return False


@pytest.mark.usefixtures("untouched")
def test_the_targets_server_is_killed(scene, tmp_path):
    """The customer is told, and the session ends."""
    with Sshd(tmp_path / "sshd") as server:
        (server.directory / "user_ca.pub").write_text(scene.sshd.user_ca.line() + "\n")
        shown = audited.ssh(0, server)["host_keys"]
        scene.gateway.wait_route(scene.bend_route(target_port=server.port, host_keys=shown))
        client = scene.customer(scene.bent_port)
        client.exec(client.open(), b"cat")
        assert client.echoes(0, b"hello")
        doomed = children(server.process.pid)
        for pid in doomed | set().union(*map(children, doomed)) | {server.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        assert client.farewell().startswith("the environment closed the connection")
        client.close()
        again = scene.client(scene.bent_port)
        again.send(again.signed(scene.user, scene.key))
        assert again.farewell() == f"environment {BENT} refuses the connection"
        again.close()
    scene.gateway.wait_route(scene.bend_route())


def test_openssh_shows_why_it_is_not_let_in(scene):
    """A target with another host key than the pinned one, as a customer sees it."""
    def script(sock):
        server = scene.server(sock)
        server.host_key = STRANGER
        server.handshake()
        server.receive()
    scene.script = script
    argv = scene.ssh("true", env=BENT, port=scene.bent_port)
    done = run(argv, check=False)
    assert done.returncode == 255
    assert b"shows another host key than the one that was pinned" in done.stderr


# -- slow ones, and crowds

def test_the_login_takes_no_longer_than_it_may(make_scene):
    scene = make_scene(login_grace="2s")
    bystander, before = scene.bystander(), scene.measure()
    silent, dribbling, half_way = Client(scene.port), Client(scene.port), scene.client()
    left = {silent, dribbling, half_way}
    deadline = Deadline(15)
    text = iter(b"SSH-2.0-slow" + b"x" * 200)
    while left and not deadline.passed():
        for client in set(left):
            client.sock.settimeout(0.1)  # a byte, then a tenth of a second for an answer
            try:
                if client is dribbling:
                    client.write(bytes([next(text)]))
                client.read(len(client.buffer) + 1)
            except TimeoutError:
                pass
            except Ended:
                left.discard(client)
    assert not left
    for client in (silent, dribbling, half_way):
        line = scene.line_of(client)
        assert line["status"] == "login_grace_exceeded" and 1.9 < line["duration"] < 4 * SLOW
        client.close()
    bystander.check()
    scene.check(before)
    bystander.leave()


def test_held_connections_never_starve_fresh_logins(make_scene):
    """As many silent ones as there are places, opened again as soon as they are closed."""
    scene = make_scene(login_grace="2s", startups={"begin": 5, "rate": 50, "full": 20})
    bystander, over = scene.bystander(), threading.Event()

    def hold():
        while not over.is_set():
            try:
                client = Client(scene.port)
                client.sock.settimeout(0.2)
                while not over.is_set():
                    try:
                        if not client.sock.recv(4096):
                            client.close()
                    except TimeoutError:
                        pass
            except OSError:
                over.wait(0.2)
    holders = [threading.Thread(target=hold) for _ in range(30)]
    for holder in holders:
        holder.start()
    wait_for(lambda: scene.gateway.refused("early_drop") + scene.gateway.refused("full") > 20,
             "nobody is held off")
    for _ in range(2):
        wait_for(lambda: works(scene), "fresh logins starve", 60)
    assert len(scene.sessions()) <= 22
    bystander.check()
    over.set()
    for holder in holders:
        holder.join()
    wait_for(lambda: len(scene.sessions()) == 1, "processes are left", 15)
    bystander.leave()


@pytest.mark.parametrize("per_source", [0, 30])
def test_two_hundred_connections_at_once_from_one_source(make_scene, per_source):
    scene = make_scene(startups={"per_source": per_source})
    bystander, before = scene.bystander(), scene.measure()
    crowd = [Client(scene.port, source="127.0.0.1") for _ in range(200)]
    wait_for(lambda: len(scene.sessions()) + sum(map(scene.gateway.refused, ("source", "early_drop"))) >= 201,
             lambda: f"{len(scene.sessions())} processes", 30)
    served = len(scene.sessions()) - 1
    assert served <= 30 if per_source else 100 <= served < 200
    if per_source:
        Client(scene.port, source="127.0.0.2").handshake().close()  # another source has its own places
    bystander.check()
    for client in crowd:
        client.close()
    wait_for(lambda: len(scene.sessions()) == 1, "processes are left", 30)
    scene.customer().close()
    scene.check(before)
    bystander.leave()


def test_a_flood_of_passwords_is_held_off(make_scene):
    scene = make_scene(penalties={"enabled": True})
    user = {**scene.routes.routes[ENV]["ssh"]["users"][0], "verifier": VERIFIER}
    scene.gateway.wait_route(scene.route(ENV, scene.port, users=[user]))
    bystander = scene.bystander()
    tried = 0
    for _ in range(10):
        tried += tries(scene)
        if scene.gateway.refused("source_penalized"):
            break
    assert 6 <= tried <= 30
    with pytest.raises(Ended):
        scene.client(source="127.0.0.1")
    scene.client(source="127.0.0.2").close()  # it is the source, not the port, that waits
    bystander.check()
    bystander.leave()


def tries(scene):
    """How many passwords one connection may try."""
    count = 0
    try:
        client = scene.client(source="127.0.0.1")
        while True:
            client.send(client.auth_request(scene.user, b"password", b"\0", string(b"wrong")))
            assert client.expect(AUTH_FAILURE)
            count += 1
    except Ended:
        return count


def test_who_is_exempt_is_not_held_off(make_scene):
    scene = make_scene(penalties={"enabled": True, "exempt": ["127.0.0.1/32"]})
    for _ in range(10):
        client = scene.client(source="127.0.0.1")
        client.send(client.signed(scene.user, STRANGER))
        client.expect(AUTH_FAILURE)
        client.close()
    scene.customer(source="127.0.0.1").close()
    assert scene.gateway.refused("source_penalized") == 0


# -- at last

def test_a_target_that_says_nothing(slow):
    slow.thread.join(60 * SLOW)
    assert slow.told == f"environment {BENT} cannot be logged in to: it takes too long"
    slow.waiting.close()


def test_a_stopped_session_process_is_found(slow):
    """The monitor asks every 15 seconds, and waits a minute for an answer."""
    slow.stopped.sock.settimeout(120 * SLOW)
    assert slow.stopped.farewell() == ""
    slow.stopped.close()
    assert slow.scene.line_of(slow.stopped)["status"] == "session_lost"
    assert slow.scene.gateway.refused("session_hung") == 1 and len(slow.scene.log("ssh_session_hung")) == 1
    wait_for(lambda: not slow.scene.sessions(), "processes are left")
    assert slow.scene.crashes() == 0
