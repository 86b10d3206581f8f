"""Credentials of the processes of this server's cluster: a token and a certificate.

The token alone is not enough: Ray's syncer aborts the whole process on a call that carries no
metadata, before any token is checked. With TLS, a caller without the certificate gets no further
than the handshake.
"""

import ipaddress
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from everruns.storage.data_directory.secret_file import make_secret_file

TOKEN_FILE = "ray_token"  # noqa: S105
TOKEN_BYTES = 32
KEY_FILE = "ray_tls.key"
CERTIFICATE_FILE = "ray_tls.crt"
LOOPBACK = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)
# As long as the token, which never expires: the two files are equally protected.
VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2200, 1, 1, tzinfo=UTC)


def cluster_credentials(data_dir: Path) -> dict[str, str]:
    """Return the variables that make Ray ask every caller for this data directory's credentials.

    Missing credentials are created, readable only by their owner.

    Raises:
        OSError: The files can be neither read nor written.
    """
    token, key, certificate = (data_dir / name for name in (TOKEN_FILE, KEY_FILE, CERTIFICATE_FILE))
    if read_token(data_dir) is None:
        token.unlink(missing_ok=True)
        make_secret_file(token, secrets.token_hex(TOKEN_BYTES).encode())
    if not key.exists():
        make_secret_file(key, _new_key())
    if not certificate.exists():
        make_secret_file(certificate, _certificate_of(key.read_bytes()))
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_KEY": str(key),
        "RAY_TLS_SERVER_CERT": str(certificate),
        # Self-signed: only a caller with the same key is admitted.
        "RAY_TLS_CA_CERT": str(certificate),
    }


def read_token(data_dir: Path) -> str | None:
    """Return the login token of the dashboard, if a server has created one."""
    try:
        return (data_dir / TOKEN_FILE).read_text().strip() or None
    except FileNotFoundError:
        return None


def _new_key() -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _certificate_of(key_file: bytes) -> bytes:
    key = cast("EllipticCurvePrivateKey", load_pem_private_key(key_file, None))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everruns")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .add_extension(x509.SubjectAlternativeName(LOOPBACK), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)
