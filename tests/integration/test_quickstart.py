# ctest: timeout=600
"""The promise of the README: one command starts the control plane, the gateway and an environment that can be
reached as printed; another ends exactly that. No Docker engine is found here, so the environment's machine is
played by namespaces; tests/control has the one with Docker. It runs the programs that were just built."""
import datetime
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import BIN, SLOW, Process, Sshd, debian_tool, need, run, wait_for
from harness.machine import ROOT
from harness.quickstart import (QUICKSTART, Quickstart, alive, envctl, get, ready_of, ssh, ssh_argv,
                                ssh_by_password)

sys.path.append(str(ROOT / "conf/demo"))
import namespace_machine  # noqa: E402

QUICK = Quickstart()


@pytest.fixture(scope="module", autouse=True)
def machine_can():
    reason = namespace_machine.obstacle()
    need(reason is None, reason)


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "a directory"  # with a space: people have those
    yield directory
    QUICK.stop(directory, check=False)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One detached quickstart for the tests that only look: (ready.json, what it printed)."""
    directory = tmp_path_factory.mktemp("quickstart")
    try:
        yield QUICK.start(directory)
    finally:
        QUICK.stop(directory, check=False)


def test_help_says_every_option():
    text = run([QUICKSTART, "--help"]).stdout.decode()
    for option in ("--detach", "--stop", "--data", "--no-demo", "--backend", "--build-only", "--bin"):
        assert option in text


@pytest.mark.parametrize("words", [["--dteach"], ["--backend", "pyhsical"]])
def test_misuse_is_named(words):
    done = run([QUICKSTART, *words], check=False)
    assert done.returncode == 2 and words[-1].encode() in done.stderr and b"--help" in done.stderr


def test_build_only_leaves_the_programs_where_it_says():
    need(BIN == ROOT / "build/release/bin", "this run tests another build than the quickstart's")
    before = (ROOT / "build/release/CMakeCache.txt").stat().st_mtime_ns
    run([QUICKSTART, "--build-only"], seconds=280)
    for program in ("envgate", "envgate-control", "envctl"):
        run([BIN / program, "--version" if program != "envctl" else "--help"])
    now = (ROOT / "build/release/CMakeCache.txt").stat().st_mtime_ns
    assert now == before, "it configured the build anew"


def test_prints_what_to_type(started):
    ready, out = started
    for text in (ready["ssh"], ready["ssh_by_password"], ready["password"], ready["url"], ready["ca"],
                 ready["control_socket"], "envctl env ls", "--stop"):
        assert text in out, text
    assert (Path(ready["data"]) / "ready.json").stat().st_mode & 0o077 == 0, "others can read the password"


def test_the_demo_is_an_environment_of_the_control_plane(started):
    ready, _ = started
    listed = envctl(ready, "env", "ls")
    rows = listed["environments"] if isinstance(listed, dict) else listed
    assert [(e["id"], e["name"], e["owner"], e["backend"], e["state"]) for e in rows] == \
        [(ready["id"], "demo", "demo", "physical", "running")]
    assert ready["id"] in ready["url"] and ready["id"] in ready["ssh"]
    assert envctl(ready, "env", "access", "demo")["ssh_password"] == ready["password"]


def test_ssh_as_printed(started):
    ready, _ = started
    done = run(["sh", "-c", ready["ssh"] + " 'echo reached; exit 7'"], check=False)
    assert (done.returncode, done.stdout) == (7, b"reached\n"), done.stderr


def test_ssh_asks_for_the_password_that_was_printed(started, tmp_path):
    ready, _ = started
    done = ssh_by_password(ready, tmp_path, "echo reached")
    assert done.stdout == b"reached\n", done.stderr
    assert ssh_by_password(ready, tmp_path, "echo reached", password="wrong").returncode != 0


def test_ssh_is_in_a_machine_of_its_own(started):
    """Its accounts, homes, processes and name are not ours, and it can change no other file of ours."""
    ready, _ = started
    assert ssh(ready, "hostname; whoami; pwd") == "here\nroot\n/root"
    assert "PID" in ssh(ready, "ps -ef") and str(os.getpid()) not in ssh(ready, "ls /proc").split()
    assert ssh(ready, "cat /etc/shadow") != Path("/etc/shadow").read_text().strip()
    inside = run(ssh_argv(ready, "touch /usr/quickstart-was-here"), check=False)
    assert b"Read-only" in inside.stderr and not Path("/usr/quickstart-was-here").exists()


def test_sftp_and_terminal(started, tmp_path):
    ready, _ = started
    (tmp_path / "file").write_text("content\n")
    batch = f"put {tmp_path}/file copy\nget copy {tmp_path}/back\n"
    run([debian_tool("sftp"), "-F", ready["ssh_config"], "-b", "-", ready["ssh_host"]], input=batch.encode())
    assert (tmp_path / "back").read_text() == "content\n" and ssh(ready, "cat copy") == "content"
    tty = run([debian_tool("ssh"), "-tt", "-F", ready["ssh_config"], ready["ssh_host"], "tty"])
    assert tty.stdout.startswith(b"/dev/")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_page_by_name_without_dns(started, version):
    ready, _ = started
    done = get(ready, "", version, "-w", "HTTP/%{http_version}")
    assert b"You have reached the environment" in done.stdout
    assert done.stdout.endswith({"--http1.1": b"HTTP/1.1", "--http2": b"HTTP/2"}[version])


def test_the_page_shows_forwarded_headers(started):
    ready, _ = started
    headers = json.loads(get(ready, "headers", "-L", "-H", 'X-Odd: a"b\\c').stdout)
    assert headers["x-forwarded-proto"] == "https" and headers["x-odd"] == 'a"b\\c'
    assert headers["host"] == ready["url"].split("/")[2]


def test_plain_http_redirects(started):
    ready, _ = started
    host, port = ready["url"].split("/")[2].split(":")[0], ready["http"].rpartition(":")[2]
    out = run([debian_tool("curl"), "-sS", "--noproxy", "*", "-o", "/dev/null",
               "-w", "%{http_code} %{redirect_url}", f"http://{host}:{port}/x?y=z"]).stdout.decode()
    status, location = out.split()
    assert status in ("301", "308") and location == ready["url"] + "x?y=z"


def test_server_sent_events(started):
    ready, _ = started
    argv = [debian_tool("curl"), "-sSLN", "--noproxy", "*", "--cacert", ready["ca"], ready["url"] + "events"]
    events = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert events.stdout.readline().startswith(b"data: ")
        assert events.stdout.readline() == b"\n"
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
    assert ready_of(ready["data"])["pids"] == ready["pids"]


def test_a_reader_that_leaves_early_is_no_failure(data):
    command = f"'{QUICKSTART}' --data '{data}' --bin '{BIN}' --detach --no-demo"
    early = run(["bash", "-c", f"set -o pipefail; {command} | true"], env=QUICK.environment)
    assert early.stderr == b"" and alive(ready_of(data)["pids"]["gateway"])


def test_stop_ends_exactly_what_was_started(data):
    ready, _ = QUICK.start(data)
    assert set(ready["pids"]) == {"control", "gateway", "machine", "web"}
    assert all(map(alive, ready["pids"].values()))
    # A session that is open when the stop comes ends with it.
    session = subprocess.Popen(ssh_argv(ready, "echo in; sleep 600"), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    assert session.stdout.readline() == b"in\n"
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        out = QUICK.stop(data)
        assert "gateway" in out and "stopped: demo" in out
        assert not any(map(alive, ready["pids"].values()))
        assert session.wait(10 * SLOW) != 0
        assert bystander.poll() is None
        assert not (data / "ready.json").exists()
        assert "nothing was running" in QUICK.stop(data)
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
        QUICK.stop(data)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_next_start_takes_the_same_demo_up_again(data, tmp_path):
    first, _ = QUICK.start(data)
    known = (data / "known_hosts").read_bytes()
    ssh(first, "echo kept >note")
    QUICK.stop(data)
    second, _ = QUICK.start(data)
    for field in ("id", "password", "ssh_port", "url"):
        assert second[field] == first[field], field
    assert ssh(second, "cat note") == "kept" and (data / "known_hosts").read_bytes() == known
    assert ssh_by_password(second, tmp_path, "echo in").stdout == b"in\n"


def test_it_recovers_from_a_crash_and_keeps_the_authority(data):
    before, _ = QUICK.start(data)
    authority = (data / "ca.pem").read_bytes()
    ssh(before, "echo kept >note")
    for name in ("gateway", "control"):
        os.kill(before["pids"][name], signal.SIGKILL)
        wait_for(lambda: not alive(before["pids"][name]), f"the {name} has not ended")
    after, out = QUICK.start(data)
    assert "ended what an earlier run had left" in out and "machine" in out
    assert not alive(before["pids"]["machine"]) and alive(after["pids"]["gateway"])
    assert after["id"] == before["id"] and ssh(after, "cat note") == "kept"
    assert (data / "ca.pem").read_bytes() == authority


def test_taking_the_machine_back_touches_nothing_of_ours(data):
    """Its reclaim ends the customer's processes, and replaces passwords and keys: those of the namespaces."""
    ready, _ = QUICK.start(data)
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    ours = [Path("/etc/shadow"), Path("/etc/passwd"), home / ".ssh/authorized_keys"]
    before = [path.read_bytes() if path.exists() else None for path in ours]
    customers = subprocess.Popen(ssh_argv(ready, "echo in; exec sleep 600"), stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        assert customers.stdout.readline() == b"in\n"
        envctl(ready, "env", "rm", "demo", "--yes", "--wait")
        assert customers.wait(10 * SLOW) != 0
        assert bystander.poll() is None
        assert [path.read_bytes() if path.exists() else None for path in ours] == before
        assert envctl(ready, "machine", "show", "here")["state"] == "available"
    finally:
        for process in (customers, bystander):
            process.kill()
            process.wait()
    QUICK.stop(data)
    again, _ = QUICK.start(data)
    assert again["id"] != ready["id"] and ssh(again, "echo in") == "in"


def test_a_ticket_opens_a_private_port(data, tmp_path):
    """The gateway and the control plane share the key of tickets."""
    ready, _ = QUICK.start(data)
    port = int(ready["url"].split("-")[1].split(".")[0])
    change = json.dumps({"spec": {"ports": [{"port": port, "access": "private"}]}})
    run([debian_tool("curl"), "-sSf", "--unix-socket", ready["control_socket"], "-X", "PATCH", "-H",
         "Content-Type: application/json", "-H", "Prefer: wait=30", "-d", change,
         f"http://control/api/environments/{ready['id']}"])
    wait_for(lambda: get(ready, check=False).returncode != 0, "the port is still open to everybody")
    ticket = envctl(ready, "env", "open", "demo", port)["url"]
    jar = tmp_path / "jar"
    page = run([debian_tool("curl"), "-sSfL", "--noproxy", "*", "--cacert", ready["ca"], "-c", jar, "-b", jar,
                ticket])
    assert b"You have reached the environment" in page.stdout


def test_an_expired_certificate_is_renewed(data):
    QUICK.start(data, "--no-demo")
    QUICK.stop(data)
    old = data / "tls/gateway.pem"
    run([debian_tool("openssl"), "req", "-new", "-key", data / "tls/gateway.key", "-subj", "/CN=localhost",
         "-out", data / "request"])
    run([debian_tool("openssl"), "x509", "-req", "-in", data / "request", "-CA", data / "ca.pem",
         "-CAkey", data / "tls/ca.key", "-days", "1", "-out", old])
    stale = old.read_bytes()
    ready, _ = QUICK.start(data)
    assert old.read_bytes() != stale
    get(ready)


def test_no_demo_says_how_to_make_the_first_environment(data):
    ready, out = QUICK.start(data, "--no-demo")
    assert set(ready["pids"]) == {"control", "gateway"} and "url" not in ready
    lines = [line.split(None, 1)[1] for line in out.splitlines() if "/envctl " in line]
    assert [line.split()[:2] for line in lines] == [["quota", "set"], ["machine", "add"], ["env", "create"],
                                                    ["env", "access"]]
    envctl(ready, *lines[0].split())
    assert envctl(ready, "quota", "show", "me")["environments"] == 4
    QUICK.stop(data)
    ready, _ = QUICK.start(data, "--no-demo")
    assert envctl(ready, "quota", "show", "me")["environments"] == 4


def test_what_cannot_be_is_explained_and_leaves_nothing(data):
    done = QUICK.run(data, "--detach", "--backend", "docker", check=False)
    assert done.returncode == 1
    assert b"/nonexistent/docker.sock" in done.stderr and b"Start Docker" in done.stderr
    assert not (data / "ready.json").exists() and not (data / "processes.json").exists()


def test_taken_ports_are_gone_around(data):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8443))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which serves as well
        ready, _ = QUICK.start(data)
        assert ready["https"] != "127.0.0.1:8443"
        get(ready)


