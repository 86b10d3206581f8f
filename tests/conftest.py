"""What tests of several rooms share: the cluster, started once, and how a run is divided."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings as hypothesis_settings

from everruns.errors import CapacityExhausted
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from tests.conversations import Conversation
from tests.packages import package_paths
from tests.progress import Progress
from tests.side_by_side import SideBySide, long_first
from tests.waiting import PATIENCE_S, POLL_S

HIBERNATE_AFTER_S = 1.0
SESSION_ACTORS = 2
SESSIONS_PER_ACTOR = 2
CAPACITY = SESSION_ACTORS * SESSIONS_PER_ACTOR

# How long an example takes says nothing on a machine that others use too.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Show files as they end, unless every test is to be shown."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and config.option.verbose <= 0 and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(terminal))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest."""
    items[:] = long_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SideBySide:
    """Keep together, in runs of several processes, what shares a file or what is started once."""
    return SideBySide(config, log)


@pytest.fixture(scope="session")
def ray_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A cluster for the whole run, and the settings of the runtime on it."""
    ray = pytest.importorskip("ray")
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        warm_session_actors=1,
        max_session_actors=SESSION_ACTORS,
        sessions_per_actor=SESSIONS_PER_ACTOR,
        hibernate_after_s=HIBERNATE_AFTER_S,
        openai_api_key=None,
        anthropic_api_key=None,
    )
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        namespace="everruns",
        log_to_driver=False,
        object_store_memory=100 * 1024 * 1024,
        runtime_env={"env_vars": {"PYTHONPATH": package_paths(tmp_path_factory.mktemp("site"))}},
    )
    yield settings
    ray.shutdown()


@pytest.fixture
async def ray_runtime(ray_settings: Settings) -> AsyncIterator[Runtime]:
    """The runtime on the cluster, ready to take a session."""
    from actors.calls.direct import hang_up
    from actors.runtime import RayRuntime

    runtime = RayRuntime(ray_settings.public())
    await with_room(runtime)
    yield runtime
    await hang_up()


async def with_room(runtime: Runtime) -> None:
    """Return when the runtime can hold a session: its first session actor takes a moment."""
    talk = await Conversation.begin(runtime)
    async with asyncio.timeout(3 * PATIENCE_S):
        while True:
            try:
                await runtime.registry.hosting.place(talk.id)
                break
            except CapacityExhausted:
                await asyncio.sleep(POLL_S)
    await runtime.sessions.delete(talk.id)
