"""Secret files: readable only by their owner, and written atomically."""

from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from everruns.storage.data_directory.durable import make_durable, make_folder_durable


def make_secret_file(path: Path, content: bytes) -> None:
    """Create a file that only its owner can read; an existing file is kept.

    The file appears under its name when its content is on the disk, so a crash leaves no empty or
    partial file behind. If several processes create it at once, the first one wins.

    Args:
        path: The file, in an existing folder.
        content: What to write.

    Raises:
        OSError: The file cannot be written.
    """
    with NamedTemporaryFile(dir=path.parent) as draft:  # its mode is 0600
        draft.write(content)
        draft.flush()
        make_durable(draft.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft.name)
    make_folder_durable(path.parent)