def test_another_server_on_the_demos_port_is_not_taken_for_it(data, tmp_path):
    ready, _ = QUICK.start(data)
    QUICK.stop(data)
    with Sshd(tmp_path / "other", port=ready["ssh_port"]):
        done = QUICK.run(data, "--detach", check=False)
    assert done.returncode == 1
    assert f"port {ready['ssh_port']}, which is the demo's, is in use".encode() in done.stderr
    assert not (data / "ready.json").exists() and not (data / "processes.json").exists()


@pytest.mark.parametrize("how", ["ctrl-c", "--stop"])
def test_foreground_ends_all_it_started(data, tmp_path, how):
    process = Process("quickstart", [QUICKSTART, "--data", data, "--bin", BIN], tmp_path / "out",
                      QUICK.environment)
    process.wait_until(lambda: (data / "ready.json").exists() and "Ctrl-C" in process.tail(), "serving", 60)
    pids = ready_of(data)["pids"]
    assert {"control", "gateway", "machine", "web", "quickstart"} == set(pids)
    if how == "ctrl-c":
        process.signal(signal.SIGINT)
    else:
        QUICK.stop(data)
    assert process.wait(30) == 0
    assert not any(map(alive, pids.values()))
    assert not (data / "ready.json").exists() and "stopped: demo" in process.tail()


