#!/usr/bin/python3
"""A real Docker engine for one program: engine.py PROGRAM [ARGUMENT...].

It starts dockerd in a network namespace made for it, with every path of its own in a temporary directory,
makes an image without a registry, starts a registry that asks for a login, and runs PROGRAM in that
namespace. What it tells it is in ENGINE_* variables. PROGRAM may write "stop" or "start" to the descriptor in
ENGINE_CONTROL, for the daemon to be restarted underneath it. Whatever happens, all is stopped by its pid and
removed at the end. Exit status 77: this machine cannot run a dockerd; the reason is the last line."""
import crypt  # bcrypt, which htpasswd files need
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "conf/demo"))
import demo_image  # noqa: E402
import docker_engine  # noqa: E402

REGISTRY_USER, REGISTRY_PASSWORD = "puller", "Registry-Pass-1"
TLS = "127.0.0.1:2376"
REGISTRY = "127.0.0.1:5000"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class CannotRun(Exception):
    pass


def end_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, stdin=subprocess.DEVNULL, **options)


def wait_for(condition, what, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise CannotRun(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Engine:
    def __init__(self, directory):
        self.directory = directory
        self.socket = directory / "docker.sock"
        self.namespace = f"envgate-test-{os.getpid()}"
        self.daemon = self.registry = None
        self.log = directory / "dockerd.log"

    def within(self, *argv):
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, argv)]

    def spawn(self, argv, log, env=None):
        with open(log, "ab") as out:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                    start_new_session=True, preexec_fn=end_with_parent)

    def docker(self, *argv, **options):
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}",
                       "DOCKER_CONFIG": str(self.directory)}
        return run("/usr/bin/docker", *argv, env=environment, **options)

    def make_namespace(self):
        made = subprocess.run(["ip", "netns", "add", self.namespace], capture_output=True, text=True)
        if made.returncode != 0:
            raise CannotRun(f"a network namespace cannot be made: {made.stderr.strip()}")
        run(*self.within("ip", "link", "set", "lo", "up"))

    def make_certificates(self):
        d = self.directory
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run(*new, "-x509", "-days", 2, "-subj", "/CN=test engine authority", "-keyout", d / "ca.key",
            "-out", d / "ca.pem", capture_output=True)
        (d / "san").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        for name in ("server", "client"):
            run(*new, "-subj", f"/CN={name}", "-keyout", d / f"{name}.key", "-out", d / f"{name}.csr",
                capture_output=True)
            run("openssl", "x509", "-req", "-days", 2, "-in", d / f"{name}.csr", "-CA", d / "ca.pem",
                "-CAkey", d / "ca.key", "-CAcreateserial", "-extfile", d / "san", "-out", d / f"{name}.pem",
                capture_output=True)

    def start(self):
        d = self.directory
        self.daemon = self.spawn(self.within(
            "/usr/sbin/dockerd", "--data-root", d / "data", "--exec-root", d / "exec",
            "--pidfile", d / "docker.pid", "--config-file", d / "daemon.json",
            "-H", f"unix://{self.socket}", "-H", f"tcp://{TLS}", "--tlsverify", "--tlscacert", d / "ca.pem",
            "--tlscert", d / "server.pem", "--tlskey", d / "server.key"), self.log)

        def answers():
            if self.daemon.poll() is not None:
                raise CannotRun("dockerd ends at once: " + self.log.read_text(errors="replace")[-600:])
            return subprocess.run(["curl", "-sf", "--max-time", "2", "--unix-socket", self.socket,
                                   "http://engine/_ping"], capture_output=True).returncode == 0
        wait_for(answers, "dockerd answers", 60)

    def stop(self):
        if self.daemon is None:
            return
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None

    def start_registry(self):
        if not Path("/usr/bin/docker-registry").exists():
            return
        d = self.directory
        salt = "$2b$05$" + "abcdefghijklmnopqrstuu"
        (d / "htpasswd").write_text(f"{REGISTRY_USER}:{crypt.crypt(REGISTRY_PASSWORD, salt)}\n")
        (d / "registry.yml").write_text(
            f"version: 0.1\nlog: {{level: error}}\n"
            f"storage: {{filesystem: {{rootdirectory: {d}/registry}}}}\n"
            f"http: {{addr: '{REGISTRY}'}}\nauth: {{htpasswd: {{realm: test, path: {d}/htpasswd}}}}\n")
        self.registry = self.spawn(self.within("/usr/bin/docker-registry", "serve", d / "registry.yml"),
                                   d / "registry.log")
        ask = self.within("curl", "-s", "--max-time", "2", f"http://{REGISTRY}/v2/")
        wait_for(lambda: subprocess.run(ask, capture_output=True).returncode == 0, "the registry answers", 30)
        name = f"{REGISTRY}/team/ssh:1"
        self.docker("tag", "envgate-test/ssh:1", name)
        self.docker("login", "-u", REGISTRY_USER, "-p", REGISTRY_PASSWORD, REGISTRY,
                    capture_output=True)
        self.docker("push", "-q", name, capture_output=True)
        self.docker("logout", REGISTRY, capture_output=True)
        self.docker("rmi", name, capture_output=True)

    def remove(self):
        """Every step, whatever becomes of the one before."""
        containerd = self.directory / "exec/containerd/containerd.pid"
        if self.daemon is not None and self.daemon.poll() is None:
            docker = ["/usr/bin/docker", "-H", f"unix://{self.socket}"]
            listed = subprocess.run([*docker, "ps", "-aq"], capture_output=True, text=True)
            subprocess.run([*docker, "rm", "-fv", *listed.stdout.split()], capture_output=True)
        self.stop()
        if self.registry is not None:
            self.registry.terminate()
            self.registry.wait(10)
        if containerd.exists():  # dockerd was killed before it could
            try:
                os.kill(int(containerd.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.directory}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.namespace], capture_output=True)


