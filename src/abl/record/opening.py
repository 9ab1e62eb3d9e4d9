"""The store of an address, in whatever process."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from abl.record.store import Store

SCRATCH = "ABL_SCRATCH"  # environment of a node: folder for work and copies of an object store


def store_at(root: str | Path, url: str | None = None) -> Store:
    """The store of an mlruns folder, or the one at `url`, of which that folder keeps copies.

    Raises:
        InputError: The object store is of no known kind.
    """
    folder = Path(root).absolute() / "store"
    if url is None:
        return Store(folder)
    from abl.record.object_store import ObjectStore

    return ObjectStore(url, folder)


def store_of(address: Mapping[str, str]) -> Store:
    """The store of `Store.address`, on the machine of a worker."""
    if "url" not in address:
        return Store(Path(address["root"]))
    from abl.record.object_store import ObjectStore

    given, root = os.environ.get(SCRATCH), Path(address["root"])
    if given or not root.is_dir():
        # the folder of the driver is on another machine
        name = f"abl-{os.getuid()}-{hashlib.sha256(address['url'].encode()).hexdigest()[:16]}"
        root = Path(given or tempfile.gettempdir()) / name
    return ObjectStore(address["url"], root)
