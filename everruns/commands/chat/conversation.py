"""A conversation with a server: what is sent, and what comes.

The stream of the session's events is the truth: what is sent here is shown once it comes back, and
what others send or decide is shown in the same way.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from rich.text import Text

from everruns.commands.chat.asking import Asking, Reply
from everruns.commands.chat.lines import elapsed, note
from everruns.commands.chat.transcript import Transcript
from everruns.commands.following import follow
from everruns.commands.server import Server
from everruns.domain.events import EventType
from everruns.errors import InvalidRequest
from everruns.ids import MAX_SEQUENCE, new_id, now_ms

# A server needs some 20 s to start again.
PATIENCE_S = 60.0
# Of a conversation that goes on.
EVENTS_BEFORE = 200
TURNS_BEFORE = 3
MAX_UNSENT = 20
UNSEEN = (EventType.CAPABILITIES_PREPARED,)
# A connection that was lost for less is not worth a line.
NOTABLE_MS = 2000

Lines = Sequence[Text]


class Conversation:
    """One session, or one that begins with the first message.

    Args:
        api: The server.
        agent_id: The agent of a session that is to begin; ``None`` for none.
        session_id: The session that goes on.
        model: The model that answers, if it is not the agent's.
        show: Prints lines; told whenever something has changed, with the lines that this brings.

    Attributes:
        session_id: The session; ``None`` before the first message.
        transcript: What was said.
        unsent: Messages that have not come back yet, oldest first.
        cut_off_since_ms: Since when the connection is lost, if it is.
        model: The model that answers, if one was chosen.
    """

    def __init__(
        self,
        api: Server,
        agent_id: str | None,
        session_id: str | None,
        model: str | None,
        show: Callable[[Lines], None],
    ) -> None:
        self.api = api
        self.session_id = session_id
        self.model = model
        self.transcript = Transcript()
        self.unsent: list[str] = []
        self.cut_off_since_ms: int | None = None
        self._agent_id = agent_id
        self._show = show
        self._began: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._in_order = asyncio.Lock()
        self._answered: set[Asking] = set()

    @property
    def is_turn_open(self) -> bool:
        """Whether the agent works, or is about to."""
        return self.transcript.turn_since_ms is not None or bool(self.unsent)

    def asking(self) -> Asking | None:
        """Return what is to be answered first; not what is being answered."""
        all_asking = self.transcript.all_asking()
        return next((asking for asking in all_asking if asking not in self._answered), None)

    async def follow(self) -> None:
        """Show the session's events as they come, from its last turns on, until it is deleted.

        Raises:
            EverrunsError: The server refuses.
        """
        if self.session_id is not None:
            await self._read_before(self.session_id)
            self._began.set_result(self.session_id)
        events = follow(
            self.api,
            await self._began,
            self.transcript.sequence,
            exclude=UNSEEN,
            interrupted=self._cut_off,
            connected=self._connected,
        )
        async with aclosing(events):
            async for event in events:
                self._take(event)

    async def _read_before(self, session_id: str) -> None:
        """Show the last turns of a session that goes on."""
        listed = await self.api.call(
            "GET",
            f"/v1/sessions/{session_id}/events/list",
            query={"before_sequence": MAX_SEQUENCE, "limit": EVENTS_BEFORE},
        )
        events: list[dict[str, Any]] = listed["data"]
        starts = [at for at, event in enumerate(events) if _begins_turn(event)]
        first = starts[-TURNS_BEFORE] if len(starts) >= TURNS_BEFORE else 0
        if events and events[first]["sequence"] > 1:
            self._show([note("…")])
        for at, event in enumerate(events):
            shown = self.transcript.apply(event)
            if at >= first:
                self._show(shown)

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "message.created" and event["data"]["message"]["role"] == "user":
            self._came_back(event["data"]["message"])
        shown = self.transcript.apply(event)
        self._answered.intersection_update(self.transcript.all_asking())
        self._show(shown)

    def _came_back(self, message: dict[str, Any]) -> None:
        said = "".join(part.get("text", "") for part in message["content"])
        if said in self.unsent:
            self.unsent.remove(said)

    def _cut_off(self, _reason: str) -> None:
        if self.cut_off_since_ms is None:
            self.cut_off_since_ms = now_ms()
            self._show([])

    def _connected(self) -> None:
        since_ms, self.cut_off_since_ms = self.cut_off_since_ms, None
        if since_ms is not None and now_ms() - since_ms >= NOTABLE_MS:
            self._show([note(f"The connection was lost for {elapsed(since_ms, now_ms())}.")])

    async def say(self, text: str) -> None:
        """Send a message, which begins a turn or steers the one that runs.

        Raises:
            InvalidRequest: Too many are on their way.
            EverrunsError: The server refuses it, or cannot be reached.
        """
        if len(self.unsent) >= MAX_UNSENT:
            raise InvalidRequest("Wait until your messages before this one have been sent.")
        self.unsent.append(text)
        self._show([])
        try:
            async with self._in_order:
                session_id = await self._session()
                body = {"content": text, **self._controls()}
                await self._post(f"/v1/sessions/{session_id}/messages", body)
        except BaseException:
            if text in self.unsent:
                self.unsent.remove(text)
            raise

    async def _session(self) -> str:
        if self.session_id is None:
            body = {} if self._agent_id is None else {"agent_id": self._agent_id}
            created = await self._post("/v1/sessions", body)
            self.session_id = str(created["id"])
            self._began.set_result(self.session_id)
        return self.session_id

    def _controls(self) -> dict[str, Any]:
        return {} if self.model is None else {"controls": {"model_id": self.model}}

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self.api.call(
            "POST", path, body, idempotency_key=new_id("chat"), patience_s=PATIENCE_S
        )

    async def reply(self, asking: Asking, reply: Reply) -> None:
        """Answer what a call asks; until that comes back it is not asked again.

        Raises:
            EverrunsError: The server refuses it, or cannot be reached. Then it is asked again,
                unless somebody else has answered.
        """
        self._answered.add(asking)
        self._show([])
        try:
            # Input that is sent again changes nothing.
            await self.api.call("POST", self._path(reply.path), reply.body, patience_s=PATIENCE_S)
        except BaseException:
            self._answered.discard(asking)
            self._show([])
            raise

    async def give_result(self, result: dict[str, Any]) -> None:
        """Give the result of the oldest call that waits for a client.

        Args:
            result: ``result`` or ``error``, as the route takes them.

        Raises:
            InvalidRequest: No call waits for a client.
            EverrunsError: The server refuses it, or cannot be reached.
        """
        calls = self.transcript.calls.items()
        call_id = next((call_id for call_id, call in calls if call.is_for_client), None)
        if call_id is None:
            raise InvalidRequest("No call waits for a client's result.")
        body = {"tool_results": [{"tool_call_id": call_id, **result}]}
        await self.api.call("POST", self._path("tool-results"), body, patience_s=PATIENCE_S)

    async def stop(self) -> None:
        """End the open turn.

        Raises:
            EverrunsError: The server cannot be reached.
        """
        await self.api.call("POST", self._path("cancel"), patience_s=PATIENCE_S)

    async def retry(self) -> None:
        """Start the last turn again, with the chosen model.

        Raises:
            EverrunsError: There is no turn, or it is open.
        """
        await self._post(self._path("retry"), self._controls())

    async def events(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest stored events.

        Raises:
            EverrunsError: The server refuses.
        """
        query = {"before_sequence": MAX_SEQUENCE, "limit": limit}
        listed = await self.api.call("GET", self._path("events/list"), query=query)
        return listed["data"]

    async def files(self) -> list[dict[str, Any]]:
        """Return the files of the session's workspace.

        Raises:
            EverrunsError: The server refuses.
        """
        session = await self.api.call("GET", self._path(""))
        path = f"/v1/workspaces/{session['workspace_id']}/fs"
        listed = await self.api.call("GET", path, query={"recursive": "true"})
        return [file for file in listed["data"] if not file["is_directory"]]

    def _path(self, name: str) -> str:
        if self.session_id is None:
            raise InvalidRequest("The conversation begins with your first message.")
        return f"/v1/sessions/{self.session_id}/{name}".rstrip("/")


def _begins_turn(event: dict[str, Any]) -> bool:
    return event["type"] == "message.created" and event["data"]["message"]["role"] == "user"
