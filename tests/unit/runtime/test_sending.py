"""Sending: stored at once, once per key, within bounds."""

import asyncio

import pytest

from everruns.errors import IdempotencyKeyReused, Overloaded, SessionTooLarge
from everruns.runtime.host import SessionHost
from tests.conversations import Conversation
from tests.scripts import Gate, ScriptedDriver, local_runtime, says


async def test_a_message_is_stored_when_the_send_returns():
    gate = Gate()
    async with local_runtime(ScriptedDriver(says(gate))) as runtime:
        talk = await Conversation.begin(runtime)
        sent = await talk.send("hi", metadata={"x": 1}, tags=["t"])
        assert await talk.messages() == [sent]
        assert (sent.metadata, sent.tags, sent.sequence) == ({"x": 1}, ["t"], 1)
        assert (await runtime.registry.sessions.get(talk.id)).status == "active"


async def test_a_repeated_key_gives_the_first_message_and_no_second_turn():
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        sent = await asyncio.gather(*(talk.send("hi", key="k") for _ in range(10)))
        assert {message.id for message in sent} == {sent[0].id}
        await talk.ended()
        assert await talk.send("hi", key="k") == sent[0]
        assert await talk.texts() == ["user: hi", "agent: Hello."]


async def test_a_repeated_key_is_known_after_hibernation():
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        sent = await talk.send("hi", key="k")
        await talk.ended()
        assert await runtime.host.hibernate(0)
        assert await talk.send("hi", key="k") == sent
        assert len(await talk.messages()) == 2


async def test_a_key_with_another_body_is_refused_and_changes_nothing():
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi", key="k")
        with pytest.raises(IdempotencyKeyReused):
            await talk.send("something else", key="k")
        await talk.ended()
        assert await talk.texts() == ["user: hi", "agent: Hello."]


async def test_unread_messages_are_bounded_and_can_be_sent_later():
    gate = Gate()
    driver = ScriptedDriver(says(gate, "1"), says("2"), says("3"))
    async with local_runtime(driver, max_queued_messages=3) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("first")
        await gate.reached.wait()
        await talk.send("second")
        await talk.send("third", key="k")
        with pytest.raises(Overloaded) as refused:
            await talk.send("fourth")
        assert refused.value.retry_after_s
        await talk.send("third", key="k")
        gate.open()
        await talk.ended()
        assert await talk.say("fourth") == "3"


async def test_a_session_that_holds_as_many_bytes_as_it_may_takes_no_more_messages():
    driver = ScriptedDriver(says("x" * 3000), says("never"))
    async with local_runtime(driver, max_session_bytes=3000) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("hi", key="k")
        await talk.ended()
        with pytest.raises(SessionTooLarge, match="max_session_bytes"):
            await talk.send("again")
        assert await runtime.host.hibernate(0)
        with pytest.raises(SessionTooLarge):
            await talk.send("again")
        assert (await talk.send("hi", key="k")).text == "hi"
        assert len(await talk.messages()) == 2


async def test_a_turn_that_fills_its_session_ends_as_failed():
    async with local_runtime(ScriptedDriver(says("never")), max_session_bytes=3000) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.send("x" * 3000)
        ended = await talk.ended()
        assert ended.data["error"]["code"] == "SESSION_TOO_LARGE"


async def test_a_send_whose_answer_was_lost_is_repeated_without_doubling(monkeypatch):
    from everruns.errors import HostLost

    lost = [True]
    send = SessionHost.send

    async def unlucky(host, *args):
        message = await send(host, *args)
        if lost and lost.pop():
            raise HostLost("the answer got lost")
        return message

    monkeypatch.setattr(SessionHost, "send", unlucky)
    async with local_runtime(ScriptedDriver(says("Hello."))) as runtime:
        talk = await Conversation.begin(runtime)
        assert await talk.say("hi") == "Hello."
        assert await talk.texts() == ["user: hi", "agent: Hello."]


async def test_messages_sent_at_once_are_all_stored_in_one_order():
    async def echo(request):
        async for chunk in says("ok")(request):
            yield chunk

    async with local_runtime(ScriptedDriver(*[echo] * 50)) as runtime:
        talk = await Conversation.begin(runtime)
        sent = await asyncio.gather(*(talk.send(f"m{number}") for number in range(20)))
        await talk.ended()
        stored = [message for message in await talk.messages() if message.role == "user"]
        assert sorted(sent, key=lambda message: message.sequence) == stored
