"""What a gateway does for an audited session, by the control plane's API and OpenSSH's own client."""
import subprocess


def make_key(directory, name):
    path = directory / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return path, path.with_suffix(".pub").read_text().strip()


def ask_credential(plane, environment, public_key):
    return plane.ask("POST", "/api/gateway/credentials",
                     {"environment": environment, "public_key": public_key, "customer": "ada",
                      "source": "192.0.2.1", "session": "s-1"})


def run_ssh(directory, address, port, host_keys, options, command, user="root"):
    """The command's words, or None; the server must show one of `host_keys`."""
    known = directory / "known"
    known.write_text("".join(f"[{address}]:{port} {key}\n{address} {key}\n" for key in host_keys))
    done = subprocess.run(["ssh", "-F", "none", "-p", str(port), "-o", "BatchMode=yes", "-o",
                           f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null", "-o",
                           "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o",
                           "IdentityAgent=none", *map(str, options), f"{user}@{address}", command],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else None


def log_in(directory, given, own_key, address, port, command, host_keys=None):
    """As the gateway does with what it was given."""
    options = ["-i", own_key]
    if given["credential"] == "certificate":
        certificate = directory / "given-cert.pub"
        certificate.write_text(given["secret"] + "\n")
        options += ["-o", f"CertificateFile={certificate}"]
    else:
        key = directory / "given"
        key.unlink(missing_ok=True)
        key.touch(0o600)
        key.write_text(given["secret"])
        options = ["-i", key]
    keys = given["host_keys"] if host_keys is None else host_keys
    return run_ssh(directory, address, port, keys, options, command, given["user"])
