"""The image of conf/demo with OpenSSH's sshd in dropbear's place, of this machine's package."""
import sys
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).resolve().parents[2] / "conf/demo"))
import demo_image  # noqa: E402
import docker_engine  # noqa: E402

NAME = "envgate-test/openssh:1"
# No rights for PAM; host keys are made when the container first starts, as in many an image.
KEY = "/etc/ssh/ssh_host_ed25519_key"
COMMAND = ["/bin/sh", "-c", f"[ -e {KEY} ] || ssh-keygen -q -t ed25519 -N '' -f {KEY};"
           " exec /usr/sbin/sshd -D -e -o UsePAM=no -o PermitRootLogin=yes -o PidFile=none"]


def make(socket):
    files = {**demo_image.FILES, "etc/ssh/sshd_config": "Subsystem sftp /usr/lib/sftp-server\n"}
    files["etc/passwd"] += "sshd:x:100:65534::/run/sshd:/bin/false\n"
    files["etc/shadow"] += "sshd:!:19000:0:99999:7:::\n"
    programs = [*demo_image.PROGRAMS, "/usr/sbin/sshd", "/usr/bin/ssh-keygen"]
    directories = {**demo_image.DIRECTORIES, "run/sshd": 0o755, "etc/ssh": 0o755}
    with mock.patch.multiple(demo_image, FILES=files, PROGRAMS=programs, DIRECTORIES=directories):
        docker_engine.import_image(socket, NAME, demo_image.archive(), COMMAND)
    return NAME
