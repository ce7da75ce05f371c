"""Both programs, audited: control makes the environments and gives the credentials, the gateway authenticates
the customers, who come by every way with OpenSSH's own programs. What they may do there:
test_audited_policy.py; what goes wrong: test_audited_faults.py."""
import hashlib
import json
import os
import subprocess
import time

import pytest

from audited import run_ssh
from audited_gateway import ENTRY_PORT, HTTPS_PORT, Cat, Scene, code_of, make_key
from conftest import SOCKET, docker
from plane import wait_for
from test_docker import ssh as straight
import openssh_image


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("audited")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "user_ca"], check=True)
    made = Scene(directory, audited={"user_cas": [f"{directory}/user_ca.pub"], "max_tries": 3})
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module", params=["dropbear", "openssh"])
def made(scene, request):
    key, public = make_key(scene.directory, f"customer-{request.param}")
    image = openssh_image.make(SOCKET) if request.param == "openssh" else None
    return {**scene.make(image=image, keys=[public]), "key": key, "server": request.param}


# -- ways in

def test_by_its_port(scene, made):
    assert scene.ssh(made, "hostname").stdout.strip() == made["id"]
    done = scene.ssh(made, "hostname; exit 7", key=made["key"], check=False)
    assert (done.returncode, done.stdout.strip()) == (7, made["id"])
    assert scene.ssh(made, "true", password="wrong", check=False).returncode == 255
    other, _ = make_key(scene.directory, f"stranger-{made['server']}")
    assert scene.ssh(made, "true", key=other, check=False).returncode == 255


def test_by_the_port_that_all_share(scene, made):
    for name in (f"root+{made['id']}", made["id"]):
        by_key = scene.run(["ssh", *scene.options(key=made["key"]), f"{name}@gw", "hostname"])
        assert by_key.stdout.strip() == made["id"]
        by_password = scene.run(["ssh", *scene.options(), f"{name}@gw", "hostname; exit 3"],
                                made["ssh_password"], check=False)
        assert (by_password.returncode, by_password.stdout.strip()) == (3, made["id"])
    nobody = scene.run(["ssh", *scene.options(), f"nobody+{made['id']}@gw", "true"], made["ssh_password"],
                       check=False)
    assert nobody.returncode == 255


def test_by_a_jump(scene, made):
    jump = ["-o", f"ProxyCommand=ssh -F {scene.config} -i {made['key']} -W %h:%p me@gw"]
    host = f"{made['id']}.ssh.localhost"
    done = scene.run(["ssh", *scene.options(key=made["key"]), *jump, f"root@{host}", "hostname; exit 4"],
                     check=False)
    assert (done.returncode, done.stdout.strip()) == (4, made["id"]), done.stderr
    config = scene.directory / "jump_config"
    config.write_text(f"IdentityFile {made['key']}\n" + scene.config.read_text())
    done = scene.run(["ssh", "-F", config, "-J", "me@gw", f"root@{host}", "hostname"])
    assert done.stdout.strip() == made["id"]


def test_through_tls(scene, made):
    command = (f"ProxyCommand={os.environ['TESTED_BIN']}/envctl connect %h --gateway 127.0.0.1:{HTTPS_PORT} "
               f"--ca {scene.gateway.ca}")
    done = scene.run(["ssh", *scene.options(key=made["key"]), "-o", command,
                      f"root@{made['id']}.ssh.localhost", "hostname; exit 5"], check=False)
    assert (done.returncode, done.stdout.strip()) == (5, made["id"]), done.stderr


