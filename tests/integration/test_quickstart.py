# ctest: timeout=300
"""conf/quickstart as a newcomer runs it: started, used with plain ssh and curl by what it printed, and ended.
It runs the programs that were just built."""
import datetime
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import BIN, SLOW, Process, debian_tool, need, run, wait_for
from harness.machine import ROOT

QUICKSTART = ROOT / "conf/quickstart"


def quickstart(data, *options, check=True):
    return run([QUICKSTART, "--data", data, "--bin", BIN, *options], seconds=60, check=check)


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "a directory"  # with a space: people have those
    yield directory
    run([QUICKSTART, "--data", directory, "--stop"], check=False)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One detached quickstart for the tests that only look: (ready.json, what it printed)."""
    directory = tmp_path_factory.mktemp("quickstart")
    try:
        out = quickstart(directory, "--detach").stdout.decode()
        yield json.loads((directory / "ready.json").read_text()), out
    finally:
        run([QUICKSTART, "--data", directory, "--stop"], check=False)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_help_says_every_option():
    text = run([QUICKSTART, "--help"]).stdout.decode()
    for option in ("--detach", "--stop", "--data", "--no-demo", "--build-only", "--bin"):
        assert option in text


def test_misuse_is_named():
    done = run([QUICKSTART, "--dteach"], check=False)
    assert done.returncode == 2 and b"--dteach" in done.stderr and b"--help" in done.stderr


def test_build_only_leaves_the_programs_where_it_says():
    need(BIN == ROOT / "build/release/bin", "this run tests another build than the quickstart's")
    before = (ROOT / "build/release/CMakeCache.txt").stat().st_mtime_ns
    run([QUICKSTART, "--build-only"], seconds=280)
    assert run([BIN / "envgate", "--version"]).returncode == 0 and (BIN / "envctl").exists()
    now = (ROOT / "build/release/CMakeCache.txt").stat().st_mtime_ns
    assert now == before, "it configured the build anew"


def test_prints_what_to_type(started):
    ready, out = started
    assert ready["ssh"] in out and ready["url"] in out and ready["ca"] in out
    assert "--stop" in out


def test_ssh_as_printed(started):
    ready, _ = started
    done = run(["sh", "-c", ready["ssh"] + " 'echo reached; exit 7'"], check=False)
    assert (done.returncode, done.stdout) == (7, b"reached\n"), done.stderr


def test_ssh_asks_nothing_and_trusts_only_the_demo_server(started):
    ready, _ = started
    argv = [debian_tool("ssh"), "-F", ready["ssh_config"], "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none", ready["ssh_host"], "true"]
    assert run(argv).returncode == 0


def test_sftp_and_terminal(started, tmp_path):
    ready, _ = started
    (tmp_path / "file").write_text("content\n")
    batch = f"put {tmp_path}/file {tmp_path}/copy\n"
    run([debian_tool("sftp"), "-F", ready["ssh_config"], "-b", "-", ready["ssh_host"]], input=batch.encode())
    assert (tmp_path / "copy").read_text() == "content\n"
    tty = run([debian_tool("ssh"), "-tt", "-F", ready["ssh_config"], ready["ssh_host"], "tty"])
    assert tty.stdout.startswith(b"/dev/")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_page_by_name_without_dns(started, version):
    """curl finds *.localhost itself, and the CA is enough to trust the page."""
    ready, _ = started
    done = run([debian_tool("curl"), "-sSf", "--noproxy", "*", version, "--cacert", ready["ca"],
                ready["url"]])
    assert b"You have reached the environment" in done.stdout


def test_the_page_shows_forwarded_headers(started):
    ready, _ = started
    out = run([debian_tool("curl"), "-sSf", "--noproxy", "*", "--cacert", ready["ca"],
               ready["url"] + "headers"]).stdout
    headers = {key.lower(): value for key, value in json.loads(out).items()}
    assert headers["x-forwarded-proto"] == "https"
    assert headers["host"].startswith("demo-8888.container.localhost")


def test_plain_http_redirects(started):
    ready, _ = started
    port = ready["http"].rpartition(":")[2]
    out = run([debian_tool("curl"), "-sS", "--noproxy", "*", "-o", "/dev/null",
               "-w", "%{http_code} %{redirect_url}",
               f"http://demo-8888.container.localhost:{port}/x?y=z"]).stdout.decode()
    status, location = out.split()
    assert status in ("301", "308") and location == ready["url"] + "x?y=z"


def test_server_sent_events(started):
    ready, _ = started
    argv = [debian_tool("curl"), "-sSN", "--noproxy", "*", "--cacert", ready["ca"], ready["url"] + "events"]
    events = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert events.stdout.readline().startswith(b"data: ")
    finally:
        events.kill()
        events.wait()


def test_metrics_and_admin_socket(started):
    ready, _ = started
    out = run([debian_tool("curl"), "-sSf", "--noproxy", "*", ready["metrics"]]).stdout
    assert b"# TYPE envgate_" in out
    out = run([debian_tool("curl"), "-sSf", "--unix-socket", ready["admin_socket"], "http://x/healthz"])
    assert out.returncode == 0


def test_certificate_is_one_that_browsers_accept(started):
    ready, _ = started
    leaf = x509.load_pem_x509_certificate((Path(ready["data"]) / "tls/gateway.pem").read_bytes())
    alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = alternatives.get_values_for_type(x509.DNSName)
    assert {"localhost", "*.container.localhost", "*.ssh.localhost"} <= set(names)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in usage
    assert leaf.not_valid_after - leaf.not_valid_before <= datetime.timedelta(days=398)
    ca = x509.load_pem_x509_certificate(Path(ready["ca"]).read_bytes())
    assert ca.extensions.get_extension_for_class(x509.NameConstraints).critical
    for key in (Path(ready["data"]) / "tls").glob("*.key"):
        assert key.stat().st_mode & 0o077 == 0, f"others can read {key}"


def test_second_run_says_it_is_running(started):
    ready, _ = started
    done = run([QUICKSTART, "--data", ready["data"], "--detach"], seconds=10)
    assert b"already running" in done.stdout and ready["url"].encode() in done.stdout
    again = json.loads((Path(ready["data"]) / "ready.json").read_text())
    assert again["pids"] == ready["pids"]


def test_stop_ends_exactly_what_was_started(data):
    quickstart(data, "--detach")
    ready = json.loads((data / "ready.json").read_text())
    assert set(ready["pids"]) == {"gateway", "sshd", "web"} and all(map(alive, ready["pids"].values()))
    # A session that is open when the stop comes ends with it.
    session = subprocess.Popen([debian_tool("ssh"), "-F", ready["ssh_config"], ready["ssh_host"],
                                "echo in; sleep 600"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    assert session.stdout.readline() == b"in\n"
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        out = run([QUICKSTART, "--data", data, "--stop"]).stdout
        assert b"gateway" in out
        assert not any(map(alive, ready["pids"].values()))
        assert session.wait(10 * SLOW) != 0
        assert bystander.poll() is None
        assert not (data / "ready.json").exists()
        assert b"nothing was running" in run([QUICKSTART, "--data", data, "--stop"]).stdout
    finally:
        for process in (session, bystander):
            process.kill()
            process.wait()


def test_a_pid_that_was_given_to_another_process_is_left_alone(data):
    """After a crash and a while, a number in processes.json may be somebody else's."""
    data.mkdir()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    other = subprocess.Popen(["sleep", "600"])
    try:
        (data / "processes.json").write_text(json.dumps(
            [{"name": "gateway", "pid": other.pid, "start": 1, "boot": boot}]))
        run([QUICKSTART, "--data", data, "--stop"])
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_restart_keeps_the_authority_and_recovers_from_a_crash(data):
    quickstart(data, "--detach")
    before = json.loads((data / "ready.json").read_text())
    authority = (data / "ca.pem").read_bytes()
    os.kill(before["pids"]["gateway"], signal.SIGKILL)
    wait_for(lambda: not alive(before["pids"]["gateway"]), "the gateway has not ended")
    out = quickstart(data, "--detach").stdout
    after = json.loads((data / "ready.json").read_text())
    assert b"sshd" in out  # the leftovers were ended, and it says so
    assert not alive(before["pids"]["sshd"]) and alive(after["pids"]["gateway"])
    assert (data / "ca.pem").read_bytes() == authority


