# ctest: timeout=400
"""HTTPS as customers use it: curl over HTTP/1.1 and HTTP/2 through the gateway to a real application,
and raw TLS for what curl does not send. What the application saw is part of each answer (its /echo)."""
import gzip
import hashlib
import json
import re
import threading

import pytest

from harness import EchoTarget, RawTls, contract, curl, free_port, wait_for
from harness.h2_client import H2Client
from harness.http_target import BLOCK, header
from harness.routes import ENV, http


@pytest.fixture
def raw(gateway, routes):
    """raw(script): the public name of an environment whose
    target answers as the script says, and the target."""
    targets = []

    def make(script):
        targets.append(EchoTarget(script))
        env = f"raw{len(targets)}"
        gateway.wait_route(routes.set(env, http=[http(8888, targets[-1].port)]))
        return gateway.host(env, 8888), targets[-1]
    yield make
    for target in targets:
        target.stop()


def answering(response):
    """A script that answers each request (without a body) with these bytes."""
    def script(connection):
        answered = 0
        while connection.recv():
            while answered < connection.received.count(b"\r\n\r\n"):
                answered += 1
                connection.send(response)
    return script


def once(response):
    """A script that answers one request and closes."""
    def script(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(response)
    return script


# -- requests and answers

def test_get(gateway, host, http2):
    answer = curl(gateway, host, "/some/path?a=b%20c", http2=http2)
    assert answer.status == 200
    assert answer.report["http_version"] == ("2" if http2 else "1.1")
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["version"]) == ("GET", "/some/path?a=b%20c", [1, 1])


def test_host_stays_the_public_one(gateway, host, http2):
    seen = curl(gateway, host, http2=http2).json()
    assert header(seen, "Host") == [f"{host}:{gateway.https_port}"]


def test_forwarded_headers_are_overwritten(gateway, host, http2):
    lies = ["-H", "X-Real-IP: 6.6.6.6", "-H", "X-Forwarded-For: 6.6.6.6, 7.7.7.7",
            "-H", "X-Forwarded-Proto: gopher", "-H", "X-Forwarded-Host: evil.example"]
    seen = curl(gateway, host, "/", *lies, http2=http2).json()
    assert header(seen, "X-Real-IP") == ["127.0.0.1"]
    assert header(seen, "X-Forwarded-For") == ["127.0.0.1"]
    assert header(seen, "X-Forwarded-Proto") == ["https"]
    assert header(seen, "X-Forwarded-Host") == [f"{host}:{gateway.https_port}"]
    assert "6.6.6.6" not in json.dumps(seen) and "evil" not in json.dumps(seen)


