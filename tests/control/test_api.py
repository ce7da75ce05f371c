"""What the API answers, by the real program over its socket: roles, bodies, versions, keys, pages."""
import json
import subprocess
import threading
import time
from urllib.parse import quote_plus, urlencode

import pytest

from lone_plane import ADMIN, GATEWAY, OPERATE, READ, REDIS_PASSWORD, plane, spec  # noqa: F401
from plane import Refused, wait_for
from wire import Wire, as_account

ROLES = {"none": (), "read": (READ,), "gateway": (GATEWAY,), "operate": (OPERATE,), "admin": (ADMIN,)}
RANK = list(ROLES)
MIB = 1 << 20


def create(plane, **more):
    return plane.ask("POST", "/api/environments", spec(**more))["environment"]


def refused(plane, *request, **fields):
    with pytest.raises(Refused) as caught:
        plane.ask(*request, **fields)
    return caught.value.status, caught.value.problem


def as_role(plane, role, *requests):
    whole = [(*request[:2], request[2] if len(request) > 2 else None, {}) for request in requests]
    return as_account(plane.socket, whole, ROLES[role])[1]


# ---- roles ----

def test_each_operation_is_for_its_role_and_those_above(plane):
    document = plane.ask("GET", "/api/openapi.json")
    made = create(plane)["id"]
    wanted = [(method.upper(), path.replace("{id}", "none").replace("{name}", "none")
               .replace("{owner}", "nobody").replace("{key}", "control.docker")
               .replace("{environment}", "none").replace("{fingerprint}", "none"), operation["x-role"])
              for path, methods in document["paths"].items() for method, operation in methods.items()]
    assert len(wanted) > 30
    for role in RANK:
        answers = as_role(plane, role, *((method, path) for method, path, _ in wanted))
        for (method, path, needed), answer in zip(wanted, answers):
            allowed = RANK.index(role) >= RANK.index(needed)
            assert (answer.status != 403) == allowed, f"{role}: {method} {path}: {answer.status}"
    assert plane.environment(made)["desired"] == "running"


def test_who_may_look_may_neither_change_nor_see_secrets_nor_the_audit(plane):
    made = create(plane)["id"]
    path = f"/api/environments/{made}"
    looks = [("GET", path), ("GET", "/api/environments"), ("GET", "/api/events"), ("GET", "/api/routes"),
             ("GET", "/api/status"), ("GET", "/api/quotas/ada"), ("GET", "/api/machines")]
    refusals = [("GET", path + "/access"), ("GET", "/api/audit"), ("POST", "/api/environments", spec()),
                ("DELETE", path), ("PATCH", path, {"name": "x"}), ("POST", path + "/stop"),
                ("POST", path + "/rotate"), ("PUT", "/api/quotas/ada", {}), ("POST", "/api/machines", {})]
    answers = as_role(plane, "read", *looks, *refusals)
    assert [answer.status for answer in answers] == [200] * len(looks) + [403] * len(refusals)
    changes = [("POST", "/api/environments", spec()), ("GET", path + "/access"), ("POST", path + "/stop")]
    administers = [("GET", "/api/audit"), ("PUT", "/api/quotas/ada", {}), ("DELETE", "/api/quotas/ada"),
                   ("POST", "/api/machines", {}), ("DELETE", "/api/machines/none")]
    answers = as_role(plane, "operate", *changes, *administers)
    assert [answer.status for answer in answers] == [202, 200, 202] + [403] * len(administers)


def test_hashes_of_passwords_are_for_gateways_alone(plane):
    made = create(plane, ssh={"mode": "audited"})["id"]
    for role, sees in (("read", False), ("gateway", True)):
        feed = subprocess.run(["curl", "-s", "--max-time", "1", "--unix-socket", plane.socket,
                               "http://control/api/routes?watch=1"], user="nobody", group="nogroup",
                              extra_groups=ROLES[role], cwd="/", capture_output=True, text=True).stdout
        assert made in feed and '"type":"end"' in feed, role
        assert ('"verifier":"$y$' in feed) == sees, role
    whole = as_role(plane, "admin", ("GET", "/api/routes"))[0].body
    assert made in str(whole) and "$y$" not in str(whole)


def test_a_stranger_is_told_the_remedy(plane):
    strange, anyone = as_role(plane, "none", ("GET", "/api/status"), ("GET", "/healthz"))
    assert anyone.status == 200
    assert strange.status == 403 and strange.fields["content-type"] == "application/problem+json"
    problem = strange.json()
    assert problem["code"] == "forbidden" and problem["status"] == 403
    assert "control.groups.read" in problem["detail"] and "uid 65534" in problem["detail"]
    assert problem["request_id"] == strange.fields["x-request-id"]


