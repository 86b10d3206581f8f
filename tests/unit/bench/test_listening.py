"""Reading what a stream brought, after the measurement."""

import pytest

from bench.limits.listening import Stream

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
FRAMES = (
    b"event: connected\ndata: {}\n\n",
    b": heartbeat\n\n",
    b"event: message.delta\ndata: one\n\nevent: session.completed\ndata: two\n\n",
)
ANSWER = HEAD + b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in FRAMES)
KINDS = [b"connected", b"", b"message.delta", b"session.completed"]


async def received(*parts: bytes) -> Stream:
    stream = Stream(b"GET / HTTP/1.1\r\n\r\n")
    for part in parts:
        stream.data_received(part)
    return stream


@pytest.mark.parametrize("size", [1, 2, 7, 50, len(ANSWER)])
async def test_frames_are_read_however_they_were_cut(size: int):
    parts = [ANSWER[place : place + size] for place in range(0, len(ANSWER), size)]

    frames = list((await received(*parts)).frames())

    assert [frame.kind for frame in frames] == KINDS
    assert [frame.data for frame in frames] == [b"{}", b"", b"one", b"two"]


async def test_a_frame_arrives_with_its_last_byte():
    stream = await received(ANSWER[:-20])
    before = list(stream.frames())

    stream.data_received(ANSWER[-20:])
    after = list(stream.frames())

    assert [frame.kind for frame in before] == KINDS[:2]
    assert after[:2] == before
    assert after[-1].at > before[-1].at


@pytest.mark.parametrize("cut", [len(ANSWER) - 60, len(ANSWER) - 30, len(ANSWER) - 1])
async def test_the_end_of_a_turn_is_noticed_in_two_parts(cut: int):
    assert not (await received(ANSWER[: len(HEAD) + 40])).over.done()
    assert (await received(ANSWER[:cut], ANSWER[cut:])).over.done()


async def test_an_answer_that_is_no_stream_is_an_error():
    stream = await received(b"HTTP/1.1 503 Service Unavailable\r\n\r\nlater")

    with pytest.raises(RuntimeError, match="503"):
        await stream.opened


async def test_a_connection_that_is_lost_is_waited_for_no_longer():
    stream = await received(HEAD)

    stream.connection_lost(None)

    assert stream.over.done()
