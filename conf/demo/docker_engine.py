"""The Docker engine of this machine, over its API: its socket is found, images are made and containers
stopped."""
import http.client
import json
import os
from urllib.parse import quote, urlencode

import unix_http

SOCKETS = ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"]


def candidates():
    host = os.environ.get("DOCKER_HOST", "")
    return [host.removeprefix("unix://")] if host.startswith("unix://") else SOCKETS


def obstacle(socket):
    """None where the engine on this socket will do, else why not. The gateway connects to a container's own
    address, which only the network namespace of the engine reaches."""
    try:
        status, _ = unix_http.ask(socket, "GET", "/_ping")
        info = json.loads(unix_http.ask(socket, "GET", "/info", timeout=20)[1]) if status == 200 else {}
    except PermissionError:
        return "may not be used by this account: be in its group (usually docker), or root"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"does not answer ({error})"
    if status != 200:
        return f"answers {status}"
    if any("name=rootless" in option for option in info.get("SecurityOptions") or []):
        return "is rootless: its containers have no address that this machine reaches"
    if "Docker Desktop" in info.get("OperatingSystem", ""):
        return "is Docker Desktop's: its containers have no address that this machine reaches"
    return None


def find():
    """(socket, why not the others): the socket is None where no engine will do."""
    why = []
    for socket in candidates():
        if not os.path.exists(socket):
            continue
        reason = obstacle(socket)
        if reason is None:
            return socket, why
        why.append(f"{socket} {reason}")
    return None, why


def _ask(socket, method, path, body=None, **headers):
    status, answer = unix_http.ask(socket, method, path, body, headers, timeout=120)
    if status >= 400 and status != 404:
        raise RuntimeError(f"Docker on {socket} refuses {method} {path}: {answer.decode(errors='replace')}")
    return status, answer


def has_image(socket, name):
    return _ask(socket, "GET", f"/images/{quote(name)}/json")[0] == 200


def import_image(socket, name, archive, command):
    """Makes an image NAME:TAG of a tar archive's bytes, with no registry."""
    # The tag within `repo`: Podman 4.3 does not read `tag`.
    query = urlencode({"fromSrc": "-", "repo": name, "changes": f"CMD {json.dumps(command)}"})
    _, answer = _ask(socket, "POST", f"/images/create?{query}", archive,
                     **{"Content-Type": "application/x-tar"})
    for line in answer.decode(errors="replace").splitlines():  # progress, one object a line
        if '"error"' in line:
            raise RuntimeError(f"Docker on {socket} cannot import the image {name}: {line}")


def stop_containers(socket, install):
    """Stops what a control plane that no longer runs has left running. Returns the environments' ids."""
    filters = quote(json.dumps({"label": [f"envgate.install={install}"], "status": ["running"]}))
    listed = json.loads(_ask(socket, "GET", f"/containers/json?filters={filters}")[1])
    for container in listed:
        _ask(socket, "POST", f"/containers/{container['Id']}/stop?t=3")
    return [container["Labels"].get("envgate.env", "") for container in listed]
