"""The certificate of a process: made by itself, known by its fingerprint, gone with the process."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

# Callers compare the fingerprint alone, so it expires with its process.
VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key.

    Attributes:
        fingerprint: The SHA-256 of the certificate.
        pem: The key and the certificate, as OpenSSL reads them.
    """

    fingerprint: bytes
    pem: bytes = field(repr=False)

    def load_into(self, tls: ssl.SSLContext) -> None:
        """Let this side of TLS show the certificate.

        Raises:
            OSError: No file can be written, which OpenSSL needs for a moment.
        """
        with TemporaryDirectory() as folder:  # One that only this user can enter.
            file = Path(folder) / "certificate.pem"
            file.write_bytes(self.pem)
            tls.load_cert_chain(file)


def new_certificate() -> Certificate:
    """Return a certificate that nothing else has signed."""
    # Most processes never need it, and it takes 6 MB.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "everruns")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = key_pem + certificate.public_bytes(serialization.Encoding.PEM)
    return Certificate(certificate.fingerprint(hashes.SHA256()), pem)
