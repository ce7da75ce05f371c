"""The SSH libraries that customers' scripts use, paramiko and AsyncSSH,
through the route's port to a real sshd."""
import asyncio
import hashlib
import socket
import threading
import warnings

import pytest

from harness import EchoTarget, SLOW, free_port, wait_for
from harness.http_target import BLOCK

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    asyncssh = pytest.importorskip("asyncssh")
    paramiko = pytest.importorskip("paramiko")


@pytest.fixture
def echo():
    with EchoTarget() as target:
        yield target


def exchange(connection, data):
    """Sends it all and the end, and returns everything that came back."""
    sender = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
    sender.start()
    got = bytearray()
    while piece := connection.recv(65536):
        got += piece
    sender.join()
    return bytes(got)


# -- paramiko

@pytest.fixture
def client(ssh_gateway, entry):
    ssh = paramiko.SSHClient()
    ssh.load_host_keys(str(entry.known_hosts(f"[127.0.0.1]:{ssh_gateway.env_port}")))
    ssh.connect("127.0.0.1", ssh_gateway.env_port, entry.user, key_filename=str(entry.key), allow_agent=False,
                look_for_keys=False, timeout=20 * SLOW)
    yield ssh
    ssh.close()


def test_paramiko_command(client):
    stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 9")
    stdin.write(BLOCK)
    stdin.channel.shutdown_write()
    assert stdout.read() == BLOCK
    assert stderr.read() == b"err\n"
    assert stdout.channel.recv_exit_status() == 9


def test_paramiko_shell(client):
    channel = client.invoke_shell()
    channel.settimeout(20 * SLOW)
    channel.sendall(b"echo sum-$((40 + 2)); exit 4\n")
    seen = b""
    while piece := channel.recv(65536):
        seen += piece
    assert b"sum-42" in seen
    assert channel.recv_exit_status() == 4


def test_paramiko_sftp(client, tmp_path):
    path = str(tmp_path / "file")
    with client.open_sftp() as sftp:
        with sftp.open(path, "wb") as file:
            file.set_pipelined(True)
            for _ in range(8):
                file.write(BLOCK)
        assert sftp.stat(path).st_size == 8 * len(BLOCK)
        with sftp.open(path, "rb") as file:
            file.prefetch()
            assert hashlib.sha256(file.read()).digest() == hashlib.sha256(BLOCK * 8).digest()


def test_paramiko_direct_and_reverse_forward(client, echo):
    transport = client.get_transport()
    direct = transport.open_channel("direct-tcpip", ("127.0.0.1", echo.port), ("127.0.0.1", 0))
    assert exchange(direct, BLOCK) == BLOCK

    port = transport.request_port_forward("127.0.0.1", free_port())
    with socket.create_connection(("127.0.0.1", port)) as outside:
        inside = transport.accept(20 * SLOW)
        assert inside is not None
        outside.sendall(b"over and back")
        assert inside.recv(100) == b"over and back"
        inside.sendall(b"heard")
        assert outside.recv(100) == b"heard"
        inside.close()


def test_paramiko_rekey(client):
    """A new key exchange in the middle of a session is bytes like any other."""
    transport = client.get_transport()
    before = transport.session_id, transport.H
    transport.renegotiate_keys()
    assert transport.session_id == before[0] and transport.H != before[1]
    assert client.exec_command("echo after")[1].read() == b"after\n"


# -- AsyncSSH

def with_asyncssh(ssh_gateway, entry, use):
    """Runs `use(connection)` over a connection through the gateway."""
    async def go():
        async with asyncssh.connect("127.0.0.1", ssh_gateway.env_port, username=entry.user,
                                    client_keys=[str(entry.key)],
                                    known_hosts=str(entry.known_hosts(f"[127.0.0.1]:{ssh_gateway.env_port}")),
                                    agent_path=None, config=None) as connection:
            return await use(connection)
    return asyncio.run(asyncio.wait_for(go(), 60 * SLOW))


async def exchange_stream(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async def send():
            writer.write(data)
            await writer.drain()
            writer.write_eof()
        sending = asyncio.create_task(send())
        got = await reader.read(-1)
        await sending
        return got
    finally:
        writer.close()


def test_asyncssh_commands_at_once(ssh_gateway, entry):
    async def use(connection):
        async def one(number):
            done = await connection.run(f"cat; exit {number}", input=f"{number}\n" * 1000)
            return done.exit_status, done.stdout
        return await asyncio.gather(*map(one, range(9)))
    assert with_asyncssh(ssh_gateway, entry, use) == [(n, f"{n}\n" * 1000) for n in range(9)]


def test_asyncssh_sftp(ssh_gateway, entry, tmp_path):
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    source.write_bytes(BLOCK * 8)

    async def use(connection):
        async with connection.start_sftp_client() as sftp:
            await sftp.put(str(source), str(there))
            await sftp.get(str(there), str(back))
            return (await sftp.stat(str(there))).size
    assert with_asyncssh(ssh_gateway, entry, use) == 8 * len(BLOCK)
    assert back.read_bytes() == source.read_bytes()


def test_asyncssh_forwards(ssh_gateway, entry, echo):
    async def use(connection):
        local = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", echo.port)
        remote = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", echo.port)
        results = await asyncio.gather(exchange_stream(local.get_port(), BLOCK),
                                       exchange_stream(remote.get_port(), BLOCK))
        local.close()
        remote.close()
        return [result == BLOCK for result in results]
    assert with_asyncssh(ssh_gateway, entry, use) == [True, True]


def test_asyncssh_terminal(ssh_gateway, entry):
    async def use(connection):
        async with connection.create_process(term_type="xterm", term_size=(132, 43)) as process:
            process.stdin.write("stty size; exit 6\n")
            output = await process.stdout.read()
            await process.wait()
            return output, process.exit_status
    output, status = with_asyncssh(ssh_gateway, entry, use)
    assert "43 132" in output and status == 6


def test_a_second_connection_is_not_disturbed_by_the_first_ones_end(ssh_gateway, entry, client):
    """Two customers' sessions on one port: one is cut, the other goes on."""
    other = paramiko.SSHClient()
    other.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    other.connect("127.0.0.1", ssh_gateway.env_port, entry.user, key_filename=str(entry.key),
                  allow_agent=False, look_for_keys=False)
    stdin, stdout, _ = client.exec_command("cat")
    stdin.write(b"before ")
    other.get_transport().sock.close()
    wait_for(lambda: not other.get_transport().is_active(), "the other connection has not noticed")
    stdin.write(b"after\n")
    stdin.channel.shutdown_write()
    assert stdout.read() == b"before after\n"
