"""The quickstart's own certificate authority and the gateway's certificate, made with openssl.

The authority is made at the first run and kept; browsers are asked to trust it, so it is held to names under
`localhost` (a name constraint) and its key is readable by its owner alone. The certificate is made anew when
less than a month of it is left; it lives 397 days, since browsers refuse more than 398."""
import os
import subprocess
from pathlib import Path

MONTH = 30 * 24 * 3600

CA_CONFIG = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = ca
[name]
CN = envgate quickstart CA ({host})
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical, permitted;DNS:{domain}
"""

LEAF_CONFIG = """\
[req]
prompt = no
distinguished_name = name
[name]
CN = {domain}
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _good(certificate, key, *verify):
    """Both files are there, a month of validity is left, and the checks of `openssl verify` pass."""
    if not (certificate.exists() and key.exists()):
        return False
    try:
        _openssl("x509", "-in", certificate, "-noout", "-checkend", MONTH)
        _openssl("verify", *verify, certificate)
    except RuntimeError:
        return False
    return True


class Certificates:
    def __init__(self, directory, domain):
        self.directory = Path(directory) / "tls"
        self.domain = domain
        self.ca = Path(directory) / "ca.pem"  # beside ready.json, where people look for it
        self.ca_key = self.directory / "ca.key"
        self.certificate = self.directory / "gateway.pem"
        self.key = self.directory / "gateway.key"

    def make(self):
        """Makes what is missing or about to expire."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if not _good(self.ca, self.ca_key, "-CAfile", self.ca):
            self._make_ca()
        names = [self.domain, f"*.container.{self.domain}", f"*.ssh.{self.domain}"]
        if not _good(self.certificate, self.key, "-CAfile", self.ca,
                     "-verify_hostname", f"demo.ssh.{self.domain}"):
            self._make_leaf(names)

    def _make_ca(self):
        config = self.directory / "ca.cnf"
        config.write_text(CA_CONFIG.format(host=os.uname().nodename[:40], domain=self.domain))
        old = os.umask(0o077)
        try:
            _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-out", self.ca_key)
        finally:
            os.umask(old)
        _openssl("req", "-x509", "-new", "-key", self.ca_key, "-config", config, "-sha256", "-days", 3650,
                 "-out", self.ca)

    def _make_leaf(self, names):
        config, request = self.directory / "gateway.cnf", self.directory / "gateway.csr"
        dns_names = ", ".join(f"DNS:{name}" for name in names)
        config.write_text(LEAF_CONFIG.format(domain=self.domain, names=dns_names))
        old = os.umask(0o077)
        try:
            _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        finally:
            os.umask(old)
        _openssl("req", "-new", "-key", self.key, "-config", config, "-out", request)
        # A random serial number, so that a browser that saw
        # an earlier authority's certificate is not confused.
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-set_serial",
                 int.from_bytes(os.urandom(16), "big") >> 1, "-sha256", "-days", 397, "-extfile", config,
                 "-extensions", "leaf", "-out", self.certificate)
        request.unlink()
