"""Times as people write them in options: a day, a moment, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from everruns.errors import InvalidRequest
from everruns.ids import now_ms

FORMS = "10m, 2h or 3d ago, or a day or time such as 2026-01-31 or 2026-01-31T10:00, in UTC"
"""The forms of a time, for the help of an option."""

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def time_of(option: str, given: str, now: int | None = None) -> int:
    """Return the time that an option names, in milliseconds since the epoch; 0 for earlier ones.

    Args:
        option: The option, for the message.
        given: How long ago, such as ``10m``; or a day or a time, in UTC unless it says otherwise.
        now: The present time, in milliseconds since the epoch, if it is not this machine's.

    Raises:
        InvalidRequest: It is neither.
    """
    if ago := _AGO.fullmatch(given):
        passed = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return max(0, (now_ms() if now is None else now) - passed // timedelta(milliseconds=1))
    try:
        time = datetime.fromisoformat(given)
        in_utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{option} {given[:64]}: must be how long ago, such as 30s, 10m, 2h or 1d, or a day or "
            "time such as 2026-01-31 or 2026-01-31T10:00, in UTC."
        ) from None
    return max(0, round(in_utc.timestamp() * 1000))
