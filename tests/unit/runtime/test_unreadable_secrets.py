"""Secrets that were encrypted with another key end the turns that need them."""

from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says


async def test_a_turn_whose_server_has_unreadable_headers_ends_and_says_what_to_do():
    store = MemoryStore()
    shop = {"url": "https://shop.test/mcp", "headers": {"X-Key": "k" * 20}}
    async with local_runtime(ScriptedDriver(), store=store) as runtime:
        talk = await Conversation.begin(runtime, mcp_servers={"shop": shop})
    store.cipher = MemoryStore().cipher
    async with local_runtime(ScriptedDriver(says("Hi.")), store=store) as runtime:
        talk = Conversation(runtime, talk.session)
        await talk.send("go")
        error = (await talk.ended()).data["error"]
    assert error["code"] == "SECRETS_UNREADABLE"
    assert "EVERRUNS_ENCRYPTION_KEY" in error["message"]
