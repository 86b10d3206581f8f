"""The periods after which a budget renews: days, weeks and months of the calendar, in UTC.

Source: docs/contract.md, "Budget".
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import model_validator

from everruns.domain.base import Model

PeriodUnit = Literal["day", "week", "month"]
# Months have at most 31 days, so this long after the first of one is in the next.
BEYOND_A_MONTH = timedelta(days=32)


class Period(Model):
    """How often a budget renews. A plain ``month`` stands for the object with this unit."""

    type: Literal["calendar"] = "calendar"
    unit: PeriodUnit

    @model_validator(mode="before")
    @classmethod
    def _expand_unit(cls, value: Any) -> Any:
        return {"unit": value} if isinstance(value, str) else value

    def bounds_ms(self, now_ms: int) -> tuple[int, int]:
        """Return when the current period began, and when the next one begins.

        Args:
            now_ms: Milliseconds since the epoch.
        """
        now = datetime.fromtimestamp(now_ms // 1000, UTC)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        match self.unit:
            case "day":
                start, end = day, day + timedelta(days=1)
            case "week":
                # ISO 8601: weeks begin on Monday.
                start = day - timedelta(days=day.weekday())
                end = start + timedelta(days=7)
            case "month":
                start = day.replace(day=1)
                end = (start + BEYOND_A_MONTH).replace(day=1)
        return round(start.timestamp()) * 1000, round(end.timestamp()) * 1000
