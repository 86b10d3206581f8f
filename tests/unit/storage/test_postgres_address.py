"""The address of a PostgreSQL database, and what each connection is told."""

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from everruns.errors import InvalidRequest
from everruns.storage.postgres.engine import complete


def completed(url: str) -> dict[str, object]:
    return dict(conninfo_to_dict(complete(SecretStr(url))))


def test_every_wait_has_a_limit():
    told = completed("postgresql://u:p@db/everruns")

    assert told["connect_timeout"] == "5"
    assert told["tcp_user_timeout"] == "15000"
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        assert f"-c {limit}=" in str(told["options"])


def test_what_the_address_says_itself_comes_first():
    told = completed(
        "postgresql+psycopg://u:p%40ss@db/everruns"
        "?connect_timeout=1&application_name=mine&options=-c%20statement_timeout%3D9s"
    )

    assert told["password"] == "p@ss"
    assert told["connect_timeout"] == "1"
    assert told["application_name"] == "mine"
    # The last one counts.
    assert str(told["options"]).endswith("-c statement_timeout=9s")


def test_several_hosts_and_the_search_for_the_primary_pass():
    told = completed("postgresql://u@one:5433,two:5434/everruns?target_session_attrs=read-write")

    assert told["host"] == "one,two"
    assert told["port"] == "5433,5434"
    assert told["target_session_attrs"] == "read-write"


def test_a_socket_without_a_file_may_be_named():
    assert completed("postgresql:///everruns?host=@everruns")["host"] == "@everruns"


# What follows an unencoded @ would be taken for a host, what precedes a / for a port.
@pytest.mark.parametrize("rest", ["passw0rd@[db", "p@passw0rd@db", "passw0rd/@db"])
def test_a_malformed_address_is_not_quoted(rest: str):
    with pytest.raises(InvalidRequest, match="percent-encoded") as refused:
        complete(SecretStr(f"postgresql://u:{rest}/everruns"))

    assert "passw0rd" not in refused.value.message
