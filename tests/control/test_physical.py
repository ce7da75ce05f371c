"""The pool of physical machines, by the real program: machines are namespaces with an sshd each."""
import os
import subprocess
import threading

import pytest

from audited import ask_credential, log_in, make_key, run_ssh
from gateway_program import Gateway, browse, is_open
from gateway_program import gets_in as gets_in_as
from gateway_program import ssh as through_ssh
from plane import Plane, Refused, wait_for

DIRECTORY = os.environ.get("ENGINE_DIRECTORY", "")
ADDRESSES = {"one": os.environ.get("ENGINE_ONE", ""), "two": os.environ.get("ENGINE_TWO", "")}


def machine(name, **more):
    return {"name": name, "region": "north", "gpu_model": "RTX 4090", "gpus": 2, "cpu": 16, "memory": "64GiB",
            "disk": "4TiB", "price_per_month": "1200", "address": ADDRESSES[name],
            "admin_key": f"{DIRECTORY}/admin", **more}


def wanted(**spec):
    return {"name": "mine", "owner": "ada", "backend": "physical", "spec": spec}


def ssh(access, command):
    done = subprocess.run(["dbclient", "-y", "-y", f"root@{access['target_ip']}", command],
                          env={**os.environ, "DROPBEAR_PASSWORD": access["ssh_password"]},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


def gets_in(access):
    # dbclient ends with 0 where the server breaks off after wrong passwords: only the command's word counts.
    return ssh(access, "echo in") == "in"


@pytest.fixture
def plane(tmp_path):
    script = tmp_path / "clean.sh"
    script.write_text("rm -f /root/left-behind\n")
    made = Plane(tmp_path, physical={"clean_script": str(script), "check": "1s"},
                 reconcile={"resync": "300ms", "retry_first": "100ms", "claim": "5s"}).start()
    made.allow("ada")
    yield made
    for row in made.ask("GET", "/api/environments")["environments"]:
        made.do("DELETE", f"/api/environments/{row['id']}")
    made.stop()


def test_a_machine_is_let_and_given_back_clean(plane):
    added = plane.ask("POST", "/api/machines", machine("one"))
    assert added["host_keys"], "pinned at the first sight"
    assert plane.ask("POST", "/api/machines/one/check")["facts"]["reachable"]
    made = plane.do("POST", "/api/environments", wanted(selector={"gpus": 1, "region": "north"}))
    path = f"/api/environments/{made['id']}"
    assert made["node"] == "one" and made["target_ip"] == ADDRESSES["one"]
    assert plane.ask("GET", "/api/machines/one")["state"] == "allocated"
    assert plane.routes()[made["id"]]["kind"] == "physical"
    access = plane.ask("GET", path + "/access")
    assert ssh(access, "touch left-behind; hostname") == "one"

    plane.do("POST", path + "/stop")
    assert not gets_in(access)
    plane.do("POST", path + "/start")
    assert ssh(access, "hostname") == "one"

    with pytest.raises(Refused) as refused:
        plane.ask("POST", "/api/environments", wanted(machine="one"))
    assert refused.value.problem["code"] == "no_machine"
    plane.do("DELETE", path)
    assert not gets_in(access), "its password is dead"
    assert plane.ask("GET", "/api/machines/one")["state"] == "available"
    again = plane.do("POST", "/api/environments", wanted(machine="one"))
    access = plane.ask("GET", f"/api/environments/{again['id']}/access")
    assert ssh(access, "ls; echo in") == "in", "nothing of the customer before"


def test_a_machine_of_the_pool_behind_the_gateway(plane, tmp_path):
    """The first flow of the seed on access: from the pool, ssh, a page; stopped and started; gone."""
    plane.ask("POST", "/api/machines", machine("one"))
    gateway = Gateway(plane, tmp_path, targets=[ADDRESSES["one"]])
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "own"], check=True)
        key = (tmp_path / "own.pub").read_text().strip()
        made = plane.do("POST", "/api/environments",
                        wanted(machine="one", ports=[{"port": 8888}], ssh={"keys": [key]}))
        path = f"/api/environments/{made['id']}"
        access = plane.ask("GET", path + "/access")
        gets_in_as(access, "one")
        by_key = ["ssh", "-i", tmp_path / "own", "-F", "none", "-p", str(access["ssh_port"]), "-o",
                  "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known", "-o",
                  "BatchMode=yes", "root@127.0.0.1"]
        assert subprocess.run([*by_key, "hostname"], capture_output=True, text=True).stdout == "one\n"
        page = "mkdir -p /tmp/w && echo a page >/tmp/w/index.html && cd /tmp/w &&" \
               " (setsid python3 -m http.server 8888 >/dev/null 2>&1 </dev/null &)"
        subprocess.run([*by_key, page], check=True, capture_output=True)
        wait_for(lambda: browse(gateway, made["id"], 8888) == "a page\n", "its page")

        plane.do("POST", path + "/stop")
        wait_for(lambda: through_ssh(access, "hostname") is None, "no way in while it is stopped")
        plane.do("POST", path + "/start")
        gets_in_as(access, "one")
        plane.do("DELETE", path)
        wait_for(lambda: not is_open(access["ssh_port"]), "its port is closed")
        straight = [ADDRESSES["one"] if word == "root@127.0.0.1" else word for word in by_key]
        straight[straight.index("-p") + 1] = "22"
        assert subprocess.run([*straight, "true"], capture_output=True).returncode == 255, "its key is gone"
        assert plane.ask("GET", "/api/machines/one")["state"] == "available"
    finally:
        gateway.stop()


