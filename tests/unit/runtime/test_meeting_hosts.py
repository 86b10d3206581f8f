"""Where a host takes calls is known before it is called: Ray may be away by then."""

from pathlib import Path

from everruns.address import Address
from everruns.runtime.local import HOST
from everruns.runtime.runtime import Runtime
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says

ADDRESS = Address(Path("socket"), b"secret", "node")


async def test_a_host_is_met_where_placement_says_before_it_is_called():
    seen: list[object] = []
    async with local_runtime(ScriptedDriver(says("Hello."), says("Bye."))) as local:

        async def find_host(name: str):
            seen.append(name)
            return local.host

        local.registry.placement.note_address(HOST, ADDRESS)
        replica = Runtime(local.registry, find_host, local.analyst, lambda *told: seen.append(told))
        talk = await Conversation.begin(replica)
        assert await talk.say("hi") == "Hello."
        assert seen[:2] == [(HOST, ADDRESS), HOST]
        # It is met once for each session that is placed, not for each call.
        assert await talk.say("bye") == "Bye."
        assert seen.count((HOST, ADDRESS)) == 1
