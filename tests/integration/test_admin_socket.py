"""The admin API's socket against the real gateway:
whose it is, who may use it, and what requests get that are not in order."""
import grp
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import BIN, need, wait_for
from harness.admin import get, plain
from harness.gateway import UnixConnection


# -- the socket

def test_socket_is_private_to_owner_and_group(ssh_gateway):
    there = os.stat(ssh_gateway.admin_socket)
    assert stat.S_ISSOCK(there.st_mode)
    assert stat.S_IMODE(there.st_mode) == 0o660
    assert (there.st_uid, there.st_gid) == (os.geteuid(), os.getegid())


def test_socket_is_removed_at_the_end_and_a_stale_one_replaced(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    assert not os.path.lexists(gateway.admin_socket)
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(gateway.admin_socket)
    left_over.close()
    gateway.start()
    assert get(gateway, "/healthz") == {"alive": True}


def test_a_second_gateway_leaves_the_first_ones_socket_alone(make_gateway, gateway):
    other = make_gateway({"admin": {"socket": gateway.admin_socket},
                          "routes": {"file": str(gateway.directory / "routes.yaml")}},
                         start=False, name="other")
    other.start(wait=False)
    assert other.process.wait(20) == 1
    assert "another envgate listens there" in other.process.tail()
    assert get(gateway, "/healthz") == {"alive": True}


def test_a_file_in_the_way_is_not_touched(make_gateway):
    gateway = make_gateway(start=False)
    Path(gateway.admin_socket).write_text("precious")
    gateway.start(wait=False)
    assert gateway.process.wait(20) == 1
    assert "is not a socket" in gateway.process.tail()
    assert Path(gateway.admin_socket).read_text() == "precious"


def test_the_socket_has_no_directory(make_gateway, tmp_path):
    gateway = make_gateway({"admin": {"socket": str(tmp_path / "new" / "admin.sock")}})
    assert gateway.ready(), "the last directory is made"
    gateway.stop()
    gateway = make_gateway({"admin": {"socket": str(tmp_path / "a" / "b" / "admin.sock")}}, start=False,
                           name="second")
    shutil.copy(tmp_path / "gateway" / "routes.yaml", tmp_path / "second" / "routes.yaml")
    gateway.start(wait=False)
    assert gateway.process.wait(20) == 1
    assert "cannot make the directory" in gateway.process.tail()


@pytest.fixture
def open_directory():
    """A directory that every account can look into, as /run/envgate is."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    shutil.copy(BIN / "envctl", directory / "envctl")
    yield directory
    shutil.rmtree(directory)


def as_nobody(directory, socket_path, *arguments, groups=()):
    nobody = pwd.getpwnam("nobody")
    return subprocess.run([directory / "envctl", "gateway", *arguments, "--socket", socket_path],
                          capture_output=True, text=True, timeout=60, cwd="/",
                          user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=list(groups))


def test_only_the_group_gets_in(make_gateway, open_directory):
    need(os.geteuid() == 0, "only root can act as another account")
    gid = grp.getgrnam("games").gr_gid
    path = str(open_directory / "admin.sock")
    gateway = make_gateway({"admin": {"socket": path, "group": "games"}})
    assert os.stat(path).st_gid == gid
    refused = as_nobody(open_directory, path, "status")
    assert refused.returncode == 1
    assert "permission denied" in refused.stderr and "games" in refused.stderr
    member = as_nobody(open_directory, path, "set", "log.level", "info", groups=[gid])
    assert member.returncode == 0, member.stderr
    change = wait_for(lambda: gateway.log_lines("admin_change"), "the change is not logged")[-1]
    assert change["uid"] == pwd.getpwnam("nobody").pw_uid
    assert (change["call"], change["status"]) == ("PUT /settings/log.level", 200)

    os.chmod(path, 0o666)  # an administrator's slip: credentials are looked at all the same
    stranger = as_nobody(open_directory, path, "status")
    assert stranger.returncode == 1 and "may not use" in stranger.stderr, stranger
    assert gateway.log_lines("admin_refused")


# -- bad requests

BAD = [
    ("GET", "/", None, 404, None),
    ("GET", "/status/", None, 404, None),
    ("GET", "/route", None, 404, None),
    ("POST", "/status", None, 405, None),
    ("GET", "/drain", None, 405, None),
    ("PUT", "/sessions/1", None, 405, None),
    ("PATCH", "/settings/log.level", None, 405, None),
    ("GET", "/routes?limit=0", None, 400, "limit"),
    ("GET", "/routes?limit=x", None, 400, "limit"),
    ("GET", "/routes?limit=10001", None, 400, "limit"),
    ("GET", "/routes?after=Not-An-Id", None, 400, "after"),
    ("GET", "/routes?colour=red", None, 400, "colour"),
    ("GET", "/routes?limit=1&limit=2", None, 400, "limit"),
    ("GET", "/routes/UPPER", None, 400, "env"),
    ("GET", "/routes/" + "a" * 33, None, 400, "env"),
    ("GET", "/routes/nosuchenv", None, 404, "env"),
    ("GET", "/sessions?env=-", None, 400, "env"),
    ("GET", "/sessions?protocol=gopher", None, 400, "protocol"),
    ("GET", "/sessions?after=-1", None, 400, "after"),
    ("DELETE", "/sessions/x", None, 400, "id"),
    ("DELETE", "/sessions/no-such-record", None, 404, "id"),
    ("GET", "/api/sessions?limit=0", None, 400, "limit"),
    ("GET", "/api/sessions?limit=1001", None, 400, "limit"),
    ("GET", "/api/sessions?since=yesterday", None, 400, "since"),
    ("GET", "/api/sessions?until=2026-01-01", None, 400, "until"),
    ("GET", "/api/sessions?colour=red", None, 400, "colour"),
    ("GET", "/api/sessions/no-such", None, 404, "id"),
    ("GET", "/api/sessions/..%2fkey", None, 404, "id"),
    ("DELETE", "/api/sessions/no-such", None, 404, "id"),
    ("GET", "/api/sessions/no-such/watch", None, 404, "id"),
    ("GET", "/api/sessions/no-such/files/no-such.jsonl", None, 404, "name"),
    ("GET", "/api/sessions/a-1/files/..%2f..%2fenvgate.yaml", None, 404, "name"),
    ("GET", "/api/sessions/a-1/files/a-1.jsonl?size=4194305", None, 400, "size"),
    ("GET", "/api/sessions/a-1/files/a-1.jsonl?from=-1", None, 400, "from"),
    ("PUT", "/api/sessions/a-1", None, 405, None),
    ("DELETE", "/sessions/999999999", None, 404, "id"),
    ("DELETE", "/sessions/18446744073709551616", None, 400, "id"),
    ("GET", "/settings/nosuch", None, 404, "key"),
    ("PUT", "/settings/log.level", "", 400, "value"),
    ("PUT", "/settings/log.level", "debug", 400, "value"),
    ("PUT", "/settings/log.level", "[]", 400, "value"),
    ("PUT", "/settings/log.level", '{"val": 1}', 400, "value"),
    ("PUT", "/settings/log.level", '{"value": null}', 400, "value"),
    ("PUT", "/settings/log.level", '{"value": "x", "y": 1}', 400, "value"),
    ("PUT", "/settings/log.level", "[" * 60000, 400, "value"),
    ("PUT", "/settings/log.level", '{"value": 7}', 422, None),
    ("PUT", "/settings/log", '{"value": "x"}', 400, "key"),
    ("DELETE", "/settings/log.level", None, 404, "key"),
    ("GET", "/routes/%zz", None, 400, "path"),
    ("GET", "/routes?limit=%1", None, 400, "query"),
    ("PUT", "/settings/log.level", "x" * 70000, 413, None),
    ("GET", "/" + "x" * 5000, None, 414, None),
]


@pytest.mark.parametrize("method, path, body, status, field", BAD,
                         ids=[f"{method} {path[:40]} {i}" for i, (method, path, *_) in enumerate(BAD)])
def test_bad_requests(ssh_gateway, method, path, body, status, field):
    got, answer = ssh_gateway.admin(method, path, body)
    assert got == status, answer
    assert answer["status"] == status and answer["detail"]
    assert answer.get("field") == field
    assert get(ssh_gateway, "/healthz") == {"alive": True}


def talk(gateway, data):
    """Raw bytes to the socket; everything that comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(gateway.admin_socket)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while piece := connection.recv(65536):
            got += piece
        return got


def test_requests_are_read_strictly(ssh_gateway):
    def first_line(data):
        return talk(ssh_gateway, data).split(b"\r\n")[0]

    line = b"GET /healthz HTTP/1.1\r\n"
    both = b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"
    assert first_line(line + b"\r\n").endswith(b"400 Bad Request"), "no Host"
    assert first_line(b"GET /healthz HTTP/1.1\nHost: x\n\n").endswith(b"400 Bad Request")
    assert first_line(line + b"Host: x\r\n" + both + b"\r\n0\r\n\r\n").endswith(b"400 Bad Request")
    too_many = first_line(line + b"Host: x\r\n" + b"X: y\r\n" * 100 + b"\r\n")
    assert too_many.endswith(b"431 Request Header Fields Too Large")
    assert talk(ssh_gateway, b"") == b"" and talk(ssh_gateway, b"GET /healthz HTT") == b""


def test_keep_alive_pipelining_and_chunked_bodies(ssh_gateway):
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert talk(ssh_gateway, one * 20).count(b"200 OK") == 20
    chunked = (b"PUT /settings/log.level HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5\r\n{\"val\r\n10\r\nue\": \"\\u0064ebug\r\n2\r\n\"}\r\n0\r\n\r\n")
    answer = talk(ssh_gateway, chunked + one)
    assert answer.count(b"200 OK") == 2, answer
    ssh_gateway.admin("DELETE", "/settings/log.level")
    expecting = (b"PUT /settings/nosuch HTTP/1.1\r\nHost: x\r\n"
                 b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(ssh_gateway.admin_socket)
        connection.sendall(expecting)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 404 ")


def test_connections_are_bounded(gateway):
    crowd = []
    for _ in range(64):
        connection = UnixConnection(gateway.admin_socket)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        crowd.append(connection)  # kept alive
    assert gateway.admin("GET", "/healthz")[0] == 503
    assert plain(gateway, "GET", "/healthz")[0].status == 200, "the other door has places of its own"
    crowd.pop().close()
    wait_for(lambda: gateway.admin("GET", "/healthz")[0] == 200, "a place that was given back is not used")
    for connection in crowd:
        connection.close()
