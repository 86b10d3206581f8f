"""An answer longer than a message may be: its turn ends, and the session goes on."""

from tests.faults.model import Answer, Say
from tests.faults.talk import World

# 1 MB is the limit of a message's text.
WORDS, LETTERS = 1_200, 1_000
TURN_WITHIN_S = 20.0


def script(number: int, text: str) -> list[Answer]:
    return [[Say(3)]] if number else [[Say(WORDS, word="x" * LETTERS)]]


async def test_an_answer_over_the_limit_ends_its_turn(world: World) -> None:
    async with world.talk(script) as talk:
        await talk.send("Talk without end.")
        await talk.follower.turn_ended(1, TURN_WITHIN_S)

        await talk.send("And now?")
        assert (await talk.follower.turn_ended(2))["type"] == "session.completed"
        await talk.check([], completed=False)
