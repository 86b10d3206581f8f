"""A tool that ends its process each time it runs ends its turn, and harms nothing else."""

from tests.faults.model import Answer, Call, Say
from tests.faults.report import REPORT
from tests.faults.talk import World

CRASHES = 3
# Its process starts again after each of them.
TURN_WITHIN_S = 60.0 * CRASHES


def script(number: int, text: str) -> list[Answer]:
    return [[Say(3)]] if number else [[Say(2), Call("crash")], [Say(1)]]


async def test_a_turn_that_crashes_its_process_again_and_again_fails(world: World) -> None:
    outcome = REPORT["crash loop"]
    async with world.talk(script) as talk:
        with outcome.fault():
            await talk.send("Crash.")
            ending = await talk.follower.turn_ended(1, TURN_WITHIN_S)

        assert ending["type"] == "session.failed"
        assert ending["data"]["error"]["code"] == "TURN_CRASHED"
        runs = [run.at for run in talk.scenario.executions if run.tool == "crash"]
        assert len(runs) == CRASHES
        outcome.faults += CRASHES - 1

        await talk.send("And now?")
        assert (await talk.follower.turn_ended(2))["type"] == "session.completed"
        await talk.check(runs, completed=False)
