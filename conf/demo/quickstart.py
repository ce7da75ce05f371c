"""Starts and stops the quickstart's processes. conf/quickstart runs this after it has installed and built:

  quickstart.py --data DIR start --bin DIR [--detach] [--no-demo] [--backend NAME]   |   stop   |   status

The state is in DIR: ready.json while it serves, processes.json from the first process on,
a lock file against two runs at once."""
import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import docker_engine
import environments
import files
import foreground
import ports
import probe
from certificates import Certificates
from control_api import ControlApi
from demo import Demo
from docker_demo import DockerDemo
from processes import Processes, alive, last_lines
from show import show, stop_command

DOMAIN = "localhost"  # browsers find *.localhost on this machine without DNS (RFC 6761, section 6.3)
SSH_RANGE = (50000, 59999)
LONGEST_SOCKET_PATH = 107  # sun_path, unix(7)


class Quickstart:
    def __init__(self, data):
        self.data = Path(data).absolute()
        self.ready_file = self.data / "ready.json"
        self.admin_socket = self.data / "admin.sock"
        self.control_socket = self.data / "control.sock"
        self.api = ControlApi(self.control_socket)
        self.rest = environments.Rest(self.data)
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
        """ready.json, while the programs that it speaks of run."""
        try:
            ready = json.loads(self.ready_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return ready if self.processes.find("gateway") and self.processes.find("control") else None

    # -- start

    def start(self, options):
        """Starts everything and returns what ready.json says. Ends it all again when something fails."""
        if len(str(self.control_socket)) > LONGEST_SOCKET_PATH:
            raise RuntimeError(f"{self.control_socket} is too long for a socket's path "
                               f"({LONGEST_SOCKET_PATH} bytes); choose a shorter directory with --data")
        self.ready_file.unlink(missing_ok=True)
        if left := self.processes.stop_all():
            print(f"ended what an earlier run had left: {', '.join(left)}")
        try:
            return self._start(Path(options.bin).absolute(), options)
        except BaseException:
            foreground.ignore_signals()
            self._end()
            raise

    def _start(self, binaries, options):
        certificates = Certificates(self.data, DOMAIN)
        certificates.make()
        key = self._make_keys()
        at = {"https": ports.choose(8443)}
        at["http"] = ports.choose(8080, at.values())
        at["metrics"] = ports.choose(9464, at.values())
        audits = (binaries / "envgate").resolve().with_name("envgate-session").exists()
        at["audited"] = ports.choose(2222, at.values()) if audits else None
        engine, why_not = docker_engine.find()
        config = self._write_settings(at, engine)
        for program in ("envgate-control", "envgate"):
            self._check_settings(binaries / program, config)
        self.processes.start("control", [binaries / "envgate-control", "--config", config])
        self.processes.wait("control", lambda: probe.ready("the control plane", self.control_socket))
        self.processes.start("gateway", [binaries / "envgate", "--config", config])
        self.rest.remember_installation(self.api, engine)
        self.rest.wake(self.api)
        ready = self._describe(at, certificates, binaries, engine)
        if options.no_demo:
            ready |= self._offer_image(engine)
        else:
            demo = Demo(self.data, self.api, self.processes)
            demo.choose(options.backend, engine, why_not)
            ready |= demo.bring_up(key, certificates.ca, at["https"])
        self.processes.wait("gateway", lambda: probe.ready("the gateway", self.admin_socket))
        (self.data / "ssh_config").write_text(files.ssh_config(
            data=self.data, domain=DOMAIN, https_port=at["https"], ssh_host=ready.get("ssh_host", ""),
            ssh_port=ready.get("ssh_port")))
        return ready

    def _make_keys(self):
        """The key that opens the demo: made once. Returns the public one."""
        keys = self.data / "keys"
        keys.mkdir(mode=0o700, exist_ok=True)
        if not (keys / "demo.pub").exists():
            (keys / "demo").unlink(missing_ok=True)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "envgate demo", "-f",
                            keys / "demo"], check=True, stdin=subprocess.DEVNULL)
        return (keys / "demo.pub").read_text().strip()

    def _write_settings(self, at, engine):
        config = self.data / "envgate.yaml"
        config.write_text(files.settings(engine, data=self.data, domain=DOMAIN, https_port=at["https"],
                                         http_port=at["http"], metrics_port=at["metrics"],
                                         audited_port=at["audited"],
                                         ssh_range="{}-{}".format(*SSH_RANGE), leased=self._leased()))
        return config

    def _leased(self):
        """A hundred ports for ssh, by the directory: another quickstart on this machine has others."""
        first = SSH_RANGE[0] + zlib.crc32(os.fsencode(self.data)) % 90 * 100
        return f"{first}-{first + 99}"

    @staticmethod
    def _check_settings(program, config):
        try:
            done = subprocess.run([program, "--config", config, "--check"], capture_output=True, text=True,
                                  timeout=20)
        except OSError as error:
            raise RuntimeError(f"cannot run {program}: {error.strerror}; build it with conf/quickstart "
                               f"--build-only, or name the right directory with --bin") from None
        if done.returncode != 0:
            raise RuntimeError(f"{program.name} refuses its settings, {config}:\n{done.stdout}{done.stderr}")

    def _offer_image(self, engine):
        """Without a demo: the name of an image that an environment can be made of."""
        if not engine:
            return {}
        demo = DockerDemo(engine)
        demo.prepare(self.processes, self.api)
        return {"image": demo.image}

    def _describe(self, at, certificates, binaries, engine):
        return {
            "domain": DOMAIN, "data": str(self.data), "config": str(self.data / "envgate.yaml"),
            "logs": str(self.data / "log"), "admin_socket": str(self.admin_socket),
            "control_socket": str(self.control_socket), "engine": engine,
            "metrics": f"http://127.0.0.1:{at['metrics']}/metrics",
            "https": f"127.0.0.1:{at['https']}", "http": f"127.0.0.1:{at['http']}",
            **({"audited": f"127.0.0.1:{at['audited']}", "records": str(self.data / "records")}
               if at["audited"] else {}),
            "ca": str(certificates.ca), "ssh_config": str(self.data / "ssh_config"),
            "envgate": str(binaries / "envgate"), "envctl": str(binaries / "envctl"),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def publish(self, ready):
        ready["pids"] = self.processes.pids()
        fresh = self.ready_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)  # a password is in it
        fresh.write_text(json.dumps(ready, indent=2) + "\n")
        fresh.rename(self.ready_file)

    # -- stop

    def stop(self):
        """Ends what processes.json lists, and the run in the foreground that watches over it. Returns the
        names of the processes, and of the environments that were put to rest."""
        watcher = self.processes.find("quickstart")
        if watcher and watcher["pid"] != os.getpid():
            names = [record["name"] for record in self.processes.records if alive(record)]
            self.unlock()  # it takes the lock to end what it started
            self.processes.end(watcher, patience=60)
            self.open()
            ended, rested = self._end()
            return names + ended, rested
        return self._end()

    def _end(self):
        self.ready_file.unlink(missing_ok=True)
        rested = []
        try:
            if self.processes.find("control"):
                rested = self.rest.put(self.api)
            else:
                rested = self.rest.put_without_control()
        except RuntimeError as error:
            print(f"quickstart: {error}", file=sys.stderr)
        return self.processes.stop_all(but=["quickstart"]), rested


