"""Figures as people read them."""

from datetime import UTC, datetime

UNKNOWN = "-"
_SIZES = ("B", "kB", "MB", "GB", "TB")


def size(size_bytes: float | None) -> str:
    """Return a size, e.g. ``12.3 MB``."""
    if size_bytes is None:
        return UNKNOWN
    for unit in _SIZES[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} {_SIZES[-1]}"


def span(seconds: float | None) -> str:
    """Return a stretch of time, e.g. ``850 ms``, ``4.2 s``, ``3 min`` or ``2 d 4 h``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def age(time: str | None, now: datetime | None = None) -> str:
    """Return how long ago a time was.

    Args:
        time: The time, as the API writes it.
        now: The time of now, if it is not this machine's.
    """
    if time is None:
        return UNKNOWN
    passed = (now or datetime.now(UTC)) - datetime.fromisoformat(time)
    return span(max(0.0, passed.total_seconds()))


def count(number: float | None) -> str:
    """Return a number with separators, e.g. ``12,345``."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def rate(per_second: float | None) -> str:
    """Return a rate, e.g. ``0.25`` or ``1,250``."""
    if per_second is None:
        return UNKNOWN
    return f"{per_second:.2f}" if per_second < 10 else f"{per_second:,.0f}"


def money(usd: float | None) -> str:
    """Return an amount of US dollars; small ones with more digits."""
    if usd is None:
        return UNKNOWN
    amount, sign = abs(usd), "-" if usd < 0 else ""
    return f"{sign}${amount:,.2f}" if amount >= 1 or not amount else f"{sign}${amount:.4f}"


def local(time: str) -> str:
    """Return a time as this machine's clock shows it, to the second."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(time: str) -> str:
    """Return how long ago a time was, e.g. ``3 min ago``."""
    return f"{age(time)} ago"