def test_who_it_was_is_in_the_audit(plane):
    body = spec(name="audited")
    pid, (made, shown) = as_account(plane.socket, [
        ("POST", "/api/environments", body, {}),
        ("GET", "/api/environments/unknown/access", None, {})], ROLES["operate"])
    assert made.status == 202 and shown.status == 404
    who = f"uid 65534 pid {pid}"
    lines = plane.ask("GET", "/api/audit?" + urlencode({"who": who}))["audit"]
    assert [(line["action"], line["object"], line["result"]) for line in lines] == [
        ("create", made.json()["environment"]["id"], "accepted"), ("access", "unknown", "not found")]
    assert plane.ask("GET", "/api/audit/verify")["whole"]


def test_no_password_is_shown_to_who_may_only_look(plane):
    registry = {"registry": {"user": "u", "password": "Registry-Pass-1"}}
    made = create(plane, **registry)
    password = plane.ask("GET", f"/api/environments/{made['id']}/access")["ssh_password"]
    paths = ["/api/settings", "/api/status", "/api/doctor", "/metrics", "/api/environments", "/api/routes",
             f"/api/environments/{made['id']}", "/api/operations", "/api/settings/control.redis"]
    for path, answer in zip(paths, as_role(plane, "read", *(("GET", path) for path in paths))):
        assert answer.status == 200, path
        for secret in (password, "Registry-Pass-1", REDIS_PASSWORD):
            assert secret not in answer.body, path


def test_files_with_secrets_are_its_own_account_s_alone(plane):
    for name in ("control.key", "control.db"):
        assert (plane.directory / name).stat().st_mode & 0o077 == 0, name


# ---- bodies ----

def padded(size):
    text = json.dumps({"cpu": 1, "memory": 1, "gpu": 1, "storage": 1, "environments": 1}).encode()
    return text + b" " * (size - len(text))


def chunked(body, piece):
    parts = [body[at:at + piece] for at in range(0, len(body), piece)] + [b""]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("piece", [None, 1000, MIB])
def test_a_body_is_at_most_one_mebibyte(plane, piece):
    for size, status in [(MIB, 200), (MIB + 1, 413)]:
        with Wire(plane.socket) as wire:
            if piece is None:
                wire.ask("PUT", "/api/quotas/eve", padded(size))
            else:
                wire.ask("PUT", "/api/quotas/eve", Transfer_Encoding="chunked")
                wire.send(chunked(padded(size), piece))
            answer = wire.answer()
            assert answer.status == status, (size, piece, answer.body)
            if status == 413:
                assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("body", [
    b"{", b"not json", b"[" * 100_000, b'{"a":' * 100_000, b"[[]," * 1000, b"\xff\xfe",
    b'{"name":"\xc3\x28"}', b'{"name":"\\ud800"}', b'{"cpu":1e999}', b'{"cpu":01}', b"{} {}", b"\0",
    b'{"name":"a","name":"b"}', b'{"spec":{"image":"a","cpu":1,"image":"b"}}',
], ids=lambda body: repr(body[:20]))
def test_what_is_not_json_is_said_so(plane, body):
    with Wire(plane.socket) as wire:
        answer = wire.ask("POST", "/api/environments", body).answer()
        assert answer.status == 400 and answer.json()["code"] == "not_json", answer.body
        assert wire.ask("GET", "/healthz").answer().status == 200


def test_the_same_name_in_different_objects_is_no_repetition(plane):
    body = json.dumps({**spec(env={"name": "x", "image": "y"}), "policy": {}}).encode()
    with Wire(plane.socket) as wire:
        assert wire.ask("POST", "/api/environments?dry_run=1", body).answer().status == 200


@pytest.mark.parametrize("kind, status", [
    ("application/json", 202), ("Application/JSON; charset=utf-8", 202),
    ("application/merge-patch+json", 202), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
    ("multipart/form-data; boundary=x", 415)])
def test_a_body_is_said_to_be_json(plane, kind, status):
    body = json.dumps(spec()).encode()
    with Wire(plane.socket) as wire:
        answer = wire.ask("POST", "/api/environments", body, Content_Type=kind).answer()
        assert answer.status == status, answer.body
        assert status == 202 or "application/json" in answer.json()["detail"]


