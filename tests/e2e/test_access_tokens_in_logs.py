"""Access tokens on the whole server: valid on every replica, and in no file that it writes."""

import re
from pathlib import Path

import httpx
import pytest

from bench.server import Server
from tests.e2e.command_line import create_key

pytestmark = pytest.mark.timeout(600)

LOGS = re.compile(r"Logs\s+(/\S+)")


def files_with(secrets: list[str], *folders: Path) -> list[str]:
    """The files below folders that have one of the secrets in them."""
    found: list[str] = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                found += [str(path) for secret in secrets if secret.encode() in content]
    return found


def test_a_token_counts_on_every_replica_and_is_written_nowhere(replicated: Server):
    server = replicated
    key = create_key(server.data_dir, "tokens")
    by_key = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=server.address, headers=by_key, timeout=30) as client:
        session = client.post("/v1/sessions", json={}).json()["id"]
        wanted = {"session_id": session, "rights": ["read", "send"]}
        made = client.post("/v1/access-tokens", json=wanted)
        assert made.status_code == 201, made.text
        token = made.json()["access_token"]

    by_token = {"Authorization": f"Bearer {token}"}
    events = f"/v1/sessions/{session}/events"
    for number in range(20):
        # A connection each, so that each replica gets some.
        with httpx.Client(base_url=server.address, timeout=30) as browser:
            said = {"content": f"Hello {number}"}
            sent = browser.post(f"/v1/sessions/{session}/messages", json=said, headers=by_token)
            assert sent.status_code == 201, sent.text
            with browser.stream("GET", f"{events}?after_sequence=0&token={token}") as stream:
                assert next(stream.iter_lines()).startswith("retry:")
    with httpx.Client(base_url=server.address, timeout=30) as browser:
        refused = {
            browser.get(f"{path}?token={secret}").status_code
            for path in ("/v1/sessions", "/v1/nothing", events, f"/v1/sessions/{session}", "/")
            for secret in (key, f"{token}x", f"evt_{key}")
        }
        assert refused == {401}
        assert browser.get(f"/v1/nothing?token={token}").status_code == 404
        assert browser.get(f"{events}?since_id=x&token={token}").status_code == 400

    printed = LOGS.search(server.printed.read_text())
    assert printed is not None
    logs, data = Path(printed[1]), Path(server.data_dir)
    assert any(path.stat().st_size for path in logs.rglob("*.err"))
    mac = token.rpartition(".")[2]
    assert files_with([token, mac, key], logs, logs.parent, data, server.printed.parent) == []
    # The search finds what is there.
    assert files_with([session], data)
