# ctest: timeout=600
"""Unmodified SSH command line clients through the route's port to a real sshd: shell, exit status, copies,
forwards, agent. What goes in comes out; nothing here knows how the gateway works."""
import hashlib
import os
import pty
import re
import socket
import struct
import subprocess
import threading

import pytest

from harness import BIG, EchoTarget, Process, contract, debian_tool, free_port, run, wait_for
from harness.http_target import BLOCK, pattern_sha256
from harness.routes import ENV
from harness.ssh_clients import CLIENTS, OpenSsh


@pytest.fixture(params=list(CLIENTS))
def client(request, ssh_gateway, entry, tmp_path):
    return CLIENTS[request.param](entry, ssh_gateway.env_port, tmp_path)


@pytest.fixture
def openssh(ssh_gateway, entry, tmp_path):
    return OpenSsh(entry, ssh_gateway.env_port, tmp_path)


def environment(client, **more):
    return {**os.environ, **getattr(client, "environment", {}), **more}


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def check_echo(connection):
    """A megabyte there and back, and the half-close after it, through an EchoTarget."""
    connection.settimeout(30)
    sent, got = BLOCK, bytearray()
    sender = threading.Thread(target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR)))
    sender.start()
    while data := connection.recv(65536):
        got += data
    sender.join()
    assert bytes(got) == sent


# -- commands

def test_command_output_and_exit_status(client):
    done = run(client.command("echo out; echo err >&2; exit 7"), check=False, env=environment(client))
    assert (done.returncode, done.stdout) == (7, b"out\n"), done.stderr
    assert b"err\n" in done.stderr


def test_input_reaches_the_command_and_ends(client):
    done = run(client.command("cat; echo end"), input=BLOCK, env=environment(client))
    assert done.stdout == BLOCK + b"end\n"


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-ctr"])
def test_new_keys_amid_data(openssh, cipher):
    """Key exchanges while both ways are full: packets before, between and after are the same bytes."""
    words = ["-o", f"Ciphers={cipher}", "-o", "RekeyLimit=2M", "-v", "-o", "LogLevel=DEBUG1"]
    done = run([*openssh.argv(*words), "cat"], input=BLOCK * 8)
    assert done.stdout == BLOCK * 8
    assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") >= 4, done.stderr[-2000:]
    assert f"cipher: {cipher}".encode() in done.stderr


def test_login_shell_on_a_terminal(client, tmp_path):
    """A person's session: a terminal, typed lines, the shell's exit status."""
    leader, follower = pty.openpty()
    argv = client.command()
    argv.insert(1, "-t")
    shell = subprocess.Popen(list(map(str, argv)), stdin=follower, stdout=follower, stderr=follower,
                             env=environment(client, TERM="xterm"), start_new_session=True)
    os.close(follower)
    seen = bytearray()

    def read_until(mark):
        def more():
            try:
                os.set_blocking(leader, False)
                seen.extend(os.read(leader, 65536))
            except BlockingIOError:
                pass
            except OSError:
                return mark in seen  # EIO: the terminal is gone
            return mark in seen
        wait_for(more, lambda: f"{mark!r} did not appear on the terminal: {bytes(seen)!r}", 20)

    try:
        # plink -batch does not wait at a prompt, and all three echo what is typed: the sum shows that it ran
        os.write(leader, b"test -t 0 && echo sum-$((40 + 2))\n")
        read_until(b"sum-42")
        os.write(leader, b"exit 5\n")
        assert shell.wait(20) == 5
    finally:
        if shell.poll() is None:
            shell.kill()
            shell.wait()
        os.close(leader)


# -- copies

