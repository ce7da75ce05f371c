"""Asks the gateway, as its users would, whether what the quickstart is about to print is true."""
import http.client
import socket
import ssl


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ready(admin_socket):
    """None when /readyz says so, else what is the matter."""
    connection = UnixConnection(str(admin_socket))
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
        return None if answer.status == 200 else f"/readyz on {admin_socket} answers {answer.status}: {text}"
    except OSError as error:
        return f"no answer on {admin_socket}: {error}"
    finally:
        connection.close()


def page(ca, host, port):
    """None when the page behind https://HOST:PORT/ comes, by a certificate that `ca` vouches for."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
        with socket.create_connection(("127.0.0.1", port), 5) as raw, \
                context.wrap_socket(raw, server_hostname=host) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            status = tls.makefile("rb").readline().decode(errors="replace").strip()
        return None if status.startswith("HTTP/1.1 200") else f"https://{host}:{port}/ answers {status!r}"
    except OSError as error:
        return f"https://{host}:{port}/ does not answer: {error}"


def ssh_banner(port):
    """None when an SSH server says hello on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"SSH-2.0-quickstart\r\n")
            hello = connection.recv(4)
        return None if hello == b"SSH-" else f"no SSH server answers on port {port}"
    except OSError as error:
        return f"port {port} does not answer: {error}"
