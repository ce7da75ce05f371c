"""envctl session ls, show, verify, replay, export, rm and what the admin API says of records, by a real
gateway on a folder of records that harness/chained_record.py wrote."""
import json
import os
import re
import socket
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness import BIN, Gateway, RouteFile, run, wait_for
from harness.admin import envctl, get
from harness.chained_record import ChainedRecord, cast
from harness.gateway import UnixConnection

EVENTS = [(0.5, "o", "root@gpu:~# lss\b \b -l\r\n"), (0.75, "o", "total 0\r\n"),
          (1.5, "o", "\x1b]0;t\x07$ exit\r\n")]
LOG = [{"envgate": {"version": 1, "session": "s"}},
       {"time": 0.25, "event": "exec", "channel": 2, "kind": "exec", "command": "rsync --server ."}]
OLD, NEW, CUT, CHANGED = (f"2026010{day}T000000-aaaaaaaaaa" for day in (1, 2, 3, 4))
IDS = [CHANGED, CUT, NEW, OLD]


class Folder:
    """A gateway's folder of records, and its key."""

    def __init__(self, directory):
        self.path = directory / "records"
        self.path.mkdir(mode=0o700)
        self.key = Ed25519PrivateKey.generate()
        self.key_file = directory / "record.key"
        seed = self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        self.key_file.write_text(seed.hex() + "\n")
        self.key_file.chmod(0o600)

    def entry(self, name, files, **more):
        """`ended` None: as a crash leaves it."""
        entry = {"id": name, "environment": "training", "user": "root", "owner": "ada", "source": "192.0.2.7",
                 "target": "10.0.0.4:22", "method": "publickey",
                 "started": f"{name[:4]}-{name[4:6]}-{name[6:8]}T00:00:00.000Z",
                 "ended": f"{name[:4]}-{name[4:6]}-{name[6:8]}T00:01:00.000Z", "reason": "logged out",
                 "bytes_to_target": 10, "bytes_to_client": 2048, "bytes": 300, "files": files, **more}
        entry = {key: value for key, value in entry.items() if value is not None}
        (self.path / f"{name}.json").write_text(json.dumps(entry))

    def record(self, name, pieces, end=True):
        return ChainedRecord(self.path / name, self.key).write(pieces, end=end)


def lines(objects):
    return [json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in objects]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, ca):
    directory = tmp_path_factory.mktemp("gateway")
    folder = Folder(directory)
    folder.record(f"{OLD}-1.cast", cast(EVENTS))
    folder.record(f"{OLD}.jsonl", lines(LOG))
    folder.entry(OLD, [f"{OLD}.jsonl", f"{OLD}-1.cast"])
    for channel in (1, 2):
        folder.record(f"{NEW}-{channel}.cast", cast([(0.1, "o", f"terminal {channel}\r\n")]))
    folder.entry(NEW, [f"{NEW}-1.cast", f"{NEW}-2.cast"], user="ubuntu", environment="other")
    folder.record(f"{CUT}-1.cast", cast(EVENTS), end=False)
    folder.entry(CUT, [], ended=None, reason="", session=4711)
    changed = folder.record(f"{CHANGED}-1.cast", cast(EVENTS))
    changed.path.write_bytes(changed.path.read_bytes().replace(b"total", b"TOTAL"))
    folder.entry(CHANGED, [f"{CHANGED}-1.cast"], owner="eve")
    RouteFile(directory / "routes.yaml").write()
    with Gateway(directory, ca, {"audit": {"records": {"max_age": "0"}}}) as gateway:
        gateway.folder = folder
        wait_for(lambda: get(gateway, f"/api/sessions/{CUT}")["record"].get("ended"),
                 "what a crash left is not closed")
        yield gateway


def ids(gateway, query=""):
    return [record["id"] for record in get(gateway, f"/api/sessions{query}")["records"]]


# -- the index

def test_listed_newest_first_by_pages_and_filters(recorded):
    assert ids(recorded) == IDS
    page = get(recorded, "/api/sessions?limit=3")
    assert [record["id"] for record in page["records"]] == IDS[:3] and page["next"] == NEW
    assert ids(recorded, f"?after={NEW}") == [OLD]
    assert ids(recorded, "?env=other") == ids(recorded, "?user=ubuntu") == [NEW]
    assert ids(recorded, "?owner=eve") == [CHANGED]
    assert ids(recorded, "?since=2026-01-02T00:00:00Z&until=2026-01-04T00:00:00Z") == [CUT, NEW]
    assert ids(recorded, "?since=1s") == []


