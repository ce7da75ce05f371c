# ctest: timeout=400
"""Programs that people run on top of SSH, each in its own way of using it: Go's x/crypto/ssh, lftp, an
editor's remote extension, rsync with many small files."""
import asyncio
import hashlib
import os
import random
import re
import subprocess
import threading
import warnings

import pytest

from harness import EchoTarget, SLOW, audited, debian_tool, free_port, need, run
from harness.http_target import BLOCK
from harness.machine import ROOT
from harness.routes import ssh as ssh_way
from harness.ssh_clients import OpenSsh

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    asyncssh = pytest.importorskip("asyncssh")


@pytest.fixture
def client(ssh_gateway, entry, tmp_path):
    return OpenSsh(entry, ssh_gateway.env_port, tmp_path)


# -- Go

GO_SOURCES = "/usr/share/gocode"


@pytest.fixture(scope="module")
def gossh(tmp_path_factory):
    """The client in clients/gossh, built as Debian builds Go programs: from packages, without a network."""
    go = debian_tool("go")
    need(os.path.isdir(f"{GO_SOURCES}/src/golang.org/x/crypto/ssh"),
         "golang-golang-x-crypto-dev is not installed (tests/run installs it)")
    directory = tmp_path_factory.mktemp("go")
    env = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPATH": GO_SOURCES,
           "GOCACHE": str(directory / "cache")}
    sources = ROOT / "tests/integration/clients/gossh"
    run([go, "build", "-o", directory / "gossh", "."], 200, cwd=sources, env=env)
    return directory / "gossh"


@pytest.mark.parametrize("task", ["commands", "terminal", "keepalive", "local", "remote"])
def test_go(gossh, ssh_gateway, entry, task):
    with EchoTarget() as echo:
        run([gossh, task, f"127.0.0.1:{ssh_gateway.env_port}", entry.user, entry.key,
             entry.host_keys / "host_ed25519.pub", f"127.0.0.1:{echo.port}"])


# -- files

