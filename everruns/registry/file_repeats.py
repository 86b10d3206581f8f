"""Retried file operations, whose first attempt may or may not have taken effect.

The files themselves show the effect of a lost first attempt. So a retry gives the answer of the
first attempt instead of failing on the effect it already had.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from everruns.domain.idempotency import Idempotency
from everruns.registry.workspace_files import WorkspaceFiles
from everruns.storage.store import Store
from everruns.tools.base import File


def run_operation(
    store: Store,
    workspace_id: str,
    operation: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    idempotency: Idempotency | None,
) -> Any:
    """Run an operation of ``WorkspaceFiles``, or only answer if an earlier attempt ran it.

    Raises:
        FileRefused: The operation was refused.
    """
    files = WorkspaceFiles(store.files, workspace_id)
    if idempotency is not None and idempotency.is_repeated:
        done = _earlier_answer(files, operation, *args, **kwargs)
        if done is not None:
            return done
    return getattr(files, operation)(*args, **kwargs)


def _earlier_answer(
    files: WorkspaceFiles, operation: str, path: str, *args: Any, **kwargs: Any
) -> Any:
    """Return the answer of an operation that already took effect, or ``None``."""
    there = files.read(path)
    earlier: Any = None
    match operation:
        case "write" | "create":
            earlier = _as_written(there, *args, **kwargs)
        case "update":
            earlier = _as_changed(there, *args, **kwargs)
        case "create_directory" if there is not None and there.is_directory:
            earlier = there
        case "move" if there is None:
            earlier = files.read(args[0])
        case "copy" if there is not None:
            target = files.read(args[0])
            earlier = target if target and target.content == there.content else None
        case "delete" if there is None:
            earlier = True
        case _:
            pass
    return earlier


def _as_written(
    file: File | None, content: bytes, encoding: str, *, is_readonly: bool = False
) -> File | None:
    return _as_changed(file, content, encoding, is_readonly)


def _as_changed(
    file: File | None, content: bytes | None, encoding: str | None, is_readonly: bool | None
) -> File | None:
    if file is None or file.is_directory:
        return None
    same_content = content is None or content == file.content
    same_encoding = encoding is None or encoding == file.encoding
    return (
        file if same_content and same_encoding and file.is_readonly == bool(is_readonly) else None
    )