def test_ls(recorded):
    out, err = envctl(recorded, "session", "ls")
    assert [line.split()[0] for line in out.splitlines()] == ["ID", *IDS] and err == ""
    assert "cut off" in out.splitlines()[2] and "ubuntu" in out.splitlines()[3]
    out, _ = envctl(recorded, "session", "ls", "--env", "training", "--limit", "2", "-o", "json")
    assert [record["id"] for record in json.loads(out)["records"]] == [CHANGED, CUT]
    assert envctl(recorded, "session", "ls", "--owner", "nobody")[0] == "no records\n"
    _, err = envctl(recorded, "session", "ls", "--since", "yesterday", status=1)
    assert "yesterday" in err
    envctl(recorded, "session", "ls", "--limit", "0", status=2)


def test_completion_offers_what_is_there(recorded):
    done = run([BIN / "envctl", "completion", "words", "--", "session", "show", "20260101"],
               env={**os.environ, "ENVGATE_ADMIN_SOCKET": recorded.admin_socket})
    assert done.stdout.decode() == OLD + "\n"


# -- one record

def test_show_says_what_the_chains_say(recorded):
    record = json.loads(envctl(recorded, "session", "show", OLD, "-o", "json")[0])
    assert record["key"] == ChainedRecord(recorded.folder.path / "x", recorded.folder.key).public
    assert record["open"] is False and record["verified"] is True
    assert [(file["name"], file["state"], file["good"]) for file in record["files"]] == \
        [(f"{OLD}.jsonl", "whole", True), (f"{OLD}-1.cast", "whole", True)]
    states = {name: get(recorded, f"/api/sessions/{name}")["files"][0] for name in (CUT, CHANGED)}
    assert states[CUT]["state"] == "cut_off" and states[CHANGED]["state"] == "changed"
    assert "at block 3" in states[CHANGED]["verdict"]
    assert "state" not in get(recorded, f"/api/sessions/{OLD}?verify=no")["files"][0]
    out, _ = envctl(recorded, "session", "show", OLD)
    assert re.search(r"^owner +ada$", out, re.M) and re.search(rf"^{OLD}-1.cast .* whole, ", out, re.M)
    _, err = envctl(recorded, "session", "show", "no-such", status=3)
    assert "no-such" in err


def test_what_a_crash_left_is_closed(recorded):
    record = get(recorded, f"/api/sessions/{CUT}")["record"]
    assert record["reason"] == "cut off" and record["files"] == [f"{CUT}-1.cast"] and "session" not in record


def test_commands_are_guessed(recorded):
    record = json.loads(envctl(recorded, "session", "show", OLD, "--commands", "-o", "json")[0])
    assert record["commands"] == [
        {"file": f"{OLD}.jsonl", "seconds": 0.25, "prompt": "", "command": "rsync --server ."},
        {"file": f"{OLD}-1.cast", "seconds": 0.5, "prompt": "root@gpu:~#", "command": "ls -l"},
        {"file": f"{OLD}-1.cast", "seconds": 1.5, "prompt": "$", "command": "exit"}]
    out, _ = envctl(recorded, "session", "show", OLD, "--commands")
    assert re.search(r"root@gpu:~# +ls -l$", out, re.M)


