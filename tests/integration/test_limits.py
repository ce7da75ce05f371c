# ctest: timeout=200
"""What one source or one environment may take: connections and rates, by the
settings and by the route's own limits, each refusal counted by its reason; who may
come at all (allow_from); and who is who behind a load balancer (PROXY protocol)."""
import contextlib
import socket
import ssl
import struct
import time

import pytest

from harness import EchoTarget, RawTls, contract, wait_for
from harness.h2_client import H2Client
from harness.http_target import header
from harness.routes import http, ssh

ENV = "limited"
BANNER = b"SSH-2.0-test\r\n"


@pytest.fixture
def limited(make_gateway, routes, web):
    """limited(limits, **route): a gateway with these limits and one environment."""
    def make(most=None, settings=None, **fields):
        gateway = make_gateway({"limits": most or {}, **(settings or {})})
        gateway.wait_route(routes.set(ENV, http=[http(8888, web.port)], **fields))
        return gateway
    return make


@pytest.fixture
def ssh_target():
    def script(connection):
        connection.send(BANNER)
        connection.recv_all()
    with EchoTarget(script) as target:
        yield target


def get(client, host, path="/"):
    client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return client.response()


def ask_once(gateway, host, path="/", **options):
    with RawTls(gateway, host, **options) as client:
        return get(client, host, path)


def refused_connection(gateway):
    """True if the gateway closes at once, before a TLS handshake; False if it serves."""
    try:
        with RawTls(gateway, gateway.host(ENV, 8888)) as client:
            return get(client, gateway.host(ENV, 8888))[0] != 200
    except (ssl.SSLError, ConnectionError):
        return True


def ssh_answer(port, source="127.0.0.1", send=BANNER):
    """What comes back on an ssh port; it stays open as long as the returned socket."""
    sock = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    sock.sendall(send)
    try:
        return sock, sock.recv(1000)
    except ConnectionResetError:
        return sock, b""


# -- connections

def test_connections_from_one_source(limited):
    gateway = limited({"connections_per_source": 3})
    host = gateway.host(ENV, 8888)
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(RawTls(gateway, host)) for _ in range(3)]
        assert all(get(client, host)[0] == 200 for client in clients)
        assert refused_connection(gateway)
        assert gateway.refused("source_connections") == 1
        assert all(get(client, host)[0] == 200 for client in clients), "those that were there are served on"
        # another source is another's affair
        with socket.create_connection(("127.0.0.1", gateway.https_port), 10,
                                      source_address=("127.0.0.2", 0)) as other:
            context = ssl.create_default_context(cafile=str(gateway.ca.file))
            with context.wrap_socket(other, server_hostname=host) as tls:
                tls.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert tls.recv(12) == b"HTTP/1.1 200"
    wait_for(lambda: not refused_connection(gateway), "places are not given back")
    assert gateway.refused("source_connections") >= 1


def test_connections_from_one_source_on_ssh_ports(limited, ssh_target, routes):
    gateway = limited({"connections_per_source": 2})
    port = gateway.ssh_port()
    gateway.wait_route(routes.change(ENV, ssh=ssh(port, ssh_target.port)))
    held = [ssh_answer(port) for _ in range(2)]
    assert [answer for _, answer in held] == [BANNER] * 2
    sock, answer = ssh_answer(port)
    assert answer.startswith(b"envgate: too many connections") and gateway.refused("source_connections") == 1
    sock.close()
    assert ssh_answer(port, "127.0.0.9")[1] == BANNER
    held[0][0].close()
    wait_for(lambda: ssh_answer(port)[1] == BANNER, "the place was not given back")
    held[1][0].close()
    assert len(ssh_target.connections) < 20


def test_connections_in_all(limited):
    gateway = limited({"connections": 2})
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as one, RawTls(gateway, host) as two:
        assert get(one, host)[0] == get(two, host)[0] == 200
        assert refused_connection(gateway) and gateway.refused("too_many_connections") == 1
    wait_for(lambda: not refused_connection(gateway), "places are not given back")


