"""The registry's own row in a database."""

from sqlalchemy import BigInteger, Connection, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from everruns.ids import now_ms
from everruns.storage.sql.database import Database
from everruns.storage.sql.forks import clear_all_unfinished
from everruns.storage.sql.statements import rendered
from everruns.storage.sql.tables import registry

_ROW = 1
_LIVES = bindparam("lives", type_=BigInteger)
_REVISION = bindparam("revision", type_=BigInteger)
_RAISE = rendered(
    insert(registry)
    .values(id=literal_column(str(_ROW)), life=_LIVES, revision=_REVISION)
    .on_conflict_do_update(
        index_elements=[registry.c.id],
        set_={
            "life": registry.c.life + _LIVES,
            "revision": func.greatest(
                registry.c.revision + literal_column("1"), literal_column("excluded.revision")
            ),
        },
    )
    .returning(registry.c.life, registry.c.revision)
)
_SELECT = rendered(
    select(registry.c.life, registry.c.revision).where(registry.c.id == literal_column(str(_ROW)))
)


class SqlRegistry:
    """Implements ``RegistryStore``.

    Args:
        database: Has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision = 0

    @property
    def revision(self) -> int:
        """The newest revision that this process has seen."""
        return self._revision

    def heed(self, revision: int) -> None:
        """Take note of a revision that was read together with something else."""
        self._revision = max(self._revision, revision)

    def begin_life(self) -> int:
        """Return the number of the life that a registry begins, without what others left behind."""
        life = self._raise(lives=1)
        clear_all_unfinished(self._database)
        return life

    def newest_life(self) -> int:
        """Return the life of the registry that began last; 0 before the first one."""
        with self._database.reading() as connection:
            life, revision = _select(connection)
        self.heed(revision)
        return life

    def advance_revision(self) -> int:
        """Return the next revision."""
        self._raise(lives=0)
        return self._revision

    def _raise(self, lives: int) -> int:
        # Hosts may have seen a higher number than the database has, from before it kept one.
        values = {"lives": lives, "revision": max(now_ms(), self._revision + 1)}
        with self._database.writing() as connection:
            life, revision = connection.execute(_RAISE, values).one()
        self.heed(revision)
        return life


def newest_life(connection: Connection) -> int:
    """Return the life of the registry that began last; 0 before the first one."""
    return _select(connection)[0]


def _select(connection: Connection) -> tuple[int, int]:
    row = connection.execute(_SELECT).first()
    return (row.life, row.revision) if row else (0, 0)
