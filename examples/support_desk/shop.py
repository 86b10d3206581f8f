"""The shop: orders and refunds in a SQLite file. It stands for what a company has already."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TABLES = """
create table if not exists orders (
    number text primary key, customer text not null, item text not null, cents integer not null
);
create table if not exists refunds (
    key text primary key, number text not null, cents integer not null, reason text not null
);
insert or ignore into orders values
    ('1042', 'ada', 'a lamp of blue glass', 4900),
    ('1043', 'grace', 'a bag of nails', 700);
"""


class Refused(Exception):
    """The shop does not do this; the message says why, for the agent to read."""


class Shop:
    """Orders and refunds.

    Args:
        path: The database's file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.executescript(TABLES)

    def lookup_order(self, customer: str, number: str) -> dict[str, Any]:
        """Return a customer's order.

        Raises:
            Refused: The customer has no such order.
        """
        with self._open() as database:
            order = _order(database, customer, number)
            return {**order, "refunded_cents": _refunded(database, number)}

    def refund(
        self, customer: str, number: str, cents: int, reason: str, *, key: str
    ) -> dict[str, Any]:
        """Refund a part of an order, once for each key.

        Args:
            customer: Who gets the money; the order must be theirs.
            number: The order.
            cents: How much.
            reason: Why, for the books.
            key: Identifies this refund. The same refund again, with the same key, changes nothing.

        Raises:
            Refused: The customer has no such order, or the amount is more than is left of it.
        """
        with self._open() as database:
            order = _order(database, customer, number)
            there = database.execute("select 1 from refunds where key = ?", [key]).fetchone()
            if not there:
                left = order["cents"] - _refunded(database, number)
                if not 0 < cents <= left:
                    raise Refused(f"Of order {number}, {left} cents can be refunded.")
                database.execute(
                    "insert into refunds values (?, ?, ?, ?)", [key, number, cents, reason]
                )
            return {"order": number, "refunded_cents": _refunded(database, number)}

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """Open a transaction, which holds if nothing is raised."""
        database = sqlite3.connect(self._path, isolation_level="IMMEDIATE")
        try:
            with database:
                yield database
        finally:
            database.close()


def _order(database: sqlite3.Connection, customer: str, number: str) -> dict[str, Any]:
    found = database.execute(
        "select item, cents from orders where number = ? and customer = ?", [number, customer]
    ).fetchone()
    if found is None:
        raise Refused(f"This customer has no order {number}.")
    return {"order": number, "item": found[0], "cents": found[1]}


def _refunded(database: sqlite3.Connection, number: str) -> int:
    (cents,) = database.execute(
        "select coalesce(sum(cents), 0) from refunds where number = ?", [number]
    ).fetchone()
    return cents
