"""An image with an SSH server and a page, made of this machine's Debian packages: busybox, dropbear,
OpenSSH's sftp-server, and a real chpasswd with the PAM module that it works through. No registry is asked,
and no right is needed: the archive is written in memory, the same bytes for the same packages."""
import hashlib
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

SITE = Path(__file__).with_name("site")
SITE_PORT = 8888
PROGRAMS = ["/usr/sbin/dropbear", "/usr/sbin/chpasswd", "/usr/lib/sftp-server"]
DIRECTORIES = {"bin": 0o755, "dev": 0o755, "proc": 0o555, "sys": 0o555, "tmp": 0o1777, "root": 0o700,
               "run": 0o755, "var/log": 0o755, "etc/dropbear": 0o700}
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
SSH_SERVER = ["/usr/sbin/dropbear", "-R", "-F", "-E"]
SSH_SERVER_AND_PAGE = ["/bin/sh", "-c", f"httpd -p {SITE_PORT} -h /srv && exec {' '.join(SSH_SERVER)}"]


def _libraries(path):
    listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout  # says 1 for a static one
    return re.findall(r"(/\S+) \(0x", listed)


def _files():
    """path in the image: (mode, bytes)."""
    files = {path: (0o640 if path == "etc/shadow" else 0o644, text.encode()) for path, text in FILES.items()}
    security = next(Path("/").glob("lib/*/security"))
    modules = [str(security / f"pam_{name}.so") for name in ("unix", "deny")]
    programs = ["/bin/busybox", *PROGRAMS, *modules]
    for path in [*programs, *(library for program in programs for library in _libraries(program))]:
        files[path.lstrip("/")] = (0o755, Path(path).read_bytes())
    for path in sorted(path for path in SITE.rglob("*") if path.is_file()):
        files[f"srv/{path.relative_to(SITE)}"] = (path.stat().st_mode & 0o755, path.read_bytes())
    return files


def _entry(name, mode, kind=tarfile.REGTYPE, **more):
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, kind
    for field, value in more.items():
        setattr(entry, field, value)
    return entry


def _applets():
    listed = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout
    return sorted(set(listed.split()) - {"busybox"})


def archive():
    """The bytes of a tar archive."""
    files = _files()
    directories = dict(DIRECTORIES)
    for path in [*files, *DIRECTORIES]:
        for parent in list(Path(path).parents)[:-1]:
            directories.setdefault(str(parent), 0o755)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, mode in sorted(directories.items()):
            tar.addfile(_entry(path, mode, tarfile.DIRTYPE))
        for path, (mode, content) in sorted(files.items()):
            tar.addfile(_entry(path, mode, size=len(content)), io.BytesIO(content))
        for applet in _applets():
            tar.addfile(_entry(f"bin/{applet}", 0o777, tarfile.SYMTYPE, linkname="busybox"))
    return out.getvalue()


def name_of(content):
    """One name for one content, so that an image is made anew when its packages or page have changed."""
    return f"envgate-demo:{hashlib.sha256(content).hexdigest()[:12]}"


def missing():
    return [path for path in ["/bin/busybox", *PROGRAMS] if not os.path.exists(path)]
