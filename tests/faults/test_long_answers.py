"""An answer longer than a user's message may be is an answer like any other."""

from tests.faults.model import Answer, Say
from tests.faults.talk import World

# 1 MB is the limit of what users may send.
WORDS, LETTERS = 1_200, 1_000


def script(number: int, text: str) -> list[Answer]:
    return [[Say(3)]] if number else [[Say(WORDS, word="x" * LETTERS)]]


async def test_an_answer_over_the_limit_of_messages_is_kept_whole(world: World) -> None:
    async with world.talk(script) as talk:
        await talk.send("Talk at length.")
        assert (await talk.follower.turn_ended(1))["type"] == "session.completed"

        await talk.send("And now?")
        assert (await talk.follower.turn_ended(2))["type"] == "session.completed"
        await talk.check([])
