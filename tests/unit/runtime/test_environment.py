"""What a host knows of agents, providers and MCP servers, and for how long."""

import gc
from collections.abc import Iterable

import pytest
from pydantic import SecretStr

from everruns.domain.llm import ProviderInput, ProviderPatch
from everruns.runtime.local import LocalRuntime
from tests.conversations import Conversation
from tests.scripts import local_runtime

KEY = "sk-remembered-0001"


def holders(objects: Iterable[object]) -> list[object]:
    """The drivers and configurations of a host in which the key is."""
    return [known for known in objects if KEY in repr(vars_of(known))]


def vars_of(known: object) -> str:
    found: list[str] = []

    def walk(value: object, depth: int = 0) -> None:
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif depth < 6:
            for inner in gc.get_referents(value):
                if not isinstance(inner, type):
                    walk(inner, depth + 1)

    walk(known)
    return " ".join(found)


def remembered(runtime: LocalRuntime) -> list[object]:
    environment = runtime.host.environment
    return holders([*environment._drivers.values(), *environment._configurations.values()])


@pytest.mark.parametrize("change", ["delete", "key"])
async def test_a_key_that_was_removed_leaves_the_hosts_memory(change):
    async with local_runtime() as runtime:
        providers = runtime.registry.providers
        keyed = await providers.add(
            ProviderInput.model_validate(
                {"name": "keyed", "provider_type": "simulated", "api_key": KEY}
            )
        )
        talk = await Conversation.begin(runtime, model_id="keyed/simulated-1")
        other = await Conversation.begin(runtime, model_id="simulated/simulated-1")
        await talk.say("hi")
        assert remembered(runtime)

        if change == "delete":
            await providers.delete(keyed.id)
        else:
            await providers.update(keyed.id, ProviderPatch(api_key=SecretStr("sk-new")))
        await other.say("hi")

        assert not remembered(runtime)