@pytest.fixture
def tree(tmp_path):
    """A few files, among them an empty one, one with an odd name and one of several megabytes."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "empty").write_bytes(b"")
    (source / "with space").write_bytes(b"odd name\n")
    (source / "large").write_bytes(BLOCK * 8)
    return source


def contents(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def test_scp_there_and_back(client, tree, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    run(client.copy(str(tree / "large"), f":{there}"), env=environment(client))
    assert there.read_bytes() == BLOCK * 8
    run(client.copy(f":{there}", str(back)), env=environment(client))
    assert back.read_bytes() == BLOCK * 8


def test_sftp_batch(openssh, tree, tmp_path, entry):
    remote, back = tmp_path / "remote", tmp_path / "back"
    batch = f"mkdir {remote}\nput -r {tree}/* {remote}\nls -l {remote}\nget -r {remote} {back}\n"
    out = run([debian_tool("sftp"), *openssh.options, "-P", openssh.port, "-b", "-", openssh.where],
              input=batch.encode()).stdout
    assert b"with space" in out
    assert contents(back) == contents(tree)


def test_rsync_there_and_back(client, tree, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    rsync = [debian_tool("rsync"), "-a", "--checksum", "-e", client.rsync_shell()]
    run([*rsync, f"{tree}/", f"{client.where}:{there}/"], env=environment(client))
    run([*rsync, f"{client.where}:{there}/", f"{back}/"], env=environment(client))
    assert contents(back) == contents(tree)
    again = run([*rsync, "-v", f"{tree}/", f"{client.where}:{there}/"], env=environment(client))
    assert b"sent" in again.stdout


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_gigabyte(openssh, tmp_path, direction):
    fast = openssh.argv("-c", "aes128-gcm@openssh.com")
    if direction == "up":
        process = subprocess.Popen(list(map(str, [*fast, "sha256sum"])),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(BIG // len(BLOCK)):
            process.stdin.write(BLOCK)
        digest = process.communicate()[0].split()[0].decode()
    else:
        block = tmp_path / "block"
        block.write_bytes(BLOCK)
        command = f"for i in $(seq {BIG // len(BLOCK)}); do cat {block} || exit 1; done"
        process = subprocess.Popen(list(map(str, [*fast, command])),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        hasher = hashlib.sha256()
        while data := process.stdout.read(1 << 20):
            hasher.update(data)
        process.wait()
        digest = hasher.hexdigest()
    assert process.returncode == 0
    assert digest == pattern_sha256(BIG)


# -- forwards

@pytest.fixture
def echo():
    with EchoTarget() as target:
        yield target


def open_forward(client, kind, spec, port, tmp_path):
    process = Process(f"{client.name} -{kind}", client.forward(kind, spec), tmp_path / f"forward-{kind}.log",
                      env=environment(client))
    process.wait_until(lambda: listening(port), f"listening on {port}", 20)
    return process


@pytest.mark.parametrize("kind", ["L", "R"])
def test_port_forward(client, kind, echo, tmp_path):
    port = free_port()
    with open_forward(client, kind, f"127.0.0.1:{port}:127.0.0.1:{echo.port}", port, tmp_path):
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                check_echo(connection)


def test_socks_forward(client, echo, tmp_path):
    if "D" not in client.forwards:
        pytest.skip(f"{client.name} has no SOCKS forward")
    port = free_port()
    with open_forward(client, "D", f"127.0.0.1:{port}", port, tmp_path):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"\x05\x01\x00")
            assert connection.recv(2) == b"\x05\x00"
            connection.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack(">H", echo.port))
            answer = connection.recv(10)
            assert answer[:2] == b"\x05\x00", answer
            check_echo(connection)


@pytest.fixture
def agent(entry, tmp_path):
    """An ssh-agent that holds the test's key: its socket."""
    path = tmp_path / "agent"
    argv = [debian_tool("ssh-agent"), "-D", "-a", path]
    with Process("ssh-agent", argv, tmp_path / "agent.log") as process:
        process.wait_until(path.exists, "listening")
        run([debian_tool("ssh-add"), "-q", entry.key], env={**os.environ, "SSH_AUTH_SOCK": str(path)})
        yield path


def test_agent_forwarding(client, agent, entry):
    """The target sees the customer's key, and can use it to go on to a further server."""
    env = environment(client, SSH_AUTH_SOCK=str(agent))
    listed = run(client.command("ssh-add -l", agent=True), env=env).stdout.decode()
    assert entry.fingerprint_of_key() in listed
    hop = (f"ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
           f"-p {entry.port} {entry.user}@127.0.0.1 echo hopped")
    assert run(client.command(hop, agent=True), env=env).stdout == b"hopped\n"


def test_many_channels_on_one_connection(openssh, tmp_path):
    """ControlMaster: eight commands at once, multiplexed."""
    control = tmp_path / "c"
    master = Process("ssh master", openssh.argv("-N", "-M", "-S", control), tmp_path / "master.log")
    with master:
        master.wait_until(control.exists, "connected", 20)
        commands = [subprocess.Popen(list(map(str, openssh.argv("-S", control))) + [f"sleep 0.2; echo {n}"],
                                     stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) for n in range(8)]
        assert [c.communicate(timeout=30)[0] for c in commands] == [f"{n}\n".encode() for n in range(8)]


# -- through TLS on the https port, where the name in the handshake says which environment

def test_openssl_as_proxy_command(ssh_gateway, entry, tmp_path):
    proxy = (f"{debian_tool('openssl')} s_client -quiet -verify_quiet -verify_return_error "
             f"-CAfile {ssh_gateway.ca.file} -connect 127.0.0.1:{ssh_gateway.https_port} -servername %h")
    client = OpenSsh(entry, 22, tmp_path, ssh_gateway.ssh_host(ENV),
                     ["-o", f"ProxyCommand={proxy}"])
    done = run(client.command("cat; exit 3"), input=BLOCK, check=False)
    assert (done.returncode, done.stdout == BLOCK) == (3, True), done.stderr


def test_envctl_connect_as_proxy_command(ssh_gateway, entry, tmp_path):
    proxy = contract.envctl_connect(ssh_gateway, "%h")
    client = OpenSsh(entry, 22, tmp_path, ssh_gateway.ssh_host(ENV),
                     ["-o", f"ProxyCommand={proxy}"])
    done = run(client.command("cat; exit 3"), input=BLOCK, check=False)
    assert (done.returncode, done.stdout == BLOCK) == (3, True), done.stderr


def test_the_sessions_were_logged(ssh_gateway, openssh):
    """One line for each connection, with the seed's fields."""
    run(openssh.command("true"))
    lines = wait_for(lambda: ssh_gateway.log_lines(contract.SSH_EVENT), "no line for an SSH connection")
    line = lines[-1]
    assert line["environment_id"] == ENV
    assert line["type"] == "physical"
    assert line["source_ip"] == "127.0.0.1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert "status" in line