def test_an_audited_machine_is_opened_by_certificates_for_itself_alone(plane, tmp_path):
    """OpenSSH's sshd: what control's authority signs opens the machine of this environment, for minutes."""
    customers, public = make_key(tmp_path, "customer")
    own, own_public = make_key(tmp_path, "gateway")
    plane.allow("ada", memory="1TiB")
    for name in ("one", "two"):
        plane.ask("POST", "/api/machines", machine(name))
    made = {}
    for name in ("one", "two"):
        spec = {"machine": name, "ssh": {"mode": "audited", "keys": [public]}}
        made[name] = plane.do("POST", "/api/environments", wanted(**spec))
    given = ask_credential(plane, made["one"]["id"], own_public)
    assert given["credential"] == "certificate" and given["user"] == "root"
    (tmp_path / "shown-cert.pub").write_text(given["secret"] + "\n")
    shown = subprocess.run(["ssh-keygen", "-L", "-f", tmp_path / "shown-cert.pub"], capture_output=True,
                           text=True, check=True).stdout
    assert f"Principals: \n                {made['one']['id']}\n" in shown
    assert "session=s-1 customer=ada source=192.0.2.1" in shown
    assert log_in(tmp_path, given, own, ADDRESSES["one"], 22, "hostname") == "one"
    keys_of_two = ask_credential(plane, made["two"]["id"], own_public)["host_keys"]
    assert log_in(tmp_path, given, own, ADDRESSES["two"], 22, "true", keys_of_two) is None, "another's"
    assert log_in(tmp_path, given, customers, ADDRESSES["one"], 22, "true") is None, "another key"
    for options in (["-i", own], ["-i", customers]):
        assert run_ssh(tmp_path, ADDRESSES["one"], 22, given["host_keys"], options, "true") is None
    access = plane.ask("GET", f"/api/environments/{made['one']['id']}/access")
    assert not gets_in(access), "his password is the gateway's to check"
    ssh_of = plane.routes()[made["one"]["id"]]["ssh"]
    assert ssh_of["host_keys"] == given["host_keys"] and ssh_of["users"][0]["authorized_keys"] == [public]

    path = f"/api/environments/{made['one']['id']}"
    plane.do("POST", path + "/stop")
    assert log_in(tmp_path, given, own, ADDRESSES["one"], 22, "true") is None, "it is locked"
    plane.do("POST", path + "/start")
    assert log_in(tmp_path, given, own, ADDRESSES["one"], 22, "hostname") == "one"
    plane.do("PATCH", path, {"policy": {"ssh": {"forbid": ["pty"]}}})
    given = ask_credential(plane, made["one"]["id"], own_public)
    assert log_in(tmp_path, given, own, ADDRESSES["one"], 22, "hostname") == "one"
    (tmp_path / "shown-cert.pub").write_text(given["secret"] + "\n")
    shown = subprocess.run(["ssh-keygen", "-L", "-f", tmp_path / "shown-cert.pub"], capture_output=True,
                           text=True, check=True).stdout
    assert "permit-pty" not in shown and "permit-port-forwarding" in shown
    plane.do("PATCH", path, {"spec": {"ssh": {"mode": "passthrough"}}})
    assert gets_in(access)
    assert run_ssh(tmp_path, ADDRESSES["one"], 22, given["host_keys"], ["-i", customers], "hostname") == "one"
    assert log_in(tmp_path, given, own, ADDRESSES["one"], 22, "true") is None, "the authority is gone"


