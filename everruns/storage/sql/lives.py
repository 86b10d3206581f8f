"""The lives of registries in a database; only the newest may take sessions."""

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from everruns.storage.sql.statements import rendered
from everruns.storage.sql.tables import registry

_BEGIN = rendered(
    insert(registry)
    .values(id=text("1"), life=text("1"))
    .on_conflict_do_update(
        index_elements=[registry.c.id], set_={"life": registry.c.life + text("1")}
    )
    .returning(registry.c.life)
)
_SELECT = rendered(select(registry.c.life).where(registry.c.id == text("1")))


def begin_life(connection: Connection) -> int:
    """Return the number of a registry's new life."""
    return connection.execute(_BEGIN).scalar_one()


def newest_life(connection: Connection) -> int:
    """Return the life of the registry that began last; 0 before the first one."""
    return connection.execute(_SELECT).scalar_one_or_none() or 0