def test_files_in_ranges(recorded):
    data = (recorded.folder.path / f"{OLD}-1.cast").read_bytes()

    def read(query):
        connection = UnixConnection(recorded.admin_socket)
        connection.request("GET", f"/api/sessions/{OLD}/files/{OLD}-1.cast{query}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200
        return body

    assert read("") == data and read("?from=5&size=7") == data[5:12]
    assert read(f"?from={len(data) - 3}&size=100") == data[-3:] and read(f"?from={len(data)}") == b""
    seen = [line for line in recorded.log_lines("record_read") if line["file"] == f"{OLD}-1.cast"]
    assert seen and all("uid" in line for line in seen)


# -- envctl's verbs of files, with an id

def test_verify_by_id(recorded, tmp_path):
    out, err = envctl(recorded, "session", "verify", OLD, "--key", f"{recorded.folder.key_file}.pub")
    assert out.count("whole, ") == 2 and "signed by the key given" in out and err == ""
    out, _ = envctl(recorded, "session", "verify", CUT, CHANGED, status=1)
    assert f"{CUT}-1.cast: cut off" in out and f"{CHANGED}-1.cast: changed at block 3" in out
    other = ChainedRecord(tmp_path / "x.cast", Ed25519PrivateKey.generate())
    other = other.write_public_key(tmp_path / "other.pub")
    assert "unknown key" in envctl(recorded, "session", "verify", OLD, "--key", other, status=1)[0]
    assert "no-such" in envctl(recorded, "session", "verify", "no-such", status=3)[1]


def test_replay_and_export_by_id(recorded):
    out, _ = envctl(recorded, "session", "replay", OLD, "--speed", "1000")
    assert out == "root@gpu:~# lss\b \b -l\r\ntotal 0\r\n$ exit\r\n"
    out, err = envctl(recorded, "session", "export", "--text", NEW)
    assert out == "terminal 1\n" and "--terminal" in err
    assert envctl(recorded, "session", "export", "--text", NEW, "--terminal", "2") == ("terminal 2\n", "")
    assert "terminal 3" in envctl(recorded, "session", "replay", NEW, "--terminal", "3", status=3)[1]


def test_the_files_themselves(recorded, tmp_path):
    out, _ = envctl(recorded, "session", "export", OLD, "--to", tmp_path)
    names = {f"{OLD}{end}" for end in (".jsonl", ".jsonl.chain", "-1.cast", "-1.cast.chain")}
    assert {path.name for path in tmp_path.iterdir()} == names and len(out.splitlines()) == 4
    for name in names:
        assert (tmp_path / name).read_bytes() == (recorded.folder.path / name).read_bytes()
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    _, err = envctl(recorded, "session", "export", OLD, "--to", tmp_path, status=1)
    assert "File exists" in err
    envctl(recorded, "session", "export", OLD, "--to", tmp_path, "--text", status=2)
    _, err = envctl(recorded, "session", "export", tmp_path / f"{OLD}-1.cast", "--to", tmp_path, status=2)
    assert "is a file already" in err


def test_what_is_not_open_is_neither_watched_nor_killed(recorded):
    for verb in ("watch", "kill"):
        assert "not open" in envctl(recorded, "session", verb, OLD, status=3)[1]


class Watched:
    """An admin socket that answers one request with server-sent events, and then closes."""

    def __init__(self, path, events, whole=True):
        self.path, self.request = path, b""
        body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events).encode()
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        self.answer += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n"
        self.answer += b"0\r\n\r\n" if whole else b""
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.listening.accept()
        with connection:
            while b"\r\n\r\n" not in self.request:
                self.request += connection.recv(65536)
            connection.sendall(self.answer)

    def watch(self, *options, status=0):
        done = run([BIN / "envctl", "session", "watch", "a-1", "--socket", self.path, *options], check=False)
        self.thread.join()
        self.listening.close()
        assert done.returncode == status, done.stderr
        return done.stdout.decode(), done.stderr.decode()


WATCHED = [("size", {"channel": 1, "columns": 80, "rows": 24}),
           ("output", {"channel": 1, "data": "\x1b]0;title\x07r\u00e9"}),
           ("output", {"channel": 2, "data": "other"}),
           ("lost", {"bytes": 2048}), ("output", {"channel": 1, "data": "d\r\n"}),
           ("end", {"reason": "logged out\x1b[2J"})]


def test_watch_shows_one_terminal_without_what_could_harm(tmp_path):
    server = Watched(tmp_path / "a.sock", WATCHED)
    out, err = server.watch()
    assert server.request.startswith(b"GET /api/sessions/a-1/watch HTTP/1.1\r\n")
    assert out == "r\u00e9d\r\n"
    assert "--terminal 2" in err and "2.0 KiB" in err and "ended: logged out?[2J" in err and "\x1b" not in err
    assert Watched(tmp_path / "b.sock", WATCHED).watch("--terminal", "2")[0] == "other"
    assert Watched(tmp_path / "c.sock", WATCHED).watch("--raw")[0].startswith("\x1b]0;title")


def test_a_watch_that_breaks_off_has_failed(tmp_path):
    out, err = Watched(tmp_path / "a.sock", WATCHED[:2], whole=False).watch(status=1)
    assert out == "r\u00e9" and "closed the connection" in err


# -- the folder

def test_removed_with_its_files(recorded):
    folder = recorded.folder
    extra = "20251231T000000-aaaaaaaaaa"
    folder.record(f"{extra}-1.cast", cast(EVENTS))
    folder.entry(extra, [f"{extra}-1.cast"])
    out, _ = envctl(recorded, "session", "rm", extra)
    assert extra in out and not list(folder.path.glob(f"{extra}*"))
    assert recorded.log_lines("admin_change")[-1]["call"] == f"DELETE /api/sessions/{extra}"
    folder.entry(extra, [], ended=None)
    _, err = envctl(recorded, "session", "rm", extra, "no-such", status=4)
    assert "still being written" in err and "no-such" in err
    (folder.path / f"{extra}.json").unlink()


def test_old_records_are_readable_where_none_can_be_made(tmp_path, ca, recorded):
    """The folder is another gateway's: listed, but not written."""
    records = {"directory": str(recorded.folder.path), "key_file": str(recorded.folder.key_file)}
    RouteFile(tmp_path / "routes.yaml").write()
    with Gateway(tmp_path, ca, {"audit": {"records": records}}) as second:
        assert "another gateway" in second.log_lines("records_off")[0]["error"]
        assert ids(second) == IDS