def test_the_route_leads_to_the_port_where_its_sshd_listens(plane):
    port = int(os.environ["ENGINE_SSH_PORT"])
    plane.ask("POST", "/api/machines", machine("two", ssh_port=port))
    made = plane.do("POST", "/api/environments", wanted(machine="two"))
    assert plane.routes()[made["id"]]["ssh"]["target_port"] == port
    reachable = next(c for c in made["conditions"] if c["type"] == "Reachable")
    assert reachable["status"] == "true", reachable


def test_two_racers_for_one_machine_have_one_winner(plane):
    plane.ask("POST", "/api/machines", machine("one"))
    outcomes = []

    def race():
        try:
            done = plane.ask("POST", "/api/environments", wanted(machine="one"))
            outcomes.append(done["environment"]["node"])
        except Refused as refused:
            outcomes.append(refused.problem["code"])
    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["no_machine"] * 3 + ["one"]


def test_what_fails_on_the_way_back_is_put_aside(plane):
    (plane.directory / "clean.sh").write_text("echo the disk is not wiped; exit 3\n")
    plane.ask("POST", "/api/machines", machine("two"))
    made = plane.do("POST", "/api/environments", wanted(machine="two"))
    plane.do("DELETE", f"/api/environments/{made['id']}")
    two = plane.ask("GET", "/api/machines/two")
    assert two["state"] == "quarantined" and "disk is not wiped" in two["reason"], two
    with pytest.raises(Refused):
        plane.ask("POST", "/api/environments", wanted(machine="two"))
    plane.ask("POST", "/api/machines/two/available")
    (plane.directory / "clean.sh").write_text("true\n")


def test_a_file_of_machines_is_taken_whole_or_not_at_all(plane):
    head = "name,address,admin_key,gpus,memory,labels.rack\n"
    key = f"{DIRECTORY}/admin"
    bad = head + f"one,{ADDRESSES['one']},{key},2,64GiB,r1\ntwo,not-an-address,{key},2,64GiB,\n"
    with pytest.raises(Refused) as refused:
        plane.send("POST", "/api/machines/import", bad, "text/csv")
    assert refused.value.problem["errors"][0]["pointer"].startswith("/1")
    assert plane.ask("GET", "/api/machines")["machines"] == []
    good = head + f'one,{ADDRESSES["one"]},{key},2,64GiB,"r,1"\ntwo,{ADDRESSES["two"]},{key},4,128GiB,\n'
    plane.send("POST", "/api/machines/import", good, "text/csv")
    machines = plane.ask("GET", "/api/machines")["machines"]
    assert [m["name"] for m in machines] == ["one", "two"] and machines[0]["labels"] == {"rack": "r,1"}
    wait_for(lambda: all(m["checked_at"] for m in plane.ask("GET", "/api/machines")["machines"]), "looked at")
    assert all(m["reachable"] for m in plane.ask("GET", "/api/machines")["machines"])
