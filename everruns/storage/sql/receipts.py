"""Receipts in a database; they are stored in the transactions of what they are about."""

from sqlalchemy import ColumnElement, Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from everruns.ids import now_ms
from everruns.storage.receipts import Receipt
from everruns.storage.sql.chunks import RECEIPTS, delete_chunks, is_apart, put_chunks
from everruns.storage.sql.database import Database
from everruns.storage.sql.statements import by_column, rendered, rows_of
from everruns.storage.sql.tables import receipts

_INSERT = rendered(
    insert(receipts)
    .from_select(receipts.c.keys(), rows_of(receipts.c))
    .on_conflict_do_nothing()
    .returning(receipts.c.key)
)


class SqlReceipts:
    """Implements ``ReceiptStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: str) -> Receipt | None:
        """Return the receipt of this key."""
        c = receipts.c
        statement = select(c.key, c.request, c.answer, c.resource_id).where(c.key == key)
        with self._database.reading() as connection:
            found = connection.execute(statement).mappings()
            rows = RECEIPTS.whole(connection, found)
        return Receipt(**rows[0]) if rows else None

    def forget(self, before_ms: int) -> None:
        """Delete the receipts stored before a time in milliseconds since the epoch."""
        with self._database.writing() as connection:
            _delete(connection, receipts.c.stored_ms < before_ms)


def remember(connection: Connection, *new: Receipt) -> None:
    """Store receipts; of two under one key the first stays."""
    if not new:
        return
    stored_ms = now_ms()
    rows, apart = RECEIPTS.narrow({**vars(receipt), "stored_ms": stored_ms} for receipt in new)
    kept = {f"receipt/{key}" for key in connection.execute(_INSERT, by_column(rows)).scalars()}
    put_chunks(connection, [chunk for chunk in apart if chunk["owner"] in kept])


def forget_receipts_of(connection: Connection, resource_id: str) -> None:
    """Delete the receipts about a resource."""
    _delete(connection, receipts.c.resource_id == resource_id)


def _delete(connection: Connection, is_meant: ColumnElement[bool]) -> None:
    gone = delete(receipts).where(is_meant).returning(receipts.c.key, receipts.c.answer)
    owners = [f"receipt/{key}" for key, answer in connection.execute(gone) if is_apart(answer)]
    delete_chunks(connection, owners)
