"""What a store promises about the registry itself: its lives, and the revision of what it keeps."""

from typing import Protocol


class RegistryStore(Protocol):
    """Keeps which registry is the newest, and how often it has changed what hosts remember."""

    def begin_life(self) -> int:
        """Return the number of the life that a registry begins.

        From now on, registries of earlier lives can take no session. The revision grows too, since
        an earlier registry may have ended between a change and ``advance_revision``. What was
        copied for forks that no registry has stored is deleted.
        """
        ...

    def newest_life(self) -> int:
        """Return the life of the registry that began last; 0 before the first one."""
        ...

    @property
    def revision(self) -> int:
        """The newest revision that this process has seen; every append brings it up to date."""
        ...

    def advance_revision(self) -> int:
        """Return the next revision: agents, providers or budgets have changed."""
        ...
