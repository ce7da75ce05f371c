"""What comes before a request: plain HTTP, which is redirected;
TLS, its versions, certificates and sessions."""
import socket
import ssl

import pytest

from harness import RawTls, curl, run
from harness.routes import ENV, http, ssh


def test_plain_http_redirects(gateway, host):
    answer = curl(gateway, host, "/a?b=c", scheme="http")
    assert answer.status in (301, 308)
    assert answer.header("location") == [f"https://{host}:{gateway.https_port}/a?b=c"]


def test_plain_http_reaches_no_target(gateway, host, web):
    before = len(web.requests)
    curl(gateway, host, "/upload", "--data-binary", "secret", scheme="http")
    assert len(web.requests) == before


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(gateway, host, version):
    with RawTls(gateway, host, version=version) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert client.response()[0] == 200


def test_tls_11_is_refused(gateway, host):
    done = run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.https_port}", "-servername", host,
                "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], check=False)
    assert done.returncode != 0


def test_alpn(gateway, host):
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)):
        with RawTls(gateway, host, alpn=offered) as client:
            assert client.sock.selected_alpn_protocol() == chosen


def test_sessions_resume(gateway, host):
    context = ssl.create_default_context(cafile=str(gateway.ca.file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    for attempt in range(2):
        raw_socket = socket.create_connection(("127.0.0.1", gateway.https_port), 10)
        with context.wrap_socket(raw_socket, server_hostname=host, session=session) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            while tls.recv(65536):
                pass
            assert tls.session_reused == (attempt == 1)
            session = tls.session


def test_certificates_by_name(make_gateway, ca, routes, web):
    special = f"{ENV}-8888.container.envgate.test"
    gateway = make_gateway({"https": {"certificates": [ca.leaf(), ca.leaf(special)]}})
    gateway.wait_route(routes.set(ENV, http=[http(8888, web.port)]))
    for name, expected in ((special, special), (gateway.host("other", 8888), "*.container.envgate.test")):
        with RawTls(gateway, name) as client:
            names = [value for _, value in client.sock.getpeercert()["subjectAltName"]]
            assert expected in names, (name, names)


def test_the_environments_ssh_and_http_share_the_port(gateway, routes, web, sshd):
    gateway.wait_route(routes.set("both", ssh=ssh(gateway.ssh_port(), sshd.port),
                                  http=[http(8888, web.port)]))
    with RawTls(gateway, gateway.ssh_host("both"), alpn=()) as client:
        client.send(b"SSH-2.0-test\r\n")
        assert client.recv_until(b"\r\n").startswith(b"SSH-2.0-OpenSSH")
    assert curl(gateway, gateway.host("both", 8888)).status == 200
