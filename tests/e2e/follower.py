"""A reader of a session's events that connects again whenever its stream ends."""

import asyncio
import json
from collections import Counter

import httpx

RECONNECT_S = 0.1


class Follower:
    """Reads a session's events for ever: reconnects with the last id, as a browser does."""

    def __init__(self, caller: httpx.AsyncClient, session_id: str) -> None:
        self.session_id = session_id
        self.sequences: list[int] = []
        self.endings: Counter[str] = Counter()
        self._caller = caller
        self._last_id = ""

    async def follow(self) -> None:
        while True:
            await self.read_one_stream()
            await asyncio.sleep(RECONNECT_S)

    async def read_one_stream(self) -> None:
        """Read until the server ends the stream, and note how it did."""
        url = f"/v1/sessions/{self.session_id}/events?after_sequence=0"
        event = ""
        headers = {"Last-Event-ID": self._last_id}
        try:
            async with self._caller.stream("GET", url, headers=headers, timeout=None) as stream:
                assert stream.status_code == 200
                async for line in stream.aiter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        event = value
                    elif name == "id":
                        self._last_id = value
                    elif name == "data" and "sequence" in (data := json.loads(value)):
                        self.sequences.append(data["sequence"])
        except httpx.HTTPError as error:
            event = repr(error)
        self.endings[event] += 1


def stored_sequences(client: httpx.Client, session_id: str) -> list[int]:
    """Return the sequences of a session's stored events."""
    sequences: list[int] = []
    while True:
        events = client.get(
            f"/v1/sessions/{session_id}/events",
            params={"after_sequence": sequences[-1] if sequences else 0, "limit": 1000},
            headers={"accept": "application/json"},
        ).json()["data"]
        if not events:
            return sequences
        sequences += [event["sequence"] for event in events]
