"""The files of workspaces, as everything that keeps or shows them knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s

ANY = "*"
"""The tag that every file has, in conditions."""


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

    @property
    def tag(self) -> str:
        """The entity tag of this state of the file, 32 hexadecimal digits.

        Source: RFC 9110, section 8.8.3, entity tags.
        """
        about = f"{self.is_directory} {self.is_readonly} {self.encoding} {self.updated_at}\n"
        return blake2s(about.encode() + self.content, digest_size=16).hexdigest()


@dataclass(frozen=True)
class FileCondition:
    """What has to be true of a path for a change to be made; ``None`` asks for nothing.

    Source: RFC 9110, section 13.1, ``If-Match`` and ``If-None-Match``.

    Attributes:
        match: The file has to be there, with one of these tags.
        none_match: No file with one of these tags may be there.
    """

    match: Sequence[str] | None = None
    none_match: Sequence[str] | None = None

    def holds(self, file: File | None) -> bool:
        """Tell whether it is true of the file at the path; ``None`` if there is none."""
        tags: set[str] = set() if file is None else {ANY, file.tag}
        is_meant = self.match is None or not tags.isdisjoint(self.match)
        return is_meant and (self.none_match is None or tags.isdisjoint(self.none_match))
