"""Entity tags of files, and requests that are carried out only if a file has them.

Source: docs/contract.md, "Workspace"; RFC 9110, sections 8.8.3 and 13.1.
"""

import re
from typing import Annotated, Any

from fastapi import Depends, Header

from everruns.domain.files import ANY, File, FileCondition
from everruns.errors import InvalidRequest

LONGEST_TAGS = 4096
# A proxy that compresses an answer makes its tag weak. That is accepted too, since our tags differ
# for each state of a file.
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
_MEANINGS = {
    IF_MATCH: "Only if the file still has this `ETag`, or one of several; `*` matches any file.",
    IF_NONE_MATCH: "`*`: only if nothing is at the path yet.",
}
TAG_HEADER: dict[str, Any] = {
    "ETag": {
        "description": "Tells this state of the file from any other.",
        "schema": {"type": "string"},
    }
}
PRECONDITIONS: dict[int | str, dict[str, Any]] = {
    200: {"headers": TAG_HEADER},
    412: {"description": "PreconditionFailed"},
}
"""What routes that take a condition can answer, for the OpenAPI document."""

CONDITION_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": {"type": "string"},
    }
    for name, meaning in _MEANINGS.items()
]


def read_condition(if_match: str | None, if_none_match: str | None) -> FileCondition | None:
    """Return the condition of a request; ``None`` if it has none.

    Raises:
        InvalidRequest: A header is not ``*`` or a list of entity tags.
    """
    if if_match is None and if_none_match is None:
        return None
    return FileCondition(_tags_in(IF_MATCH, if_match), _tags_in(IF_NONE_MATCH, if_none_match))


def _tags_in(name: str, value: str | None) -> list[str] | None:
    if value is None:
        return None
    if value.strip() == ANY:
        return [ANY]
    if len(value) > LONGEST_TAGS or _TAGS.fullmatch(value.strip()) is None:
        raise InvalidRequest(f'{name}: must be * or entity tags in quotes, such as "9f2c"')
    return _TAG.findall(value)


def tagged(file: File) -> dict[str, str]:
    """Return the header that says in which state a file is."""
    return {"ETag": f'"{file.tag}"'}


async def _condition(
    if_match: Annotated[str | None, Header(alias=IF_MATCH, description=_MEANINGS[IF_MATCH])] = None,
    if_none_match: Annotated[
        str | None, Header(alias=IF_NONE_MATCH, description=_MEANINGS[IF_NONE_MATCH])
    ] = None,
) -> FileCondition | None:
    return read_condition(if_match, if_none_match)


TheCondition = Annotated[FileCondition | None, Depends(_condition)]
"""What has to be true of a file for a request to change it."""
