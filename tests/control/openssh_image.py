"""The image of conf/demo with OpenSSH's sshd in dropbear's place, of this machine's packages, and with what
its sessions may run: the page, scp, ssh-add, and an xauth that takes every cookie."""
import io
import sys
import tarfile
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).resolve().parents[2] / "conf/demo"))
import demo_image  # noqa: E402
import docker_engine  # noqa: E402

NAME = "envgate-test/openssh:1"
# No rights for PAM; host keys are made when the container first starts, as in many an image.
KEY = "/etc/ssh/ssh_host_ed25519_key"
COMMAND = ["/bin/sh", "-c", f"httpd -p 8888 -h /srv; [ -e {KEY} ] || ssh-keygen -q -t ed25519 -N '' -f {KEY};"
           " exec /usr/sbin/sshd -D -e -o UsePAM=no -o PermitRootLogin=yes -o PidFile=none"]
# Its X11 display is a port of both families, or of none, and containers have no ::1.
CONFIG = "Subsystem sftp /usr/lib/sftp-server\nX11Forwarding yes\nAddressFamily inet\n"


def with_file(archive, path, content):
    out = io.BytesIO(archive)
    with tarfile.open(fileobj=out, mode="a", format=tarfile.GNU_FORMAT) as tar:
        entry = tarfile.TarInfo(path)
        entry.mode, entry.size = 0o755, len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def make(socket):
    files = {**demo_image.FILES, "etc/ssh/sshd_config": CONFIG}
    files["etc/passwd"] += "sshd:x:100:65534::/run/sshd:/bin/false\n"
    files["etc/shadow"] += "sshd:!:19000:0:99999:7:::\n"
    programs = [*demo_image.PROGRAMS, "/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/usr/bin/ssh-add",
                "/usr/bin/scp"]
    directories = {**demo_image.DIRECTORIES, "run/sshd": 0o755, "etc/ssh": 0o755}
    with mock.patch.multiple(demo_image, FILES=files, PROGRAMS=programs, DIRECTORIES=directories):
        archive = with_file(demo_image.archive(), "usr/bin/xauth", b"#!/bin/sh\ncat >/dev/null\n")
        docker_engine.import_image(socket, NAME, archive, COMMAND)
    return NAME