def test_an_expired_certificate_is_renewed(data):
    quickstart(data, "--detach")
    ready = json.loads((data / "ready.json").read_text())
    run([QUICKSTART, "--data", data, "--stop"])
    old = data / "tls/gateway.pem"
    run([debian_tool("openssl"), "req", "-new", "-key", data / "tls/gateway.key", "-subj", "/CN=localhost",
         "-out", data / "request"])
    run([debian_tool("openssl"), "x509", "-req", "-in", data / "request", "-CA", data / "ca.pem",
         "-CAkey", data / "tls/ca.key", "-days", "1", "-out", old])
    stale = old.read_bytes()
    quickstart(data, "--detach")
    assert old.read_bytes() != stale
    run([debian_tool("curl"), "-sSf", "--noproxy", "*", "--cacert", ready["ca"],
         json.loads((data / "ready.json").read_text())["url"]])


def test_no_demo_serves_the_operators_own_routes(data):
    quickstart(data, "--detach", "--no-demo")
    ready = json.loads((data / "ready.json").read_text())
    assert set(ready["pids"]) == {"gateway"} and "url" not in ready
    (data / "routes.yaml").write_text("routes:\n  - {env: mine, generation: 1, kind: vm, state: stopped, "
                                      "address: 127.0.0.1, http: [{port: 8888, target_port: 1}]}\n")
    port = ready["https"].rpartition(":")[2]

    def status():
        return run([debian_tool("curl"), "-sS", "--noproxy", "*", "--cacert", ready["ca"],
                    "-o", "/dev/null", "-w", "%{http_code}",
                    f"https://mine-8888.container.localhost:{port}/"]).stdout
    wait_for(lambda: status() == b"503", "the route was not obeyed")
    run([QUICKSTART, "--data", data, "--stop"])
    quickstart(data, "--detach", "--no-demo")
    assert "mine" in (data / "routes.yaml").read_text()


