"""Prices and context windows of models that the catalogue does not know.

They come from the package ``genai-prices``, whose data stays in memory with 70 MB once it is
imported. So it is looked up in a child process, which ends by itself soon afterwards. The package
is never asked to update its data over the network.

Source: https://github.com/pydantic/genai-prices.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import structlog

from everruns.domain.llm import ModelCost, ModelLimits, ModelProfile
from everruns.log import error_kind
from everruns.tools.child_processes import ChildFailure, ChildProcesses

LOOK_UP_TIMEOUT_S = 10.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Prices:
    """Looks up prices in a child process."""

    def __init__(self) -> None:
        self._children: ChildProcesses | None = None

    async def find(self, address: str, names: Sequence[str]) -> dict[str, ModelProfile]:
        """Return what is known of a provider's models, by name; unknown ones are left out.

        Args:
            address: Where the provider is asked.
            names: The provider's names of the models.
        """
        if not names or not _is_public(address):
            return {}
        if self._children is None:
            self._children = ChildProcesses(1)
        question = orjson.dumps({"address": address, "names": names})
        try:
            answer = await self._children.run(look_up, [question], LOOK_UP_TIMEOUT_S)
        except ChildFailure as failure:
            log.warning("prices not looked up", error=error_kind(failure))
            return {}
        found: dict[str, Any] = orjson.loads(answer)
        return {name: ModelProfile.model_validate(fields) for name, fields in found.items()}

    def close(self) -> None:
        """End the child process."""
        if self._children is not None:
            self._children.close()


def look_up(frames: Iterator[bytes]) -> bytes:
    """Answer a question of ``Prices.find``; runs in a child process."""
    # Heavy, and only the child may hold it.
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    question = orjson.loads(next(frames))
    snapshot = get_snapshot()
    now = datetime.now(UTC)
    found: dict[str, Any] = {}
    for name in question["names"]:
        try:
            _, model = snapshot.find_provider_model(name, None, None, question["address"])
        except LookupError:
            continue
        window = model.context_window
        profile = ModelProfile.unknown(model.name or name).model_copy(
            update={
                "cost": _cost(cast("Any", model.get_prices(now))),
                "limits": ModelLimits(context=window) if window else None,
            }
        )
        found[name] = profile.model_dump(mode="json")
    return orjson.dumps(found)


def _cost(prices: Any) -> ModelCost | None:
    """Return the prices for short prompts."""
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    # Prices in tiers have a base.
    values = [getattr(prices, name, None) for name in names]
    read, written, cache_read, cache_write = (
        float(base) if isinstance(base := getattr(value, "base", value), Decimal) else None
        for value in values
    )
    if read is None or written is None:
        return None
    return ModelCost(input=read, output=written, cache_read=cache_read, cache_write=cache_write)


def _is_public(address: str) -> bool:
    """Tell whether an address may be a vendor's, as opposed to a server of one's own."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return parts.scheme == "https" and "." in host
    return False
