"""Where a data directory's registry takes calls, recorded in that directory.

Read access to the data directory gives full access to the registry: the registry's secret is there.
"""

import json
import os
from pathlib import Path

from everruns.address import Address

ADDRESS_FILE = "registry.address"


def publish(data_dir: Path, address: Address) -> None:
    """Record the address of a data directory's registry, replacing that of an earlier life."""
    content = json.dumps({"socket": str(address.path), "secret": address.secret.hex()})
    path = data_dir / ADDRESS_FILE
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    new.replace(path)


def withdraw(data_dir: Path) -> None:
    """Delete the recorded address of a data directory's registry."""
    (data_dir / ADDRESS_FILE).unlink(missing_ok=True)


def read(data_dir: Path) -> Address:
    """Return the recorded address of a data directory's registry.

    Raises:
        OSError: None is recorded.
        ValueError, KeyError: What is recorded is not an address.
    """
    noted = json.loads((data_dir / ADDRESS_FILE).read_text())
    return Address(Path(noted["socket"]), bytes.fromhex(noted["secret"]))
