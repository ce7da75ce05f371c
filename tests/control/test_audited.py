"""Audited environments on a real Docker engine: the gateway's part is played by its API and OpenSSH's client.
The image's server is dropbear, which takes no certificates, unless a test makes one with OpenSSH's."""
import base64
import hashlib
import hmac
import json
import os
import re
import struct
import subprocess
import threading
import time

import pytest

from audited import ask_credential, log_in, make_key, run_ssh
import openssh_image
from conftest import SOCKET, docker
from plane import Refused, UnixConnection, wait_for
from test_docker import IMAGE, spec
from test_docker import ssh as with_password


def audited(key=None, policy=None):
    body = spec(ssh={"mode": "audited", "keys": [key] if key else []})
    return {**body, "policy": policy or {}}


def route_of(plane, id):
    """As a gateway has it: by the feed."""
    connection = UnixConnection(plane.socket)
    connection.request("GET", "/api/routes?watch=1")
    answer = connection.getresponse()
    found = {}
    while True:
        line = json.loads(answer.readline())
        if line["type"] == "end":
            break
        if line["type"] == "route":
            found[line["route"]["env"]] = line["route"]
    connection.close()
    return found.get(id)


def refused(plane, *request):
    with pytest.raises(Refused) as caught:
        plane.ask(*request)
    return caught.value.status, caught.value.problem["code"]


def test_the_gateway_gets_in_and_the_customer_does_not(plane, tmp_path):
    plane.allow("ada")
    customers, public = make_key(tmp_path, "customer")
    own, own_public = make_key(tmp_path, "gateway")
    made = plane.do("POST", "/api/environments", audited(public))
    path = f"/api/environments/{made['id']}"
    pinned = next(c for c in made["conditions"] if c["type"] == "HostKeysPinned")
    assert pinned["status"] == "true", pinned
    route = route_of(plane, made["id"])["ssh"]
    assert route["mode"] == "audited" and route["host_keys"]
    user, = route["users"]
    assert user["name"] == "root" and user["authorized_keys"] == [public]
    assert user["verifier"].startswith("$y$")
    assert "verifier" not in json.dumps(plane.routes()), "only gateways see it"

    access = plane.ask("GET", path + "/access")
    given = ask_credential(plane, made["id"], own_public)
    assert given["credential"] == "private_key" and given["user"] == "root"
    assert log_in(tmp_path, given, own, made["target_ip"], 22, "hostname") == made["id"]
    assert log_in(tmp_path, given, own, made["target_ip"], 22, "true", host_keys=[own_public]) is None
    assert with_password(access, "echo in") != "in", "his password is for the gateway alone"
    assert run_ssh(tmp_path, made["target_ip"], 22, given["host_keys"], ["-i", customers], "true") is None

    plane.do("POST", path + "/restart")
    again = ask_credential(plane, made["id"], own_public)
    assert again["host_keys"] == given["host_keys"], "the same container"
    address = plane.environment(made["id"])["target_ip"]
    assert log_in(tmp_path, again, own, address, 22, "hostname") == made["id"]
    plane.do("POST", path + "/rebuild")
    assert ask_credential(plane, made["id"], own_public)["host_keys"] != given["host_keys"]

    plane.do("POST", path + "/stop")
    assert refused(plane, "POST", "/api/gateway/credentials", {
        "environment": made["id"], "public_key": own_public, "customer": "a", "source": "::1",
        "session": "s"}) == (409, "not_running")
    lines = plane.ask("GET", "/api/audit?action=credential&sort=-created_at")["audit"]
    assert [line["result"] for line in lines][0] == "not_running"
    assert json.loads(lines[-1]["after"])["customer"] == "ada" and lines[-1]["object"] == made["id"]
    text = plane.log.read_text()
    assert given["secret"].splitlines()[1] not in text and user["verifier"] not in text


def test_an_image_with_openssh_is_opened_by_certificates(plane, tmp_path):
    plane.allow("ada")
    own, own_public = make_key(tmp_path, "gateway")
    body = audited(policy={"ssh": {"forbid": ["pty"]}})
    body["spec"]["image"] = openssh_image.make(SOCKET)
    made = plane.do("POST", "/api/environments", body)
    others = plane.do("POST", "/api/environments", {**body, "name": "other"})
    for one in (made, others):
        wait_for(lambda: route_of(plane, one["id"])["ssh"].get("host_keys"), "its keys are pinned")
    given = ask_credential(plane, made["id"], own_public)
    assert given["credential"] == "certificate", given["credential"]
    assert log_in(tmp_path, given, own, made["target_ip"], 22, "hostname") == made["id"]
    keys = ask_credential(plane, others["id"], own_public)["host_keys"]
    assert keys != given["host_keys"]
    assert log_in(tmp_path, given, own, others["target_ip"], 22, "true", keys) is None, "for itself alone"
    assert with_password(plane.ask("GET", f"/api/environments/{made['id']}/access"), "echo in") != "in"


