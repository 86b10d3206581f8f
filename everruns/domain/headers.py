"""Headers that a client gives a provider or an MCP server; their values are secrets."""

from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, SerializationInfo

from everruns.domain.base import KIB, STORED
from everruns.domain.forms import HEADER_NAME
from everruns.domain.secret_forms import MASK

HeaderName = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=HEADER_NAME),
    AfterValidator(str.lower),
]
# Source: RFC 9110, section 5.5: visible characters with blanks inside.
HeaderValue = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=KIB,
        json_schema_extra={"pattern": r"^[!-~]([ -~]*[!-~])?$"},
    ),
]
MAX_HEADERS = 20
# These make up the request itself, or belong to the connection.
_RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _checked_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, secret in headers.items():
        if name in _RESERVED_HEADERS:
            raise ValueError(f"{name} is set by the server itself and cannot be replaced")
        value = secret.get_secret_value()
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise ValueError(
                f"the value of {name} must be printable ASCII without blanks around it"
            )
    return headers


Headers = Annotated[
    dict[HeaderName, HeaderValue],
    Field(max_length=MAX_HEADERS, json_schema_extra={"additionalProperties": False}),
    AfterValidator(_checked_headers),
]


def _masked_unless_stored(value: str, info: SerializationInfo) -> str:
    return value if info.context is STORED else MASK


Sealed = Annotated[str, PlainSerializer(_masked_unless_stored, return_type=str)]
"""An encrypted value; whoever is shown it sees ``MASK``."""

SealedHeaders = dict[str, Sealed]
"""Headers by name, their values encrypted; whoever is shown them sees ``MASK`` as each value."""
