"""Starts and stops the quickstart's processes. conf/quickstart runs this after it has installed and built:

  quickstart.py --data DIR start --bin DIR [--detach] [--no-demo]   |   stop   |   status

The state is in DIR: ready.json while it serves, processes.json from the first process on,
a lock file against two runs at once."""
import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import files
import foreground
import ports
import probe
from certificates import Certificates
from processes import Processes, alive
from target import DemoTarget

DOMAIN = "localhost"  # browsers find *.localhost on this machine without DNS (RFC 6761, section 6.3)
SSH_RANGE = (50000, 59999)
SECONDS_TO_START = 30
LONGEST_SOCKET_PATH = 107  # sun_path, unix(7)


class Quickstart:
    def __init__(self, data):
        self.data = Path(data).absolute()
        self.ready_file = self.data / "ready.json"
        self.admin_socket = self.data / "admin.sock"
        self.processes = None
        self.lock_file = None

    def open(self):
        """Takes the lock and reads what an earlier run has left."""
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock_file = open(self.data / "lock", "w")
        except OSError as error:
            raise RuntimeError(f"cannot write to {self.data}: {error.strerror}; "
                               f"choose another with --data") from None
        fcntl.flock(self.lock_file, fcntl.LOCK_EX)
        self.processes = Processes(self.data)

    def unlock(self):
        fcntl.flock(self.lock_file, fcntl.LOCK_UN)

    def running(self):
        """ready.json, while the gateway that it speaks of runs."""
        try:
            ready = json.loads(self.ready_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return ready if self.processes.find("gateway") else None

    # -- start

    def start(self, binaries, with_demo):
        """Starts everything and returns what ready.json says. Ends it all again when something fails."""
        if len(str(self.admin_socket)) > LONGEST_SOCKET_PATH:
            raise RuntimeError(f"{self.admin_socket} is too long for a socket's path "
                               f"({LONGEST_SOCKET_PATH} bytes); choose a shorter directory with --data")
        self.ready_file.unlink(missing_ok=True)
        if left := self.processes.stop_all():
            print(f"ended what an earlier run had left: {', '.join(left)}")
        try:
            return self._start(Path(binaries).absolute(), with_demo)
        except BaseException:
            foreground.ignore_signals()
            self.processes.stop_all()
            raise

    def _start(self, binaries, with_demo):
        certificates = Certificates(self.data, DOMAIN)
        certificates.make()
        at = self._choose_ports(with_demo)
        target = DemoTarget(self.data) if with_demo else None
        if target:
            target.prepare(at["sshd"])
        self._write_files(at, target)
        config = self.data / "envgate.yaml"
        self._check_settings(binaries / "envgate", config)
        if target:
            self.processes.start("sshd", target.sshd_command())
            self.processes.start("web", target.web_command(at["web"]))
        self.processes.start("gateway", [binaries / "envgate", "--config", config])
        self._wait(at, certificates.ca, with_demo)
        return self._describe(at, certificates, target, binaries)

    def _choose_ports(self, with_demo):
        at = {"https": ports.choose(8443)}
        at["http"] = ports.choose(8080, at.values())
        at["metrics"] = ports.choose(9464, at.values())
        at["ssh"] = ports.choose(50022, at.values(), SSH_RANGE[1])
        if with_demo:
            at["sshd"] = ports.choose(42022, at.values())
            at["web"] = ports.choose(42080, at.values())
        return at

    def _write_files(self, at, target):
        values = {"data": self.data, "demo": self.data / "demo", "domain": DOMAIN, "ssh_port": at["ssh"],
                  "https_port": at["https"], "http_port": at["http"], "metrics_port": at["metrics"],
                  "ssh_range": "{}-{}".format(*SSH_RANGE)}
        (self.data / "envgate.yaml").write_text(files.settings(**values))
        routes = self.data / "routes.yaml"
        if target:
            # Later starts write higher generations, as a control plane would.
            routes.write_text(files.DEMO_ROUTES.format(generation=int(time.time()), sshd_port=at["sshd"],
                                                       web_port=at["web"], **values))
            (self.data / "demo/known_hosts").write_text(f"demo.ssh.{DOMAIN} {target.public_host_key()}\n")
            values["user"] = target.user
        elif not routes.exists():
            routes.write_text(files.NO_ROUTES.format(**values))
        (self.data / "ssh_config").write_text(files.ssh_config(bool(target), **values))

    @staticmethod
    def _check_settings(envgate, config):
        try:
            done = subprocess.run([envgate, "--config", config, "--check"], capture_output=True, text=True,
                                  timeout=20)
        except OSError as error:
            raise RuntimeError(f"cannot run {envgate}: {error.strerror}; build it with conf/quickstart "
                               f"--build-only, or name the right directory with --bin") from None
        if done.returncode != 0:
            raise RuntimeError(f"the gateway refuses its settings, {config}:\n{done.stdout}{done.stderr}")

    def _wait(self, at, ca, with_demo):
        """Until the gateway is ready and, with the demo,
        until the page and the SSH server answer through it."""
        checks = [lambda: probe.ready(self.admin_socket)]
        if with_demo:
            checks += [lambda: probe.page(ca, f"demo-8888.container.{DOMAIN}", at["https"]),
                       lambda: probe.ssh_banner(at["ssh"])]
        deadline = time.monotonic() + SECONDS_TO_START
        for check in checks:
            while (matter := check()) is not None:
                if ended := self.processes.ended():
                    log = self.processes.log(ended[0])
                    raise RuntimeError(f"{ended[0]} ended at once; {log} says:\n{last_lines(log)}")
                if time.monotonic() > deadline:
                    log = self.processes.log("gateway")
                    raise RuntimeError(f"not ready within {SECONDS_TO_START} s: {matter}; {log} says:\n"
                                       f"{last_lines(log)}")
                time.sleep(0.05)

    def _describe(self, at, certificates, target, binaries):
        ready = {
            "domain": DOMAIN, "data": str(self.data), "config": str(self.data / "envgate.yaml"),
            "routes": str(self.data / "routes.yaml"), "logs": str(self.data / "log"),
            "admin_socket": str(self.admin_socket), "metrics": f"http://127.0.0.1:{at['metrics']}/metrics",
            "https": f"127.0.0.1:{at['https']}", "http": f"127.0.0.1:{at['http']}",
            "ca": str(certificates.ca), "ssh_config": str(self.data / "ssh_config"),
            "envgate": str(binaries / "envgate"), "envctl": str(binaries / "envctl"),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if target:
            ready |= {"environment": "demo", "url": f"https://demo-8888.container.{DOMAIN}:{at['https']}/",
                      "ssh": f"ssh -F {shell_word(self.data / 'ssh_config')} demo.ssh.{DOMAIN}",
                      "ssh_host": f"demo.ssh.{DOMAIN}", "ssh_port": at["ssh"], "ssh_user": target.user,
                      "ssh_key": str(target.key)}
        return ready

    def publish(self, ready):
        ready["pids"] = self.processes.pids()
        fresh = self.ready_file.with_suffix(".new")
        fresh.write_text(json.dumps(ready, indent=2) + "\n")
        fresh.rename(self.ready_file)

    # -- stop

    def stop(self):
        """Ends what processes.json lists,
        and the run in the foreground that watches over it. Returns the names."""
        watcher = self.processes.find("quickstart")
        self.ready_file.unlink(missing_ok=True)
        if watcher and watcher["pid"] != os.getpid():
            names = [record["name"] for record in self.processes.records if alive(record)]
            self.unlock()  # it takes the lock to end what it started
            self.processes.end(watcher)
            self.open()
            return names if not self.processes.records else names + self.processes.stop_all()
        return self.processes.stop_all(but=["quickstart"])


def last_lines(path, count=15):
    try:
        return "\n".join("  " + line for line in path.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return "  (nothing)"


def shell_word(path):
    text = str(path)
    return text if all(c.isalnum() or c in "/._-+@" for c in text) else "'" + text.replace("'", "'\\''") + "'"


def stop_command(data):
    default = Path(__file__).resolve().parents[2] / "build/quickstart"
    return "conf/quickstart --stop" + ("" if Path(data) == default else f" --data {shell_word(data)}")


def show(ready, headline):
    print(f"{headline}\n")
    if "url" in ready:
        print(f"  {ready['ssh']}\n  {ready['url']}\n")
        print(f"The certificate comes from a local CA, made for this machine and for names under {DOMAIN} "
              f"alone.\nImport {ready['ca']} into the browser, or:\n\n"
              f"  curl --cacert {shell_word(ready['ca'])} {ready['url']}\n")
    else:
        print(f"  Write routes into {ready['routes']}; they are obeyed at once.\n"
              f"  HTTPS on {ready['https']}, HTTP on {ready['http']}.\n")
    print(f"Addresses, paths and pids: {ready['data']}/ready.json   logs: {ready['logs']}/")


def start(quickstart, options):
    quickstart.open()
    if ready := quickstart.running():
        show(ready, f"envgate is already running (since {ready['started']}, pid {ready['pids']['gateway']}).")
        print(f"To end it: {stop_command(quickstart.data)}")
        return 0
    foreground.raise_on_signals()
    try:
        ready = quickstart.start(options.bin, not options.no_demo)
    except foreground.Stop:
        print("\nended before it was ready")
        return 130
    if not options.detach:
        quickstart.processes.add("quickstart", os.getpid())
    quickstart.publish(ready)
    quickstart.unlock()
    show(ready, "envgate is running.")
    if options.detach:
        print(f"To end it: {stop_command(quickstart.data)}")
        return 0
    return stay(quickstart)


def stay(quickstart):
    print("Ctrl-C ends it.\n", flush=True)
    ended = []
    try:
        ended = foreground.watch(quickstart.processes, quickstart.processes.log("gateway"))
    except foreground.Stop:
        pass
    foreground.ignore_signals()
    fcntl.flock(quickstart.lock_file, fcntl.LOCK_EX)
    for name in ended:
        log = quickstart.processes.log(name)
        print(f"{name} ended by itself; {log} says:\n{last_lines(log)}", file=sys.stderr)
    print("\nending: " + ", ".join(quickstart.stop()), flush=True)
    return 1 if ended else 0


def stop(quickstart):
    quickstart.open()
    names = [name for name in quickstart.stop() if name != "quickstart"]
    print(f"ended: {', '.join(names)}" if names else "nothing was running")
    return 0


def status(quickstart):
    """Exit status 0, and what to type, when it runs; else 1 and silence."""
    quickstart.open()
    ready = quickstart.running()
    if ready:
        show(ready, f"envgate is already running (since {ready['started']}, pid {ready['pids']['gateway']}).")
        print(f"To end it: {stop_command(quickstart.data)}")
    return 0 if ready else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument("--bin")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--no-demo", action="store_true")
    options = parser.parse_args()
    quickstart = Quickstart(options.data)
    try:
        if options.action == "start":
            return start(quickstart, options)
        return {"stop": stop, "status": status}[options.action](quickstart)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
