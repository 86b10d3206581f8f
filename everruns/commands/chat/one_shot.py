"""One message, and its answer: a conversation for scripts."""

from contextlib import aclosing
from typing import Any

from everruns.commands.chat.conversation import PATIENCE_S
from everruns.commands.chat.drafts import Draft
from everruns.commands.chat.lines import harmless_lines, in_one_line
from everruns.commands.following import follow
from everruns.commands.output import Output, err, out, print_json
from everruns.commands.server import Server
from everruns.domain.events import TURN_ENDS, EventType
from everruns.domain.questions import ASK_USER
from everruns.errors import Conflict, EverrunsError
from everruns.ids import new_id


async def send_and_print(
    api: Server,
    agent_id: str | None,
    session_id: str | None,
    model: str | None,
    message: str,
    output: Output,
) -> None:
    """Send a message and print what is answered.

    Text is printed as it comes, as it is where it is piped. JSON is one object: ``session_id``,
    ``turn_id``, ``answer``, ``value`` of a structured answer, ``usage`` and ``duration_ms``.

    Args:
        api: The server.
        agent_id: The agent of a new session.
        session_id: The session that goes on.
        model: The model that answers.
        message: The message.
        output: The form of what is printed.

    Raises:
        Conflict: The turn waits for somebody.
        EverrunsError: The turn failed or was stopped, or the server refuses.
    """
    if session_id is None:
        body = {} if agent_id is None else {"agent_id": agent_id}
        session_id = str((await _post(api, "/v1/sessions", body))["id"])
    controls = {} if model is None else {"controls": {"model_id": model}}
    sent = await _post(api, f"/v1/sessions/{session_id}/messages", {"content": message, **controls})
    turn = _Turn(session_id, is_printing=output is Output.TABLE)
    # Events before the message belong to an open turn that it steers.
    async with aclosing(follow(api, session_id, sent["sequence"] - 1)) as events:
        async for event in events:
            turn.take(event)
            if event["type"] in TURN_ENDS:
                turn.end(event)
                break
    if output is Output.JSON:
        print_json(turn.answer)


async def _post(api: Server, path: str, body: dict[str, Any]) -> Any:
    key = new_id("chat")
    return await api.call("POST", path, body, idempotency_key=key, patience_s=PATIENCE_S)


class _Turn:
    """The turn that answers.

    Args:
        session_id: Its session.
        is_printing: Whether text is printed as it comes.
    """

    def __init__(self, session_id: str, *, is_printing: bool) -> None:
        self.answer: dict[str, Any] = {"session_id": session_id}
        self._is_printing = is_printing
        self._draft: Draft | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Take an event; print the text that it brings.

        Raises:
            Conflict: It asks for somebody outside.
        """
        data = event["data"]
        match event["type"]:
            case EventType.MESSAGE_DELTA:
                if self._draft is None or self._draft.message_id != data["message_id"]:
                    self._draft = Draft(data["message_id"])
                self._print(self._draft.add(data["offset"], data["delta"]))
            case EventType.MESSAGE_CREATED if data["message"]["role"] == "agent":
                self._finish(data["message"])
            case EventType.TOOL_CALL if data.get("client_side"):
                name = data["tool_call"]["name"]
                if name == ASK_USER:
                    self._refuse_to_wait(name)
                err.print(f"The call of {in_one_line(name, 64)} waits for its client.", style="dim")
            case EventType.TOOL_APPROVAL if data["status"] == "requested":
                self._refuse_to_wait(data["name"])
            case _:
                pass

    def _finish(self, message: dict[str, Any]) -> None:
        draft = self._draft
        if draft is None or draft.message_id != message["id"]:
            draft = Draft(message["id"])
        self._draft = None
        parts: list[dict[str, Any]] = message["content"]
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        self._print(draft.finish(text))
        self.answer["answer"] = text
        for part in parts:
            if part["type"] == "output" and not part.get("error"):
                self.answer["value"] = part.get("value")

    def _print(self, lines: list[str]) -> None:
        if not self._is_printing:
            return
        for line in lines:
            shown = harmless_lines(line) if out.is_terminal else [line]
            out.file.write(f"{shown[0]}\n")
        out.file.flush()

    def _refuse_to_wait(self, name: str) -> None:
        session_id = self.answer["session_id"]
        raise Conflict(
            f"The call of {in_one_line(name, 64)} waits for somebody. Answer it with: everruns chat"
            f" --session {session_id}"
        )

    def end(self, event: dict[str, Any]) -> None:
        """Take the event that ends the turn.

        Raises:
            EverrunsError: It failed, or somebody has stopped it.
        """
        data = event["data"]
        if event["type"] == EventType.SESSION_FAILED:
            error = data["error"]
            raise EverrunsError(f"{in_one_line(error['message'], 2000)} ({error['code']})")
        if event["type"] == EventType.SESSION_CANCELLED:
            raise Conflict("Somebody has stopped the turn.")
        for name in ("turn_id", "usage", "duration_ms"):
            self.answer[name] = data[name]
