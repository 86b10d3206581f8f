"""The files of workspaces, as everything that keeps or shows them knows them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A file or directory of a virtual file system.

    Attributes:
        path: Absolute, e.g. ``/notes/today.md``.
        is_directory: Whether it is a directory.
        is_readonly: Whether tools may only read it.
        encoding: ``text`` or ``base64``: how the content is shown.
        size_bytes: The content's size.
        created_at: RFC 3339 UTC.
        updated_at: RFC 3339 UTC.
        content: The content, empty in lists.
    """

    path: str
    is_directory: bool
    is_readonly: bool
    encoding: str
    size_bytes: int
    created_at: str
    updated_at: str
    content: bytes = b""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]
