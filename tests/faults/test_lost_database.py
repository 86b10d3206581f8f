"""A server with PostgreSQL: what goes on while the registry or the database is away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from actors.processes import wait
from bench.postgres import PostgresServer
from tests.e2e.conversation import post, read_turn, say, start_session
from tests.faults.processes import Role, paused
from tests.faults.talk import World

PATIENCE_S = 60
MODEL = "simulated/simulated-1"


@pytest.fixture
def client(world_on_postgres: World) -> Iterator[httpx.Client]:
    address = world_on_postgres.service.address
    with httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def talk(client: httpx.Client) -> str:
    """A session that had a turn, so that a replica knows where it is."""
    session_id = start_session(client, default_model_id=MODEL)
    say(client, session_id, "Hello.")
    return session_id


def registry_of(world: World) -> psutil.Process:
    (registry,) = world.service.processes(Role.REGISTRY)
    return registry


def texts(client: httpx.Client, session_id: str) -> list[str]:
    """Return what was said in a session."""
    page = client.get(f"/v1/sessions/{session_id}/messages").raise_for_status().json()
    return [message["content"][0]["text"] for message in page["data"]]


def test_a_known_session_goes_on_while_the_registry_stands_still(
    world_on_postgres: World, client: httpx.Client, talk: str
) -> None:
    with paused(registry_of(world_on_postgres)):
        post(client, f"/v1/sessions/{talk}/messages", {"content": "Again."})
        events = read_turn(client, talk)
        said = texts(client, talk)

    assert events[-1]["type"] == "session.completed"
    assert said[2] == "Again."
    assert len(said) == 4


def test_a_killed_registry_finds_the_sessions_where_they_are(
    world_on_postgres: World, client: httpx.Client, talk: str
) -> None:
    first = registry_of(world_on_postgres)
    first.kill()
    say_again = post(client, f"/v1/sessions/{talk}/messages", {"content": "Again."})

    assert read_turn(client, talk)[-1]["type"] == "session.completed"
    assert texts(client, talk)[2] == say_again["content"][0]["text"] == "Again."
    # What needs a registry waits for the next one.
    later = start_session(client, default_model_id=MODEL)
    assert say(client, later, "Hello.")[-1]["type"] == "session.completed"
    assert registry_of(world_on_postgres).pid != first.pid


def test_a_database_that_restarts_is_waited_for(
    database: PostgresServer, client: httpx.Client, talk: str
) -> None:
    with ThreadPoolExecutor() as pool:
        database.kill()
        sending = pool.submit(post, client, f"/v1/sessions/{talk}/messages", {"content": "Now?"})
        database.start()
        sending.result(PATIENCE_S)

    assert read_turn(client, talk)[-1]["type"] == "session.completed"
    assert texts(client, talk)[2] == "Now?"


# A server waits half a minute for its database.
@pytest.mark.long
def test_a_database_that_stays_away_is_a_503_that_says_when_to_come_again(
    database: PostgresServer, client: httpx.Client, talk: str
) -> None:
    database.kill()
    refused = client.post(f"/v1/sessions/{talk}/messages", json={"content": "Now?"})
    database.start()

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    wait(lambda: client.get("/ready").is_success, PATIENCE_S)
    post(client, f"/v1/sessions/{talk}/messages", {"content": "And now?"})
    assert read_turn(client, talk)[-1]["type"] == "session.completed"
    assert "Hello." in texts(client, talk)