@pytest.mark.parametrize("where", ["setting", "route"])
def test_connections_to_one_environment(limited, ssh_target, routes, where):
    """The route's own limit comes before the setting."""
    limits = {"connections_per_environment": 2 if where == "setting" else 50}
    gateway = limited(limits)
    port, other = gateway.ssh_port(), gateway.ssh_port()
    own = {"limits": {"connections": 2}} if where == "route" else {}
    routes.set("other", write=False, ssh=ssh(other, ssh_target.port))
    gateway.wait_route(routes.change(ENV, ssh=ssh(port, ssh_target.port), **own))
    held = [ssh_answer(port) for _ in range(2)]
    assert [answer for _, answer in held] == [BANNER] * 2
    assert ssh_answer(port)[1].startswith(f"envgate: environment {ENV} has too many connections".encode())
    assert gateway.refused("environment_connections") == 1
    assert ssh_answer(other)[1] == BANNER, "another environment is full, too"
    held[0][0].close()
    wait_for(lambda: ssh_answer(port)[1] == BANNER, "the place was not given back")


def test_requests_at_once_to_one_environment(limited, routes, web):
    gateway = limited({"connections_per_environment": 2})
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as one, RawTls(gateway, host) as two:
        for client in (one, two):
            client.send(f"GET /slow/3 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        wait_for(lambda: [path for _, path in web.requests].count("/slow/3") >= 2,
                 "the requests did not come")
        assert ask_once(gateway, host)[0] == 429
        assert one.response()[::2] == two.response()[::2] == (200, b"at last")
    assert ask_once(gateway, host)[0] == 200 and gateway.refused("environment_connections") == 1


# -- rates

def test_new_connections_per_second(limited):
    gateway = limited({"connection_rate_per_source": 5})
    began, served = time.monotonic(), 0
    for _ in range(25):
        served += not refused_connection(gateway)
    seconds = time.monotonic() - began
    assert 5 <= served <= 5 + 5 * seconds + 1, f"{served} in {seconds:.2f} s"
    assert gateway.refused("source_connection_rate") == 25 - served > 0
    wait_for(lambda: not refused_connection(gateway), "the rate does not recover")


@pytest.mark.parametrize("limit, reason", [("requests_per_source", "source_requests"),
                                           ("requests_per_environment", "environment_requests"),
                                           ("route", "environment_requests")])
@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_requests_per_second(limited, limit, reason, http2):
    gateway = limited({limit: 10} if limit != "route" else {},
                      **({"limits": {"requests_per_second": 10}} if limit == "route" else {}))
    host = gateway.host(ENV, 8888)
    began = time.monotonic()
    with H2Client(gateway, host) if http2 else RawTls(gateway, host) as client:
        answers = [client.get(host) if http2 else get(client, host) for _ in range(60)]
    seconds = time.monotonic() - began
    statuses = [answer[0] for answer in answers]
    assert set(statuses) <= {200, 429} and statuses[:10] == [200] * 10
    assert 10 <= statuses.count(200) <= 10 + 10 * seconds + 1
    assert gateway.refused(reason) == statuses.count(429) > 0
    last = dict(answers[statuses.index(429)][1])
    assert int(last["retry-after"]) > 0
    wait_for(lambda: ask_once(gateway, host)[0] == 200, "the rate does not recover")


def test_requests_to_nobody_count_too(limited):
    """Each asks the source of routes: guessing names is what a rate is for."""
    gateway = limited({"requests_per_source": 10})
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as client:
        statuses = [get(client, gateway.host(f"nobody{n}", 8888))[0] for n in range(200)]
    assert set(statuses) == {404, 429}


