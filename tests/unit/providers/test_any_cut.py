"""Recorded answers mean the same in whatever form they arrive."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.recorded_streams import DRIVERS, Reading, Recording, WireName, read, recordings
from tests.stream_forms import CONTENT_ODDITIES, FRAMING_ODDITIES, Form

# In the suite; EVERRUNS_EXAMPLES asks for more.
EXAMPLES = int(os.environ.get("EVERRUNS_EXAMPLES", "200"))
WIRES = list(DRIVERS)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def forms(wire: WireName) -> st.SearchStrategy[Form]:
    oddities = st.frozensets(st.sampled_from(FRAMING_ODDITIES + CONTENT_ODDITIES[wire]), max_size=6)
    return st.builds(Form, oddities, st.integers(0, 2**32))


@pytest.mark.parametrize(
    "recording",
    [recording for wire in WIRES for recording in recordings(wire)],
    ids=lambda recording: recording.name,
)
async def test_a_recorded_answer_is_read_right(recording: Recording):
    reading = await read(recording.wire, [recording.stream])

    assert reading.summary == recording.right
    assert not reading.answer.refused_calls


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_is_the_same_in_every_form(wire: WireName, runner: asyncio.Runner):
    whole: dict[str, Reading] = {
        recording.name: runner.run(read(wire, [recording.stream])) for recording in recordings(wire)
    }

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(recording=st.sampled_from(recordings(wire)), form=forms(wire))
    def same(recording: Recording, form: Form) -> None:
        note(f"{recording.name} {form}")
        reading = runner.run(read(wire, form.of(recording)))

        assert reading.summary == recording.right
        assert not reading.answer.refused_calls
        assert reading.answer.thinking_blocks == whole[recording.name].answer.thinking_blocks

    same()
