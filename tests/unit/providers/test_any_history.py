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
from everruns.domain.messages import ImagePart, Message, TextPart, ThinkingBlock
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
from tests.odd_logs import (
    ANY_IMAGE_PARTS,
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
EXAMPLES = int(os.environ.get("EVERRUNS_EXAMPLES", "40"))
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
    transcript = build_transcript(
        [as_had_by(vendor, message) for message in history],
        [as_had_by(vendor, message) for message in state.unread],
    )
    if deferred:
        transcript = called_by_call_tool(transcript, {tool.name for tool in deferred})
        tools = [*tools, SEARCH_DEFINITION, CALL_DEFINITION]
    controls = AnswerControls(output_schema=output_schema)
    return ModelRequest(
        offered(vendor), "Be brief.", transcript, tools, controls, deferred=deferred
    )


# Stand for the vendor's own model and reasoning in a history that all vendors are shown.
OWN_MODEL = "fake/own"
OWN_THOUGHT = ThinkingBlock(field="own")


def own_thought(vendor: str) -> ThinkingBlock:
    """Return reasoning that the vendor itself has left, signed if it signs."""
    match vendor:
        case "anthropic":
            return ThinkingBlock(thinking="Hm.", signature=seal(vendor, 1))
        case "openai-responses":
            sealed = {"encrypted_content": seal(vendor, 1)}
            item = {"type": "reasoning", "id": "rs_1", "summary": [], **sealed}
            return ThinkingBlock(item=item)
        case "gemini":
            sealed = {"thought_signature": seal(vendor, 1)}
            return ThinkingBlock(on_call=0, item={"extra_content": {"google": sealed}})
        case _:
            return ThinkingBlock(thinking="Hm.", field="reasoning_content")


def as_had_by(vendor: str, message: Message) -> Message:
    """Return a message of a history as it is if the vendor itself wrote what stands for it."""
    if message.role != "agent":
        return message
    model = message.model
    if model == OWN_MODEL:
        model = f"fake/{VENDORS[vendor].model}"
    thoughts = message.thinking_blocks
    if thoughts:
        own = own_thought(vendor)
        thoughts = [own if thought == OWN_THOUGHT else thought for thought in thoughts]
    return message.model_copy(update={"model": model, "thinking_blocks": thoughts})


@pytest.mark.timeout(7200)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="EVERRUNS_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    log=odd_logs(
        models=st.sampled_from([OWN_MODEL, "fake/other", "else/model", None]),
        thoughts=THOUGHTS | st.just(OWN_THOUGHT),
    ),
    images=st.lists(ANY_IMAGE_PARTS, max_size=2),
    tools=TOOLS,
    output_schema=st.none() | OUTPUT_SCHEMAS,
    listed=st.integers(0, 4),
)
def test_after_any_history_every_vendor_takes_the_next_request(
    log: LogWriter,
    images: list[ImagePart],
    tools: list[ToolDefinition],
    output_schema: Any,
    listed: int,
):
    if not corrections(log.state.history, log.state.unread):
        question(log, images or [TEXT])

    def refused_by(vendor: str) -> list[str]:
        request = request_of(vendor, log, tools[:listed], output_schema, deferred=tools[listed:])
        return all_problems(vendor, body_of(vendor, request))

    refused = {vendor: refused_by(vendor) for vendor in VENDORS}

    assert refused == {vendor: [] for vendor in VENDORS}


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
