# ctest: timeout=900
"""OpenSSH's own regression scripts, with an audited session between their ssh and their sshd. A script that
fails so is run once more without the gateway: where that fails, too, it is skipped."""
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from harness import BIN, Gateway, RouteFile, audited, debian_tool, need, run, wait_for
from harness.openssh_regress import INSTALLED, Keys, Script, gateways_algorithms, need_scripts
from harness.routes import ENV

# Scripts of one lane run after each other: they use the same ports, which they name.
LANES = [
    ["rekey"],
    ["multiplex", "forwarding"],
    ["exit-status", "connect", "dynamic-forward", "kextype", "connect-uri"],
    ["stderr-data", "stderr-after-eof", "try-ciphers", "transfer", "integrity", "envpass", "yes-head",
     "broken-pipe", "exit-status-signal", "connect-privsep", "localcommand", "host-expand"],
    ["sftp", "sftp-cmds", "sftp-badcmds", "sftp-batch", "sftp-glob", "sftp-perm", "sftp-uri"],
    ["scp", "scp3", "scp-uri", "agent", "channel-timeout", "connection-timeout"],
]

# Why the others are left out.
LEFT_OUT = {
    "opens no connection": """addrmatch agent-getpeereid agent-pkcs11 agent-ptrace agent-subprocess
        agent-timeout cfginclude cfgparse keygen-change keygen-comment keygen-convert keygen-knownhosts
        keygen-moduli keygen-sshfp krl percent portnum servcfginclude sshcfgparse sshsig""",
    "about logins at an sshd, which are the gateway's own here": """allow-deny-users authinfo banner
        brokenkeys cert-file cert-userkey forcecommand forward-control hostbased key-options keys-command
        limit-keytype login-timeout multipubkey principals-command""",
    "about an sshd's host keys, which the client does not see": """cert-hostkey hostkey-agent hostkey-rotate
        keyscan keytype knownhosts knownhosts-command sshfp-connect""",
    "about an sshd's own start, settings or first bytes": """cfgmatch cfgmatchlisten dhgex proto-mismatch
        proto-version reconfigure reexec sftp-chroot""",
    "wants an address of the client's that sshd cannot know, and compression": "proxy-connect",
    "keys bound to the way that they are forwarded need one connection up to the target": "agent-restrict",
    "a measurement": "cipher-speed",
    "another client's: test_ssh_clients.py has PuTTY": """conch-ciphers putty-ciphers putty-kex putty-transfer
        ssh-com ssh-com-client ssh-com-keygen ssh-com-sftp""",
    "no test": "scp-ssh-wrapper ssh2putty sshd-log-wrapper test-exec valgrind-unit",
}

# What is replaced in a script's text, and why.
CUSTOMERS_CA = "customers_ca"  # beside the scripts' directories
CHANGES = {
    "rekey": [
        # Misspelt there, so that no algorithm is ever set and all runs are the same.
        ('"$_kexopts"', '"$_kexopt"'),
        # Each exchange and each cipher, but not each with each, which takes a minute.
        ("for kex in `${SSH} -Q kex`; do", "for kex in curve25519-sha256; do"),
        # Where the server asks for new keys the gateway is its client: its log tells.
        ('for s in 16 1k 128k 256k; do\n\tverbose "server', 'LOG=${TEST_SSHD_LOGFILE}\n'
         'for s in 16 1k 128k 256k; do\n\tverbose "server'),
        # Six waits of up to 20 seconds, for limits in time.
        ("for s in 5 10; do", "for s in 3; do"),
        ("sleep $s;sleep 10", "sleep $s;sleep 2"),
    ],
    # It names a settings file that no script makes, so that its ssh never connects.
    "broken-pipe": [("ssh_config_config", "ssh_proxy")],
    # The identification comes before that complaint, and the gateway does without it.
    "multiplex": [("Invalid SSH identification string", "SSH-2.0-")],
    # The CA is one that the gateway knows, and what its certificates name is an environment.
    "agent": [
        ("${SSHKEYGEN} -q -N '' -t ed25519 -f $OBJ/user_ca_key",
         f"cp $OBJ/../{CUSTOMERS_CA} $OBJ/user_ca_key && cp $OBJ/../{CUSTOMERS_CA}.pub $OBJ/user_ca_key.pub"),
        ("estragon", "agentinetd"),
    ],
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, ca, sshd):
    """Of each script: (the script, a future of its exit status)."""
    need_scripts()
    need((BIN / "envgate-session").exists(), "envgate-session is not built: conf/libssh builds its libssh")
    directory = tmp_path_factory.mktemp("regress")
    customers_ca = directory / CUSTOMERS_CA
    run([debian_tool("ssh-keygen"), "-q", "-N", "", "-t", "ed25519", "-f", customers_ca])
    routes = RouteFile(directory / "routes.yaml")
    settings = audited.settings(directory, sshd, user_cas=[f"{customers_ca}.pub"])
    gateway = Gateway(directory, ca, settings, ssh_ports=200)
    gateway.env_port = gateway.ssh_port()
    with gateway:
        gateway.wait_route(routes.set(ENV, ssh=audited.ssh(gateway.env_port, sshd)))
        algorithms = directory / "algorithms"
        gateways_algorithms(gateway, audited.entry(sshd, directory, ENV), algorithms)
        keys = Keys(directory / "keys")
        scripts = {name: Script(name, directory / name, gateway, routes, keys, sshd.user_ca, algorithms)
                   for lane in LANES for name in lane}
        outcomes = {name: (script, Future()) for name, script in scripts.items()}
        with ThreadPoolExecutor(len(LANES)) as pool:
            for lane in LANES:
                pool.submit(run_lane, [outcomes[name] for name in lane])
            yield outcomes
        for script in scripts.values():
            script.close()
    gateway.dispose()


def test_every_script_is_run_or_left_out_for_a_reason():
    need_scripts()
    known = {name for lane in LANES for name in lane}
    known.update(name for names in LEFT_OUT.values() for name in names.split())
    assert {path.stem for path in INSTALLED.glob("*.sh")} - known == set()


def run_lane(lane):
    for script, status in lane:
        try:
            status.set_result(script.run(CHANGES.get(script.name, ())))
        except BaseException as error:
            status.set_exception(error)


@pytest.mark.parametrize("name", [name for lane in LANES for name in lane])
def test_openssh_regress(outcomes, name):
    script, status = outcomes[name]
    if status.result() != 0:
        told = script.told()
        if script.run(CHANGES.get(name, ()), direct=True) != 0:
            pytest.skip(f"{name}.sh fails on this machine without the gateway, too")
        pytest.fail(f"{name}.sh: exit status {status.result()}\n{told}", pytrace=False)
    wait_for(script.sessions, "it did not go through the gateway")  # a session is logged when it is over
