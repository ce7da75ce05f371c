"""An image with an SSH server, made of what is installed here: busybox, dropbear, and a real chpasswd with
the PAM module that it works through. No registry is asked."""
import os
import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = ["/usr/sbin/dropbear", "/usr/sbin/chpasswd"]
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "etc/shells": "/bin/sh\n",
    "etc/nsswitch.conf": "passwd: files\nshadow: files\ngroup: files\n",
    "etc/login.defs": "ENCRYPT_METHOD SHA512\n",
    "etc/pam.d/chpasswd": "password required pam_unix.so sha512\n",
    "etc/pam.d/other": "password required pam_deny.so\n",
}


def libraries_of(path):
    listed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def put(root, path):
    target = root / str(path).lstrip("/")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), target)


def make_image(engine, root, name):
    for directory in ("bin", "dev", "proc", "sys", "tmp", "root", "run", "var/log", "etc/dropbear"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True,
                                 text=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "etc/shadow").chmod(0o640)
    security = next(Path("/").glob("lib/*/security"))
    modules = [security / f"pam_{name}.so" for name in ("unix", "deny")]
    for path in [*PROGRAMS, *modules]:
        put(root, path)
        for library in libraries_of(path):
            put(root, library)
    archive = subprocess.Popen(["tar", "-C", root, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE)
    environment = {**os.environ, "DOCKER_HOST": f"unix://{engine.socket}"}
    command = 'CMD ["/usr/sbin/dropbear", "-R", "-F", "-E"]'
    subprocess.run(["/usr/bin/docker", "import", "--change", command, "-", name], stdin=archive.stdout,
                   check=True, capture_output=True, env=environment)
    if archive.wait() != 0:
        raise RuntimeError("tar failed")
