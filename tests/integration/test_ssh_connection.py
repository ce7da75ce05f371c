# ctest: timeout=400
"""What one SSH connection carries beside a command: forwards of every kind, X11, a hundred channels, signals
and sizes, while both ends change keys at each megabyte and the server wants a sign of life each second."""
import asyncio
import hashlib
import os
import secrets
import signal
import socket
import struct
import subprocess
import threading
import warnings

import pytest

from harness import BIG, EchoTarget, Process, SLOW, Sshd, debian_tool, free_port, need, run, wait_for
from harness.http_target import BLOCK
from harness.ssh_clients import OpenSsh

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    asyncssh = pytest.importorskip("asyncssh")
    paramiko = pytest.importorskip("paramiko")

RESTLESS = """\
RekeyLimit 1M
ClientAliveInterval 1
ClientAliveCountMax 60
X11Forwarding yes
SetEnv XAUTHORITY={directory}/xauthority
LogLevel DEBUG1
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    directory = tmp_path_factory.mktemp("restless")
    with Sshd(directory, first=RESTLESS.format(directory=directory)) as server:
        yield server


@pytest.fixture
def client(ssh_gateway, entry, tmp_path):
    return OpenSsh(entry, ssh_gateway.env_port, tmp_path, more=["-o", "RekeyLimit=1M"])


@pytest.fixture
def echo():
    with EchoTarget() as target:
        yield target


def started(argv, **options):
    return subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)


def echoes(connect, size=len(BLOCK)):
    """What is sent over a connection, and its end, come back."""
    with connect() as connection:
        connection.settimeout(30 * SLOW)
        sender = threading.Thread(target=lambda: (connection.sendall(BLOCK[:size]),
                                                  connection.shutdown(socket.SHUT_WR)))
        sender.start()
        got = bytearray()
        while data := connection.recv(65536):
            got += data
        sender.join()
    return bytes(got) == BLOCK[:size]


def to_port(port):
    return lambda: socket.create_connection(("127.0.0.1", port), 30)


def to_path(path):
    def connect():
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        return connection
    return connect


def answers(connect):
    try:
        connect().close()
        return True
    except OSError:
        return False


# -- the first bytes

@pytest.mark.parametrize("first", [b"\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_whoever_says_no_ssh_hears_what_is_spoken_here(ssh_gateway, first):
    if not ssh_gateway.audited:
        pytest.skip("in passthrough the target says it, to those who speak SSH")
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", ssh_gateway.env_port), 20) as connection:
            connection.sendall(first)
            assert connection.recv(100).startswith(b"SSH-2.0-")


# -- a way that turns bits over

MODPIPE = "/usr/lib/openssh/regress/modpipe"


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"])
def test_a_bit_turned_over_ends_the_session(ssh_gateway, entry, tmp_path, cipher):
    """On the way in, behind the login: nothing of what is wrong arrives. (What comes out, the client checks:
    test_ssh_regress.py.)"""
    need(os.path.exists(MODPIPE), "openssh-tests is not installed (tests/run installs it)")
    netcat = f"/usr/lib/openssh/regress/netcat 127.0.0.1 {ssh_gateway.env_port}"
    for offset in (20000, 40001, 65535):
        proxy = ["-o", f"ProxyCommand={MODPIPE} -wm xor:{offset}:4 | {netcat}"]
        alive = ["-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=2"]
        client = OpenSsh(entry, ssh_gateway.env_port, tmp_path, more=[*proxy, *alive])
        there = tmp_path / f"there-{offset}"
        with started(client.argv("-c", cipher) + [f": >{there}; echo ready; cat >{there}"]) as cat:
            assert cat.stdout.readline() == b"ready\n"
            cat.communicate(BLOCK, 30 * SLOW)
            assert cat.returncode == 255
        got = there.read_bytes()
        assert len(got) < offset and BLOCK.startswith(got)


# -- new keys

def rekeyings(log):
    return log.read_text(errors="replace").count("NEWKEYS sent")


def test_new_keys_during_bulk_both_ways(client, sshd, tmp_path):
    """Twenty-four megabytes there and back at once: both ends ask for new keys all the time."""
    log, size = tmp_path / "log", min(BIG, 24 << 20)
    server_before = rekeyings(sshd.directory / "sshd.log")
    cat = started(client.argv("-v", "-E", log) + ["cat"])

    def feed():
        for _ in range(size // len(BLOCK)):
            cat.stdin.write(BLOCK)
        cat.stdin.close()
    feeder = threading.Thread(target=feed)
    feeder.start()
    got = hashlib.sha256()
    while data := cat.stdout.read(1 << 20):
        got.update(data)
    feeder.join()
    assert cat.wait() == 0
    assert got.hexdigest() == hashlib.sha256(BLOCK * (size // len(BLOCK))).hexdigest()
    assert rekeyings(log) > 8
    assert rekeyings(sshd.directory / "sshd.log") - server_before > 8


def test_new_keys_in_an_idle_session(client, tmp_path):
    log = tmp_path / "log"
    client.options[-1] = "RekeyLimit=default 1"
    with started(client.argv("-v", "-E", log) + ["cat"]) as cat:
        cat.stdin.write(b"before\n")
        cat.stdin.flush()
        assert cat.stdout.readline() == b"before\n"

        def one_more_line():  # a limit in time is looked at when something is sent
            cat.stdin.write(b"x\n")
            cat.stdin.flush()
            return cat.stdout.readline() == b"x\n" and log.exists() and rekeyings(log) >= 3
        wait_for(one_more_line, "no new keys", 20, every=0.2)


@pytest.mark.parametrize("asker", ["client", "server"])
def test_signs_of_life_while_idle(client, tmp_path, asker):
    """Each end asks when it has heard nothing for a second, and is answered."""
    log = tmp_path / "log"
    alive = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"] if asker == "client" else []
    with started(client.argv("-vvv", "-E", log, *alive) + ["cat"]) as cat:
        def asked():
            text = log.read_text() if log.exists() else ""
            if asker == "server":
                return text.count("rtype keepalive@openssh.com") >= 3
            return text.count("receive packet: type 81") + text.count("receive packet: type 82") >= 3
        wait_for(asked, lambda: log.read_text()[-2000:], 20)
        assert cat.communicate(b"still here", 20)[0] == b"still here"


# -- forwards

def test_unix_socket_to_the_target(client, tmp_path):
    """-L from a Unix socket here to a Unix socket there."""
    here, there = tmp_path / "here", tmp_path / "there"
    with UnixEcho(there), Process("ssh -L", client.forward("L", f"{here}:{there}"), tmp_path / "log") as ssh:
        ssh.wait_until(here.exists, "forwarding", 20)
        assert all(echoes(to_path(here)) for _ in range(3))


def test_unix_socket_from_the_target(client, tmp_path):
    """-R from a Unix socket there to a Unix socket here."""
    here, there = tmp_path / "here", tmp_path / "there"
    with UnixEcho(here), Process("ssh -R", client.forward("R", f"{there}:{here}"), tmp_path / "log") as ssh:
        ssh.wait_until(lambda: answers(to_path(there)), "forwarding", 20)
        assert all(echoes(to_path(there)) for _ in range(3))


class UnixEcho:
    """An echo server on a Unix socket, connection by connection."""

    def __init__(self, path):
        self.path, self.socket = path, socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(10)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def test_standard_input_to_a_port(client, echo):
    """-W, as ProxyJump has it."""
    done = run(client.argv("-W", f"127.0.0.1:{echo.port}"), input=BLOCK)
    assert done.stdout == BLOCK


def test_a_forward_to_nobody_is_refused_and_harms_nothing(client, tmp_path):
    nobody, port = free_port(), free_port()
    spec = f"127.0.0.1:{port}:127.0.0.1:{nobody}"
    with started(client.argv("-L", spec) + ["cat"]) as cat:
        wait_for(lambda: answers(to_port(port)), "not forwarding", 20)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as refused:
                refused.settimeout(20)
                assert refused.recv(1) == b""
        assert cat.communicate(b"on", 20)[0] == b"on"


def test_many_sessions_and_forwards_over_one_connection(client, echo, tmp_path):
    """ControlMaster: forwards come and go while thirty commands run."""
    control, ports = tmp_path / "c", [free_port() for _ in range(8)]
    with Process("ssh master", client.argv("-N", "-M", "-S", control), tmp_path / "log") as master:
        master.wait_until(control.exists, "connected", 20)
        commands = [started(client.argv("-S", control) + [f"cat; exit {n}"]) for n in range(30)]
        specs = [("-R" if n % 2 else "-L", f"127.0.0.1:{port}:127.0.0.1:{echo.port}")
                 for n, port in enumerate(ports)]
        for spec in specs:
            run(client.argv("-S", control, "-O", "forward", *spec))
        assert all(echoes(to_port(port)) for port in ports)
        for spec in specs:
            run(client.argv("-S", control, "-O", "cancel", *spec))
        wait_for(lambda: not any(answers(to_port(port)) for port in ports), "a forward is still there")
        for number, command in enumerate(commands):
            assert command.communicate(b"%d\n" % number, 30)[0] == b"%d\n" % number
            assert command.returncode == number
        run(client.argv("-S", control, "-O", "exit"))
        master.wait(20)


# -- X11

X_CLIENT = r"""
import os, socket, struct, subprocess
display = os.environ["DISPLAY"]
host, number = display.rsplit(":", 1)
cookie = bytes.fromhex(subprocess.check_output(["xauth", "list", display]).split()[2].decode())
name = b"MIT-MAGIC-COOKIE-1"
hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie)) + name + b"\0\0" + cookie
with socket.create_connection((host, 6000 + int(number.split(".")[0]))) as server:
    server.sendall(hello + b"draw")
    answer = b""
    while data := server.recv(1000):
        answer += data