def test_files_by_both_of_scps_protocols(scene, made):
    content = os.urandom(300_000)
    (scene.directory / "file").write_bytes(content)
    ways = ["-s", "-O"] if made["server"] == "openssh" else ["-s"]  # that image has no scp
    for way in ways:
        back = scene.directory / "back"
        there = f"root@127.0.0.1:copy{way}"
        scp = ["scp", "-q", way, *scene.options(made, made["key"])]
        scene.run([*scp, scene.directory / "file", there])
        scene.run([*scp, there, back])
        assert back.read_bytes() == content
        back.unlink()
    wait_for(lambda: all(record.get("ended") for record in scene.records(env=made["id"])),
             "records are closed")
    moved = [event for record in scene.records(env=made["id"]) for event in scene.events_of(record)
             if event.get("sha256") == hashlib.sha256(content).hexdigest()]
    assert sorted(event["direction"] for event in moved) == sorted(["upload", "download"] * len(ways)), moved


# -- the target's side

def test_the_customers_password_is_for_the_gateway_alone(scene, made):
    """And the onward login is by the credential that fits the server."""
    assert straight(made, "echo in") != "in"
    assert run_ssh(scene.directory, made["target_ip"], 22, scene.route(made["id"])["ssh"]["host_keys"],
                   ["-i", made["key"]], "true") is None
    lines = scene.plane.ask("GET", f"/api/audit?object={made['id']}&action=credential&limit=100")["audit"]
    given = [json.loads(line["after"]) for line in lines]
    assert {line["credential"] for line in given} == \
        {"certificate" if made["server"] == "openssh" else "private_key"}
    assert {line["customer"].split("/")[0] for line in given} == {"root", f"root+{made['id']}", made["id"]}
    assert {line["result"] for line in lines} == {"given"}


def test_the_record_of_a_login(scene, made):
    before = scene.records(env=made["id"])
    done = scene.ssh(made, "echo to be kept", key=made["key"])
    record = scene.closed_record(made["id"], before)
    assert done.stdout == "to be kept\n"
    assert record["owner"] == "ada" and record["user"] == "root" and record["source"] == "127.0.0.1"
    status, said = scene.verify(record)
    assert status == 0 and "whole" in said, said
    assert any("to be kept" in json.dumps(event) for event in scene.events_of(record))


def test_known_hosts_as_an_operator_has_them(scene, made):
    told = json.loads(scene.envctl("gateway", "ssh-keys", made["id"], "-o", "json"))
    scanned = subprocess.run(["ssh-keyscan", "-t", "ed25519", "-p", str(made["ssh_port"]), "127.0.0.1"],
                             capture_output=True, text=True).stdout
    assert told["public_key"].split()[1] in scanned and told["entry"] == made["id"]
    assert told["user_ca"] is None, "control has the authority"
    shared = json.loads(scene.envctl("gateway", "ssh-keys", "-o", "json"))
    assert shared["entry"] is None and shared["names"] == [f"[localhost]:{ENTRY_PORT}",
                                                           f"[*.localhost]:{ENTRY_PORT}"]
    assert shared["public_key"] != told["public_key"]
    assert scene.envctl("gateway", "ssh-keys", "absent", check=False) == ""


# -- keys, certificates, codes

def key_logs_in(scene, made, key):
    return scene.ssh(made, "true", key=key, check=False).returncode == 0


def test_keys_of_owners_come_and_go(scene):
    made = scene.make(policy={"shared_with": ["bob"]})
    keys = {owner: make_key(scene.directory, f"of-{owner}") for owner in ("ada", "bob", "eve")}
    added = {owner: scene.plane.ask("POST", f"/api/owners/{owner}/keys", {"public_key": public})
             for owner, (_, public) in keys.items()}
    for owner in ("ada", "bob"):
        wait_for(lambda: key_logs_in(scene, made, keys[owner][0]), f"{owner} gets in")
    assert not key_logs_in(scene, made, keys["eve"][0])
    for owner in ("ada", "bob"):
        fingerprint = added[owner]["fingerprint"].replace("/", "%2F").replace("+", "%2B")
        scene.plane.ask("DELETE", f"/api/owners/{owner}/keys/{fingerprint}")
        wait_for(lambda: not key_logs_in(scene, made, keys[owner][0]), f"{owner} gets in no more")
    assert scene.ssh(made, "hostname").stdout.strip() == made["id"]


