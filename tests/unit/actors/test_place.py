"""An address as this machine reaches it."""

import pytest

from actors.serving.place import address_of


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("box.lan", "http://box.lan:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("[fe80::1]", "http://[fe80::1]:1"),
    ],
)
def test_every_form_of_a_host_becomes_a_url(host: str, url: str) -> None:
    assert address_of(host, 1) == url
