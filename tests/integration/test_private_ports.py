"""Private ports: a ticket opens one, once; the cookie that comes of it opens the rest, and no target sees it.
The tickets are signed here, as the control plane would (harness/tickets.py)."""
import asyncio
import os
import re
import ssl
import time

import pytest
import websockets
import wsproto.events

from harness import EchoTarget, RawTls, curl, wait_for
from harness.h2_client import H2Client
from harness.routes import ENV, http
from harness.tickets import COOKIE, cookie, ticket
from test_applications import Browser
from test_websocket import WebSocketStream

OPEN = "/.well-known/envgate/open?ticket="
KEY = os.urandom(32)


def write_key(path, key, mode=0o640):
    path.write_bytes(key)
    path.chmod(mode)
    return str(path)


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "tickets.key"


@pytest.fixture
def private(make_gateway, routes, web, key_file):
    """A gateway with the key, and an environment whose 8888 is private and whose 8080 is not."""
    gateway = make_gateway({"private": {"key_file": write_key(key_file, KEY), "cookie_lifetime": "1h"}})
    ports = [http(8888, web.port, access="private"), http(8080, web.port)]
    gateway.wait_route(routes.set(ENV, http=ports))
    return gateway


@pytest.fixture
def name(private):
    return private.host(ENV, 8888)


def with_cookie(value=None):
    return ["-H", f"Cookie: {COOKIE}={value or cookie(KEY, ENV, 8888)}"]


def seen_cookies(answer):
    return [value for field, value in answer.json()["headers"] if field.lower() == "cookie"]


def test_without_a_key_it_is_closed(gateway, routes, web):
    gateway.wait_route(routes.set(ENV, http=[http(8888, web.port, access="private")]))
    for path in ("/", OPEN + ticket(KEY, ENV, 8888)):
        assert curl(gateway, gateway.host(ENV, 8888), path, *with_cookie()).status == 403
    assert gateway.refused("port_not_public") == 2


def test_a_link_opens_it_for_a_browser(private, name, tmp_path, http2):
    jar = tmp_path / "cookies"
    browser = ["-b", jar, "-c", jar]
    before = curl(private, name, "/", http2=http2)
    assert before.status == 401
    assert b"opens by a link" in before.body and b"envctl env open ENV PORT" in before.body
    assert before.header("www-authenticate") and before.header("cache-control") == ["no-store"]

    opened = curl(private, name, OPEN + ticket(KEY, ENV, 8888), *browser, http2=http2)
    assert opened.status == 303 and opened.body == b""
    assert opened.header("location") == ["/"]
    assert opened.header("cache-control") == ["no-store"]
    assert opened.header("referrer-policy") == ["no-referrer"]
    assert opened.header("content-length") == ["0"]
    [set_cookie] = opened.header("set-cookie")
    attributes = "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600"
    assert re.fullmatch(COOKIE + r"=1\.[\w-]+" + attributes, set_cookie)

    inside = curl(private, name, "/x?y=z", *browser, http2=http2)
    assert inside.status == 200 and inside.json()["path"] == "/x?y=z"
    assert seen_cookies(inside) == []
    assert curl(private, name, "/", http2=http2).status == 401, "another browser has no cookie"


def test_a_link_with_redirects_followed_ends_in_the_application(private, name, tmp_path):
    answer = curl(private, name, OPEN + ticket(KEY, ENV, 8888), "-L", "-b", "", http2=True)
    assert answer.status == 200 and answer.json()["path"] == "/"


def test_a_ticket_is_used_once_by_whichever_worker(private, name, http2):
    link = OPEN + ticket(KEY, ENV, 8888)
    answers = [curl(private, name, link, http2=http2) for _ in range(8)]
    assert [answer.status for answer in answers] == [303] + [401] * 7
    assert all(b"used already" in answer.body and not answer.header("set-cookie") for answer in answers[1:])
    assert private.refused("ticket_used") == 7


def test_links_that_are_not_good(private, name, web):
    before = len(web.requests)
    now = time.time()
    good = ticket(KEY, ENV, 8888)
    for text, words in ((ticket(KEY, ENV, 8888, now - 1), b"expired"),
                        (ticket(KEY, ENV, 8888, now + 700), b"not valid"),
                        (ticket(KEY, ENV, 8080), b"not valid"),
                        (ticket(KEY, "other", 8888), b"not valid"),
                        (ticket(bytes(32), ENV, 8888), b"not valid"),
                        (cookie(KEY, ENV, 8888, now + 60), b"not valid"),
                        (good[:-1], b"not valid"), (good + "A", b"not valid"), ("", b"not valid")):
        answer = curl(private, name, OPEN + text)
        assert answer.status == 401 and words in answer.body, (text, answer.body)
        assert not answer.header("set-cookie")
    problem = curl(private, name, OPEN + "x", "-H", "Accept: application/json").json()
    assert (problem["status"], problem["code"]) == (401, "link_bad")
    assert curl(private, name, OPEN + good, "-I").status == 401, "a preview's HEAD"
    assert curl(private, name, OPEN + good).status == 303, "which has not used it up"
    assert len(web.requests) == before, "the target has seen none of it"


