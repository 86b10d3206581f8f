"""Tool calls as known servers of Chat Completions send them."""

import pytest

from everruns.domain.tools import ToolDefinition
from everruns.providers.chat_completions import ChatCompletionsDriver

ADD, NOW = (
    ToolDefinition(name=name, description="A tool.", parameters={}) for name in ("add", "now")
)
ONE, TWO = '{"a":1,"b":2}', '{"a":10,"b":20}'


def piece(index=0, identity=None, name=None, arguments=None, **more):
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": identity, "type": "function", **more}
    function = {key: value for key, value in function.items() if value is not None}
    return {key: value for key, value in fields.items() if value is not None} | (
        {"function": function} if function else {}
    )


def event(*pieces, finish=None):
    delta = {"tool_calls": list(pieces)} if pieces else {}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.fixture
def answer(provider, ask, collect):
    async def gather(*events):
        provider.streams(*events, event(finish="tool_calls"))
        request = ask("m", tools=[ADD, NOW])
        return (await collect(ChatCompletionsDriver(provider.wire()), request))[-1]

    return gather


@pytest.fixture
def calls(answer):
    """Return the names and arguments of the calls in a stream."""

    async def gather(*events):
        ended = await answer(*events)
        assert ended.refused_calls == {}
        return [(call.name, call.arguments) for call in ended.tool_calls]

    return gather


TWO_CALLS = [("add", {"a": 1, "b": 2}), ("add", {"a": 10, "b": 20})]


@pytest.mark.parametrize(
    "events",
    [
        # Each with what known servers do with index and id.
        [event(piece(0, "x", "add", ONE), piece(1, "y", "add", TWO))],
        [event(piece(0, "x", "add", ONE)), event(piece(0, "y", "add", TWO))],
        [event(piece(0, "", "add", ONE), piece(0, "", "add", TWO))],
        [event(piece(0, "", "add", ONE)), event(piece(0, "", "add", TWO))],
        [event(piece(None, None, "add", ONE), piece(None, None, "add", TWO))],
        [event(piece(None, "x", "add", ONE)), event(piece(None, "y", "add", TWO))],
        [event(piece("0", "x", "add", ONE)), event(piece("1", "y", "add", TWO))],
        [event(piece(0.0, "x", "add", ONE)), event(piece(1.0, "y", "add", TWO))],
        [event(piece(-1, "x", "add", ONE)), event(piece(-1, "y", "add", TWO))],
        [event(piece(7, "x", "add", ONE)), event(piece(3, "y", "add", TWO))],
        [event(piece(0, 1, "add", ONE)), event(piece(0, 2, "add", TWO))],
        [
            event(piece(0, "x", "add", ""), piece(1, "y", "add", "")),
            event(piece(0, None, None, ONE[:4])),
            event(piece(1, None, None, TWO)),
            event(piece(0, None, None, ONE[4:])),
        ],
        [
            event(piece(0, "x", "add")),
            event(piece(0, "x", None, ONE[:5])),
            event(piece(0, "x", None, ONE[5:])),
            event(piece(0, "y", "add")),
            event(piece(0, "y", None, TWO)),
        ],
        [
            event(piece(0, "x1", "add", ONE[:5])),
            event(piece(0, "x2", None, ONE[5:])),
            event(piece(1, "y1", "add", TWO[:3])),
            event(piece(1, "y2", None, TWO[3:])),
        ],
        [
            event(piece(0, "x", "add", ONE[:5])),
            event(piece(0, "x", "add", ONE[5:])),
            event(piece(1, "y", "add", TWO[:3])),
            event(piece(1, "y", "add", TWO[3:])),
        ],
    ],
)
async def test_two_calls_are_two_calls(calls, events):
    assert await calls(*events) == TWO_CALLS


async def test_a_call_may_come_as_an_object_in_place_of_a_list(calls):
    whole = {"choices": [{"delta": {"tool_calls": piece(0, "x", "add", ONE)}}]}

    assert await calls(whole) == TWO_CALLS[:1]


async def test_the_older_form_of_a_call_is_read(calls):
    delta = {"function_call": {"name": "add", "arguments": ONE}}

    assert await calls({"choices": [{"delta": delta}]}) == TWO_CALLS[:1]


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["ad", "d"], ["add"]),
        (["add", "add"], ["add"]),
        (["a", "ad", "add"], ["add"]),
        (["add", "now"], ["add", "now"]),
    ],
)
async def test_names_may_come_in_pieces_or_again(calls, names, called):
    events = [event(piece(0, None, name)) for name in names]

    assert [name for name, _ in await calls(*events)] == called


async def test_a_call_that_is_sent_twice_is_made_once(calls):
    events = [event(piece(0, "x", "now", "{}")), event(piece(0, "x", "now", ""))]

    assert await calls(*events) == [("now", {})]


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ({"a": 1}, {"a": 1}),
        ("", {}),
        (None, {}),
        ("null", {}),
        ("[]", {}),
        ([], {}),
        ("  ", {}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('"\\"{}\\""', {}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"a": 18446744073709551615}', {"a": 18446744073709551615}),
        ('{"a": -9223372036854775808}', {"a": -(2**63)}),
        ('{"a": 9007199254740993}', {"a": 9007199254740993}),
        ('{"a": "\\ud83d\\ude42"}', {"a": "🙂"}),
    ],
)
async def test_arguments_are_read_in_every_form(calls, arguments, read):
    function = {"name": "add", "arguments": arguments}
    delta = {"tool_calls": [{"index": 0, "id": "x", "function": function}]}

    assert await calls({"choices": [{"delta": delta}]}) == [("add", read)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": 1', "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('"word"', "not a JSON object"),
        ("7", "not a JSON object"),
        ('{"a": 123456789012345678901234}', "123456789012345678901234 cannot be passed on exactly"),
        ('{"a": -9223372036854775809}', "cannot be passed on exactly"),
        ({"a": 123456789012345678901234}, "cannot be passed on exactly"),
        ('{"a": 1e400}', "1e400 cannot be passed on exactly"),
        ('{"a": NaN}', "cannot be passed on exactly"),
        ("[" * 5000, "not a JSON object"),
    ],
)
async def test_what_cannot_be_passed_on_is_refused_with_the_reason(
    provider, answer, arguments, reason
):
    if isinstance(arguments, dict):
        text = b'{"a": 123456789012345678901234}'
        body = b'{"name": "add", "arguments": %s}' % text
        call = b'{"index": 0, "id": "x", "function": %s}' % body
        ended = await answer(b'data: {"choices": [{"delta": {"tool_calls": [%s]}}]}\n\n' % call)
    else:
        ended = await answer(event(piece(0, "x", "add", arguments)))

    assert ended.tool_calls[0].arguments == {}
    assert reason in ended.refused_calls["x"]


async def test_what_is_attached_to_a_call_is_kept_with_it(answer):
    extra = {"google": {"thought_signature": "sealed"}}
    events = [
        event(piece(0, "x", "add", ONE, extra_content=extra)),
        event(piece(1, "y", "add", TWO)),
    ]

    ended = await answer(*events)

    (block,) = ended.thinking_blocks
    assert (block.item, block.on_call) == ({"extra_content": extra}, 0)