print(cookie.hex(), answer.decode())
"""


def test_x11(client, tmp_path):
    """A program there finds a display, and reaches the X server here with the cookie that this one wants."""
    debian_tool("xauth")
    cookie, authority = secrets.token_hex(16), tmp_path / "authority"
    with EchoTarget(lambda connection: (connection.recv_until(b"draw"), connection.send(b"drawn"))) as server:
        display = f"127.0.0.1:{server.port - 6000}"
        run(["xauth", "-q", "-f", authority, "add", display, "MIT-MAGIC-COOKIE-1", cookie])
        environment = {**os.environ, "DISPLAY": display, "XAUTHORITY": str(authority)}
        for _ in range(2):
            done = run(client.argv("-Y") + ["python3", "-"], input=X_CLIENT.encode(), env=environment)
            shown, answer = done.stdout.split()
            assert answer == b"drawn"
            assert shown.decode() != cookie
        assert all(bytes.fromhex(cookie) in seen for seen in server.seen())


# -- many channels, and what channels can be asked

def connected_paramiko(ssh_gateway, entry):
    ssh = paramiko.SSHClient()
    ssh.load_host_keys(str(entry.known_hosts(f"[127.0.0.1]:{ssh_gateway.env_port}")))
    connection = socket.create_connection(("127.0.0.1", ssh_gateway.env_port), 20 * SLOW)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ssh.connect("127.0.0.1", ssh_gateway.env_port, entry.user, key_filename=str(entry.key), allow_agent=False,
                look_for_keys=False, sock=connection)
    return ssh


def test_a_hundred_channels_at_once(ssh_gateway, entry):
    with connected_paramiko(ssh_gateway, entry) as ssh:
        transport = ssh.get_transport()
        channels = [transport.open_session() for _ in range(100)]
        with pytest.raises(paramiko.ChannelException):
            transport.open_session()
        for channel in channels:
            channel.settimeout(30 * SLOW)
            channel.exec_command("cat; exit 3")
        for number, channel in enumerate(channels):
            channel.sendall(b"%d " % number * 1000)
            channel.shutdown_write()
        for number, channel in enumerate(channels):
            assert b"".join(iter(lambda: channel.recv(65536), b"")) == b"%d " % number * 1000
            assert channel.recv_exit_status() == 3
            channel.close()

        def there_is_room():
            try:
                return transport.open_session()
            except paramiko.ChannelException:
                return None
        channel = wait_for(there_is_room, "what was closed still counts")
        channel.exec_command("echo room")
        assert channel.recv(100) == b"room\n"


def test_a_thousand_channels_after_each_other(ssh_gateway, entry):
    with connected_paramiko(ssh_gateway, entry) as ssh:
        for _ in range(1000):
            channel = ssh.get_transport().open_session()
            channel.close()
        assert ssh.exec_command("echo last")[1].read() == b"last\n"


def with_asyncssh(ssh_gateway, entry, use):
    async def go():
        known = str(entry.known_hosts(f"[127.0.0.1]:{ssh_gateway.env_port}"))
        async with asyncssh.connect("127.0.0.1", ssh_gateway.env_port, username=entry.user,
                                    known_hosts=known, client_keys=[str(entry.key)], agent_path=None,
                                    config=None) as connection:
            return await use(connection)
    return asyncio.run(asyncio.wait_for(go(), 60 * SLOW))


def test_terminal_size_environment_and_break(ssh_gateway, entry):
    async def use(connection):
        async with connection.create_process(term_type="xterm", term_size=(80, 24),
                                             env={"TEST_WORD": "passed", "OTHER": "not"}) as process:
            process.stdin.write("stty -echo; stty size; echo ${TEST_WORD}-${OTHER:-none}\n")
            before = await process.stdout.readuntil("passed-none")
            process.change_terminal_size(132, 43)
            process.stdin.write("stty size; stty -brkint; echo chan''ged\n")
            after = await process.stdout.readuntil("changed")
            process.send_break(100)
            process.stdin.write("echo unbro''ken; exit 7\n")
            await process.stdout.readuntil("unbroken")
            return before, after, (await process.wait()).exit_status
    before, after, status = with_asyncssh(ssh_gateway, entry, use)
    assert "24 80" in before and "43 132" in after and status == 7


def test_a_program_that_a_signal_ended(ssh_gateway, entry):
    async def use(connection):
        return [(await connection.run(f"kill -{name} $$")).exit_signal[0] for name in ("TERM", "HUP", "KILL")]
    assert with_asyncssh(ssh_gateway, entry, use) == ["TERM", "HUP", "KILL"]


def test_an_interrupt_is_typed(ssh_gateway, entry):
    """Control-C on a terminal is a byte: the line discipline there makes a signal of it."""
    async def use(connection):
        async with connection.create_process("trap 'echo inter''rupted; exit 9' INT; echo rea''dy; "
                                             "while :; do sleep 0.1; done", term_type="xterm") as process:
            await process.stdout.readuntil("ready")
            process.stdin.write("\x03")
            await process.stdout.readuntil("interrupted")
            return (await process.wait()).exit_status
    assert with_asyncssh(ssh_gateway, entry, use) == 9


def test_the_client_killed_in_the_middle(ssh_gateway, entry, client, tmp_path):
    """The program there is hung up, and the gateway forgets the session."""
    mark = tmp_path / "pid"
    ssh = started(client.argv("-tt") + [f"echo $$ >{mark}.new; mv {mark}.new {mark}; exec sleep 300"])
    wait_for(mark.exists, "not started", 20)
    program = int(mark.read_text())
    ssh.send_signal(signal.SIGKILL)
    ssh.communicate()

    def is_gone():
        try:
            os.kill(program, 0)
        except ProcessLookupError:
            return True
        return False
    wait_for(is_gone, "the program still runs", 20)
    wait_for(lambda: not ssh_gateway.sessions(), lambda: f"still there: {ssh_gateway.sessions()}", 20)