def start(quickstart, options):
    if status(quickstart) == 0:
        return 0
    foreground.raise_on_signals()
    try:
        ready = quickstart.start(options)
    except foreground.Stop:
        print("\nended before it was ready")
        return 130
    if not options.detach:
        quickstart.processes.add("quickstart", os.getpid())
    quickstart.publish(ready)
    quickstart.unlock()
    demo = f", with the environment demo ({ready['backend']})" if "environment" in ready else ""
    try:
        show(ready, f"envgate is running{demo}.")
        ending = f"To end it: {stop_command(quickstart.data)}" if options.detach else "Ctrl-C ends it.\n"
        print(ending, flush=True)
    except BrokenPipeError:  # a reader that has seen enough (head -1): what follows is for nobody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if options.detach else stay(quickstart)


def stay(quickstart):
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
    print("\nending ...", flush=True)
    tell_ended(*quickstart.stop())
    return 1 if ended else 0


def stop(quickstart):
    quickstart.open()
    tell_ended(*quickstart.stop())
    return 0


def tell_ended(names, rested):
    names = [name for name in names if name != "quickstart"]
    print(f"ended: {', '.join(names)}" if names else "nothing was running", flush=True)
    if rested:
        print(f"stopped: {', '.join(rested)}; they are kept, and started again by the next start", flush=True)


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
    parser.add_argument("--backend", choices=["docker", "physical"])
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