def test_taken_ports_are_gone_around(data):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8443))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which serves as well
        quickstart(data, "--detach")
        ready = json.loads((data / "ready.json").read_text())
        assert ready["https"] != "127.0.0.1:8443"
        run([debian_tool("curl"), "-sSf", "--noproxy", "*", "--cacert", ready["ca"], ready["url"]])


@pytest.mark.parametrize("how", ["ctrl-c", "--stop"])
def test_foreground_ends_all_it_started(data, tmp_path, how):
    process = Process("quickstart", [QUICKSTART, "--data", data, "--bin", BIN], tmp_path / "out")
    process.wait_until(lambda: (data / "ready.json").exists() and "Ctrl-C" in process.tail(), "serving", 60)
    pids = json.loads((data / "ready.json").read_text())["pids"]
    assert {"gateway", "sshd", "web", "quickstart"} == set(pids)
    if how == "ctrl-c":
        process.signal(signal.SIGINT)
    else:
        run([QUICKSTART, "--data", data, "--stop"])
    assert process.wait(30) == 0
    assert not any(map(alive, pids.values()))
    assert not (data / "ready.json").exists()


def test_foreground_says_when_something_dies(data, tmp_path):
    process = Process("quickstart", [QUICKSTART, "--data", data, "--bin", BIN], tmp_path / "out")
    process.wait_until((data / "ready.json").exists, "serving", 60)
    pids = json.loads((data / "ready.json").read_text())["pids"]
    os.kill(pids["web"], signal.SIGKILL)
    assert process.wait(30) == 1
    assert "web ended by itself" in process.tail()
    assert not any(map(alive, pids.values()))


def test_a_gateway_that_does_not_start_is_explained(data, tmp_path):
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "envgate").write_text("#!/bin/sh\ncase $* in *--check*) exit 0;; esac\n"
                                    "echo no luck today >&2\nexit 1\n")
    (broken / "envgate").chmod(0o755)
    begin = time.monotonic()
    done = run([QUICKSTART, "--data", data, "--detach", "--bin", broken], check=False)
    assert done.returncode == 1 and b"no luck today" in done.stderr
    assert time.monotonic() - begin < 20 * SLOW, "it waited for what could not come"
    assert not (data / "ready.json").exists() and not (data / "processes.json").exists()
    done = run([QUICKSTART, "--data", data, "--detach", "--bin", tmp_path / "nowhere"], check=False)
    assert done.returncode == 1 and b"--bin" in done.stderr


def test_a_directory_that_cannot_be_used_is_explained(tmp_path):
    long = tmp_path / ("x" * 60) / ("y" * 60)
    done = quickstart(long, "--detach", check=False)
    assert done.returncode == 1 and b"--data" in done.stderr