def test_limits_change_with_a_reload(limited):
    gateway = limited({"requests_per_source": 5})
    host = gateway.host(ENV, 8888)
    with RawTls(gateway, host) as client:
        assert 429 in [get(client, host)[0] for _ in range(40)]
        gateway.write_settings({"limits": {"requests_per_source": 100000}})
        gateway.sighup()
        wait_for(lambda: gateway.metric("envgate_reloads_total", result="ok") > 0, "it was not reloaded")
        wait_for(lambda: get(client, host)[0] == 200, "the rate does not recover")
        assert [get(client, host)[0] for _ in range(100)] == [200] * 100


# -- who may come

def test_allow_from(limited, ssh_target, routes):
    gateway = limited(allow_from=["127.0.0.2/32", "10.0.0.0/8", "2001:db8::/32"])
    host = gateway.host(ENV, 8888)
    status, _, body = ask_once(gateway, host)
    assert status == 403 and b"127.0.0.2" not in body and gateway.refused("source_not_allowed") == 1
    port = gateway.ssh_port()
    gateway.wait_route(routes.change(ENV, ssh=ssh(port, ssh_target.port)))
    assert ssh_answer(port)[1].startswith(f"envgate: environment {ENV} does not allow your address".encode())
    assert gateway.refused("source_not_allowed") == 2
    assert ssh_answer(port, "127.0.0.2")[1] == BANNER
    assert len(ssh_target.connections) == 1


# -- PROXY protocol

def v1(source, family="TCP4"):
    return f"PROXY {family} {source} 127.0.0.1 40000 443\r\n".encode() if source else b"PROXY UNKNOWN\r\n"


def v2(source, command=0x21, tlvs=b""):
    v6 = ":" in source
    kind, here, family = (socket.AF_INET6, "::1", 0x21) if v6 else (socket.AF_INET, "127.0.0.1", 0x11)
    addresses = socket.inet_pton(kind, source) + socket.inet_pton(kind, here)
    body = addresses + struct.pack(">HH", 40000, 443) + tlvs
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family]) + struct.pack(">H", len(body)) + body


TRUSTED = {"proxy_protocol": {"trusted": ["127.0.0.1/32"]}}


@pytest.mark.parametrize("prefix, seen", [
    (v1("203.0.113.7"), "203.0.113.7"),
    (v1("2001:db8::7", "TCP6").replace(b"127.0.0.1", b"::1"), "2001:db8::7"),
    (v1(None), "127.0.0.1"),
    (v2("203.0.113.8"), "203.0.113.8"),
    (v2("2001:db8::8"), "2001:db8::8"),
    (v2("203.0.113.9", 0x20), "127.0.0.1"),
    (v2("203.0.113.8", tlvs=b"\x01\0\2h2\x05\0\1x"), "203.0.113.8"),
    (v2("::ffff:203.0.113.8"), "203.0.113.8")],
    ids=["v1", "v1, IPv6", "v1, unknown",
         "v2", "v2, IPv6", "v2, local", "v2 with more", "v2, IPv4 within IPv6"])
def test_from_a_trusted_peer(limited, prefix, seen):
    gateway = limited(settings=TRUSTED)
    host = gateway.host(ENV, 8888)
    status, _, body = ask_once(gateway, host, prefix=prefix)
    assert status == 200
    assert header(body, "X-Forwarded-For") == header(body, "X-Real-IP") == [seen]
    line = wait_for(lambda: [entry for entry in gateway.log_lines("http_request")
                             if entry.get("environment_id") == ENV], "the request was not logged")[-1]
    assert line["source_ip"] == seen


BAD_HEADERS = [
    b"",
    b"PROXY TCP4 203.0.113.7\r\n",
    b"PROXY TCP4 name.example 127.0.0.1 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 127.0.0.1 1 99999\r\n",
    b"PROXY TCP4 1.2.3.4 127.0.0.1 1 2\n",
    b"PROXY " + b"x" * 300,
    v2("203.0.113.8", 0x22),
    v2("203.0.113.8", tlvs=b"\x01\0\x09h2"),
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + b"x" * 70000,
    v1("203.0.113.7")[:-2] + b"\r\r\n",
]


