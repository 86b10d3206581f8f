"""Logs as turns leave them, written without a model: what a database is filled with."""

from collections.abc import Sequence

from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.messages import ContentPart, Message, Role, TextPart, ToolCallPart
from everruns.domain.sessions import Session
from everruns.domain.usage import Usage
from everruns.ids import (
    DEFAULT_ORGANIZATION_ID,
    GENERIC_HARNESS_ID,
    format_time,
    new_id,
    now_ms,
)

TEXT = "It asks for the weather of several cities and wants a short summary with the figures. " * 20
USAGE = Usage(input_tokens=1000, output_tokens=100).wire()


def make_session(agent_id: str, number: int) -> Session:
    """Return a new session of an agent; one in three has a title."""
    identity, now = new_id("session"), format_time(now_ms())
    return Session(
        id=identity,
        agent_id=agent_id,
        title=None if number % 3 else f"Weather {number}",
        harness_id=GENERIC_HARNESS_ID,
        organization_id=DEFAULT_ORGANIZATION_ID,
        workspace_id=identity.replace("session_", "workspace_"),
        created_at=now,
        updated_at=now,
    )


class Log:
    """Writes the log of one session, turn by turn.

    Args:
        session_id: Whose log it is.
        sequence: The last event that is stored already.
    """

    def __init__(self, session_id: str, sequence: int = 0) -> None:
        self._session_id = session_id
        self._sequence = sequence
        self._ms = now_ms()
        self._context: dict[str, str] = {}

    def opening(self) -> list[Event]:
        """Return what a user's message leaves: itself, and the turn that it begins."""
        message = self._message("user", [TextPart(text=TEXT[:90])])
        self._context = {"turn_id": new_id("turn"), "input_message_id": message.id}
        keyed = {"idempotency": {"key": "0" * 64, "request": "1" * 64}}
        data = {"message": message.wire()}
        return [
            self._at(NewEvent(EventType.MESSAGE_CREATED, data, {**self._context, **keyed})),
            self._at(NewEvent(EventType.SESSION_STARTED, self._context, self._context)),
        ]

    def tool_use(self) -> list[Event]:
        """Return what a step with one tool call leaves: the answer, the call and its result."""
        arguments = {"location": "Reykjavík", "days": 3}
        part = ToolCallPart(id=new_id("call"), name="get_weather", arguments=arguments)
        call = {"id": part.id, "name": part.name, "arguments": arguments}
        message_id, answer = self._answer([TextPart(text=TEXT[:60]), part], "tool_calls")
        result = {"summary": TEXT[:500], "temperature": 11.5}
        return [
            answer,
            self._event(EventType.TOOL_CALL, {"tool_call": call, "message_id": message_id}),
            self._event(
                EventType.TOOL_RESULT,
                {
                    "tool_call_id": part.id,
                    "name": part.name,
                    "success": True,
                    "result": result,
                    "duration_ms": 12,
                },
            ),
        ]

    def ending(self) -> list[Event]:
        """Return what the last step of a turn leaves: the answer and the turn's end."""
        message_id, answer = self._answer([TextPart(text=TEXT[:400])], "stop")
        completed = {
            "turn_id": self._context["turn_id"],
            "iterations": 2,
            "duration_ms": 900,
            "usage": USAGE,
            "final_message_id": message_id,
        }
        return [answer, self._event(EventType.SESSION_COMPLETED, completed)]

    def _answer(self, content: Sequence[ContentPart], reason: str) -> tuple[str, Event]:
        message = self._message("agent", content)
        data = {
            "message": message.wire(),
            "usage": USAGE,
            "model": "simulated/model",
            "finish_reason": reason,
            "input_sequence": self._sequence,
        }
        return message.id, self._event(EventType.MESSAGE_CREATED, data)

    def _message(self, role: Role, content: Sequence[ContentPart]) -> Message:
        return Message(
            id=new_id("message"),
            session_id=self._session_id,
            role=role,
            content=list(content),
            sequence=self._sequence + 1,
            created_at=format_time(self._ms),
        )

    def _event(self, kind: EventType, data: dict[str, object]) -> Event:
        return self._at(NewEvent(kind, data, self._context))

    def _at(self, new: NewEvent) -> Event:
        self._sequence += 1
        return new.at(self._session_id, self._sequence, self._ms)


def long_log(session_id: str, events: int) -> list[Event]:
    """Return the log of a session whose every turn calls a tool, cut off at so many events."""
    log = Log(session_id)
    written: list[Event] = []
    while len(written) < events:
        written += [*log.opening(), *log.tool_use(), *log.ending()]
    return written[:events]
