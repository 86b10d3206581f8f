"""An application that Serve does not start is told in one line; one that ends is ended."""

import subprocess
from typing import Any

import psutil
import pytest
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


def status(message: str) -> ServeStatus:
    deployment = DeploymentStatusOverview(
        status="DEPLOY_FAILED",
        status_trigger=DeploymentStatusTrigger.REPLICA_STARTUP_FAILED,
        replica_states={},
        message=message,
    )
    overview = ApplicationStatusOverview(
        status="DEPLOY_FAILED",
        message="",
        last_deployed_time_s=0.0,
        deployments={"api": deployment},
    )
    return ServeStatus(applications={"everruns": overview})


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (status(REPLICA), "The settings file /x.toml cannot be read: no such file."),
        (status(""), "Failed to update the deployments ['api']."),
        (ServeStatus(), "Failed to update the deployments ['api']."),
    ],
)
def test_the_reason_is_that_of_the_replica_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, now: ServeStatus, says: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("Deploying failed:\nFailed to update the deployments ['api'].")

    monkeypatch.setattr(application.serve, "run", fail)
    monkeypatch.setattr(application.serve, "status", lambda: now)

    with pytest.raises(Unavailable) as refused:
        application.deploy(load_settings())

    assert refused.value.message == f"The API did not start: {says}"


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
