"""What the tests of the admin API share: envctl, the socket's answers, the metrics port,
and an ssh session that can be listed and killed."""
import http.client
import subprocess

from .machine import BIN
from .process import run
from .routes import ENV
from .ssh_clients import OpenSsh

def envctl(gateway, *arguments, status=0, **options):
    """envctl's output, once it has ended with that status: (stdout, stderr)."""
    done = run([BIN / "envctl", *arguments, "--socket", gateway.admin_socket], check=False, **options)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"{arguments}: exit status {done.returncode}\n{out}\n{err}"
    return out, err


def get(gateway, path):
    status, body = gateway.admin("GET", path)
    assert status == 200, (path, status, body)
    return body


def plain(gateway, method, path):
    """What the metrics port answers: (response, text)."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.ports["metrics"], timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


class LiveSsh:
    """An ssh session that does nothing until it is told, with a session number."""

    def __init__(self, gateway, sshd, directory, env=ENV, port=None):
        client = OpenSsh(sshd, port or gateway.env_port, directory)
        before = {s["id"] for s in gateway.sessions()}
        self.process = subprocess.Popen([str(word) for word in client.command("echo up; cat; echo over")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout.readline() == b"up\n", self.process.stderr.read()
        mine = [s for s in gateway.sessions() if s["id"] not in before and s["environment"] == env]
        assert len(mine) == 1, mine
        self.session = mine[0]

    def finish(self):
        """Ends its input; (what it then said, exit status)."""
        out, _ = self.process.communicate(timeout=30)
        return out, self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