@pytest.mark.parametrize("prefix", BAD_HEADERS, ids=lambda prefix: repr(prefix[:30]))
def test_a_trusted_peer_must_say_it_well(limited, prefix):
    gateway = limited(settings=TRUSTED)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_once(gateway, gateway.host(ENV, 8888), prefix=prefix)
    assert gateway.refused("bad_proxy_header") == 1
    assert ask_once(gateway, gateway.host(ENV, 8888), prefix=v1("203.0.113.7"))[0] == 200


@pytest.mark.parametrize("prefix", [v1("203.0.113.7"), v2("203.0.113.7")], ids=["v1", "v2"])
def test_from_anybody_else(limited, prefix):
    """A stranger who says who he is, is a stranger who does not speak TLS."""
    gateway = limited(settings={"proxy_protocol": {"trusted": ["127.0.0.2/32"]}})
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_once(gateway, gateway.host(ENV, 8888), prefix=prefix)
    assert gateway.refused("tls_handshake") == 1
    assert header(ask_once(gateway, gateway.host(ENV, 8888))[2], "X-Real-IP") == ["127.0.0.1"]


def test_a_header_that_never_ends(limited):
    gateway = limited(settings={**TRUSTED, "timeouts": {"handshake": "500ms"}})
    with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as sock:
        sock.sendall(b"PROXY TCP4 ")
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(10) == b""
    assert gateway.refused("bad_proxy_header") == 1


def test_limits_are_for_who_it_is(limited, ssh_target, routes):
    """Behind the load balancer each customer has his own place,
    and allow_from asks for the customer's address."""
    gateway = limited({"connections_per_source": 1}, TRUSTED, allow_from=["203.0.113.0/24"])
    host = gateway.host(ENV, 8888)
    with (RawTls(gateway, host, prefix=v1("203.0.113.1")) as one,
          RawTls(gateway, host, prefix=v2("203.0.113.2")) as two):
        assert get(one, host)[0] == get(two, host)[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask_once(gateway, host, prefix=v2("203.0.113.1"))
        assert gateway.refused("source_connections") == 1
        assert ask_once(gateway, host, prefix=v1("198.51.100.1"))[0] == 403
    # one IPv6 customer is a /64
    with RawTls(gateway, host, prefix=v2("2001:db8:1:2::1")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask_once(gateway, host, prefix=v2("2001:db8:1:2:ffff::9"))
        assert ask_once(gateway, host, prefix=v2("2001:db8:1:3::1"))[0] == 403


def test_proxy_header_on_an_ssh_port(limited, ssh_target, routes):
    gateway = limited(settings=TRUSTED, allow_from=["203.0.113.0/24"])
    port = gateway.ssh_port()
    gateway.wait_route(routes.change(ENV, ssh=ssh(port, ssh_target.port)))
    assert ssh_answer(port, send=v1("203.0.113.7") + BANNER)[1] == BANNER
    assert ssh_answer(port, send=v2("203.0.113.7") + BANNER)[1] == BANNER
    assert ssh_answer(port, send=v1("198.51.100.7") + BANNER)[1].startswith(b"envgate: ")
    assert ssh_answer(port)[1] == b"" and gateway.refused("bad_proxy_header") == 1
    # not from a trusted peer: the header is no SSH banner, and nothing of it reaches the target
    assert ssh_answer(port, "127.0.0.3", v1("203.0.113.7") + BANNER)[1].startswith(b"envgate: ")
    assert [bytes(c.received) for c in ssh_target.connections[:2]] == [BANNER] * 2
    assert not any(b"PROXY" in c.received for c in ssh_target.connections)
    wait_for(lambda: "198.51.100.7" in [line["source_ip"] for line in gateway.log_lines(contract.SSH_EVENT)],
             "no line for the refused connection")
