"""How many API replicas there are, and where, on either kind of cluster."""

import pytest

from actors.serving.leftovers import MARK
from actors.serving.replicas import REQUESTS_PER_REPLICA, replica_options
from everruns.settings import Settings
from everruns.settings_loading import load_settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv(MARK, raising=False)
    return load_settings(replicas=2)


def test_a_servers_own_cluster_has_as_many_as_are_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "/data")

    assert replica_options(settings) == {"num_replicas": 2}


def test_on_a_joined_cluster_they_request_something_so_that_ray_spreads_them(
    settings: Settings,
) -> None:
    options = replica_options(settings)

    assert options["num_replicas"] == 2
    assert options["max_replicas_per_node"] >= 64


def test_there_are_more_for_more_requests_where_more_are_allowed(settings: Settings) -> None:
    options = replica_options(settings.model_copy(update={"max_replicas": 5}))

    scaling = options["autoscaling_config"]
    assert "num_replicas" not in options
    assert (scaling.min_replicas, scaling.max_replicas) == (2, 5)
    assert scaling.get_target_ongoing_requests() == REQUESTS_PER_REPLICA
    assert scaling.downscale_delay_s > 10 * scaling.upscale_delay_s, "changes are few"