def test_hop_by_hop_fields_are_stripped(gateway, host):
    """RFC 9110, section 7.6.1; but a client may not nominate what the target relies on."""
    seen = curl(gateway, host, "/", "-H", "Connection: keep-alive, X-Mine, Cookie, X-Forwarded-For",
                "-H", "X-Mine: 1", "-H", "Keep-Alive: timeout=1", "-H", "Proxy-Connection: x",
                "-H", "TE: trailers, gzip", "-H", "Cookie: session=1", "-H", "X-Yours: 2").json()
    assert header(seen, "X-Mine") == header(seen, "Keep-Alive") == header(seen, "Proxy-Connection") == []
    assert header(seen, "X-Yours") == ["2"]
    assert header(seen, "Cookie") == ["session=1"]
    assert header(seen, "X-Forwarded-For") == ["127.0.0.1"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_methods_and_bodies(gateway, host, http2, method):
    seen = curl(gateway, host, "/", "-X", method, "--data-binary", "the body", http2=http2).json()
    assert (seen["method"], seen["body"]) == (method, "the body")


@pytest.mark.parametrize("status", [200, 201, 204, 206, 301, 304, 401, 404, 418, 500, 503, 599])
def test_the_targets_status_comes_through(gateway, host, http2, status):
    assert curl(gateway, host, f"/status/{status}", http2=http2).status == status


def test_head_has_the_length_and_no_body(gateway, host, http2):
    answer = curl(gateway, host, "/bytes/123456", "--head", http2=http2)
    assert answer.status == 200 and answer.header("content-length") == ["123456"]
    assert answer.report["size_download"] == 0


def test_gzip_is_not_touched(gateway, host, http2):
    answer = curl(gateway, host, "/gzip", "-H", "Accept-Encoding: gzip", http2=http2)
    assert answer.header("content-encoding") == ["gzip"]
    assert gzip.decompress(answer.body) == b"compressed by the target " * 100
    seen = curl(gateway, host, "/", "-H", "Accept-Encoding: br;q=0.5", http2=http2).json()
    assert header(seen, "Accept-Encoding") == ["br;q=0.5"]


def test_several_cookies_stay_several(gateway, raw, http2):
    name, _ = raw(once(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n"
                       b"Content-Length: 0\r\n\r\n"))
    assert curl(gateway, name, http2=http2).header("set-cookie") == ["a=1", "b=2; Path=/"]


@pytest.mark.parametrize("domain, narrowed", [(".envgate.test", True), ("container.envgate.test", True)])
def test_a_cookie_for_a_wider_domain_is_narrowed(gateway, host, http2, domain, narrowed):
    """One tenant's application must not set cookies for another's."""
    answer = curl(gateway, host, f"/cookie?set=s=1%3B%20Domain%3D{domain}%3B%20Path%3D/", http2=http2)
    cookie, = answer.header("set-cookie")
    assert cookie.startswith("s=1") and "path=/" in cookie.lower()
    found = re.search(r"domain=\.?([^;\s]+)", cookie.lower())
    assert not narrowed or found is None or found[1] == host


def test_a_response_without_length_ends_with_the_connection(gateway, raw, http2):
    name, _ = raw(once(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"))
    assert curl(gateway, name, http2=http2).body == b"until the end"


def test_a_response_that_is_cut_short_is_not_made_whole(gateway, raw, http2):
    name, _ = raw(once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"))
    answer = curl(gateway, name, http2=http2, check=False)
    assert answer.exit != 0, "curl took the part for the whole"


def test_an_http10_target_is_understood(gateway, raw, http2):
    name, _ = raw(once(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold"))
    assert curl(gateway, name, http2=http2).body == b"old"


# -- expect, 1xx, trailers

def test_expect_100_continue(gateway, host):
    """The target says whether it wants the body;
    curl waits a minute for it, and this must not take that long."""
    answer = curl(gateway, host, "/upload", "-H", "Expect: 100-continue", "--expect100-timeout", "60",
                  "--data-binary", "x" * 100000, seconds=30)
    assert answer.json()["size"] == 100000


def test_an_answer_instead_of_100_is_final(gateway, raw):
    name, target = raw(once(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n"
                            b"Connection: close\r\n\r\nno"))
    answer = curl(gateway, name, "/", "-H", "Expect: 100-continue", "--expect100-timeout", "60",
                  "--data-binary", "x" * 1000, seconds=30)
    assert (answer.status, answer.body) == (417, b"no")
    assert b"xxx" not in target.connections[0].received


def test_early_hints_come_through(gateway, raw):
    name, _ = raw(once(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                       b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    with RawTls(gateway, name) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        status, headers, _ = client.response()
        assert (status, headers["link"]) == (103, "</a.css>; rel=preload")
        assert client.response()[2] == b"ok"


def test_trailers_both_ways(gateway, raw):
    def script(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.recv_until(b"X-Sum: 42\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Digest\r\n\r\n"
                        b"5\r\nhello\r\n0\r\nX-Digest: abc\r\n\r\n")
    name, target = raw(script)
    with RawTls(gateway, name) as client:
        client.send(f"POST / HTTP/1.1\r\nHost: {name}\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n"
                    "Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n".encode())
        assert b"200" in client.recv_until(b"\r\n\r\n")
        rest = client.recv_until(b"X-Digest: abc\r\n\r\n").lower()
        assert b"hello" in rest and rest.endswith(b"0\r\nx-digest: abc\r\n\r\n")
    assert b"abc" in target.connections[0].received


# -- connections

def test_keep_alive_on_both_sides(gateway, raw):
    name, target = raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    with RawTls(gateway, name) as client:
        for _ in range(20):
            client.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert client.response()[::2] == (200, b"ok")
    assert len(target.connections) == 1, "the target's connection was not used again"


def test_pipelined_requests_are_answered_in_order(gateway, host):
    with RawTls(gateway, host) as client:
        client.send(b"".join(f"GET /{n} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for n in range(10)))
        assert [json.loads(client.response()[2])["path"] for _ in range(10)] == [f"/{n}" for n in range(10)]


@pytest.mark.parametrize("size", [1, 17_000, 34_815, 100_000, 1_000_001])
def test_a_request_right_behind_a_body_is_the_next_one(gateway, host, size):
    """Large bodies are read several records at a time, but never beyond their end."""
    body = bytes(n * 7 % 251 for n in range(size))
    with RawTls(gateway, host) as client:
        for turn in range(3):
            client.send(f"POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n".encode()
                        + body + f"GET /behind{turn} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert json.loads(client.response()[2])["sha256"] == hashlib.sha256(body).hexdigest()
            assert json.loads(client.response()[2])["path"] == f"/behind{turn}"


def test_connection_close_is_obeyed(gateway, host):
    with RawTls(gateway, host) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        status, headers, _ = client.response()
        assert status == 200 and headers["connection"].lower() == "close"
        assert client.recv() == b""


def test_http10_clients_are_served(gateway, host):
    with RawTls(gateway, host) as client:
        client.send(f"GET /old HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = client.recv_all()
    assert answer.startswith(b"HTTP/1.") and b" 200 " in answer.split(b"\r\n")[0]
    assert b"transfer-encoding" not in answer.lower() and b'"/old"' in answer


def test_a_stale_pooled_connection_is_not_the_clients_problem(gateway, raw):
    """The target closes a kept connection; the next request goes over a new one."""
    def one_then_close(connection):
        connection.recv_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    name, target = raw(one_then_close)
    for number in range(5):
        assert curl(gateway, name).body == b"ok"
        assert len(target.connections) == number + 1


def test_a_changed_route_closes_the_pool_at_once(gateway, routes, web):
    """Addresses are given to other tenants: not one more request may reach the old target."""
    with EchoTarget(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")) as old:
        gateway.wait_route(routes.set("moves", http=[http(8888, old.port)]))
        name = gateway.host("moves", 8888)
        assert curl(gateway, name).body == b"old"
        gateway.wait_route(routes.change("moves", http=[http(8888, web.port)]))
        assert old.connections[0].ended.wait(5), "the pooled connection to the old target was kept"
        count = len(old.seen()[0])
        assert curl(gateway, name).json()["target"] == web.name
        assert len(old.connections) == 1 and len(old.seen()[0]) == count


def test_one_h2_connection_carries_several_environments(gateway, routes, web):
    """A wildcard certificate lets a browser do that; each request is routed by its own authority."""
    with EchoTarget(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")) as other:
        routes.set("one", write=False, http=[http(8888, web.port)])
        gateway.wait_route(routes.set("two", http=[http(8888, other.port)]))
        with H2Client(gateway, gateway.host("one", 8888)) as client:
            assert client.get(gateway.host("one", 8888))[0] == 200
            assert client.get(gateway.host("two", 8888))[::2] == (200, b"other")
            assert client.get(gateway.host("three", 8888))[0] == 404


# -- refusals

def problem(answer):
    assert answer.header("content-type")[0].startswith("application/problem+json"), answer.report
    return answer.json()


JSON = ["-H", "Accept: application/problem+json"]


@pytest.fixture
def refusals(gateway, routes, web):
    routes.set("open", write=False, http=[http(8888, web.port)])
    routes.set("asleep", write=False, state="stopped", http=[http(8888, web.port)])
    gateway.wait_route(routes.set("gone", http=[http(8888, free_port())]))
    return {404: gateway.host("nobody", 8888), 403: gateway.host("open", 9999),
            503: gateway.host("asleep", 8888), 502: gateway.host("gone", 8888)}


@pytest.mark.parametrize("status", [404, 403, 503, 502])
def test_refusals_as_problem_json(gateway, refusals, http2, status):
    answer = curl(gateway, refusals[status], "/", *JSON, http2=http2)
    assert answer.status == status
    document = problem(answer)
    assert document["status"] == status and document["title"]
    env = refusals[status].split("-")[0]
    assert env in json.dumps(document)
    assert re.search(r'"request_id"\s*:\s*"\w+', answer.body.decode())
    assert "127.0.0.1" not in answer.body.decode(), "an inner address is shown"


@pytest.mark.parametrize("status", [404, 403, 503, 502])
def test_refusals_as_a_page(gateway, refusals, http2, status):
    answer = curl(gateway, refusals[status], "/", "-H", "Accept: text/html,*/*;q=0.8", http2=http2)
    assert answer.status == status and answer.header("content-type")[0].startswith("text/html")
    assert refusals[status].split("-")[0].encode() in answer.body
    assert b"127.0.0.1" not in answer.body and len(answer.body) < 8192


def test_stopped_says_when_to_come_again(gateway, refusals, http2):
    retry, = curl(gateway, refusals[503], http2=http2).header("retry-after")
    assert 0 < int(retry) <= 3600


def test_a_target_that_does_not_answer_is_504(make_gateway, routes):
    gateway = make_gateway({"timeouts": {"response_head": "1s"}})
    with EchoTarget(lambda connection: connection.recv_all()) as mute:
        gateway.wait_route(routes.set("mute", http=[http(8888, mute.port)]))
        answer = curl(gateway, gateway.host("mute", 8888), "/", *JSON)
        assert answer.status == 504 and answer.seconds < 10


@pytest.mark.parametrize("garbage", [
    b"SSH-2.0-x\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
    b""], ids=["not http", "two lengths", "length and chunked", "bad field", "nothing"])
def test_a_target_that_does_not_speak_http_is_502(gateway, raw, garbage, http2):
    name, _ = raw(once(garbage))
    assert curl(gateway, name, "/", *JSON, http2=http2).status == 502


def test_names_that_are_not_ours(gateway, host, http2):
    for name in (f"{ENV}-8888.other.example", f"{ENV}.container.envgate.test",
                 f"{ENV}-x.container.envgate.test"):
        answer = curl(gateway, name, "/", "-k", http2=http2, check=False)
        assert answer.exit != 0 or answer.status in (404, 421), name


def test_legacy_routes_get_the_default_ports(make_gateway, routes, web):
    """A route that declares no http ports, as the seed's keys do not."""
    gateway = make_gateway({"http": {"default_ports": [web.port]}})
    gateway.wait_route(routes.set("legacy", kind="physical"))
    assert curl(gateway, gateway.host("legacy", web.port)).status == 200
    assert curl(gateway, gateway.host("legacy", 22)).status == 403


# -- logs, and a few of everything

def test_requests_are_logged_with_the_seeds_fields(gateway, host):
    curl(gateway, host, "/logged?token=secret", "-A", "test agent")
    line = wait_for(lambda: [entry for entry in gateway.log_lines(contract.REQUEST_EVENT)
                             if entry.get("environment_id") == ENV], "the request was not logged")[-1]
    assert line["source_ip"] == "127.0.0.1" and (line["status"], line["code"]) == ("success", 200)
    assert "timestamp" in line and "type" in line


def test_many_requests_at_once(gateway, host):
    """Sixteen customers, each a few requests one after the other: every answer is the one asked for."""
    failures = []

    def customer(number):
        with RawTls(gateway, host, seconds=30) as client:
            for count in range(20):
                client.send(f"POST /{number}/{count} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n"
                            f"{number:04}-{count:04}".encode())
                seen = json.loads(client.response()[2])
                if (seen["path"], seen["body"]) != (f"/{number}/{count}", f"{number:04}-{count:04}"):
                    failures.append(seen)
    threads = [threading.Thread(target=customer, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_large_headers_within_the_limit_pass(gateway, host, http2):
    value = "v" * 6000
    seen = curl(gateway, host, "/", "-H", f"X-Large: {value}", http2=http2).json()
    assert header(seen, "X-Large") == [value]


def test_a_body_of_every_kind_of_size(gateway, host, http2, tmp_path):
    for size in (0, 1, 16383, 16384, 16385, 65535, 65536, 1 << 20):
        body = tmp_path / "body"
        body.write_bytes(BLOCK[:size])
        answer = curl(gateway, host, "/upload", "-T", str(body), http2=http2)
        assert answer.json()["size"] == size
        assert curl(gateway, host, f"/bytes/{size}", http2=http2).body == BLOCK[:size]
