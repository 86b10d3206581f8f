"""Event streams, wherever the network cuts them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from everruns.providers.event_stream import EventSplitter

STREAM = (
    ": a comment\r\n\r\n"
    'event: one\r\nid: 7\r\ndata: {"a":1}\r\n\r\n'
    'data:{"b":2}\n\n'
    "data: first\ndata: second\n\n"
    "retry: 100\n\n"
    "data: müde 🙂\n\n"
).encode()
PAYLOADS = [b'{"a":1}', b'{"b":2}', b"first\nsecond", "müde 🙂".encode()]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_reads_the_same_wherever_the_network_cuts_it(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    splitter = EventSplitter()

    payloads = [data for a, b in pairwise(edges) for data in splitter.feed(STREAM[a:b])]

    assert payloads + splitter.end() == PAYLOADS


def test_an_event_is_given_out_as_soon_as_it_ends():
    assert EventSplitter().feed(b"data: one\n\ndata: two") == [b"one"]


def test_the_last_event_needs_no_blank_line():
    splitter = EventSplitter()

    assert splitter.feed(b"data: one\ndata: two") == []
    assert splitter.end() == [b"one\ntwo"]


def test_the_last_event_may_follow_a_carriage_return_and_lack_its_own():
    splitter = EventSplitter()

    assert [*splitter.feed(b"data: one\r\r"), *splitter.feed(b"data: two")] == []
    assert splitter.end() == [b"one", b"two"]


def test_all_lines_of_an_unfinished_event_are_measured():
    splitter = EventSplitter()

    splitter.feed(b"data: one\ndata:\n" + b"data: x\n" * 3 + b"data: r")

    assert splitter.unfinished_bytes == len(b"one\n\nx\nx\nx") + len(b"data: r")


def test_an_unfinished_line_is_measured():
    splitter = EventSplitter()

    for _ in range(3):
        splitter.feed(b"x" * 100)

    assert splitter.unfinished_bytes == 300
