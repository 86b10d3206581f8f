"""How often Ray's processes look at what seldom changes: whether they know the settings."""

from pathlib import Path

import pytest
import ray

from actors.clusters.intervals import INTERVALS

PACKAGE = Path(ray.__file__).parent
RAYLET = PACKAGE / "core/src/ray/raylet/raylet"
READ_IN_PYTHON = [
    PACKAGE / "serve/_private/constants.py",
    PACKAGE / "dashboard/modules/reporter/reporter_consts.py",
    PACKAGE / "dashboard/modules/event/event_consts.py",
    PACKAGE / "dashboard/modules/aggregator/aggregator_agent.py",
]


@pytest.fixture(scope="module")
def names_in_raylet() -> bytes:
    return RAYLET.read_bytes()


@pytest.mark.parametrize("name", INTERVALS)
def test_ray_reads_the_setting(name: str, names_in_raylet: bytes):
    # Ray's C++ processes read each of their settings from a variable with this prefix.
    in_raylet = name.removeprefix("RAY_").encode() in names_in_raylet
    in_python = any(f'"{name}"' in file.read_text() for file in READ_IN_PYTHON)

    assert in_raylet or in_python
