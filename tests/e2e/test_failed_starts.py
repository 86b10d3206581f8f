"""A start that fails says in one line what to do."""

import base64
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from everruns import cli
from everruns.domain.llm import Provider, ProviderAccount
from everruns.storage.data_directory import secret_file
from everruns.storage.data_directory.opening import open_store
from tests.e2e.command_line import everruns

# On a quiet machine it takes a third of it; a start that succeeds takes longer.
WRONG_KEY_WITHIN_S = 60
NOBODY = "127.0.0.1:1"
PHASE = re.compile(r"(Starting|Joining) .+ … \d+\.\d s")
WHEN = "2026-01-01T00:00:00Z"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens that is no cluster of Ray."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def refusal(data: Path, *words: str, **environment: str) -> str:
    """Return the only line of a start that fails."""
    refused = everruns("serve", *words, EVERRUNS_DATA_DIR=str(data), **environment)
    assert refused.returncode == 1, refused.stdout
    assert refused.stdout == ""
    *progress, told = refused.stderr.splitlines()
    assert not [line for line in progress if not PHASE.fullmatch(line)], refused.stderr
    assert told.startswith("everruns: ")
    return told


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["--ray-address", NOBODY], {}, f"No Ray cluster answers at {NOBODY}"),
        (["--ray-address", "ray://127.0.0.1:1"], {}, "Give HOST:PORT"),
        ([], {"EVERRUNS_ENCRYPTION_KEY": "short"}, "openssl rand -base64 32"),
        ([], {"EVERRUNS_PROT": "1"}, "Did you mean EVERRUNS_PORT?"),
        (["--host", "192.0.2.77", "--auth", "api_keys"], {}, "--host"),
        (["--host", "0.0.0.0"], {}, "--allow-open-network"),
        ([], {"EVERRUNS_CONFIG": "/proc/none.toml"}, "/proc/none.toml"),
    ],
)
def test_each_cause_is_one_line_that_says_what_to_do(
    tmp_path: Path, words: list[str], environment: dict[str, str], says: str
) -> None:
    assert says in refusal(tmp_path / "data", *words, **environment)


@pytest.mark.parametrize("joins", [False, True])
def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path, joins: bool) -> None:
    (tmp_path / "file").touch()
    data = tmp_path / "file" / "data"

    told = refusal(data, *(["--ray-address", NOBODY] if joins else []))

    assert str(data) in told
    assert "--data-dir" in told


@pytest.mark.parametrize("name", ["server.lock", "ray_token", "encryption.key", "ray_tls.key"])
def test_a_file_in_it_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "data" / name).mkdir(parents=True)

    assert str(tmp_path / "data") in refusal(tmp_path / "data")


def test_a_taken_port_is_named(tmp_path: Path, taken: int) -> None:
    told = refusal(tmp_path / "data", "--port", str(taken))

    assert f"127.0.0.1:{taken}" in told
    assert "--port" in told


def test_something_else_at_the_clusters_address_is_no_cluster(tmp_path: Path, taken: int) -> None:
    told = refusal(tmp_path / "data", "--ray-address", f"127.0.0.1:{taken}")

    assert "does not answer as a Ray cluster" in told


def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    # What this sets goes again.
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setattr(secret_file, "make_durable", full)
    # It would leave the log of all later tests in this test's captured output.
    monkeypatch.setattr(cli, "configure_log", lambda: None)
    monkeypatch.setattr("sys.argv", ["everruns", "serve", "--data-dir", str(tmp_path / "data")])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    assert "No space left on device" in capsys.readouterr().err


# Unlike the others it starts Ray.
@pytest.mark.long
def test_another_encryption_key_is_told_before_the_api_is_started(tmp_path: Path) -> None:
    first, other = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    store = open_store(tmp_path / "data", SecretStr(first))
    store.providers.put(
        ProviderAccount(
            provider=Provider(
                id=f"provider_{1:032x}",
                name="work",
                provider_type="openai",
                created_at=WHEN,
                updated_at=WHEN,
            ),
            api_key=SecretStr("sk-1"),
        )
    )
    store.close()

    starting = time.monotonic()
    told = refusal(tmp_path / "data", "--port", "0", EVERRUNS_ENCRYPTION_KEY=other)

    assert "Set EVERRUNS_ENCRYPTION_KEY to that key" in told
    assert time.monotonic() - starting < WRONG_KEY_WITHIN_S
