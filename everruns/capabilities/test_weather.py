"""Made-up weather for testing tool calls: the same place always has the same weather."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from everruns.capabilities.base import Capability
from everruns.ids import format_time, now_ms
from everruns.tools.function import tool

CONDITIONS = ("sunny", "partly cloudy", "cloudy", "rainy", "windy")
MAX_DAYS = 7
DEFAULT_DAYS = 3

Location = Annotated[str, Field(description="Name of a city or place.")]
Units = Annotated[
    Literal["celsius", "fahrenheit"] | None,
    Field(description="Unit of temperatures. Default: celsius."),
]


@tool(repeatable=True)
async def get_weather(location: Location, units: Units = None) -> dict[str, Any]:
    """Get the current weather of a place (made up)."""
    seed = _seed(location)
    return {
        "location": location,
        "temperature": _temperature(seed % 35 + 5, units),
        "units": units or "celsius",
        "conditions": CONDITIONS[seed % 5],
        "humidity": seed % 50 + 30,
        "wind_speed_kmh": seed % 30 + 5,
        "timestamp": format_time(now_ms()),
    }


@tool(repeatable=True)
async def get_forecast(
    location: Location,
    days: Annotated[
        int | None, Field(description="Number of days, 1 to 7. Default: 3; more count as 7.")
    ] = None,
    units: Units = None,
) -> dict[str, Any]:
    """Get the weather forecast of a place for up to seven days (made up)."""
    count = min(max(DEFAULT_DAYS if days is None else days, 1), MAX_DAYS)
    return {
        "location": location,
        "units": units or "celsius",
        "days": count,
        "forecast": [_day(_seed(location), index, units) for index in range(count)],
    }


def _day(seed: int, index: int, units: str | None) -> dict[str, Any]:
    value = seed + 7 * index
    high = value % 35 + 5
    return {
        "date": (datetime.now(UTC) + timedelta(days=index)).date().isoformat(),
        "high": _temperature(high, units),
        "low": _temperature(high - 8 - value % 5, units),
        "conditions": CONDITIONS[value % 5],
        "precipitation_chance": value % 100,
    }


def _seed(location: str) -> int:
    return sum(location.encode("utf-8", "replace")) % 2**32


def _temperature(celsius: int, units: str | None) -> float:
    return celsius * 9 / 5 + 32 if units == "fahrenheit" else float(celsius)


TEST_WEATHER = Capability(
    id="test_weather",
    name="Test Weather",
    description="Tools with made-up weather, to test tool calls with.",
    icon="cloud-sun",
    category="Testing",
    system_prompt="You have weather tools (get_weather, get_forecast). Their data is made up.",
    tools=[get_weather, get_forecast],
)
