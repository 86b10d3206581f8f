"""The current date and time, in any time zone."""

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from everruns.capabilities.base import Capability
from everruns.tools.base import ToolError
from everruns.tools.function import tool


@tool(repeatable=True)
async def get_current_time(
    timezone: Annotated[
        str | None,
        Field(description="IANA name of a time zone, e.g. 'Europe/Vienna'. Default: UTC."),
    ] = None,
    format: Annotated[  # noqa: A002
        Literal["iso8601", "unix", "human"] | None,
        Field(description="How to write the time. Default: iso8601."),
    ] = None,
) -> dict[str, Any]:
    """Get the current date and time."""
    name = timezone or "UTC"
    try:
        now = datetime.now(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(
            f"Unknown time zone: {name[:100]}. Use an IANA name such as Europe/Vienna or UTC."
        ) from None
    answer = {"format": format or "iso8601", "timezone": name}
    match format:
        case "unix":
            return {"timestamp": int(now.timestamp()), **answer}
        case "human":
            return {"datetime": f"{now:%A, %B %d, %Y at %H:%M:%S %Z}", **answer}
        case _:
            return {"datetime": now.isoformat(timespec="seconds"), **answer}


CURRENT_TIME = Capability(
    id="current_time",
    name="Current Time",
    description="Tells the agent the current date and time in any time zone.",
    icon="clock",
    category="Utilities",
    tools=[get_current_time],
)
