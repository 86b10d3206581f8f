"""What holds for every stream of the Responses API."""

import contextlib
import copy
import functools
import operator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everruns.domain.messages import (
    ToolCallPart,
)
from everruns.providers.base import ModelAnswer, TextDelta
from everruns.providers.concessions import Attempt
from everruns.providers.responses import ResponsesDriver
from everruns.providers.responses_request import response_body
from everruns.turn_failures import ModelFailure
from tests.response_events import (
    CREATED,
    MODEL,
    SEALED,
    TWO_CALLS,
    added,
    call,
    completed,
    done,
    message,
    summary,
    text,
)


def body_of(request):
    return response_body(Attempt(request))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "id", "text"]), inner)
    ),
    max_leaves=4,
)
LONG_STREAM = [
    CREATED,
    added(0, type="reasoning", id="rs_1", summary=[]),
    summary("Hm."),
    done(0, **SEALED),
    added(1, type="message", id="msg_1", phase="commentary"),
    text("Wait.", 1),
    done(1, **message("Wait.", id="msg_1", phase="commentary")),
    *TWO_CALLS[:-1],
    completed(SEALED, message("Wait."), call("call_1", "{}"), usage={"input_tokens": 1}),
]


def places(value, path=()):
    """Yield the path to each value in a JSON value."""
    yield path
    inner_values = list(enumerate(value)) if isinstance(value, list) else []
    if isinstance(value, dict):
        inner_values = list(value.items())
    for name, inner in inner_values:
        yield from places(inner, (*path, name))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_nonsense_anywhere_is_read_or_a_failure(provider, ask, data):
    events = copy.deepcopy(LONG_STREAM)
    *path, last = data.draw(st.sampled_from([path for path in places(events) if len(path) > 1]))
    holder = functools.reduce(operator.getitem, path, events)
    holder[last] = data.draw(JSON)
    provider.streams(*events)

    with contextlib.suppress(ModelFailure):
        chunks = [chunk async for chunk in ResponsesDriver(provider.wire()).stream(ask(MODEL))]
        assert isinstance(chunks[-1], ModelAnswer)


WORDS = st.text(min_size=1, max_size=6).filter(str.strip)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["text", "reasoning", "call"]), WORDS), max_size=8))
async def test_an_answer_in_any_order_goes_back_in_that_order(provider, ask, say, parts):
    """Send an answer of any items; what goes back has the same items in the same order."""
    events = []
    for place, (kind, word) in enumerate(parts):
        match kind:
            case "text":
                events += [text(word, place), done(place, **message(word))]
            case "call":
                events.append(done(place, **call(f"call_{place}", name="weather")))
            case _:
                events.append(done(place, **{**SEALED, "id": f"rs_{place}"}))
    provider.streams(*events, completed())
    chunks = [chunk async for chunk in ResponsesDriver(provider.wire()).stream(ask(MODEL))]
    answer = chunks[-1]
    shown = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    calls = [ToolCallPart(**call.model_dump()) for call in answer.tool_calls]
    said = say("agent", *([shown] if shown else []), *calls, thoughts=answer.thinking_blocks)

    sent = body_of(ask(MODEL, said))["input"]

    kinds = {"message": "text", "function_call": "call", "reasoning": "reasoning"}
    expected = [kind for kind, _ in parts]
    while expected and expected[-1] == "reasoning":
        expected.pop()
    assert _runs(kinds[item["type"]] for item in sent) == _runs(expected)


def _runs(kinds):
    """Neighbouring texts without phases go back as one."""
    runs = []
    for kind in kinds:
        if kind != "text" or runs[-1:] != ["text"]:
            runs.append(kind)
    return runs
