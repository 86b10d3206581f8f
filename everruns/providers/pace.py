"""The pace of reading: many answers at a time are read in rounds, not piece by piece.

A read costs the same for one token as for twenty. What arrives between two rounds gathers in the
operating system, at no cost, and all answers then have news at the same moment, so that whoever
passes it on can do so in one go.
"""

import asyncio

import structlog
from aiohttp import ClientResponse

from everruns.log import no_ids

# At about 60 µs a read, this many take a sixteenth of a core.
READS_PER_S = 1000
# Shorter rounds would gather nothing.
SHORTEST_ROUND_S = 0.005
LONGEST_ROUND_S = 0.1


log = structlog.get_logger(__name__)


class Pace:
    """The rounds of one event loop.

    The time between two grows with the number of answers being read. A few answers are read as
    they come.

    Attributes:
        answers: How many are being read in rounds.
    """

    def __init__(self) -> None:
        self.answers = 0
        self._paused: list[asyncio.Transport] = []

    def answer(self) -> "AnswerPace":
        """Return the pace of one answer."""
        return AnswerPace(self)

    def count(self, answers: int) -> None:
        """Note that more (or fewer) answers are being read."""
        self.answers += answers

    def pause(self, transport: asyncio.Transport) -> None:
        """Let data gather until the next round."""
        round_s = min(self.answers / READS_PER_S, LONGEST_ROUND_S)
        if round_s < SHORTEST_ROUND_S or not transport.is_reading():
            return
        if not self._paused:
            asyncio.get_running_loop().call_later(round_s, self._resume, context=no_ids())
        transport.pause_reading()
        self._paused.append(transport)

    def _resume(self) -> None:
        paused, self._paused = self._paused, []
        for transport in paused:
            if not transport.is_closing():
                try:
                    transport.resume_reading()
                except Exception:  # The others of the round must go on.
                    log.exception("connection not resumed")
                    transport.abort()


class AnswerPace:
    """The pace of one answer: as it comes until its first words are there, then in rounds.

    Args:
        pace: The rounds.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._is_paced = False

    def begin(self) -> None:
        """Read in rounds from now on."""
        if not self._is_paced:
            self._is_paced = True
            self._pace.count(1)

    def end(self) -> None:
        """Read what is left as it comes."""
        if self._is_paced:
            self._is_paced = False
            self._pace.count(-1)

    def pause(self, response: ClientResponse) -> None:
        """Let more of the answer gather, if it is read in rounds."""
        # The response has given back its connection once all of it has arrived.
        if self._is_paced and (connection := response.connection) is not None:
            transport = connection.transport
            if transport is not None:
                self._pace.pause(transport)