def test_the_mode_is_switched_to_and_fro(plane, tmp_path):
    plane.allow("ada")
    _, own_public = make_key(tmp_path, "gateway")
    made = plane.do("POST", "/api/environments", spec())
    path = f"/api/environments/{made['id']}"
    access = plane.ask("GET", path + "/access")
    assert with_password(access, "echo in") == "in"
    plane.do("PATCH", path, {"spec": {"ssh": {"mode": "audited"}}})
    assert with_password(access, "echo in") != "in"
    given = ask_credential(plane, made["id"], own_public)
    assert log_in(tmp_path, given, None, made["target_ip"], 22, "hostname") == made["id"]
    plane.do("PATCH", path, {"spec": {"ssh": {"mode": "passthrough"}}})
    assert with_password(access, "echo in") == "in"
    assert log_in(tmp_path, given, None, made["target_ip"], 22, "true") is None, "our key is gone"
    ssh = route_of(plane, made["id"])["ssh"]
    assert ssh.keys() == {"mode", "listen_port", "target_port"}


def test_policies_of_environment_and_owner_are_in_the_route(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments",
                    audited(policy={"ssh": {"forbid": ["x11"], "record_input": True}}))
    assert plane.environment(made["id"])["policy"]["ssh"]["forbid"] == ["x11"]
    plane.ask("PUT", "/api/owners/ada/policy", {"ssh": {"forbid": ["agent", "x11"]}})
    ssh = route_of(plane, made["id"])["ssh"]
    assert ssh["forbid"] == ["agent", "x11"] and ssh["record_input"] is True
    assert route_of(plane, made["id"])["owner"] == "ada"
    plane.ask("PUT", "/api/owners/ada/policy", {})
    assert route_of(plane, made["id"])["ssh"]["forbid"] == ["x11"]
    assert refused(plane, "PUT", "/api/owners/ada/policy", {"ssh": {"forbid": ["all"]}})[0] == 422


def watch_waking(plane, id):
    connection = UnixConnection(plane.socket)
    connection.request("GET", f"/api/gateway/wake/{id}")
    text = connection.getresponse().read().decode()  # ends when it runs
    connection.close()
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in data]