def test_foreground_says_when_something_dies(data, tmp_path):
    process = Process("quickstart", [QUICKSTART, "--data", data, "--bin", BIN], tmp_path / "out",
                      QUICK.environment)
    process.wait_until((data / "ready.json").exists, "serving", 60)
    pids = ready_of(data)["pids"]
    os.kill(pids["web"], signal.SIGKILL)
    assert process.wait(30) == 1
    assert "web ended by itself" in process.tail()
    assert not any(map(alive, pids.values()))


@pytest.mark.parametrize("name", ["envgate", "envgate-control"])
def test_a_program_that_does_not_start_is_explained(data, tmp_path, name):
    broken = tmp_path / "bin"
    broken.mkdir()
    for program in ("envgate", "envgate-control", "envctl"):
        (broken / program).symlink_to(BIN / program)
    (broken / name).unlink()
    (broken / name).write_text("#!/bin/sh\ncase $* in *--check*) exit 0;; esac\n"
                               "echo no luck today >&2\nexit 1\n")
    (broken / name).chmod(0o755)
    begin = time.monotonic()
    done = QUICK.run(data, "--detach", binaries=broken, check=False)
    assert done.returncode == 1 and b"no luck today" in done.stderr
    assert time.monotonic() - begin < 20 * SLOW, "it waited for what could not come"
    assert not (data / "ready.json").exists() and not (data / "processes.json").exists()
    done = QUICK.run(data, "--detach", binaries=tmp_path / "nowhere", check=False)
    assert done.returncode == 1 and b"--bin" in done.stderr


def test_a_directory_that_cannot_be_used_is_explained(tmp_path):
    long = tmp_path / ("x" * 60) / ("y" * 60)
    done = QUICK.run(long, "--detach", check=False)
    assert done.returncode == 1 and b"--data" in done.stderr