def test_cookies_that_are_not_good(private, name):
    now = time.time()
    for bad in (cookie(KEY, ENV, 8888, now - 1), cookie(KEY, ENV, 8080), cookie(KEY, "other", 8888),
                cookie(bytes(32), ENV, 8888), ticket(KEY, ENV, 8888), "x"):
        assert curl(private, name, "/", *with_cookie(bad)).status == 401


def test_exactly_our_cookie_is_taken_out(private, name):
    ours = f"{COOKIE}={cookie(KEY, ENV, 8888)}"
    for sent, seen in ((f'a=1; {ours}; b="2"', ['a=1; b="2"']),
                       (f"{ours}; __Host-other=1", ["__Host-other=1"]),
                       (f"a=1;  c ;{ours};d", ["a=1;  c ;d"]), (ours, [])):
        answer = curl(private, name, "/", "-H", f"Cookie: {sent}")
        assert answer.status == 200 and seen_cookies(answer) == seen, sent
    public = private.host(ENV, 8080)
    assert seen_cookies(curl(private, public, "/", "-H", f"Cookie: {ours}; a=1")) == ["a=1"]


def test_the_targets_socket_never_carries_it(private, routes, name):
    """Byte for byte, on HTTP/1.1 and in HTTP/2's crumbs."""
    def answer(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.recv_all()
    ours = cookie(KEY, ENV, 8888)
    with EchoTarget(answer) as target:
        private.wait_route(routes.set(ENV, http=[http(8888, target.port, access="private")]))
        assert curl(private, name, "/", "-H", f"Cookie: a=1; {COOKIE}={ours}; b=2").status == 200
        with H2Client(private, name) as client:
            crumbs = [("cookie", "a=1"), ("cookie", f"{COOKIE}={ours}"), ("cookie", "b=2")]
            assert client.get(name, "/", crumbs)[0] == 200
        seen = target.seen()
    assert len(seen) == 2
    for text in seen:
        assert b"Cookie: a=1; b=2\r\n" in text
        assert ours.encode() not in text and COOKIE.encode() not in text


def test_a_target_cannot_set_it(private, name, http2):
    for value in (f"{COOKIE}=theirs; Path=/; Secure", f"={COOKIE}=theirs", f"{COOKIE}=; Max-Age=0; Path=/"):
        answer = curl(private, name, "/cookie", "-G", "--data-urlencode", f"set={value}", *with_cookie(),
                      http2=http2)
        assert answer.status == 200 and answer.header("set-cookie") == []
    other = curl(private, name, "/cookie?set=__Host-x=1", *with_cookie(), http2=http2)
    assert other.header("set-cookie") == ["__Host-x=1"]


# -- WebSocket

def ask_websocket(gateway, host, origin, value=None):
    """The echo of a message, or the status of the refusal."""
    context = ssl.create_default_context(cafile=str(gateway.ca.file))

    async def go():
        headers = {"Cookie": f"{COOKIE}={value or cookie(KEY, ENV, 8888)}"}
        try:
            async with websockets.connect(f"wss://{host}:{gateway.https_port}/ws", ssl=context,
                                          host="127.0.0.1", port=gateway.https_port, server_hostname=host,
                                          origin=origin, extra_headers=headers) as socket:
                await socket.send("hello")
                return await socket.recv()
        except websockets.InvalidStatusCode as refusal:
            return refusal.status_code
    return asyncio.run(go())


def test_a_websocket_needs_its_own_origin(private, name):
    port = private.https_port
    own = f"https://{name}:{port}"
    assert ask_websocket(private, name, own) == "hello"
    for origin in (None, "null", f"https://{name}", f"http://{name}:{port}", f"https://evil.test:{port}",
                   f"https://{private.host(ENV, 8080)}:{port}", own + ".evil.test"):
        assert ask_websocket(private, name, origin) == 403, origin
    assert ask_websocket(private, name, own, "bad") == 401
    assert private.refused("websocket_foreign_origin") == 7
    assert ask_websocket(private, private.host(ENV, 8080), "https://evil.test") == "hello", "a public port"


def test_a_websocket_over_http2_needs_it_too(private, name):
    crumbs = [("cookie", "a=1"), ("cookie", f"{COOKIE}={cookie(KEY, ENV, 8888)}")]
    with H2Client(private, name) as client:
        client.settings()
        own = [("origin", f"https://{name}:{client.port}")]
        socket = WebSocketStream(client, name, extra=crumbs + own)
        assert socket.stream.status == 200
        socket.send(wsproto.events.TextMessage("over h2"))
        assert socket.receive() == "over h2"
        for origin in ([], [("origin", "https://evil.test")], own + own):
            assert WebSocketStream(client, name, extra=crumbs + origin).stream.status == 403
        assert WebSocketStream(client, name, extra=own).stream.status == 401


# -- a real browser

# Resolves to whether a WebSocket to `arguments[0]` brought its first message back.
ASK_WEBSOCKET = """
    return new Promise(done => {
      const socket = new WebSocket(arguments[0]);
      socket.onopen = () => socket.send('hello');
      socket.onmessage = event => done(event.data);
      socket.onerror = () => done('refused');
    });"""


@pytest.fixture
def browser(private, tmp_path):
    started = Browser(tmp_path, private)
    yield started
    started.stop()


def test_chromium_keeps_the_cookie_for_this_port_alone(private, routes, web, name, browser):
    private.wait_route(routes.set("evil", http=[http(8080, web.port)]))
    port = private.https_port
    own, neighbour = f"https://{name}:{port}", f"https://{private.host('evil', 8080)}:{port}"
    socket = f"wss://{name}:{port}/ws"
    browser.open(f"{own}/")
    assert "opens by a link" in browser.source()
    browser.open(own + OPEN + ticket(KEY, ENV, 8888))
    assert browser.run("return location.href") == f"{own}/"
    assert browser.run("return document.cookie + document.referrer") == ""
    assert '"path": "/"' in browser.source() and COOKIE not in browser.source()
    assert browser.run(ASK_WEBSOCKET, socket) == "hello"
    theft = f"{COOKIE}=theirs; Path=/; Secure"
    browser.run("document.cookie = arguments[0]", theft)
    browser.run("return fetch('/cookie?set=' + encodeURIComponent(arguments[0])).then(a => a.status)", theft)
    assert browser.run("return fetch('/').then(a => a.status)") == 200, "neither has replaced it"

    browser.open(f"{neighbour}/")  # another environment is the same site, so the browser sends the cookie
    before = private.refused("websocket_foreign_origin")
    assert browser.run(ASK_WEBSOCKET, socket) == "refused"
    assert private.refused("websocket_foreign_origin") == before + 1
    browser.open(f"{own}/again")
    assert '"path": "/again"' in browser.source()


# -- what stays behind, and the key

def test_no_ticket_and_no_cookie_in_the_log(private, name):
    text = ticket(KEY, ENV, 8888)
    opened = curl(private, name, OPEN + text)
    curl(private, name, OPEN + text)
    curl(private, name, OPEN + text, scheme="http")
    session = opened.header("set-cookie")[0].split("=", 1)[1].split(";")[0]
    curl(private, name, "/in", *with_cookie(session))

    def lines(path):
        return [line for line in private.log_lines("http_request") if line.get("path") == path]

    def told():  # by two workers, so in any order, each when its connection has ended
        return sorted((line["code"], line["status"]) for line in lines("/.well-known/envgate/open"))
    wait_for(lambda: lines("/in"), "the request is not in the log")
    wait_for(lambda: told() == [(303, "private_opened"), (401, "ticket_used")], told)
    log = private.process.log.read_text()
    assert text not in log and session not in log


def test_a_body_with_the_link_does_not_confuse_the_next_request(private, name):
    with RawTls(private, name) as client:
        client.send(f"GET {OPEN}{ticket(KEY, ENV, 8888)} HTTP/1.1\r\nHost: {name}\r\n"
                    f"Content-Length: 5\r\n\r\nhello".encode())
        status, headers, _ = client.response()
        assert (status, headers["connection"]) == (303, "close")


def test_sighup_takes_a_new_key(private, name, key_file):
    old = with_cookie()
    assert curl(private, name, "/", *old).status == 200
    fresh = os.urandom(32)
    write_key(key_file, fresh)
    private.sighup()
    wait_for(lambda: curl(private, name, "/", *old).status == 401, "the old key's cookies are still good")
    assert curl(private, name, "/", *with_cookie(cookie(fresh, ENV, 8888))).status == 200

    write_key(key_file, fresh[:31])
    private.sighup()
    wait_for(lambda: private.log_lines("reload_failed"), "the bad key is not refused")
    assert "exactly 32 bytes" in private.log_lines("reload_failed")[0]["error"]
    assert curl(private, name, "/", *with_cookie(cookie(fresh, ENV, 8888))).status == 200, "the last good one"


def test_a_key_that_everybody_may_read_is_refused(make_gateway, key_file):
    settings = {"private": {"key_file": write_key(key_file, KEY, 0o644)}}
    gateway = make_gateway(settings, start=False).start(wait=False)
    wait_for(lambda: not gateway.process.alive(), "it has started")
    log = gateway.process.log.read_text()
    assert "private.key_file: " in log and f"chmod 640 {key_file}" in log
