"""Keeping a server's secrets out of what is logged, stored and told.

A server can repeat them anywhere. What is only read is masked. What goes back to the server, such
as the name of a tool, would then not be what the server expects, so it cannot be used at all.

Source: docs/mcp.md, "Security".
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from everruns.domain.mcp_servers import McpAccount

MASK = "***"
# Shorter values are hardly secrets, and masking them would mask parts of words.
MIN_CHARACTERS = 6
# Masking words that the protocol itself uses would make its messages unreadable.
_PROTOCOL = " ".join(
    [
        *KNOWN_PROTOCOL_VERSIONS,
        "object string integer number boolean array application/json text/event-stream",
        "resource_link mimeType complete input_required elicitation/create version",
        "taskId status working completed failed cancelled",
    ]
)
# What people and models read of a tool or a form, and what never goes back.
_WORDS = {"$comment", "description", "enumNames", "message", "statusMessage", "title"}


class Secrets:
    """The values of an account's headers and environment variables.

    Args:
        account: The server's account.
    """

    def __init__(self, account: McpAccount) -> None:
        values = [
            secret.get_secret_value()
            for secret in (*account.headers.values(), *account.environment.values())
        ]
        # A server may repeat a token without the word in front of it.
        parts = {*values, *(value.rpartition(" ")[2] for value in values)}
        kept = {part for part in parts if len(part) >= MIN_CHARACTERS and part not in _PROTOCOL}
        forms = {form for part in kept for form in _forms(part)}
        # The longest first, since one may be a part of another.
        self._parts = sorted(forms, key=len, reverse=True)
        self._in_json = [_json(part)[1:-1] for part in self._parts]

    def are_in(self, value: Any) -> bool:
        """Tell whether a JSON value contains a secret."""
        if not self._parts:
            return False
        text = _json(value)
        return any(part in text for part in self._in_json)

    def masked(self, text: str) -> str:
        """Return a text without secrets."""
        for part in self._parts:
            text = text.replace(part, MASK)
        return text

    def masked_data(self, value: Any) -> Any:
        """Return a JSON value without secrets, neither in its texts nor in its names."""
        match value:
            case str():
                return self.masked(value)
            case list():
                return [self.masked_data(member) for member in cast("list[Any]", value)]
            case dict():
                members = cast("dict[str, Any]", value).items()
                return {self.masked(name): self.masked_data(member) for name, member in members}
            case _:
                return value

    def masked_words(self, value: Any) -> Any:
        """Return a tool or a form without secrets in the texts that are only read."""
        match value:
            case list():
                return [self.masked_words(member) for member in cast("list[Any]", value)]
            case dict():
                members = cast("dict[str, Any]", value).items()
                return {name: self._masked_member(name, member) for name, member in members}
            case _:
                return value

    def _masked_member(self, name: str, member: Any) -> Any:
        # A mapping under such a name is the schema of a value that is called so.
        if name in _WORDS and not isinstance(member, Mapping):
            return self.masked_data(member)
        return self.masked_words(member)


def _forms(part: str) -> Iterator[str]:
    """Yield a secret as it may be written: plainly, in an address, and within base64."""
    yield part
    yield quote(part, safe="", errors="replace")
    content = part.encode("utf-8", "surrogatepass")
    # Base64 has six bits a character, so it depends on the place by three.
    for before in range(3):
        text = b64encode(b"\0" * before + content).decode()
        yield text[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
