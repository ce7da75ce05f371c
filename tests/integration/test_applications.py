# ctest: timeout=600 processors=2
"""The applications that customers run, behind the gateway, used with a real browser:
Jupyter runs a cell over its kernel WebSocket, noVNC loads; and the load tools of nghttp2."""
import base64
import json
import os
import re
import socket
import struct
import urllib.error
import urllib.request

import pytest

from harness import EchoTarget, Process, curl, debian_tool, free_port, need, run, wait_for
from harness.routes import http

pytestmark = pytest.mark.filterwarnings("ignore")


# -- a browser, driven over the WebDriver protocol (W3C), with no library in between

class Browser:
    def __init__(self, directory, gateway):
        self.port = free_port()
        self.process = Process("chromedriver", [debian_tool("chromedriver"), f"--port={self.port}"],
                               directory / "chromedriver.log",
                               env={"HOME": str(directory), "TMPDIR": str(directory)})
        self.process.wait_until(self._ready, "ready", 30)
        # The test CA's own certificates are trusted by public key,
        # so that no other check of Chromium's is turned off.
        certificates = gateway.settings["https"]["certificates"]
        pins = ",".join(public_key_pin(entry["certificate"]) for entry in certificates)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-background-networking", "--disable-component-update",
                     "--window-size=1280,900", f"--user-data-dir={directory / 'profile'}",
                     f"--ignore-certificate-errors-spki-list={pins}",
                     f"--host-resolver-rules=MAP *.{gateway.domain} 127.0.0.1, EXCLUDE localhost",
                     "--no-proxy-server"]
        binary = debian_tool("chromium")
        self.session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"binary": binary, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def _ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()[:2000]}") from None

    def open(self, url):
        self._call("POST", f"/session/{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        return self._call("POST", f"/session/{self.session}/execute/sync",
                          {"script": script, "args": list(arguments)})

    def source(self):
        return self._call("GET", f"/session/{self.session}/source")

    def console(self):
        return self._call("POST", f"/session/{self.session}/se/log", {"type": "browser"})

    def wait(self, script, what, seconds=60):
        return wait_for(lambda: self.run(script), lambda: f"{what}; the console: {self.console()}", seconds,
                        every=0.2)

    def stop(self):
        try:
            self._call("DELETE", f"/session/{self.session}")
        except (AssertionError, OSError):
            pass
        self.process.stop()
        self.process.kill()  # and any browser process that outlived its driver: they share its session


def public_key_pin(certificate):
    public = run([debian_tool("openssl"), "x509", "-in", certificate, "-noout", "-pubkey"]).stdout
    der = run([debian_tool("openssl"), "pkey", "-pubin", "-outform", "DER"], input=public).stdout
    digest = run([debian_tool("openssl"), "dgst", "-sha256", "-binary"], input=der).stdout
    return base64.b64encode(digest).decode()


@pytest.fixture
def browser(gateway, tmp_path):
    started = Browser(tmp_path, gateway)
    yield started
    started.stop()


# -- Jupyter

@pytest.fixture
def jupyter(tmp_path, gateway, routes):
    """Debian's notebook server, configured as a customer's image would have it:
    its public name is all it knows of us."""
    need(os.path.exists("/usr/bin/jupyter-notebook"),
         "jupyter-notebook is not installed (tests/run installs it)")
    port = free_port()
    name = gateway.host("notebook", 8888)
    home = tmp_path / "home"
    home.mkdir()
    (home / "work.ipynb").write_text(json.dumps({
        "cells": [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [],
                   "source": ["print(6 * 7, 'from the kernel')"]}],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4, "nbformat_minor": 2}))
    argv = ["/usr/bin/python3", "/usr/bin/jupyter-notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={port}", "--port-retries=0", f"--notebook-dir={home}", "--NotebookApp.token=sesame",
            "--NotebookApp.password=", f"--NotebookApp.local_hostnames=['{name}','localhost']"]
    env = {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "PATH": "/usr/bin:/bin",
           "IPYTHONDIR": str(home / "ipython"), "PYTHONDONTWRITEBYTECODE": "1"}
    with Process("jupyter", argv, tmp_path / "jupyter.log", env=env, cwd=home) as process:
        process.wait_until(lambda: answers(port), "answering", 60)
        gateway.wait_route(routes.set("notebook", http=[http(8888, port)]))
        yield f"https://{name}:{gateway.https_port}"
        process.kill()  # its kernels share its session


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def test_jupyter_runs_a_cell(gateway, jupyter, browser):
    """Pages, static files, XSRF cookies, REST calls and the kernel's WebSocket, all through the gateway,
    by a browser that speaks HTTP/2 to it."""
    browser.open(f"{jupyter}/notebooks/work.ipynb?token=sesame")
    browser.wait("return window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel && "
                 "Jupyter.notebook.kernel.is_connected() && Jupyter.notebook._fully_loaded",
                 "the kernel is not connected", 120)
    browser.run("Jupyter.notebook.execute_all_cells()")
    browser.wait("return document.querySelector('.output_text') && "
                 "document.querySelector('.output_text').innerText.includes('42 from the kernel')",
                 "the cell did not run")
    protocol = browser.run("return performance.getEntriesByType('navigation')[0].nextHopProtocol")
    assert protocol == "h2"


