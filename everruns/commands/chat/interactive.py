"""A conversation in which somebody types."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from rich.text import Text

from everruns.commands.chat.asking import Approval, Asking, NotAnAnswer
from everruns.commands.chat.conversation import Conversation
from everruns.commands.chat.lines import elapsed, harmless_lines, in_one_line, note, spinner
from everruns.commands.chat.screen import Screen
from everruns.commands.chat.slash_commands import find_command
from everruns.commands.chat.starting import Start
from everruns.commands.server import Server
from everruns.errors import EverrunsError, InvalidRequest
from everruns.ids import now_ms

SPIN_S = 0.1
LEAVE_S = 2.0


class InteractiveChat:
    """Lets somebody talk with an agent.

    Args:
        api: The server.
        start: What it begins with.
        model: The model that answers, if one was chosen.

    Attributes:
        conversation: The conversation.
    """

    def __init__(self, api: Server, start: Start, model: str | None) -> None:
        self._api = api
        self._start = start
        self._asking: Asking | None = None
        self._is_stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._screen = Screen(self._rows, self._entered, self._interrupted)
        self.conversation = Conversation(api, start.agent_id, start.session_id, model, self.show)
        self._follower = self._follow()

    async def run(self, again: str) -> None:
        """Talk until the person leaves.

        Args:
            again: The command that continues a session, without the session.

        Raises:
            EverrunsError: The conversation cannot go on.
        """
        title = self._start.title
        self._screen.print(
            [
                Text.assemble("Talking with ", (title, "bold"), f" at {self._api.address}"),
                note("/help lists the commands; Ctrl-C stops the turn; Ctrl-D leaves."),
            ]
        )
        spinning = asyncio.create_task(self._spin())
        try:
            await self._screen.run()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LEAVE_S)
        finally:
            ended = {self._follower, spinning, *self._tasks}
            for task in ended:
                task.cancel()
            await asyncio.wait(ended)
        if not self._follower.cancelled():
            self._follower.result()
        self._screen.print(self._farewell(again))

    def _farewell(self, again: str) -> list[Text]:
        conversation = self.conversation
        if conversation.session_id is None:
            return []
        goes_on = "The turn goes on. " if conversation.is_turn_open else ""
        line = note(f"{goes_on}Continue with: {again} --session {conversation.session_id}")
        # So that it can be copied.
        line.no_wrap = True
        return [line]

    def _follow(self) -> asyncio.Task[None]:
        follower = asyncio.create_task(self.conversation.follow())
        follower.add_done_callback(self._lost)
        return follower

    def _lost(self, follower: asyncio.Task[None]) -> None:
        """End the chat if the conversation cannot be followed any more."""
        if not follower.cancelled():
            self.leave()

    async def _spin(self) -> None:
        while True:
            await asyncio.sleep(SPIN_S)
            conversation = self.conversation
            if conversation.is_turn_open or conversation.cut_off_since_ms is not None:
                self._screen.refresh()

    def show(self, lines: Sequence[Text]) -> None:
        """Print lines, and ask what is to be answered."""
        if lines:
            self._screen.print(lines)
        self._turn_to(self.conversation.asking())
        self._screen.refresh()

    def _turn_to(self, asking: Asking | None) -> None:
        if asking is self._asking:
            return
        self._asking = asking
        if asking is None:
            self._screen.ask_nothing()
        else:
            self._ask(asking)

    def _ask(self, asking: Asking) -> None:
        self._screen.print(asking.card())
        self._screen.ask(asking.prompt())

    def _rows(self, width: int) -> list[Text]:
        conversation = self.conversation
        rows = conversation.transcript.rows(now_ms(), width)
        for text in conversation.unsent:
            rows.append(Text(f"> {in_one_line(text, width)}  (sending)", "dim"))
        if conversation.cut_off_since_ms is not None:
            since = elapsed(conversation.cut_off_since_ms, now_ms())
            rows.append(
                Text(f"{spinner(now_ms())} Connection lost, trying again  {since}", "yellow")
            )
        for row in rows:
            row.truncate(width, overflow="ellipsis")
        return rows

    def _entered(self, typed: str) -> None:
        if not typed.strip():
            return
        try:
            found = find_command(typed)
            if found is not None:
                command, rest = found
                self._attempt(command.run(self, rest))
            elif self._asking is not None:
                self._answer(self._asking, typed)
            else:
                self._attempt(self.say(typed.strip()))
        except (EverrunsError, NotAnAnswer) as error:
            self._complain(str(error))

    def _answer(self, asking: Asking, typed: str) -> None:
        reply = asking.take(typed)
        if not isinstance(asking, Approval):
            # Of a decision the event says more.
            self._screen.print([Text(f"  {in_one_line(typed, 1000)}", "bold cyan")])
        if reply is None:
            self._ask(asking)
        else:
            self._attempt(self.conversation.reply(asking, reply))

    async def say(self, text: str) -> None:
        """Send a message; if that fails, it can be edited and sent again."""
        try:
            await self.conversation.say(text)
        except EverrunsError:
            self._screen.give_back(text)
            raise

    async def decline(self) -> None:
        """Decline what is asked.

        Raises:
            InvalidRequest: Nothing is.
        """
        if self._asking is None:
            raise InvalidRequest("Nothing is asked.")
        await self.conversation.reply(self._asking, self._asking.decline())

    def begin_anew(self) -> None:
        """Begin another conversation with the same agent and model."""
        self._follower.cancel()
        before = self.conversation
        self.conversation = Conversation(
            self._api, self._start.agent_id, None, before.model, self.show
        )
        self._follower = self._follow()
        stays = f" That before stays: {before.session_id}" if before.session_id else ""
        self.show([Text(""), note(f"A new conversation begins with your next message.{stays}")])

    def leave(self) -> None:
        """End the chat; a turn that runs goes on."""
        self._screen.leave()

    def _interrupted(self) -> None:
        """Stop the turn; without one, drop what is typed; without that, leave."""
        if self.conversation.is_turn_open and not self._is_stopping:
            self._attempt(self._stop())
        elif self._is_stopping or not self._screen.clear_input():
            self.leave()

    async def _stop(self) -> None:
        self._is_stopping = True
        try:
            await self.conversation.stop()
        finally:
            self._is_stopping = False

    def _attempt(self, action: Coroutine[Any, Any, None]) -> None:
        """Do something meanwhile; an error of it is shown."""
        task = asyncio.create_task(self._try(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, action: Coroutine[Any, Any, None]) -> None:
        try:
            await action
        except EverrunsError as error:
            self._complain(error.message)

    def _complain(self, words: str) -> None:
        first, *more = harmless_lines(words)
        self.show([Text.assemble(("✗ ", "red"), first), *(Text(f"  {line}") for line in more)])