def test_every_wrong_field_is_named_at_once(plane):
    status, problem = refused(plane, "POST", "/api/environments", {
        "name": "a\0b", "owner": "Not An Owner", "unknown": 1,
        "policy": {"volumes": "burn", "allow_from": ["x"]},
        "spec": {"image": 5, "cpu": -1, "memory": "lots", "pids": 1.5, "gpu": {"count": -1, "a/b~c": 0},
                 "mounts": [{"type": "tape"}, "x"], "ports": [{"port": 0}, {"port": 80}, {"port": 80}, {}],
                 "ssh": {"mode": "open", "keys": ["a\nb", 7]}, "pull": "often", "env": {"A": 1}}})
    assert status == 422 and problem["code"] == "invalid"
    told = {error["pointer"] for error in problem["errors"]}
    assert told >= {"/name", "/owner", "/unknown", "/policy/volumes", "/policy/allow_from/0", "/spec/image",
                    "/spec/cpu", "/spec/memory", "/spec/pids", "/spec/gpu/count", "/spec/gpu/a~1b~0c",
                    "/spec/mounts/0/type", "/spec/mounts/1", "/spec/ports/0/port", "/spec/ports/2/port",
                    "/spec/ports/3/port", "/spec/ssh/mode", "/spec/ssh/keys/0", "/spec/ssh/keys/1",
                    "/spec/pull", "/spec/env/A"}, told
    assert all(error["message"] for error in problem["errors"])
    for body in ([], 5, "x"):
        status, problem = refused(plane, "POST", "/api/environments", body)
        assert status == 422 and problem["errors"][0]["pointer"] == "", body


def test_unknown_parameters_and_paths_are_said_so(plane):
    status, problem = refused(plane, "GET", "/api/environments?limit=0&bogus=1&sort=price&cursor=x")
    assert status == 422
    assert {error["pointer"] for error in problem["errors"]} == {
        "query limit", "query bogus", "query sort", "query cursor"}
    assert refused(plane, "GET", "/api/nothing")[0] == 404
    for target in ("/api/environments/%ff", "/api/environments/%00", "/api/environments/%4", "/%zz",
                   "/api/environments?name=%ff"):
        assert refused(plane, "GET", target)[0] == 400, target


# ---- versions ----

def test_only_the_version_that_was_read_is_changed(plane):
    path = f"/api/environments/{create(plane)['id']}"
    wait_for(lambda: plane.ask("GET", path)["conditions"], "the engine was missed, which changes it once")
    with Wire(plane.socket) as wire:
        tag = wire.ask("GET", path).answer().fields["etag"]
        answer = wire.ask("PATCH", path, b'{"name":"two"}', If_Match=tag).answer()
        assert answer.status == 202
        late = wire.ask("PATCH", path, b'{"name":"three"}', If_Match=tag).answer()
        assert late.status == 412 and late.json()["code"] == "precondition_failed"
        assert wire.ask("DELETE", path, If_Match='"0"').answer().status == 412
        newer = wire.ask("GET", path).answer()
        assert newer.json()["name"] == "two" and newer.fields["etag"] != tag
        assert wire.ask("PATCH", path, b'{"name":"four"}', If_Match="*").answer().status == 202


# ---- Idempotency-Key ----

def ids_named(plane, name):
    rows = plane.ask("GET", "/api/environments?" + urlencode({"name": name}))["environments"]
    return [row["id"] for row in rows]


def test_a_repeated_request_is_answered_as_the_first(plane):
    body = spec(name="once")
    first = plane.ask("POST", "/api/environments", body, Idempotency_Key="k1")
    again = plane.ask("POST", "/api/environments", body, Idempotency_Key="k1")
    assert again["operation"]["id"] == first["operation"]["id"]
    assert ids_named(plane, "once") == [first["environment"]["id"]]
    assert refused(plane, "POST", "/api/environments", spec(name="other"), Idempotency_Key="k1")[0] == 422
    assert refused(plane, "POST", "/api/environments", body, Idempotency_Key="k" * 256)[0] == 422
    path = f"/api/environments/{first['environment']['id']}"
    gone = plane.ask("DELETE", path + "?volumes=keep", Idempotency_Key="k2")
    again = plane.ask("DELETE", path + "?volumes=keep", Idempotency_Key="k2")
    assert gone["operation"]["id"] == again["operation"]["id"]
    assert refused(plane, "DELETE", path + "?volumes=remove", Idempotency_Key="k2")[0] == 422


def test_a_repetition_may_come_from_another_process(plane):
    request = ("POST", "/api/environments", spec(name="retried"), {"Idempotency_Key": "k3"})
    one, (first,) = as_account(plane.socket, [request], ROLES["operate"])
    two, (again,) = as_account(plane.socket, [request], ROLES["operate"])
    assert one != two and first.status == again.status == 202, again.body
    assert first.json()["operation"]["id"] == again.json()["operation"]["id"]
    other = plane.ask(*request[:3], Idempotency_Key="k3")
    assert other["operation"]["id"] != first.json()["operation"]["id"], "another account's key is another key"


def test_of_two_at_once_with_one_key_one_is_done(plane):
    for number in range(10):
        name, answers = f"twin-{number}", []

        def ask(name=name, answers=answers):
            answers.append(plane.ask("POST", "/api/environments", spec(name=name), Idempotency_Key=name))
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({answer["operation"]["id"] for answer in answers}) == 1 and len(answers) == 2
        assert len(ids_named(plane, name)) == 1


