"""envctl gateway ssh-keys: what customers put into known_hosts, and targets into TrustedUserCAKeys, by a
gateway whose secrets the test knows; OpenSSH's client believes it."""
import json

from harness import Gateway, RouteFile, run
from harness.admin import envctl
from harness.audited import SHARED, SecretFile
from harness.machine import debian_tool
from harness.routes import ENV
from harness.routes import ssh as passthrough


def test_of_the_port_that_all_share(scene):
    gateway = scene.gateway
    key = SecretFile(gateway.directory / "ssh_host_key").host_key(SHARED)
    names = [f"[{gateway.domain}]:{scene.entry_port}", f"[*.{gateway.domain}]:{scene.entry_port}"]
    told = json.loads(envctl(gateway, "gateway", "ssh-keys", "-o", "json")[0])
    assert told == {"entry": None, "public_key": key, "names": names,
                    "known_hosts": f"{','.join(names)} {key}",
                    "user_ca": scene.sshd.user_ca.line()}
    lines = [line for line in envctl(gateway, "gateway", "ssh-keys")[0].splitlines()
             if not line.startswith("#")]
    assert lines == [told["known_hosts"], told["user_ca"]]


def test_of_an_environment_and_openssh_believes_it(scene, tmp_path):
    gateway = scene.gateway
    text = envctl(gateway, "gateway", "ssh-keys", ENV)[0]
    key = SecretFile(gateway.directory / "ssh_host_key").host_key(ENV)
    host = gateway.ssh_host(ENV)
    assert f"\n{host},[{host}]:{scene.port} {key}\n" in text and scene.sshd.user_ca.line() not in text
    known = tmp_path / "known_hosts"
    known.write_text(text)
    argv = [debian_tool("ssh"), "-F", "none", "-i", scene.sshd.key, "-p", scene.port]
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=none",
                   "IdentitiesOnly=yes",
                   f"UserKnownHostsFile={known}"):
        argv += ["-o", option]
    for alias in (host, f"[{host}]:{scene.port}"):
        done = run([*argv, "-o", f"HostKeyAlias={alias}", f"{scene.user}@127.0.0.1", "echo believed"])
        assert done.stdout == b"believed\n"
    known.write_text(envctl(gateway, "gateway", "ssh-keys", "bent0target")[0].replace("bent0target", ENV))
    done = run([*argv, "-o", f"HostKeyAlias={host}", f"{scene.user}@127.0.0.1", "true"], check=False)
    assert done.returncode == 255 and b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_what_has_none_is_said(scene, ca, tmp_path):
    assert "absent" in envctl(scene.gateway, "gateway", "ssh-keys", "absent", status=3)[1]
    assert "no route" in envctl(scene.gateway, "gateway", "ssh-keys", "No/Name", status=3)[1]
    scene.gateway.wait_route(scene.routes.set("plain",
                                              ssh=passthrough(scene.gateway.ssh_port(), scene.sshd.port)))
    assert "passthrough" in envctl(scene.gateway, "gateway", "ssh-keys", "plain", status=4)[1]
    routes = RouteFile(tmp_path / "routes.yaml")
    routes.write()
    with Gateway(tmp_path, ca) as other:
        assert "ssh.audited.host_key_file" in envctl(other, "gateway", "ssh-keys", status=4)[1]


def test_what_is_alarming_is_counted_from_nothing(scene):
    """Of a series that comes into being with its first count, Prometheus' increase() sees nothing."""
    counted = {labels["reason"]: value for name, labels, value in scene.gateway.metrics()
               if name == "envgate_refusals_total"}
    for reason in ("session_crashed", "session_outside_sandbox", "session_distrusted", "host_key_changed",
                   "not_recordable"):
        assert counted[reason] == 0