def sign(scene, key, principal, *more):
    subprocess.run(["ssh-keygen", "-q", "-s", scene.directory / "user_ca", "-I", "ada@customer", "-n",
                    principal, "-V", "+1h", *more, f"{key}.pub"], check=True)


def test_certificates_of_customers(scene, made):
    key, _ = make_key(scene.directory, f"certified-{made['server']}")
    with_certificate = ["-o", f"CertificateFile={key}-cert.pub"]

    def log_in(command="hostname", *more):
        return scene.ssh(made, *more, command, key=key, options=with_certificate, check=False)
    sign(scene, key, "another")
    assert log_in().returncode == 255, "it names another environment"
    sign(scene, key, made["id"])
    assert log_in().stdout.strip() == made["id"]
    sign(scene, key, made["id"], "-O", "force-command=echo forced")
    assert log_in().stdout == "forced\n"
    sign(scene, key, made["id"], "-O", "no-pty")
    refused = scene.run(scene.argv(made, "hostname", key=key, options=["-tt", *with_certificate]),
                        check=False)
    assert "PTY allocation request failed" in refused.stderr


def test_one_time_codes(scene):
    scene.plane.allow("cleo")
    body = {"name": "coded", "owner": "cleo", "spec": {
        "image": "envgate-test/ssh:1", "cpu": 0.5, "memory": "128MiB", "pull": "never",
        "ssh": {"mode": "audited", "keys": []}}}
    key, public = make_key(scene.directory, "cleo")
    body["spec"]["ssh"]["keys"] = [public]
    made = scene.take(scene.plane.do("POST", "/api/environments", body))
    secret = scene.plane.ask("PUT", "/api/owners/cleo/totp")["secret"]
    scene.settled(made["id"], lambda route: route["ssh"]["users"][0].get("totp"), "codes are due")

    def log_in(*codes, key=None, password=None, methods=None):
        methods = methods or ("publickey" if key else "password") + ",keyboard-interactive"
        interactive = ["-o", "KbdInteractiveAuthentication=yes", "-o", "NumberOfPasswordPrompts=3", "-o",
                       f"PreferredAuthentications={methods}"]
        words = ["ssh", *interactive, *scene.options(made, key)[:2], "-o", "IdentityAgent=none"]
        words += ["-i", key] if key else ["-o", "PubkeyAuthentication=no"]
        words += ["-o", f"HostKeyAlias=[{made['id']}.ssh.localhost]:{made['ssh_port']}", "-p",
                  made["ssh_port"]]
        return scene.run([*words, "root@127.0.0.1", "hostname"],
                         made["ssh_password"] if password is None else password, codes, check=False)
    step = int(time.time()) // 30
    assert log_in(key=key).returncode == 255, "a key alone does not do"
    first, second, third = (code_of(secret, step + more) for more in (-1, 0, 1))
    assert log_in(first).stdout.strip() == made["id"], "the password, and a code"
    assert log_in(first, first, first).returncode == 255, "a code that was used"
    assert log_in("000000", second, key=key).stdout.strip() == made["id"], "a key, and the second code"
    assert log_in("12345", "abcdef", "", key=key).returncode == 255
    assert log_in(third, password="wrong").returncode == 255
    both = log_in(third, methods="keyboard-interactive")
    assert both.stdout.strip() == made["id"], "password and code in one"

    def successes():
        return [line.get("second_factor") for line in scene.log("ssh_login")
                if line["environment_id"] == made["id"] and line["status"] == "success"]
    wait_for(lambda: successes() == ["totp"] * 3, "the log has all three, with their second factor")
    scene.plane.ask("DELETE", "/api/owners/cleo/totp")
    wait_for(lambda: key_logs_in(scene, made, key), "no codes are due any more")


# -- changes while somebody is there

