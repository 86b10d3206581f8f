"""What every store does with workspaces."""

from everruns.storage.files import StoredFile
from everruns.storage.store import Store
from everruns.storage.workspaces import WorkspaceQuery
from tests.stored import file, session, time, workspace


def test_a_stored_workspace_is_found_as_it_was(store: Store) -> None:
    stored = workspace(1, description="Ä☃")
    store.workspaces.put(stored)
    assert store.workspaces.find(stored.id) == stored
    assert store.workspaces.find("workspace_2") is None


def test_a_workspace_put_again_is_replaced(store: Store) -> None:
    for version in range(3):
        store.workspaces.put(workspace(1, name=f"version {version}"))
    assert store.workspaces.list(WorkspaceQuery()) == ([workspace(1, name="version 2")], 1)


def test_workspaces_are_listed_newest_first_by_text_and_status(store: Store) -> None:
    for number, name in ((2, "Report"), (1, "old REPORT"), (3, "Notes")):
        store.workspaces.put(workspace(number, name=name))
    archived = workspace(4, name="report", status="archived", archived_at=time(5))
    store.workspaces.put(archived)

    found, total = store.workspaces.list(WorkspaceQuery(search="report"))
    assert [each.id for each in found] == ["workspace_2", "workspace_1"]
    assert total == 2
    found, total = store.workspaces.list(WorkspaceQuery(include_archived=True, limit=1))
    assert (found, total) == ([archived], 4)


def test_a_workspace_outlives_the_sessions_that_share_it(store: Store) -> None:
    store.workspaces.put(workspace(1))
    for number in (1, 2):
        files = [StoredFile("workspace_1", file(f"/{number}"))]
        store.sessions.insert(session(number, workspace_id="workspace_1"), files)
    assert store.sessions.delete(session(1).id)
    assert [found.path for found in store.files.list("workspace_1", "/")] == ["/1", "/2"]
