"""Agents use MCP servers that want OAuth: people consent before or in the conversation."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from everruns.domain.mcp_servers import McpServerPatch
from everruns.domain.questions import QuestionAnswers
from everruns.storage.memory.store import MemoryStore
from tests.desk import ACT, CONNECT, acting, answer, asked, consented, desk_with, names, results
from tests.oauth_server import SERVICE, SERVICE_SECRET, OAuthServer
from tests.scripts import ScriptedDriver, call, calls, says

# Consent before a conversation


async def test_a_user_who_has_consented_before_is_not_asked():
    driver = acting("Done.")
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect()
        talk = await desk.talk()
        assert await talk.say("go") == "Done."
        assert await results(talk) == ["ada@work showed ***"]
        assert await desk.standing() == [("ada", "connected")]
    assert names(driver) == [ACT]


async def test_each_user_acts_with_the_own_account_alone():
    driver = acting("1", "2")
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect("ada")
        oauth.account = "bob@work"
        await desk.connect("bob")
        for user, account in (("ada", "ada@work"), ("bob", "bob@work")):
            talk = await desk.talk(user)
            await talk.say("go")
            assert await results(talk) == [f"{account} showed ***"]


async def test_a_conversation_without_an_end_user_acts_as_the_application_or_not_at_all():
    driver = ScriptedDriver(says("No."), calls(call(ACT, "c1")), says("Yes."))
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect("ada")
        talk = await desk.talk(None)
        await talk.say("go")
        assert names(driver) == []
        assert "an operator can connect the application itself" in str(driver.requests[0])
        oauth.account = "office@work"
        await desk.connect(None)
        await talk.say("again")
        assert await results(talk) == ["office@work showed ***"]


# Consent in a conversation


async def test_a_user_connects_in_the_conversation_and_the_next_step_has_the_tools():
    driver = ScriptedDriver(calls(call(CONNECT, "c1")), calls(call(ACT, "c2")), says("Done."))
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        talk = await desk.talk()
        await talk.send("go")
        _, address = await asked(talk)
        page = await desk.open(address)
        assert (page.status_code, "You can close this window" in page.text) == (200, True)
        await talk.ended()
        connected, acted = await results(talk)
        assert "desk is connected" in connected
        assert acted == "ada@work showed ***"
    assert [names(driver, request) for request in range(3)] == [[CONNECT], [ACT], [ACT]]


async def test_a_call_that_needs_consent_waits_for_it():
    driver = acting("Done.")
    async with OAuthServer(lists_for_all=True) as oauth, desk_with(driver, oauth) as desk:
        await desk.connect()
        talk = await desk.talk()
        oauth.revoke()
        await talk.send("go")
        _, address = await asked(talk)
        assert await desk.standing() == [("ada", "expired")]
        await desk.open(address)
        await talk.ended()
        assert await results(talk) == ["ada@work showed ***"]


async def test_a_call_that_lacks_a_scope_asks_for_it_besides_those_that_were_granted():
    driver = acting("Done.")
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect()
        oauth.needed = "write"
        talk = await desk.talk()
        await talk.send("go")
        _, address = await asked(talk)
        assert dict(parse_qsl(urlsplit(address).query))["scope"] == "act write"
        await desk.open(address)
        await talk.ended()
        assert await results(talk) == ["ada@work showed ***"]


@pytest.mark.parametrize("way", ["at the page", "in the conversation", "by declining"])
async def test_a_user_who_declines_is_not_connected(way: str):
    driver = ScriptedDriver(calls(call(CONNECT, "c1")), says("All right."))
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        talk = await desk.talk()
        await talk.send("go")
        question, address = await asked(talk)
        if way == "at the page":
            oauth.answer = {"error": "access_denied"}
            page = await desk.open(address)
            assert (page.status_code, "cannot use" in page.text) == (200, True)
        elif way == "in the conversation":
            await answer(talk, question, "Cancel")
        else:
            await talk.runtime.sessions.take(talk.id, QuestionAnswers(status="declined"))
        await talk.ended()
        (result,) = await results(talk)
        assert "does not want to connect desk" in result
        assert await desk.standing() == []


async def test_a_user_who_says_done_without_consent_is_asked_again_a_few_times():
    driver = ScriptedDriver(calls(call(CONNECT, "c1")), says("Enough."))
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        talk = await desk.talk()
        await talk.send("go")
        for count in range(1, 6):
            question, _ = await asked(talk, count)
            await answer(talk, question, "Done")
        await talk.ended()
        (result,) = await results(talk)
    assert "still not authorized after 5 attempts" in result


async def test_a_person_comes_back_to_another_process_than_the_one_that_asked():
    store = MemoryStore()
    driver = ScriptedDriver(calls(call(CONNECT, "c1")), calls(call(ACT, "c2")), says("Done."))
    async with OAuthServer() as oauth:
        async with desk_with(driver, oauth, store) as desk:
            talk = await desk.talk()
            await talk.send("go")
            _, address = await asked(talk)
        async with desk_with(driver, oauth, store) as desk:
            talk.runtime = desk.runtime
            await desk.open(address)
            await talk.ended()
            assert (await results(talk))[1] == "ada@work showed ***"


async def test_an_address_that_was_used_lets_a_call_go_on_that_was_not_told():
    driver = ScriptedDriver(calls(call(CONNECT, "c1")), says("Done."))
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        talk = await desk.talk()
        await talk.send("go")
        _, address = await asked(talk)
        location = await consented(address)
        query = dict(parse_qsl(urlsplit(location).query))
        # The process that takes the person back is lost before it tells the conversation.
        await desk.runtime.mcp_authorizations.come_back(
            query["state"], SecretStr(query["code"]), query["iss"], None
        )
        page = await desk.come_back(location)
        assert (page.status_code, "Already used" in page.text) == (400, True)
        assert await talk.ended()
        assert "desk is connected" in (await results(talk))[0]


# Renewal


async def test_an_expired_token_is_renewed_without_anybody_noticing():
    driver = acting("1", "2")
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect()
        talk = await desk.talk()
        await talk.say("one")
        oauth.expire()
        await talk.say("two")
        assert await results(talk) == ["ada@work showed ***"] * 2
        assert [request.form["grant_type"] for request in oauth.requests("/token")] == [
            "authorization_code",
            "refresh_token",
        ]


async def test_an_authorization_server_that_is_away_costs_calls_and_not_the_authorization():
    driver = acting("1", "2")
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect()
        talk = await desk.talk()
        # Listed and called once, so that the next turn begins with a call.
        await talk.say("one")
        oauth.expire()
        oauth.failing = True
        await talk.say("two")
        _, result = await results(talk)
        assert "its authorization server issued no token (HTTP 503)" in result
        assert await desk.standing() == [("ada", "connected")]
        oauth.failing = False
        assert await desk.runtime.mcp_authorizations.access(desk.server.id, desk.subject())


# The end


async def test_after_a_disconnection_the_user_is_asked_again():
    driver = ScriptedDriver(calls(call(ACT, "c1")), says("1"), says("2"))
    async with OAuthServer() as oauth, desk_with(driver, oauth) as desk:
        await desk.connect()
        talk = await desk.talk()
        await talk.say("one")
        authorization = desk.subject().id_at(desk.server.id)
        await desk.runtime.mcp_authorizations.delete(desk.server.id, authorization)
        await talk.say("two")
        assert await desk.standing() == []
    assert [names(driver, 0), names(driver, 2)] == [[ACT], [CONNECT]]


@pytest.mark.parametrize("change", [{"url": "https://example.com/mcp"}, {"auth": None}])
async def test_authorizations_end_with_what_they_were_given_for(change: dict[str, Any]):
    async with OAuthServer() as oauth, desk_with(ScriptedDriver(), oauth) as desk:
        await desk.connect()
        await desk.runtime.mcp_servers.update(desk.server.id, McpServerPatch(description="kept"))
        assert await desk.standing() == [("ada", "connected")]
        patch = McpServerPatch.model_validate(change)
        await desk.runtime.mcp_servers.update(desk.server.id, patch)
        assert await desk.standing() == []


# The deployment itself


async def test_a_service_acts_with_its_own_credentials_and_asks_nobody():
    driver = acting("Done.")
    async with OAuthServer() as oauth:
        auth = {
            "acts_as": "service",
            "client_id": SERVICE,
            "client_secret": SERVICE_SECRET,
            "issuer": oauth.issuer,
            "scopes": ["act"],
        }
        async with desk_with(driver, oauth, **auth) as desk:
            talk = await desk.talk(None)
            assert await talk.say("go") == "Done."
            assert await results(talk) == [f"{SERVICE} showed ***"]
            tested = await desk.runtime.mcp_servers.test(desk.server.id)
            assert (tested.ok, [tool.name for tool in tested.tools]) == (True, ["act"])


# Secrets


async def test_no_secret_is_in_the_log_the_answers_the_database_or_what_the_model_reads():
    store = MemoryStore()
    driver = ScriptedDriver(calls(call(CONNECT, "c1")), calls(call(ACT, "c2")), says("Done."))
    async with OAuthServer() as oauth, desk_with(driver, oauth, store) as desk:
        talk = await desk.talk()
        await talk.send("go")
        _, address = await asked(talk)
        await desk.open(address)
        await talk.ended()
        shown = await desk.runtime.mcp_authorizations.list(desk.server.id)
        access = await desk.runtime.mcp_authorizations.access(desk.server.id, desk.subject())
        everything = [
            json.dumps([event.data for event in await talk.log()]),
            str(driver.requests),
            str(shown),
            repr(access),
            repr(store.contents.mcp_authorizations),
            str([stored.document for stored in store.contents.mcp_authorizations.values()]),
            str([stored.sealed for stored in store.contents.mcp_authorizations.values()]),
        ]
    assert len(oauth.secrets) == 3
    assert not [text for text in everything for secret in oauth.secrets if secret in text]
