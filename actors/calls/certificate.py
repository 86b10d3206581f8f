"""The certificate of a process: made by itself, known by its fingerprint, gone with the process."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory


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
    # Most processes never need what this imports.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    from actors.self_signed import new_key, pem_of, self_signed  # noqa: PLC0415

    key = new_key()
    # Callers compare the fingerprint alone, so it ends with its process.
    certificate = self_signed(key)
    pem = pem_of(key) + certificate.public_bytes(Encoding.PEM)
    return Certificate(certificate.fingerprint(SHA256()), pem)
