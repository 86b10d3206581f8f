"""``everruns traces export``: sends the traces of turns that have ended, from a server's logs.

What it sends has the ids that the server's own export has, so a backend that was sent a span before
has it once.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.naming import checked_id
from everruns.commands.output import err
from everruns.commands.server import Server, with_server
from everruns.commands.times import FORMS, time_of
from everruns.domain.events import TURN_ENDS, Event
from everruns.errors import InvalidRequest, NotFound, Unavailable
from everruns.ids import MAX_SEQUENCE, format_time, parse_time
from everruns.settings_loading import load_settings
from everruns.telemetry.spans import Owner, spans_of
from everruns.telemetry.turn_records import TurnRecord, extended

if TYPE_CHECKING:
    from everruns.telemetry.export import Exporter
    from everruns.telemetry.traces import TraceRule

PAGE_EVENTS = 200
PAGE_SESSIONS = 100
PATIENCE_S = 60.0
traces = typer.Typer(help="Traces of turns, for a collector.", no_args_is_help=True)


@traces.command("export")
def export(
    session: Annotated[
        list[str] | None, typer.Argument(help="Sessions, all of whose turns are sent.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help=f"Send the turns of all sessions that have ended since then: {FORMS}."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(help="Where to send them, instead of the setting trace_endpoint."),
    ] = None,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Send the traces of turns that have ended, again or for the first time.

    Which turns --since sends, and with what, is said by the settings trace_sample and
    trace_content; headers come from trace_headers.
    """
    if bool(session) == bool(since):
        raise InvalidRequest("Name either sessions or --since.")
    session_ids = [checked_id(given, "session") for given in session or ()]
    settings = load_settings(data_dir=data_dir, trace_endpoint=endpoint)
    if settings.trace_endpoint is None:
        raise InvalidRequest("Name --endpoint, or set EVERRUNS_TRACE_ENDPOINT.")
    # Only now: other commands start faster without them.
    from everruns.telemetry.export import Collector, Exporter  # noqa: PLC0415
    from everruns.telemetry.traces import TraceRule  # noqa: PLC0415

    headers = settings.trace_headers.get_secret_value() if settings.trace_headers else ""
    collector = Collector.of(settings.trace_endpoint, headers, settings.trace_resource)
    rule = TraceRule(settings.trace_sample if since else 1.0, settings.trace_content)
    since_ms = time_of("--since", since) if since else None

    async def send(api: Server) -> tuple[int, int, int]:
        dropped: list[int] = []
        exporter = Exporter(collector, dropped.append)
        running = asyncio.create_task(exporter.run())
        try:
            turns = await _Export(api, exporter, rule).run(session_ids, since_ms)
        finally:
            running.cancel()
        return turns, exporter.sent, sum(dropped)

    turns, sent, dropped = with_server(send, server, key_file, data_dir)
    err.print(f"Sent {sent:,} spans of {turns:,} turns.", highlight=False)
    if dropped:
        raise Unavailable(
            f"The collector did not take {dropped:,} spans. Look at what it says, and send them "
            "again."
        )


class _Export:
    """Reads turns and hands their spans on.

    Args:
        api: The server.
        exporter: Sends them; it runs.
        rule: Which turns, and with what.
    """

    def __init__(self, api: Server, exporter: "Exporter", rule: "TraceRule") -> None:
        self._api = api
        self._exporter = exporter
        self._rule = rule
        self._names: dict[str, str | None] = {}
        self._turns = 0

    async def run(self, session_ids: list[str], since_ms: int | None) -> int:
        """Send the turns of these sessions, or of those since a time; return how many."""
        with err.status("Reading") as status:
            async for session in self._sessions(session_ids, since_ms):
                try:
                    async for turn_id in self._ended_turns(session, since_ms):
                        await self._send(session, turn_id)
                        status.update(
                            f"Sent {self._exporter.sent:,} spans of {self._turns:,} turns"
                        )
                except NotFound:
                    if session["id"] in session_ids:
                        raise
                    # It was deleted meanwhile, and the others have nothing to do with that.
            await self._flush()
        return self._turns

    async def _sessions(
        self, session_ids: list[str], since_ms: int | None
    ) -> AsyncIterator[Mapping[str, Any]]:
        for session_id in session_ids:
            yield await self._read(f"/v1/sessions/{session_id}")
        if since_ms is None:
            return
        # Oldest first, so that what changes meanwhile comes later and is not skipped.
        query = {"sort": "updated", "order": "asc", "limit": PAGE_SESSIONS}
        seen: set[str] = set()
        after = format_time(since_ms)
        while True:
            page = await self._read("/v1/sessions", **query, updated_after=after)
            fresh = [one for one in page["data"] if one["id"] not in seen]
            if not fresh:
                return
            for session in fresh:
                seen.add(session["id"])
                yield session
            after = fresh[-1]["updated_at"]

    async def _ended_turns(
        self, session: Mapping[str, Any], since_ms: int | None
    ) -> AsyncIterator[str]:
        """Yield the turns that have ended in a session since a time, newest first."""
        # The events up to there are copies, whose turns are those of the source.
        first = session.get("forked_from_sequence") or 0
        before: int | None = None
        while True:
            ends = await self._events(
                session["id"],
                types=",".join(sorted(TURN_ENDS)),
                before_sequence=before or MAX_SEQUENCE,
            )
            for event in reversed(ends):
                if event.sequence <= first or event.ts < (since_ms or 0):
                    return
                if event.turn_id:
                    yield event.turn_id
            if not ends:
                return
            before = ends[0].sequence

    async def _send(self, session: Mapping[str, Any], turn_id: str) -> None:
        record: TurnRecord | None = None
        after = 0
        while events := await self._events(session["id"], turn_id=turn_id, after_sequence=after):
            record = extended(record, events, with_contents=self._rule.with_content)
            after = events[-1].sequence
        trace = self._rule.trace_of(record) if record else None
        if record is None or trace is None:
            return
        agent_id = session.get("agent_id")
        owner = Owner(agent_id, await self._agent_name(agent_id), session.get("end_user"))
        if not self._exporter.has_room():
            await self._flush()
        self._exporter.put(spans_of(record, trace, owner))
        self._turns += 1

    async def _flush(self) -> None:
        if not await self._exporter.flush(PATIENCE_S):
            raise Unavailable(
                f"The collector takes no spans. {self._exporter.sent:,} were sent; run the command "
                "again once it does."
            )

    async def _events(self, session_id: str, **query: Any) -> list[Event]:
        page = await self._read(
            f"/v1/sessions/{session_id}/events/list", **query, limit=PAGE_EVENTS
        )
        return [_event(envelope) for envelope in page["data"]]

    async def _agent_name(self, agent_id: str | None) -> str | None:
        if agent_id is None:
            return None
        if agent_id not in self._names:
            try:
                self._names[agent_id] = (await self._read(f"/v1/agents/{agent_id}"))["name"]
            except NotFound:
                self._names[agent_id] = None
        return self._names[agent_id]

    async def _read(self, path: str, **query: Any) -> Any:
        return await self._api.call("GET", path, query=query, patience_s=PATIENCE_S)


def _event(envelope: Mapping[str, Any]) -> Event:
    """Return an event as the log has it."""
    return Event(
        envelope["session_id"],
        envelope["sequence"],
        envelope["id"],
        envelope["type"],
        envelope["context"].get("turn_id"),
        parse_time(envelope["ts"]),
        orjson.dumps(envelope),
    )
