"""Certificates that nothing else has signed: whoever has or knows one trusts that one alone.

Importing this takes 6 MB, which most processes never need.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

# They are good for as long as their key is kept, so they never expire.
VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2200, 1, 1, tzinfo=UTC)


def new_key() -> EllipticCurvePrivateKey:
    """Return a new private key."""
    return generate_private_key(SECP256R1())


def pem_of(key: EllipticCurvePrivateKey) -> bytes:
    """Return a private key as OpenSSL reads it; it is not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def self_signed(
    key: EllipticCurvePrivateKey, *, names: x509.SubjectAlternativeName | None = None
) -> x509.Certificate:
    """Return a certificate of a key.

    Args:
        key: The key, which signs it too.
        names: For callers that check names: who has it, and then it is also its own authority.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everruns")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
    )
    if names is not None:
        authority = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(names, critical=False).add_extension(
            authority, critical=True
        )
    return builder.sign(key, hashes.SHA256())
