"""The cluster's token and certificate: made once, whole, for their owner alone."""

from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate

from actors.clusters.credentials import (
    CERTIFICATE_FILE,
    KEY_FILE,
    TOKEN_FILE,
    cluster_credentials,
    read_token,
)

FILES = (TOKEN_FILE, KEY_FILE, CERTIFICATE_FILE)


def test_they_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    variables = cluster_credentials(tmp_path)
    made = {name: (tmp_path / name).read_bytes() for name in FILES}

    assert cluster_credentials(tmp_path) == variables
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == made
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in FILES)


def test_the_token_has_64_hexadecimal_digits(tmp_path: Path) -> None:
    assert read_token(tmp_path) is None
    cluster_credentials(tmp_path)

    token = read_token(tmp_path)

    assert token is not None
    assert len(bytes.fromhex(token)) == 32


def test_an_empty_token_that_a_crash_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).touch()

    cluster_credentials(tmp_path)

    assert read_token(tmp_path)


@pytest.mark.parametrize("lost", [(CERTIFICATE_FILE,), (KEY_FILE, CERTIFICATE_FILE)])
def test_a_certificate_that_a_crash_kept_from_being_made_fits_the_key(
    tmp_path: Path, lost: tuple[str, ...]
) -> None:
    cluster_credentials(tmp_path)
    for name in lost:
        (tmp_path / name).unlink()

    cluster_credentials(tmp_path)

    certificate = load_pem_x509_certificate((tmp_path / CERTIFICATE_FILE).read_bytes())
    certificate.verify_directly_issued_by(certificate)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((tmp_path / KEY_FILE).read_bytes(), None)
    assert key.public_key() == certificate.public_key()
