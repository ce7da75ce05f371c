"""envctl against the real gateway: every verb in both outputs, its exit statuses, and `envctl connect`,
which carries ssh through TLS."""
import hashlib
import json
import os
import socket
import subprocess
import threading

import pytest

from harness import BIG, BIN, EchoTarget, Gateway, RouteFile, contract, free_port, run, wait_for
from harness.admin import ENV, envctl
from harness.http_target import BLOCK
from harness.ssh_clients import OpenSsh

TARGET_BANNER = b"SSH-2.0-Target_1.0\r\n"


# -- every verb

READS = {
    "status": ("envgate ", {"version", "pid", "ready", "workers", "routing", "certificates", "draining",
                            "sessions"}),
    "health": ("ready", {"ready", "reasons"}),
    "routes": ("ENVIRONMENT", {"routes"}),
    f"route {ENV}": (ENV, {"env", "address", "workers"}),
    "sessions": ("no sessions", {"sessions"}),
    "settings": ("KEY", {"settings"}),
    "settings log.level": ("log.level = debug", {"key", "value", "layer", "place"}),
    "settings ssh": ("ssh.bind", {"settings"}),
    "metrics": ("# HELP envgate_", {"samples"}),
    "reload": ("reloaded", {"live", "restart"}),
}


@pytest.mark.parametrize("verb", READS)
def test_verbs_in_both_outputs(ssh_gateway, verb):
    text, members = READS[verb]
    wait_for(lambda: not ssh_gateway.sessions(), "sessions of an earlier test are still there")
    out, err = envctl(ssh_gateway, "gateway", *verb.split())
    assert text in out and err == ""
    assert out.endswith("\n") and not out.endswith("\n\n")
    out, err = envctl(ssh_gateway, "gateway", *verb.split(), "-o", "json")
    assert members <= json.loads(out).keys()


def test_config_explain(ssh_gateway):
    out, _ = envctl(ssh_gateway, "config", "explain", "admin.socket")
    assert f"admin.socket = {ssh_gateway.admin_socket}" in out
    assert "envgate.yaml:" in out
    _, err = envctl(ssh_gateway, "config", "explain", "admin.sockets", status=3)
    assert "admin.socket" in err


def test_envctl_fails_with_a_remedy_where_nobody_is(tmp_path):
    gone = tmp_path / "admin.sock"
    for make in (lambda: None, lambda: socket.socket(socket.AF_UNIX).bind(str(gone))):
        make()
        done = run([BIN / "envctl", "gateway", "status", "--socket", gone], check=False)
        assert done.returncode == 1
        assert b"envgate" in done.stderr and b"--socket" in done.stderr
        assert done.stdout == b""


def test_envctl_takes_the_socket_from_the_environment(ssh_gateway):
    done = run([BIN / "envctl", "gateway", "health"],
               env={**os.environ, "ENVGATE_ADMIN_SOCKET": ssh_gateway.admin_socket})
    assert done.stdout == b"ready\n"


@pytest.mark.parametrize("arguments", [
    "gateway", "gateway frobnicate", "gateway status -o yaml", "gateway route", "gateway set log.level",
    "gateway status --frobnicate", "frobnicate", "gateway routes --limit 0",
    "connect", "connect :x", "connect 127.0.0.1"])
def test_misuse_ends_with_2(ssh_gateway, arguments):
    done = run([BIN / "envctl", *arguments.split()], check=False)
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.startswith(b"envctl: ")


@pytest.mark.parametrize("arguments", [
    "", "gateway", "gateway status", "gateway set", "config explain", "connect"])
def test_help_at_every_level(arguments):
    done = run([BIN / "envctl", *arguments.split(), "--help"])
    assert done.stdout.startswith(f"Usage: envctl {arguments}".rstrip().encode())


# -- envctl connect

@pytest.fixture(scope="module")
def banner_gateway(tmp_path_factory, ca):
    """A gateway whose one environment speaks an SSH banner and then echoes until it is told the end."""
    def echo(connection):
        connection.send(TARGET_BANNER)
        while data := connection.recv():
            connection.send(data)

    directory = tmp_path_factory.mktemp("connect")
    routes = RouteFile(directory / "routes.yaml")
    with EchoTarget(echo) as target:
        route = routes.set(ENV, ssh={"target_port": target.port})
        with Gateway(directory, ca) as gateway:
            gateway.wait_route(route)
            yield gateway


