"""What tests of several rooms share: the cluster, started once, and how a run is divided."""

import asyncio
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings as hypothesis_settings

from bench.server import Server
from everruns.errors import CapacityExhausted
from everruns.runtime.runtime import Runtime
from everruns.settings import Settings
from tests.conversations import Conversation
from tests.data_directories import usual_umask
from tests.packages import package_paths
from tests.progress import Progress
from tests.ray_nodes import starting_a_node
from tests.servers import small_server
from tests.side_by_side import SideBySide, group_of, in_order, started_once
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
    """Show files as they end, unless every test is to be shown, and let Ctrl-C end programs."""
    # A shell that starts the tests in the background lets them ignore it, and all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and config.option.verbose <= 0 and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(terminal))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest, and one after the other what shares a start."""
    items[:] = in_order(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Function) -> None:
    """Refuse to use what was started once for other files."""
    started_once.check(item.funcargs.values())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """End what is started once after the last test that uses it: idle servers cost the others."""
    try:
        return (yield)
    finally:
        if nextitem is not None and group_of(nextitem.nodeid) != group_of(item.nodeid):
            started_once.end()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """End what is started once and still runs."""
    started_once.end()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SideBySide:
    """Keep together, in runs of several processes, what shares a file or what is started once."""
    return SideBySide(config, log)


@pytest.fixture
def umask() -> Iterator[None]:
    """Undo what opening a store does to the process."""
    with usual_umask():
        yield


@pytest.fixture(scope="session")
def ray_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A cluster for all tests that need no more, and the settings of the runtime on it."""
    ray = pytest.importorskip("ray")
    packages = package_paths(tmp_path_factory.mktemp("site"))
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        warm_session_actors=1,
        max_session_actors=SESSION_ACTORS,
        sessions_per_actor=SESSIONS_PER_ACTOR,
        hibernate_after_s=HIBERNATE_AFTER_S,
        demonstration=False,
        openai_api_key=None,
        anthropic_api_key=None,
    )

    @contextmanager
    def cluster() -> Generator[Settings]:
        with starting_a_node():
            ray.init(
                num_cpus=2,
                include_dashboard=False,
                namespace="everruns",
                log_to_driver=False,
                object_store_memory=100 * 1024 * 1024,
                runtime_env={"env_vars": {"PYTHONPATH": packages}},
            )
        yield settings
        ray.shutdown()

    return started_once.start(cluster())


@pytest.fixture
async def ray_runtime(ray_settings: Settings) -> AsyncIterator[Runtime]:
    """The runtime on the cluster, ready to take a session."""
    from actors.calls.direct import hang_up
    from actors.runtime import RayRuntime

    runtime = RayRuntime(ray_settings.public())
    await with_room(runtime)
    yield runtime
    await hang_up()


@pytest.fixture(scope="session")
def server() -> Server:
    """A server for all tests that need no more; the last file that uses it ends it by force."""
    return started_once.start(small_server(EVERRUNS_ALLOW_PRIVATE_ADDRESSES="true"))


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
