"""A part of the conformance suite, small enough for every run; `make conformance` runs all."""

import pytest

from tests.conformance.suite import run

SCENARIOS = [
    ("2025-11-25", "initialize"),
    ("2025-11-25", "sse-retry"),
    ("2026-07-28", "tools_call"),
    ("2026-07-28", "http-custom-headers"),
    ("2026-07-28", "sep-2322-client-request-state"),
    ("2026-07-28", "auth/metadata-default"),
]


@pytest.mark.parametrize(("revision", "scenario"), SCENARIOS)
def test_our_client_conforms(revision, scenario):
    outcome = run(revision, scenario)
    assert outcome.passed, outcome.output
