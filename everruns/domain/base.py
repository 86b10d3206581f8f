"""The base of all resources: immutability, tolerance of unknown fields, limits on text."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Item = TypeVar("Item")
Listed = TypeVar("Listed")

KIB = 1024
MIB = 1024 * KIB
# Limits on depth and size of any value from outside, whatever its format.
MAX_DEPTH = 64
MAX_VALUES = 100_000
MAX_METADATA_BYTES = 64 * KIB
STORED = {"stored": True}
"""The context in which a value is serialized to be stored, with what no client is shown."""


class Model(BaseModel):
    """A value: immutable, compared by content; ignores unknown fields."""

    # An unexpected validation error is logged, and the log must not contain conversations.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def wire(self) -> dict[str, Any]:
        """Return the JSON object a client sees; fields without a value are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def stored(self) -> str:
        """Return the JSON in which it is stored."""
        return self.model_dump_json(context=STORED)

    def changes(self) -> dict[str, Any]:
        """Return the given fields as values, without those left to their defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Page(Model, Generic[Item]):
    """One page of a list; the next one begins at ``offset`` plus ``limit``.

    Source: docs/contract.md, "Requests".
    """

    data: list[Item]
    total: int = Field(description="Total number of items.")
    offset: int = Field(description="Number of items before this page.")
    limit: int = Field(
        description="Number of items that were asked for, or that this page has if it ends early."
    )

    @staticmethod
    def of(data: Sequence[Listed], total: int, offset: int, limit: int) -> "Page[Listed]":
        """Return a page with its limit lowered if it ends before all that were asked for.

        Args:
            data: Its items: as many as were asked for and there are, or fewer if they are large.
            total: How many items there are on all pages together.
            offset: How many items were skipped.
            limit: How many items were asked for.
        """
        ends_early = 0 < len(data) < min(limit, total - offset)
        covered = len(data) if ends_early else limit
        return Page(data=list(data), total=total, offset=offset, limit=covered)


def max_bytes(limit: int) -> AfterValidator:
    """Bound a text by the size of its UTF-8 form."""

    def check(text: str) -> str:
        if len(text) * 4 > limit and len(text.encode()) > limit:
            raise ValueError(f"must be at most {limit} bytes of UTF-8")
        return text

    return AfterValidator(check)


Name = Annotated[str, Field(min_length=1), max_bytes(2 * KIB)]
Description = Annotated[str, max_bytes(10 * KIB)]
Prompt = Annotated[str, max_bytes(MIB)]
Tag = Annotated[str, Field(min_length=1, max_length=256)]
Tags = Annotated[list[Tag], Field(max_length=100)]


def _bounded_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_bounded_metadata)]
"""What a client keeps with a resource for itself."""


def _refuse_words(value: Any) -> Any:
    if isinstance(value, str | bool):
        raise PydanticCustomError("number_type", "must be a number")
    return value


Number = BeforeValidator(_refuse_words)
"""Keeps pydantic from accepting strings and booleans as numbers."""

Flag = Annotated[bool, Field(strict=True)]
"""True or false, without the strings and numbers that pydantic accepts for them."""
