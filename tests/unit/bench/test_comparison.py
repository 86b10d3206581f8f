"""Comparing with other servers: what is heard of a turn, medians, and targets."""

from dataclasses import replace

import orjson
import pytest

from bench.load import percentile
from bench.peers.measuring import StreamFigures, TurnFigures
from bench.peers.ours import hear_turn
from bench.peers.report import Result, judge, median_of
from bench.peers.wires import BrokenServer, parts_of

TURNS = TurnFigures(100, 10, 20, 30, 40, 50, 60, 5)
STREAMS = StreamFigures(6000, 100, 900, 30, 90, 200)


def result(name, *, turns_per_s=100.0, durable=True, first_event_p50=10.0):
    turns = {
        clients: replace(TURNS, turns_per_s=turns_per_s, first_event_p50=first_event_p50)
        for clients in (1, 16, 64)
    }
    return Result(name, durable, turns, STREAMS, 100)


def frame(kind, **data):
    return b"event: %b\ndata: %b" % (kind.encode(), orjson.dumps({"data": data}))


async def heard_of(*batches):
    async def arriving():
        for batch in batches:
            yield batch

    texts = []
    await hear_turn(arriving(), texts.append)
    return texts


def answer(text):
    return {"role": "agent", "content": [{"type": "text", "text": text}]}


def test_percentiles_lie_between_the_values():
    values = [float(value) for value in range(1, 102)]

    assert percentile(values, 50) == 51
    assert percentile(values, 99) == pytest.approx(100)


def test_of_a_single_value_every_percentile_is_that_value():
    assert percentile([7.0], 99) == 7


def test_the_median_of_rounds_is_taken_of_each_figure():
    rounds = [result("agno", turns_per_s=rate) for rate in (30, 10, 20)]

    assert median_of(rounds).turns[64].turns_per_s == 20


def test_targets_are_held_against_the_best_that_is_comparable():
    ours = result("everruns", turns_per_s=90, first_event_p50=5)
    peers = [
        result("agno", turns_per_s=30, first_event_p50=9),
        result("adk", turns_per_s=20, first_event_p50=4),
        result("langgraph", turns_per_s=80, durable=False, first_event_p50=8),
    ]
    bare = result("bare", turns_per_s=150, durable=False, first_event_p50=1)

    targets = judge(ours, peers, bare)

    durable, by_hand, first_event = targets[:3]
    assert (durable.ratio, durable.reached) == (3, True), "agno, the best durable one"
    assert (by_hand.ratio, by_hand.reached) == (0.6, False)
    assert (first_event.ratio, first_event.reached) == (1.25, False), "adk; bare is no peer"


def test_without_peers_there_is_nothing_to_hold_our_figures_against_but_what_is_fixed():
    assert [target.what for target in judge(result("everruns"), [], None)] == [
        "first event p99, streams"
    ]


def test_a_comment_of_a_stream_is_no_event():
    assert parts_of(b": heartbeat") == (b"", b"")
    assert parts_of(b"event: message.delta\ndata: {}") == (b"message.delta", b"{}")


async def test_text_is_heard_once_whether_it_comes_as_deltas_or_whole():
    texts = await heard_of(
        [b"retry: 100\nevent: connected\ndata: {}"],
        [frame("message.created", message={"role": "user", "content": []})],
        [frame("message.delta", offset=0, delta="some ")],
        [frame("message.delta", offset=0, delta="some more "), b": heartbeat"],
        [frame("message.created", message=answer("some more text ")), frame("session.completed")],
        [frame("session.started")],
    )

    assert texts == ["", "some ", "more ", "text "]


async def test_a_failed_turn_is_told_from_a_slow_one():
    with pytest.raises(BrokenServer, match="NO_MODEL"):
        await heard_of([frame("session.failed", error={"code": "NO_MODEL"})])


async def test_a_stream_that_ends_before_its_turn_is_broken():
    with pytest.raises(BrokenServer, match="before the turn"):
        await heard_of([frame("session.started")])
