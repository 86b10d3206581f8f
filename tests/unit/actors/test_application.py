"""An application that Serve does not start is told in one line; one that ends is ended."""

import subprocess
from typing import Any

import psutil
import pytest
from ray.exceptions import RayError
from ray.serve.schema import (
    ApplicationStatusOverview,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
    ServeStatus,
)

from actors.serving import application
from everruns.errors import Unavailable
from everruns.settings_loading import load_settings

REPLICA = """The deployment failed to start 3 times in a row. See controller logs. Error:
ray::ServeReplica:everruns:api.initialize_and_get_metadata() (pid=7, ip=10.0.0.1)
  File "serve_app.py", line 43, in build
everruns.errors.InvalidRequest: The settings file /x.toml cannot be read: no such file.
"""


def status(message: str, now: str = "DEPLOY_FAILED") -> ServeStatus:
    deployment = DeploymentStatusOverview(
        status="UPDATING",
        status_trigger=DeploymentStatusTrigger.REPLICA_STARTUP_FAILED,
        replica_states={},
        message=message,
    )
    overview = ApplicationStatusOverview(
        status=now,
        message="Deploying failed:\nFailed to update the deployments ['api'].",
        last_deployed_time_s=0.0,
        deployments={"api": deployment},
    )
    return ServeStatus(applications={"everruns": overview})


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (status(REPLICA), "The settings file /x.toml cannot be read: no such file."),
        (status(""), "Failed to update the deployments ['api']."),
    ],
)
def test_the_reason_is_that_of_the_replica_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, now: ServeStatus, says: str
) -> None:
    monkeypatch.setattr(application.serve, "status", lambda: now)

    with pytest.raises(Unavailable) as refused:
        application.check_deployed(application.Proxies([]))

    assert refused.value.message == f"The API did not start: {says}"


@pytest.mark.parametrize("now", [ServeStatus(), status(REPLICA, "DEPLOYING")])
def test_what_serve_still_tries_to_start_has_not_failed(
    monkeypatch: pytest.MonkeyPatch, now: ServeStatus
) -> None:
    monkeypatch.setattr(application.serve, "status", lambda: now)

    application.check_deployed(application.Proxies([]))


def test_a_serve_that_ends_during_the_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RayError("The actor died:\nThe controller has ended.")

    monkeypatch.setattr(application.serve, "status", fail)

    with pytest.raises(Unavailable) as refused:
        application.check_deployed(application.Proxies([]))

    assert refused.value.message == "Ray Serve does not answer: The controller has ended."


def test_a_proxy_that_does_not_start_is_told_and_one_that_starts_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed, starting = object(), object()

    def fail(_: Any) -> None:
        raise RayError("The actor died:\nHAProxy cannot listen on port 9300.")

    monkeypatch.setattr(application.ray, "wait", lambda *_, **__: ([failed], [starting]))
    monkeypatch.setattr(application.ray, "get", fail)

    with pytest.raises(Unavailable) as refused:
        application.Proxies([failed, starting]).check()

    assert refused.value.message == "Ray Serve did not start: HAProxy cannot listen on port 9300."


def test_an_application_that_serve_does_not_take_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("Deploying failed:\nThe controller has ended.")

    monkeypatch.setattr(application.serve, "run_many", refuse)

    with pytest.raises(Unavailable) as refused:
        application.deploy(load_settings())

    assert refused.value.message == "The API did not start: The controller has ended."


def test_proxies_that_take_longer_than_serve_waits_do_not_end_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(*_: Any, **__: Any) -> None:
        raise TimeoutError("Proxies not available after 60s.")

    monkeypatch.setattr(application.serve, "run_many", give_up)

    application.deploy(load_settings())


def test_a_balancer_that_has_ended_by_itself_does_not_keep_the_rest_from_ending(
    monkeypatch: pytest.MonkeyPatch, ended: psutil.Process
) -> None:
    deleted: list[str] = []
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [ended])
    monkeypatch.setattr(application.serve, "delete", lambda name, **_: deleted.append(name))
    monkeypatch.setattr(application.serve, "status", ServeStatus)
    application.end_requests()
    assert deleted == ["everruns"]


@pytest.fixture
def ended() -> psutil.Process:
    """A process that is gone, although it was there a moment ago."""
    with subprocess.Popen(["sleep", "60"]) as started:
        process = psutil.Process(started.pid)
        started.kill()
    return process
