"""Which small files of events are merged into larger ones.

A file is in the tier of its size; each tier has files of up to ``FANOUT`` times as many rows as the
one below. When a tier of a day has ``FANOUT`` files, they become one. So an event is written a few
times in all, and a day has few files, however often the archive is brought up to date. What is left
of a day that is over is merged too, unless most of it is in one file.
"""

from collections.abc import Sequence

from everruns.archive.manifest import Part

FANOUT = 8
FIRST_TIER_ROWS = 1_000
FULL_ROWS = 500_000
"""A file with so many rows is merged no more; a merged one has few more."""


def mergeable(parts: Sequence[Part], today: str) -> list[list[Part]]:
    """Return groups of files of one day each, to be merged group by group.

    Args:
        parts: All files of events.
        today: The day that is not over, in UTC, such as ``2026-01-31``.
    """
    days: dict[str, list[Part]] = {}
    for part in parts:
        if part.rows < FULL_ROWS:
            days.setdefault(part.day, []).append(part)
    groups: list[list[Part]] = []
    for day, found in sorted(days.items()):
        tiers = _full_tiers(found)
        if not tiers and day < today and _is_worth_it(found):
            tiers = _full(found)
        groups += [group for group in tiers if len(group) > 1]
    return groups


def _full_tiers(parts: Sequence[Part]) -> list[list[Part]]:
    tiers: dict[int, list[Part]] = {}
    for part in parts:
        tiers.setdefault(_tier(part.rows), []).append(part)
    return [group for found in tiers.values() if len(found) >= FANOUT for group in _full(found)]


def _is_worth_it(parts: Sequence[Part]) -> bool:
    """Tell whether merging writes little again besides what is small."""
    *others, largest = sorted(part.rows for part in parts)
    return bool(others) and largest <= FANOUT * sum(others)


def _tier(rows: int) -> int:
    tier, top = 0, FIRST_TIER_ROWS
    while rows >= top:
        tier, top = tier + 1, top * FANOUT
    return tier


def _full(parts: Sequence[Part]) -> list[list[Part]]:
    """Divide files into groups that end with the file by which they are full."""
    groups: list[list[Part]] = [[]]
    rows = 0
    for part in sorted(parts, key=lambda part: part.rows):
        if rows >= FULL_ROWS:
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += part.rows
    return groups
