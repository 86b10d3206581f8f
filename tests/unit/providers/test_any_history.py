"""Whatever a session's log holds, the next request is one that the provider takes."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everruns.domain.compaction import shown
from everruns.domain.controls import AnswerControls
from everruns.domain.deferred_tools import called_by_call_tool
from everruns.domain.llm import OfferedModel
from everruns.domain.messages import TextPart, ThinkingBlock
from everruns.domain.structured_output import corrections
from everruns.domain.tools import ToolDefinition
from everruns.domain.transcript import build_transcript
from everruns.providers.anthropic_request import message_body
from everruns.providers.base import ModelRequest
from everruns.providers.catalogue import profile_of
from everruns.providers.chat_request import completion_body
from everruns.providers.concessions import Attempt
from everruns.providers.dialects import DIALECTS
from everruns.providers.responses_request import response_body
from everruns.tools.deferred import CALL_DEFINITION, SEARCH_DEFINITION
from tests.logs import LogWriter
from tests.odd_images import IMAGES
from tests.odd_logs import (
    MANY_TOOLS,
    OUTPUT_SCHEMAS,
    SEARCHES,
    THOUGHTS,
    TOOLS,
    odd_logs,
    question,
)
from tests.vendors.seals import seal
from tests.vendors.table import VENDORS, all_problems

# In the suite; EVERRUNS_EXAMPLES asks for more.
EXAMPLES = int(os.environ.get("EVERRUNS_EXAMPLES", "15"))
NOW = "2026-11-01T00:00:00.000Z"
TEXT = TextPart(text="And now?")


def offered(vendor: str) -> OfferedModel:
    spoken = VENDORS[vendor]
    provider_type = "anthropic" if spoken.wire == "messages" else "openai"
    return OfferedModel(
        id="model_1",
        provider_id="provider_1",
        provider_name="fake",
        provider_type=provider_type,
        model_id=spoken.model,
        display_name=spoken.model,
        profile=profile_of(provider_type, spoken.model),
        created_at=NOW,
        updated_at=NOW,
    )


def body_of(vendor: str, request: ModelRequest) -> dict[str, Any]:
    """Return the request as the vendor reads it."""
    match VENDORS[vendor].wire:
        case "chat":
            body = completion_body(Attempt(request), DIALECTS[vendor])
        case "messages":
            body = message_body(Attempt(request))
        case "responses":
            body = response_body(Attempt(request))
    return orjson.loads(orjson.dumps(body))


def request_of(
    vendor: str,
    log: LogWriter,
    tools: list[ToolDefinition],
    output_schema: Any = None,
    *,
    deferred: Sequence[ToolDefinition] = (),
) -> ModelRequest:
    state = log.state
    history = shown(state.history, state.compaction, state.session_id)
    transcript = build_transcript(history, state.unread)
    if deferred:
        transcript = called_by_call_tool(transcript, {tool.name for tool in deferred})
        tools = [*tools, SEARCH_DEFINITION, CALL_DEFINITION]
    controls = AnswerControls(output_schema=output_schema)
    return ModelRequest(
        offered(vendor), "Be brief.", transcript, tools, controls, deferred=deferred
    )


def sealed(vendor: str) -> st.SearchStrategy[ThinkingBlock]:
    """Reasoning that the vendor itself has signed, or that others have left."""
    signed = {
        "anthropic": ThinkingBlock(thinking="Hm.", signature=seal("anthropic", 1)),
        "openai-responses": ThinkingBlock(
            item={
                "type": "reasoning",
                "id": "rs_1",
                "summary": [],
                "encrypted_content": seal("openai-responses", 1),
            }
        ),
        "gemini": ThinkingBlock(
            on_call=0,
            item={"extra_content": {"google": {"thought_signature": seal("gemini", 1)}}},
        ),
    }
    own = signed.get(vendor, ThinkingBlock(thinking="Hm.", field="reasoning_content"))
    return THOUGHTS | st.just(own)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("vendor", VENDORS)
def test_after_any_history_the_request_is_legal(vendor: str):
    models = st.sampled_from([f"fake/{VENDORS[vendor].model}", "fake/other", "else/model", None])

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="EVERRUNS_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        log=odd_logs(models, sealed(vendor)),
        images=st.lists(st.sampled_from(sorted(IMAGES)), max_size=2),
        tools=TOOLS,
        output_schema=st.none() | OUTPUT_SCHEMAS,
        listed=st.integers(0, 4),
    )
    def legal(
        log: LogWriter,
        images: list[str],
        tools: list[ToolDefinition],
        output_schema: Any,
        listed: int,
    ) -> None:
        if not corrections(log.state.history, log.state.unread):
            question(log, [IMAGES[name] for name in images] or [TEXT])

        request = request_of(vendor, log, tools[:listed], output_schema, deferred=tools[listed:])
        body = body_of(vendor, request)

        assert all_problems(vendor, body) == []

    legal()


def test_after_any_search_a_provider_that_loads_tools_is_referred_to_those_it_is_told_of():
    """And it is told of the same ones whatever was found."""
    models = st.sampled_from(["fake/claude-sonnet-4-5", "else/model", None])
    referred = 0

    @settings(
        max_examples=max(EXAMPLES, 60),
        deadline=None,
        derandomize="EVERRUNS_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(odd_logs(models, steps=SEARCHES, least_steps=8), MANY_TOOLS, st.integers(0, 2))
    def legal(log: LogWriter, tools: list[ToolDefinition], listed: int) -> None:
        nonlocal referred
        question(log, [TEXT])

        request = request_of("anthropic", log, tools[:listed], deferred=tools[listed:])
        body = body_of("anthropic", request)
        before = body_of("anthropic", replace(request, messages=request.messages[-1:]))

        assert all_problems("anthropic", body) == []
        assert body.get("tools") == before.get("tools")
        referred += "tool_reference" in str(body["messages"])

    legal()
    assert referred > 5
