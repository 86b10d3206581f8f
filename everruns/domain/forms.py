"""Forms of texts: patterns that fields have, and what each is in words.

Source: docs/contract.md, "Resources".
"""

import re
from collections.abc import Mapping

BASE64 = r"^[A-Za-z0-9+/]+={0,2}$"
# Printable ASCII: a host, then a path, without a query or a fragment.
BASE_URL = r"^https?://[!$-.0->@-~]+[!$->@-~]*$"
DATE_OR_VERSION = r"^[a-z0-9-]{1,32}$"
# The name of a file, without a path to it.
FILE_NAME = r"^[^/\x00-\x1f\x7f]+$"
HTTP_URL = r"^https?://"
# Source: RFC 9110, section 5.6.2: a token.
HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
IMAGE_TYPE = r"^image/[a-z0-9.+-]+$"
MEDIA_TYPE = r"^[a-z]+/[a-zA-Z0-9.+-]+(; ?[a-z]+=[a-zA-Z0-9.+-]+)*$"
NOT_BLANK = r"\S"
MCP_SERVER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
# A host, then a path and a query; the server's name or password would be shown with the address.
MCP_URL = r"^https?://[A-Za-z0-9.:\[\]_-]+([/?][!$-~]*)?$"
PAGE_TOKEN = r"^[0-9]{1,15}\.session_[0-9a-f]{32}$"  # noqa: S105
PRINTABLE = r"^[\x20-\x7e]{1,255}$"
# Source: RFC 6749, section 3.3: a scope-token.
SCOPE = r"^[!#-\[\]-~]{1,255}$"
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
TOOL_NAME = r"^[a-zA-Z0-9_-]{1,64}$"
WITHOUT_SLASH = r"^[^/]+$"

WORDS: Mapping[str, str] = {
    BASE64: "must be base64",
    BASE_URL: (
        "must begin with http:// or https:// and a host, and have no query, fragment or blanks"
    ),
    DATE_OR_VERSION: "must be 1 to 32 lower-case letters, digits and hyphens, such as 2024-10-21",
    HEADER_NAME: "names of headers must be letters, digits and hyphens",
    FILE_NAME: "must be a name without slashes and control characters",
    HTTP_URL: "must begin with http:// or https://",
    IMAGE_TYPE: "must be the media type of an image, such as image/png",
    MCP_SERVER_NAME: (
        "must be 1 to 64 letters, digits, dots, hyphens and underscores, and begin with a letter "
        "or a digit"
    ),
    MCP_URL: (
        "must begin with http:// or https:// and a host, and have no credentials, fragment or "
        "blanks; secrets belong into headers"
    ),
    MEDIA_TYPE: "must be a media type, such as application/pdf",
    NOT_BLANK: "must not be blank",
    PAGE_TOKEN: "must be the next_page_token of a page",
    PRINTABLE: "must be 1 to 255 printable ASCII characters",
    SCOPE: "must be 1 to 255 printable ASCII characters without blanks, quotes and backslashes",
    SLUG: "must be lower-case words joined by hyphens, such as research-assistant",
    TOOL_NAME: "must be 1 to 64 letters, digits, hyphens and underscores",
    WITHOUT_SLASH: "must not have a slash (/), because models are named provider/model",
}
ID = re.compile(r"\^(?:([a-z]+)|\(([a-z|]+)\))_\[0-9a-f\]\{32\}\$")


def id_form(prefix: str) -> str:
    """Return the pattern of ids with this prefix."""
    return rf"^{prefix}_[0-9a-f]{{32}}$"


def words_of_form(pattern: str) -> str:
    """Return what a text must be to have a form."""
    if words := WORDS.get(pattern):
        return words
    if form := ID.fullmatch(pattern):
        prefixes = form[1] or form[2].replace("|", "_ or ")
        return f"must be {prefixes}_ and 32 hexadecimal digits (a-f in lower case)"
    return f"must have the form {pattern}"
