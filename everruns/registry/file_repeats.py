"""Retried file operations, whose first attempt may or may not have taken effect.

The files themselves show the effect of a lost first attempt. So a retry gives the answer of the
first attempt instead of failing on the effect it already had. Each function returns that answer,
or ``None`` if the files do not show the effect.
"""

from everruns.domain.files import File


def as_created(
    file: File | None, content: bytes | None, encoding: str, *, is_readonly: bool
) -> File | None:
    """Return what is at the path if it is what was to be created; no content is a directory."""
    if content is None:
        return file if file is not None and file.is_directory else None
    return as_changed(file, content, encoding, is_readonly=is_readonly)


def as_changed(
    file: File | None, content: bytes | None, encoding: str | None, *, is_readonly: bool
) -> File | None:
    """Return the file if it is as it was to be written; ``None`` left a field as it was."""
    if file is None or file.is_directory:
        return None
    same_content = content is None or content == file.content
    same_encoding = encoding is None or encoding == file.encoding
    return file if same_content and same_encoding and file.is_readonly == is_readonly else None


def as_copied(source: File | None, target: File | None) -> File | None:
    """Return the target if it has the content of the source."""
    if source is None or target is None or target.content != source.content:
        return None
    return target
