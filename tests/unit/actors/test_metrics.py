"""Metrics through Ray: how often histograms are shown."""

import pytest

from actors.metrics import RAY_PASSES_ON, histograms_every_s


@pytest.mark.parametrize(("passed_on_ms", "seconds"), [("", 5.0), ("1000", 0.5), ("60000", 30.0)])
def test_histograms_are_shown_twice_as_often_as_ray_passes_them_on(
    passed_on_ms: str, seconds: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(RAY_PASSES_ON, passed_on_ms)
    assert histograms_every_s() == seconds
