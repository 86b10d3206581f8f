"""Pace: for how long deltas gather, by what it costs this process to deliver them.

A delta costs about the same whether it has one word or ten. A process that spends more than a share
of its time on deltas asks for fewer and longer ones, before it falls behind.
"""

# That of a host, unless ``delta_pace_ms`` says otherwise.
USUAL_PACE_S = 0.025
LONGEST_PACE_S = 0.1
SHARE = 0.25
WINDOW_S = 0.25


class Pace:
    """The pace of all feeds of one process.

    Args:
        now: Seconds of a monotonic clock.

    Attributes:
        interval_s: Seconds for which deltas should gather; 0 while the host's own pace will do.
    """

    def __init__(self, now: float) -> None:
        self.interval_s = 0.0
        self._since = now
        self._spent_s = 0.0

    def spend(self, seconds: float, now: float) -> None:
        """Take note of time that was spent on delivering.

        Args:
            seconds: How much.
            now: When it had been spent, on the clock of the constructor.
        """
        self._spent_s += seconds
        passed_s = now - self._since
        if passed_s < WINDOW_S:
            return
        # Twice the interval halves the number of deltas, and so what they cost.
        wanted_s = max(self.interval_s, USUAL_PACE_S) * self._spent_s / passed_s / SHARE
        self.interval_s = min(wanted_s, LONGEST_PACE_S) if wanted_s > USUAL_PACE_S else 0.0
        self._since, self._spent_s = now, 0.0
