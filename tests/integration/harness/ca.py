"""A certificate authority for one test run."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Ca:
    def __init__(self, directory, domain):
        self.directory = directory
        self.domain = domain
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("envgate test CA")
        self.count = 0
        self.file = directory / "ca.pem"
        builder = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(True, 0), True)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, key, days=30):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=days)))

    def leaf(self, *names):
        """A certificate for the given names (by default everything under the domain):
        {certificate, key} paths."""
        names = names or (self.domain, f"*.container.{self.domain}", f"*.ssh.{self.domain}",
                          f"*.{self.domain}")
        self.count += 1
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (self._builder(_name(names[0]), key)
                       .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
                       .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
                       .sign(self.key, hashes.SHA256()))
        certificate_file = self.directory / f"leaf{self.count}.pem"
        key_file = self.directory / f"leaf{self.count}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(_pem_key(key))
        return {"certificate": str(certificate_file), "key": str(key_file)}