@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two thousand small files in forty folders, among them empty ones and odd names."""
    chance, root = random.Random(7), tmp_path_factory.mktemp("tree")
    for number in range(2000):
        folder = root / f"folder {number % 40}"
        folder.mkdir(exist_ok=True)
        (folder / f"file-{number} '\"é").write_bytes(chance.randbytes(chance.choice((0, 1, 100, 5000))))
    return root


def digest(root):
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        whole.update(str(path.relative_to(root)).encode() + (path.read_bytes() if path.is_file() else b""))
    return whole.hexdigest()


def test_rsync_of_many_small_files(client, tree, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    rsync = [debian_tool("rsync"), "-a", "-z", "-e", client.rsync_shell()]
    run([*rsync, f"{tree}/", f"{client.where}:{there}/"])
    run([*rsync, f"{client.where}:{there}/", f"{back}/"])
    assert digest(there) == digest(back) == digest(tree)
    again = run([*rsync, "--checksum", "--itemize-changes", f"{tree}/", f"{client.where}:{there}/"])
    assert again.stdout == b""


@pytest.mark.parametrize("copy", ["scp", "sftp"])
def test_copies_of_a_folder(client, tree, tmp_path, copy):
    """The old protocol of scp and SFTP: a question and its answer for each of fifty files."""
    there, back = tmp_path / "there", tmp_path / "back"
    old = ["-O"] if copy == "scp" else []
    argv = client.copy(str(tree / "folder 3"), f":{there}")
    run([argv[0], *old, "-r", *argv[1:]])
    argv = client.copy(f":{there}", str(back))
    run([argv[0], *old, "-r", *argv[1:]])
    assert digest(there) == digest(back) == digest(tree / "folder 3")


def test_lftp(client, tree, tmp_path):
    """Mirrors a folder there and back on several connections at once."""
    there, back = tmp_path / "there", tmp_path / "back"
    user, host = client.where.split("@")
    shell = " ".join([debian_tool("ssh"), "-a", "-x", *map(str, client.options)])
    commands = ["set cmd:fail-exit yes", "set net:max-retries 1", f'set sftp:connect-program "{shell}"',
                f"open -u {user}, sftp://{host}:{client.port}",
                f"mirror -R --parallel=4 '{tree}/folder 5' {there}", f"mirror --parallel=4 {there} {back}",
                f"get {there}/none || echo refused", f"pget -n 3 {there}/large -o {tmp_path}/large"]
    there.mkdir()
    (there / "large").write_bytes(BLOCK * 8)
    done = run([debian_tool("lftp"), "--norc", "-c", "; ".join(commands)],
               env={**os.environ, "HOME": str(tmp_path), "LFTP_HOME": str(tmp_path / "lftp")})
    assert b"refused" in done.stdout
    assert (tmp_path / "large").read_bytes() == (back / "large").read_bytes() == BLOCK * 8
    for directory in (there, back):
        (directory / "large").unlink()
        assert digest(directory) == digest(tree / "folder 5")


# -- an editor's remote extension

SERVER = r"""
import http.server, itertools, os, sys
count = itertools.count(1)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"request %d" % next(count)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{server.server_address[1]} {os.getpid()}\n")
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
"""

# As such an extension does: a shell that is fed its script, which starts a server once, names its port
# between marks, and stays.
BOOTSTRAP = """\
echo "running in: $(uname -s)"
cd {directory} || exit 1
if [ ! -f listening ]; then
cat >server.py <<'END_OF_SERVER'
{server}
END_OF_SERVER
setsid nohup python3 server.py "$PWD/listening" >server.log 2>&1 </dev/null &
fi
while [ ! -f listening ]; do sleep 0.05; done
read port pid <listening
echo "==== listeningOn==$port== ===="
{{ cat >/dev/null; echo "==== stopped ===="; }}
"""


class Editor:
    """One connection of it: the shell, and the port of its SOCKS proxy."""

    def __init__(self, client, directory):
        self.socks = free_port()
        argv = client.argv("-T", "-D", f"127.0.0.1:{self.socks}", "-o", "ServerAliveInterval=5") + ["bash"]
        self.ssh = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ssh.stdin.write(BOOTSTRAP.format(directory=directory, server=SERVER).encode())
        self.ssh.stdin.flush()
        self.output = b""
        while (found := re.search(rb"listeningOn==(\d+)==", self.output)) is None:
            line = self.ssh.stdout.readline()
            assert line, f"the shell has ended: {self.output!r}"
            self.output += line
        self.port = int(found[1])

    def get(self):
        done = run(["curl", "-sS", "--fail", "--socks5-hostname", f"127.0.0.1:{self.socks}",
                    f"http://127.0.0.1:{self.port}/"])
        return done.stdout.decode()

    def end(self):
        """As when the lid is closed: nothing is said."""
        self.ssh.kill()
        self.ssh.communicate()


def test_an_editors_remote_extension(client, tmp_path):
    debian_tool("curl")
    try:
        first = Editor(client, tmp_path)
        assert b"running in: Linux" in first.output
        assert [first.get() for _ in range(3)] == ["request 1", "request 2", "request 3"]
        first.end()
        second = Editor(client, tmp_path)  # finds the server that it has left
        assert second.port == first.port
        assert second.get() == "request 4"
        rest = second.ssh.communicate(timeout=20 * SLOW)[0]
        assert b"==== stopped ====" in rest and second.ssh.returncode == 0
    finally:
        if (tmp_path / "listening").exists():
            os.kill(int((tmp_path / "listening").read_text().split()[1]), 9)


# -- what only a server can be told

class Teller:
    """An SSH server that says back what it is told about a session: sizes, breaks, signals. (OpenSSH's sshd
    takes no signals for root.)"""

    def __init__(self, directory, sshd):
        self.directory, self.user, self.loop = directory, sshd.user, asyncio.new_event_loop()
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        keys = (sshd.directory / "authorized_keys").read_text()
        (directory / "clients").write_text(f"{keys}cert-authority {sshd.user_ca.line()}\n")
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._in_loop(self._listen())
        self.port = self.server.sockets[0].getsockname()[1]

    def _in_loop(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20 * SLOW)

    async def _listen(self):
        return await asyncssh.listen("127.0.0.1", 0, server_host_keys=[self.host_key], line_editor=False,
                                     process_factory=self._tell,
                                     authorized_client_keys=str(self.directory / "clients"))

    @staticmethod
    async def _tell(process):
        process.stdout.write(f"size {process.term_size[0]} {process.term_size[1]}\n")
        while not process.stdin.at_eof():
            try:
                await process.stdin.readline()
            except asyncssh.TerminalSizeChanged as told:
                process.stdout.write(f"size {told.width} {told.height}\n")
            except asyncssh.BreakReceived as told:
                process.stdout.write(f"break {told.msec}\n")
            except asyncssh.SignalReceived as told:
                process.stdout.write(f"signal {told.signal}\n")
        process.exit_with_signal("USR1", True, "as agreed")

    def close(self):
        async def close():
            self.server.close()
            await self.server.wait_closed()
        self._in_loop(close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20 * SLOW)
        self.loop.close()


def test_sizes_breaks_and_signals_reach_the_target(ssh_gateway, sshd, make_gateway, routes, tmp_path):
    teller = Teller(tmp_path, sshd)
    directory = tmp_path / "gateway"
    gateway = make_gateway(audited.settings(directory, sshd) if ssh_gateway.audited else None)
    port, env = gateway.ssh_port(), "teller"
    way, seen = ssh_way(port, teller.port), teller.host_key.export_public_key().decode()
    if ssh_gateway.audited:
        way = {**audited.ssh(port, sshd), "target_port": teller.port, "host_keys": [seen.strip()]}
        seen = audited.SecretFile(directory / "ssh_host_key").host_key(env)
    gateway.wait_route(routes.set(env, ssh=way))

    async def use():
        known = asyncssh.import_known_hosts(f"* {seen}")
        async with asyncssh.connect("127.0.0.1", port, username=sshd.user, client_keys=[str(sshd.key)],
                                    known_hosts=known, agent_path=None, config=None) as connection:
            async with connection.create_process(term_type="xterm", term_size=(80, 24)) as process:
                told = [await process.stdout.readline()]
                process.change_terminal_size(132, 43)
                told.append(await process.stdout.readline())
                process.send_break(250)
                told.append(await process.stdout.readline())
                for name in ("INT", "TERM", "USR1"):
                    process.send_signal(name)
                    told.append(await process.stdout.readline())
                process.stdin.write_eof()
                return told, (await process.wait()).exit_signal
    told, signal = asyncio.run(asyncio.wait_for(use(), 60 * SLOW))
    teller.close()
    assert told == [f"{line}\n" for line in ("size 80 24", "size 132 43", "break 250", "signal INT",
                                             "signal TERM", "signal USR1")]
    assert signal[:3] == ("USR1", True, "as agreed")
