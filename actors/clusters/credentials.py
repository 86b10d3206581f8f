"""Credentials of the processes of this server's cluster: a token and a certificate.

The token alone is not enough: Ray's syncer aborts the whole process on a call that carries no
metadata, before any token is checked. With TLS, a caller without the certificate gets no further
than the handshake.
"""

import ipaddress
import secrets
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from actors.self_signed import new_key, pem_of, self_signed
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
        make_secret_file(key, pem_of(new_key()))
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


def _certificate_of(key_file: bytes) -> bytes:
    key = cast("EllipticCurvePrivateKey", load_pem_private_key(key_file, None))
    names = x509.SubjectAlternativeName(LOOPBACK)
    return self_signed(key, names=names).public_bytes(Encoding.PEM)