def test_one_start_however_many_come(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", audited(policy={"start": "on_demand"}))
    path = f"/api/environments/{made['id']}"
    plane.do("POST", path + "/stop")
    assert route_of(plane, made["id"])["wake"] is True
    answers = []

    def wake():
        answers.append(plane.ask("POST", "/api/gateway/wake",
                                 {"environment": made["id"], "why": "ssh of ada"}))
    threads = [threading.Thread(target=wake) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_for(lambda: plane.environment(made["id"])["desired"] == "running", "somebody has woken it")
    seen = watch_waking(plane, made["id"])
    for thread in threads:
        thread.join()
    starts = [o for o in plane.ask("GET", f"/api/operations?environment={made['id']}")["operations"]
              if o["kind"] == "start"]
    assert len(starts) == 1
    assert {a["operation"] for a in answers if a["state"] == "starting"} <= {starts[0]["id"]}
    assert seen[-1]["state"] == "running", seen
    again = plane.ask("POST", "/api/gateway/wake", {"environment": made["id"], "why": "ssh"})
    assert again["state"] == "running"
    assert "wake" not in route_of(plane, made["id"])
    lines = plane.ask("GET", f"/api/audit?object={made['id']}&action=start")["audit"]
    assert len(lines) == 1 and "ssh of ada" in lines[0]["who"]

    plane.do("PATCH", path, {"policy": {"start": "manual"}})
    plane.do("POST", path + "/stop")
    assert refused(plane, "POST", "/api/gateway/wake",
                   {"environment": made["id"], "why": "x"}) == (409, "not_on_demand")


def test_a_start_that_fails_says_why(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", audited(policy={"start": "on_demand"}))
    path = f"/api/environments/{made['id']}"
    plane.do("POST", path + "/stop")
    plane.do("PATCH", path, {"spec": {"image": "not/there:1"}}, state="done")
    plane.ask("POST", "/api/gateway/wake", {"environment": made["id"], "why": "ssh"})
    last = watch_waking(plane, made["id"])[-1]
    assert last["state"] == "failed" and "not/there" in last["reason"], last


def test_keys_of_owners_and_of_those_it_is_shared_with(plane, tmp_path):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", audited(policy={"shared_with": ["bob"]}))

    def keys():
        return route_of(plane, made["id"])["ssh"]["users"][0]["authorized_keys"]
    _, adas = make_key(tmp_path, "ada")
    _, bobs = make_key(tmp_path, "bob")
    added = plane.ask("POST", "/api/owners/ada/keys", {"public_key": adas})
    plane.ask("POST", "/api/owners/bob/keys", {"public_key": bobs})
    assert keys() == [adas, bobs]
    assert plane.ask("GET", "/api/owners/ada/keys")["keys"][0]["public_key"] == adas
    assert refused(plane, "POST", "/api/owners/ada/keys", {"public_key": adas}) == (409, "conflict")
    for bad in ("", "ssh-ed25519", "command=\"id\" " + adas, adas + "\n" + bobs, adas[:-30]):
        assert refused(plane, "POST", "/api/owners/ada/keys", {"public_key": bad})[0] == 422, bad
    fingerprint = added["fingerprint"].replace("/", "%2F").replace("+", "%2B")
    plane.ask("DELETE", f"/api/owners/ada/keys/{fingerprint}")
    assert keys() == [bobs]
    assert refused(plane, "DELETE", f"/api/owners/ada/keys/{fingerprint}")[0] == 404


def code_of(secret, step):
    """RFC 6238, by Python's own hmac."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 10**6:06}"


def test_one_time_codes(plane):
    plane.allow("ada")
    made = plane.do("POST", "/api/environments", audited())
    turned = plane.ask("PUT", "/api/owners/ada/totp")
    assert turned["uri"].startswith("otpauth://totp/localhost:ada?secret=" + turned["secret"])
    assert route_of(plane, made["id"])["ssh"]["users"][0]["totp"] is True
    assert turned["secret"] not in json.dumps(plane.ask("GET", "/api/owners/ada"))

    def check(code):
        return plane.ask("POST", "/api/gateway/totp", {"environment": made["id"], "code": code})["ok"]
    code = code_of(turned["secret"], int(time.time()) // 30)
    assert check(code) and not check(code)
    for _ in range(4):
        assert not check("12345")
    assert refused(plane, "POST", "/api/gateway/totp", {"environment": made["id"], "code": code}) == \
        (429, "too_many_codes")
    plane.ask("DELETE", "/api/owners/ada/totp")
    assert refused(plane, "POST", "/api/gateway/totp", {"environment": made["id"], "code": code}) == \
        (409, "no_totp")


def envctl(plane, *words):
    done = subprocess.run([f"{os.environ['TESTED_BIN']}/envctl", *map(str, words), "--socket", plane.socket],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def test_an_operator_does_it_with_envctl(plane, tmp_path):
    plane.allow("ada")
    _, public = make_key(tmp_path, "key")
    envctl(plane, "env", "create", "lab", "--owner", "ada", "--image", IMAGE, "--cpu", "0.5", "--memory",
           "128MiB", "--pull", "never", "--ssh-mode", "audited", "--forbid", "x11", "--forbid", "agent",
           "--record-input", "--start", "on_demand", "--share-with", "bob", "--wait")
    shown = envctl(plane, "env", "show", "lab")
    for label, value in (("ssh mode", "audited"), ("forbidden", "agent, x11"), ("starts", "on_demand"),
                         ("shared with", "bob")):
        assert re.search(rf"^{label} +{value}$", shown, re.M), shown
    id = plane.ask("GET", "/api/environments")["environments"][0]["id"]
    assert envctl(plane, "owner", "key", "add", "bob", tmp_path / "key.pub").count("SHA256:") == 1
    fingerprint = re.search(r"SHA256:\S+", envctl(plane, "owner", "key", "ls", "bob")).group()
    assert route_of(plane, id)["ssh"]["users"][0]["authorized_keys"] == [public]
    envctl(plane, "owner", "key", "rm", "bob", fingerprint)
    assert route_of(plane, id)["ssh"]["users"][0]["authorized_keys"] == []
    envctl(plane, "owner", "policy", "ada", "--forbid", "sftp")
    assert route_of(plane, id)["ssh"]["forbid"] == ["agent", "x11", "sftp"]
    assert "otpauth://totp/localhost:ada?secret=" in envctl(plane, "owner", "totp", "on", "ada")
    assert re.search(r"^one-time codes +(true|yes)$", envctl(plane, "owner", "show", "ada"), re.M)
    envctl(plane, "owner", "totp", "off", "ada")
    assert "totp" not in route_of(plane, id)["ssh"]["users"][0]


def test_what_is_sealed_is_nowhere_in_clear(plane, tmp_path):
    plane.allow("ada")
    _, own_public = make_key(tmp_path, "gateway")
    made = plane.do("POST", "/api/environments", audited())
    turned = plane.ask("PUT", "/api/owners/ada/totp")
    given = ask_credential(plane, made["id"], own_public)
    plane.stop()
    # The private part of the key: the last 64 bytes of its inner block, without comment and padding.
    inner = base64.b64decode("".join(given["secret"].splitlines()[1:-1]))
    at = inner.rindex(b"ssh-ed25519") + 11 + 4 + 32 + 4
    for path in plane.directory.glob("control.*"):
        if path.is_file():
            data = path.read_bytes()
            assert inner[at:at + 32] not in data and turned["secret"].encode() not in data, path
    plane.start()
    assert docker("ps", "-q")
