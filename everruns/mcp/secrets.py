"""Keeping a server's secrets out of what is logged, stored and told.

A server can repeat them anywhere. What is only read is masked. What goes back to the server, such
as the name of a tool, would then not be what the server expects, so it cannot be used at all.

Source: docs/mcp.md, "Security".
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from heapq import merge
from typing import Any, cast

from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from everruns.domain.mcp_servers import McpAccount
from everruns.domain.secret_forms import MASK, lowered, secret_forms

# Shorter values are hardly secrets, and masking them would mask parts of words.
MIN_CHARACTERS = 6
# A server may still answer to the one before.
REMEMBERED_TOKENS = 4
# Masking words that the protocol itself uses would make its messages unreadable.
_PROTOCOL = lowered(
    " ".join(
        [
            *KNOWN_PROTOCOL_VERSIONS,
            "object string integer number boolean array application/json text/event-stream",
            "resource_link mimeType complete input_required elicitation/create version",
            "taskId status working completed failed cancelled",
        ]
    )
)
# What people and models read of a tool or a form, and what never goes back.
_WORDS = {"$comment", "description", "enumNames", "message", "statusMessage", "title"}


class Secrets:
    """The values of an account's headers and environment variables, and its latest tokens.

    Args:
        account: The server's account.
    """

    def __init__(self, account: McpAccount) -> None:
        values = [
            secret.get_secret_value()
            for secret in (*account.headers.values(), *account.environment.values())
        ]
        # A server may repeat a token without the word in front of it, and one line of many.
        lines = {line.strip() for value in values for line in value.splitlines()}
        self._fixed = {*values, *lines, *(value.rpartition(" ")[2] for value in values)}
        self._tokens: deque[str] = deque(maxlen=REMEMBERED_TOKENS)
        self._arrange()

    def learn(self, token: str) -> None:
        """Take a token for one of the secrets, in place of the oldest if there are many."""
        if token not in self._tokens:
            self._tokens.append(token)
            self._arrange()

    def _arrange(self) -> None:
        parts = {*self._fixed, *self._tokens}
        kept = {
            part for part in parts if len(part) >= MIN_CHARACTERS and lowered(part) not in _PROTOCOL
        }
        self._forms = sorted({form for part in kept for form in secret_forms(part)})
        self._in_json = [_json(form)[1:-1] for form in self._forms]

    def are_in(self, value: Any) -> bool:
        """Tell whether a JSON value contains a secret."""
        if not self._forms:
            return False
        text = lowered(_json(value))
        return any(form in text for form in self._in_json)

    def masked(self, text: str) -> str:
        """Return a text without secrets."""
        plain = lowered(text)
        kept: list[str] = []
        shown_from = 0
        for start, end in merge(*(_places(plain, form) for form in self._forms)):
            # Forms overlap where one is a part of another.
            if start >= shown_from:
                kept += [text[shown_from:start], MASK]
            shown_from = max(shown_from, end)
        return "".join([*kept, text[shown_from:]])

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


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Yield where a form is in a text, from its first character to the one after its last."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + len(form))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