def test_the_mode_is_switched_while_a_session_lives(scene):
    made = scene.make()
    path = f"/api/environments/{made['id']}"
    cat = Cat(scene, made)
    scene.plane.do("PATCH", path, {"spec": {"ssh": {"mode": "passthrough"}}})
    scene.settled(made["id"], lambda route: route["ssh"]["mode"] == "passthrough", "it is passed through")
    cat.check(b"still here\n")
    target = subprocess.run(["ssh-keyscan", "-t", "ed25519", made["target_ip"]], capture_output=True,
                            text=True).stdout.split()
    alias = f"[{made['id']}.ssh.localhost]:{made['ssh_port']}"
    audited = scene.known.read_text()
    scene.known.write_text(f"{alias} {target[1]} {target[2]}\n")
    done = scene.ssh(made, "hostname")
    assert done.stdout.strip() == made["id"], "with the target's own key and his password"
    refused = subprocess.run([f"{os.environ['TESTED_BIN']}/envctl", "gateway", "ssh-keys", made["id"],
                              "--socket",
                              scene.gateway.admin], capture_output=True, text=True)
    assert refused.returncode == 4 and "passthrough" in refused.stderr
    scene.known.write_text(audited)
    scene.plane.do("PATCH", path, {"spec": {"ssh": {"mode": "audited"}}})
    scene.settled(made["id"], lambda route: route["ssh"].get("host_keys"), "it is audited")
    assert scene.ssh(made, "hostname").stdout.strip() == made["id"]
    cat.check(b"and here\n")
    cat.leave()
    for record in scene.closed_records(made["id"], 2):
        assert scene.verify(record)[0] == 0


def test_rebuilt_it_has_another_host_key_and_works(scene, made):
    before = scene.route(made["id"])["ssh"]["host_keys"]
    scene.plane.do("POST", f"/api/environments/{made['id']}/rebuild")
    scene.settled(made["id"], lambda route: route["ssh"].get("host_keys") not in (None, [], before),
                  "pinned anew")
    assert scene.ssh(made, "hostname", key=made["key"]).stdout.strip() == made["id"]
    scene.plane.do("POST", f"/api/environments/{made['id']}/restart")
    wait_for(lambda: scene.ssh(made, "hostname", check=False).stdout.strip() == made["id"],
             "after a restart, too")


def change_host_key(made):
    """As somebody would who has taken the machine's place."""
    docker("exec", container_of(made), "/bin/sh", "-c", "rm /etc/dropbear/dropbear_*_host_key")


def container_of(made):
    return docker("ps", "-q", "--filter", f"name={made['id']}").split()[0]


def test_a_host_key_that_changed_behind_our_back(scene):
    made = scene.make()
    assert scene.ssh(made, "hostname").stdout.strip() == made["id"]
    pinned = scene.route(made["id"])["ssh"]["host_keys"]
    change_host_key(made)
    docker("restart", "-t", "0", container_of(made))
    scene.settled(made["id"], lambda route: route["state"] == "running", "it runs again")

    def refused():
        done = scene.ssh(made, "hostname", check=False)
        assert done.returncode == 255, "it was let in"
        return done.stderr if "host key" in done.stderr else None
    said = wait_for(refused, "the customer is told")
    assert "another host key than the one that was pinned (SHA256:" in said
    assert scene.route(made["id"])["ssh"]["host_keys"] == pinned
    line = scene.log("ssh_target_failed")[-1]
    assert line["reason"] == "host_key_changed" and line["host_key"] in said
    assert line["environment_id"] == made["id"]
    metrics = scene.envctl("gateway", "metrics")
    assert 'envgate_refusals_total{reason="host_key_changed"} 0' not in metrics
    scene.plane.do("POST", f"/api/environments/{made['id']}/rebuild")
    wait_for(lambda: scene.ssh(made, "hostname", check=False).stdout.strip() == made["id"],
             "a rebuild, which pins the new one, puts it right")