def variables(engine, control, answer):
    d = engine.directory
    told = {"SOCKET": engine.socket, "DIRECTORY": d, "TLS": TLS, "CONTROL": control, "ANSWER": answer,
            "REGISTRY": REGISTRY if engine.registry else "", "REGISTRY_USER": REGISTRY_USER,
            "REGISTRY_PASSWORD": REGISTRY_PASSWORD}
    return {**os.environ, **{f"ENGINE_{name}": str(value) for name, value in told.items()}}


def run_program(engine, argv):
    asks, control = os.pipe()
    answer, answers = os.pipe()
    program = subprocess.Popen(engine.within(*argv), env=variables(engine, control, answer),
                               pass_fds=(control, answer), stdin=subprocess.DEVNULL,
                               preexec_fn=end_with_parent)
    os.close(control)
    os.close(answer)
    with os.fdopen(asks) as lines:
        for line in lines:  # ends with the program
            getattr(engine, {"stop": "stop", "start": "start"}[line.strip()])()
            os.write(answers, b"ok\n")
    return program.wait()


def check_machine():
    if os.geteuid() != 0:
        raise CannotRun("dockerd needs root")
    for tool in ("/usr/sbin/dockerd", "/usr/bin/docker", "/usr/bin/dbclient"):
        if not Path(tool).exists():
            raise CannotRun(f"{tool} is not installed (tests/run installs it)")
    if not os.listdir("/sys/fs/cgroup"):
        raise CannotRun("no cgroups are mounted")


def main(argv):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what follows `finally` runs
    directory = Path(tempfile.mkdtemp(prefix="envgate-docker-"))
    engine = Engine(directory)
    try:
        check_machine()
        (directory / "daemon.json").write_text("{}")
        engine.make_namespace()
        engine.make_certificates()
        engine.start()
        docker_engine.import_image(engine.socket, "envgate-test/ssh:1", demo_image.archive(),
                                   demo_image.SSH_SERVER)
        engine.start_registry()
        return run_program(engine, argv)
    except CannotRun as reason:
        print(f"SKIPPED backends.docker: {reason}")
        return 77
    finally:
        engine.remove()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