def connect(gateway, *more, host=None, **options):
    argv = [BIN / "envctl", "connect", host or gateway.ssh_host(ENV),
            "--gateway", f"127.0.0.1:{gateway.https_port}", *more]
    return run(argv, check=False, **options)


def start_connect(gateway):
    argv = contract.envctl_connect(gateway, gateway.ssh_host(ENV)).split()
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_connect_carries_ssh(ssh_gateway, entry, tmp_path):
    proxy = contract.envctl_connect(ssh_gateway, ssh_gateway.ssh_host(ENV))
    client = OpenSsh(entry, 22, tmp_path, more=["-o", f"ProxyCommand={proxy}"])
    size = BIG // 16
    data = (BLOCK * (size // len(BLOCK) + 1))[:size]
    done = run(client.command("cat; exit 5"), input=data, check=False)
    assert done.returncode == 5, done.stderr
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_connect_keeps_the_half_close(banner_gateway):
    """Everything that was sent comes back although the input has long ended, and then it ends too."""
    data = b"SSH-2.0-Client_1.0\r\n" + BLOCK * 32
    done = connect(banner_gateway, "--ca", banner_gateway.ca.file, input=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == TARGET_BANNER + data


def test_connect_waits_for_a_slow_reader(banner_gateway):
    data = b"SSH-2.0-Client_1.0\r\n" + BLOCK * 8
    process = start_connect(banner_gateway)
    sender = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.close()))
    sender.start()
    got = b""
    while piece := process.stdout.read1(1000 if len(got) < 100_000 else 1 << 20):
        got += piece
    sender.join(30)
    assert process.stderr.read() == b"" and process.wait(30) == 0
    assert got == TARGET_BANNER + data


def test_connect_checks_who_answers(banner_gateway):
    untrusted = connect(banner_gateway)
    assert untrusted.returncode == 1 and b"--ca FILE" in untrusted.stderr
    other_name = connect(banner_gateway, "--ca", banner_gateway.ca.file, host="ssh.example.org")
    assert other_name.returncode == 1 and b"mismatch" in other_name.stderr.lower(), other_name.stderr
    no_file = connect(banner_gateway, "--ca", "/nonexistent.pem")
    assert no_file.returncode == 1 and b"/nonexistent.pem" in no_file.stderr
    trusting = connect(banner_gateway, "--insecure", input=b"SSH-2.0-x\r\n")
    assert trusting.returncode == 0 and trusting.stdout == TARGET_BANNER + b"SSH-2.0-x\r\n"


def test_connect_reads_the_environment(banner_gateway):
    variables = {**os.environ, "ENVGATE_GATEWAY": f"127.0.0.1:{banner_gateway.https_port}",
                 "ENVGATE_CA": str(banner_gateway.ca.file)}
    done = run([BIN / "envctl", "connect", banner_gateway.ssh_host(ENV)], input=b"SSH-2.0-x\r\n",
               env=variables)
    assert done.stdout == TARGET_BANNER + b"SSH-2.0-x\r\n"


def test_connect_says_that_nobody_is_there(ca):
    done = run([BIN / "envctl", "connect", f"{ENV}.ssh.{ca.domain}",
                "--gateway", f"127.0.0.1:{free_port()}"], check=False)
    assert done.returncode == 1 and b"Connection refused" in done.stderr
    done = run([BIN / "envctl", "connect", "nosuch.invalid"], check=False)
    assert done.returncode == 1 and b"--gateway" in done.stderr


def test_connect_ends_when_its_session_is_killed(banner_gateway):
    process = start_connect(banner_gateway)
    process.stdin.write(b"SSH-2.0-x\r\n")
    process.stdin.flush()
    assert process.stdout.readline() == TARGET_BANNER
    session = wait_for(lambda: [s for s in banner_gateway.sessions() if s["protocol"] == "ssh_tls"],
                       "no session")[0]
    envctl(banner_gateway, "gateway", "kill", str(session["id"]))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and b"closed the connection" in err


def test_connect_ends_with_its_reader(banner_gateway):
    process = start_connect(banner_gateway)
    process.stdin.write(b"SSH-2.0-x\r\n")
    process.stdin.flush()
    assert process.stdout.readline() == TARGET_BANNER
    process.stdout.close()
    assert process.wait(30) == 1
    process.stdin.close()
    process.stderr.close()
