"""Asks the gateway, as its users would, whether what the quickstart is about to print is true."""
import http.client
import socket
import ssl

import unix_http


def ready(name, path):
    """None when /readyz on this socket says so, else what is the matter."""
    try:
        status, text = unix_http.ask(path, "GET", "/readyz")
    except (OSError, http.client.HTTPException) as error:
        return f"{name} does not answer on {path}: {error}"
    said = text.decode(errors="replace").strip()
    return None if status == 200 else f"{name} answers /readyz with {status}: {said}"


def page(ca, url, port):
    """None when the page comes from the gateway's port, by a certificate that `ca` vouches for."""
    authority = url.split("/")[2]
    host = authority.partition(":")[0]
    try:
        context = ssl.create_default_context(cafile=str(ca))
        with socket.create_connection(("127.0.0.1", port), 5) as raw, \
                context.wrap_socket(raw, server_hostname=host) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
            status = tls.makefile("rb").readline().decode(errors="replace").strip()
        return None if status.startswith("HTTP/1.1 200") else f"{url} answers {status!r}"
    except OSError as error:
        return f"{url} does not answer: {error}"


def ssh_banner(port):
    """None when an SSH server says hello on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"SSH-2.0-quickstart\r\n")
            hello = connection.recv(4)
        return None if hello == b"SSH-" else f"no SSH server answers on port {port}"
    except OSError as error:
        return f"port {port} does not answer: {error}"