# ---- pages ----

def pages(plane, query, between=lambda: None):
    rows, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = plane.ask("GET", "/api/environments?" + urlencode({**query, "limit": 3, **more}))
        assert len(page["environments"]) <= 3
        rows += page["environments"]
        cursor = page["next"]
        if cursor is None:
            return rows
        between()


def test_pages_are_stable_while_rows_are_inserted(plane):
    plane.allow("pager")
    names = ["b", "a b", "a+b", "a&b=c", "ü%41", "a.b.c", "b", "z", "'; --", "a"]
    made = [create(plane, name=name, owner="pager")["id"] for name in names]
    for sort in ("created_at", "-created_at", "name", "-name"):
        rows = pages(plane, {"owner": "pager", "sort": sort},
                     lambda: create(plane, name="inserted", owner="pager"))
        ids = [row["id"] for row in rows]
        assert len(set(ids)) == len(ids), f"{sort}: a row came twice"
        of_before = [row for row in rows if row["id"] in made]
        assert len(of_before) == len(made), f"{sort}: a row was passed over"
        if sort.endswith("created_at"):  # to the millisecond, in which more than one may be made
            times = [row["created_at"] for row in rows]
            assert times == sorted(times, reverse=sort.startswith("-"))
        if sort == "created_at":
            assert set(ids[:len(made)]) == set(made)
        if sort.endswith("name"):
            keys = [row["name"].encode() for row in rows]
            assert keys == sorted(keys, reverse=sort.startswith("-"))
        for row in plane.ask("GET", "/api/environments?owner=pager&name=inserted")["environments"]:
            plane.ask("DELETE", f"/api/environments/{row['id']}")


@pytest.mark.parametrize("cursor", ["", "x", ".", ".5", "id.when", "id.1x", "%00.1"])
def test_a_wrong_cursor_is_no_first_page(plane, cursor):
    assert refused(plane, "GET", f"/api/environments?cursor={cursor}")[0] in (400, 422)
    assert refused(plane, "GET", f"/api/operations?cursor={cursor}")[0] in (400, 422)
    assert refused(plane, "GET", f"/api/audit?cursor={cursor}")[0] in (400, 422)


def test_the_audit_comes_in_pages_too(plane):
    create(plane)
    whole = [line["seq"] for line in plane.ask("GET", "/api/audit?limit=1000")["audit"]]
    for sort, expected in (("created_at", whole), ("-created_at", whole[::-1])):
        seen, cursor = [], ""
        while cursor is not None and len(seen) < len(whole):
            page = plane.ask("GET", f"/api/audit?limit=7&sort={sort}" + (cursor and f"&cursor={cursor}"))
            seen += [line["seq"] for line in page["audit"]]
            cursor = page["next"]
        assert seen[:len(whole)] == expected


def test_filters_say_which(plane):
    plane.allow("finn")
    made = create(plane, name="needle", owner="finn")
    for query, there in [("owner=finn", True), ("owner=nobody", False), ("backend=docker", True),
                         ("backend=physical", False), ("node=local", True), ("node=far", False),
                         ("name=needle", True), ("state=creating", True), ("state=running", False),
                         ("owner=finn&name=needle&state=creating", True)]:
        rows = plane.ask("GET", f"/api/environments?limit=1000&{query}")["environments"]
        assert (made["id"] in [row["id"] for row in rows]) == there, query
    operations = plane.ask("GET", f"/api/operations?environment={made['id']}")["operations"]
    assert [operation["kind"] for operation in operations] == ["create"]
    name = quote_plus("one blank+plus")
    spaced = create(plane, name="one blank+plus", owner="finn")
    rows = plane.ask("GET", f"/api/environments?name={name}")["environments"]
    assert [row["id"] for row in rows] == [spaced["id"]]


# ---- Prefer: wait ----

def test_a_wait_ends_with_the_time_or_the_operation(plane):
    began = time.monotonic()
    answer = plane.ask("POST", "/api/environments", spec(), Prefer="respond-async, wait=1")
    assert 0.9 < time.monotonic() - began < 10 and answer["operation"]["state"] in ("pending", "running")
    operation = f"/api/operations/{answer['operation']['id']}"
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(plane.ask("GET", operation, Prefer="wait=60")))
    waiting.start()
    wait_for(lambda: plane.ask("GET", operation)["state"] in ("pending", "running"), "it is under way")
    assert not ended
    plane.ask("POST", f"/api/environments/{answer['environment']['id']}/stop")
    waiting.join(30)
    assert ended and ended[0]["state"] == "failed" and ended[0]["error"]["code"] == "superseded"
    began = time.monotonic()
    for prefer in ("wait=0", "wait=x", "wait=", "nowait=30"):
        plane.ask("POST", "/api/environments", spec(), Prefer=prefer)
    assert time.monotonic() - began < 10