def test_jupyter_api_with_curl(gateway, jupyter):
    name = gateway.host("notebook", 8888)
    for http2 in (False, True):
        listed = curl(gateway, name, "/api/contents?token=sesame", http2=http2).json()
        assert "work.ipynb" in [entry["name"] for entry in listed["content"]]
    assert curl(gateway, name, "/api/contents").status == 403


# -- noVNC

class VncServer:
    """Just enough of a VNC server (RFC 6143) to be shown:
    3.8, no password, one grey screen of 64 by 48 pixels."""

    @staticmethod
    def script(connection):
        connection.send(b"RFB 003.008\n")
        connection.recv_until(b"\n")
        connection.send(b"\x01\x01")  # one security type: none
        exact(connection, 13)
        connection.send(b"\0\0\0\0")
        exact(connection, 14)
        pixel_format = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        name = b"behind the gateway"
        connection.send(struct.pack(">HH", 64, 48) + pixel_format + struct.pack(">I", len(name)) + name)
        connection.recv_all()


def exact(connection, total):
    while len(connection.received) < total and connection.recv():
        pass


def test_novnc_shows_a_desktop(gateway, routes, browser, tmp_path):
    need(os.path.exists("/usr/share/novnc/vnc.html"), "novnc is not installed (tests/run installs it)")
    port = free_port()
    with EchoTarget(VncServer.script) as vnc:
        argv = [debian_tool("websockify"), "--web", "/usr/share/novnc", f"127.0.0.1:{port}",
                f"127.0.0.1:{vnc.port}"]
        with Process("websockify", argv, tmp_path / "websockify.log") as process:
            process.wait_until(lambda: answers(port), "answering", 30)
            gateway.wait_route(routes.set("desktop", http=[http(6080, port)]))
            desktop = f"https://{gateway.host('desktop', 6080)}:{gateway.https_port}"
            browser.open(f"{desktop}/vnc.html?autoconnect=1")
            browser.wait("return document.documentElement.classList.contains('noVNC_connected')",
                         "noVNC is not connected")
            assert browser.run("return document.title").startswith("behind the gateway")
            process.kill()


# -- nghttp2's tools

def test_nghttp_downloads_a_page(gateway, routes, web):
    gateway.wait_route(routes.set("tools", http=[http(8888, web.port)]))
    # It connects to the URL's address and sends no server name then;
    # the authority alone says which environment.
    out = run([debian_tool("nghttp"), "-v", "--no-verify-peer",
               "-H", f":authority: {gateway.host('tools', 8888)}",
               f"https://127.0.0.1:{gateway.https_port}/bytes/1000"]).stdout.decode(errors="replace")
    assert ":status: 200" in out, out


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_h2load(gateway, routes, web, protocol):
    """Two thousand requests over eight connections: every one is answered, and none by an error."""
    gateway.wait_route(routes.set("tools", http=[http(8888, web.port)]))
    name = gateway.host("tools", 8888)
    argv = [debian_tool("h2load"), "-n", "2000", "-c", "8", "-m", "16" if protocol == "h2" else "1",
            f"--connect-to=127.0.0.1:{gateway.https_port}", f"https://{name}:{gateway.https_port}/bytes/1000"]
    if protocol == "h1":
        argv.insert(1, "--h1")
    out = run(argv, seconds=120).stdout.decode()
    assert re.search(r"2000 succeeded, 0 failed, 0 errored, 0 timeout", out), out
    assert re.search(r"status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx", out), out
