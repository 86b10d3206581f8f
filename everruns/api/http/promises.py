"""Fields of the wider Everruns API that promise something which this server does not do.

Other fields that it does not know change nothing where they are ignored. These would protect
somebody or act for somebody, so a request that sets one is refused.

Source: docs/sdk.md, "What is different".
"""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel

from everruns.errors import NotImplementedHere

PROMISES: Mapping[str, str] = {
    "agent_identity_id": "Sessions do not act under identities.",
    "network_access": (
        "This server does not limit the network by agent or session. Leave out capabilities that "
        "reach it, such as web_fetch."
    ),
}


def refuse_promises(model: type[BaseModel], value: Any) -> None:
    """Refuse a value that asks for something that is not offered.

    Args:
        model: The type of the value; its own fields are offered.
        value: The value as it was sent.

    Raises:
        NotImplementedHere: The message names the field and the reason.
    """
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    for name in PROMISES.keys() & given.keys() - model.model_fields.keys():
        if _asks(given[name]):
            raise NotImplementedHere(f"{name}: {PROMISES[name]}")


def _asks(value: Any) -> bool:
    """Tell whether a value asks for anything: clients send empty ones by default."""
    if isinstance(value, dict):
        return any(map(_asks, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return any(map(_asks, cast("list[Any]", value)))
    return value not in (None, "")
