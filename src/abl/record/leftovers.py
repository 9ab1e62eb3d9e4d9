"""What killed processes left behind of stages that are finished."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from abl.record.lease import Watch
from abl.record.store import Store


def clear_leftovers(store: Store, finished: Collection[str]) -> None:
    """Removes leases of dead holders and attempts that nobody is at work on.

    A process killed between its commit and the end of its lease leaves them; no later run would
    ask for that lease again.
    """
    for path in _entries(store.root / "lease"):
        digest, _, suffix = path.name.partition(".")
        if digest not in finished:
            continue
        if not suffix:
            Watch(path, store.stale_s).free()
        elif not store.lease_path(digest).exists():
            path.unlink(missing_ok=True)
    for path in _entries(store.root / "work"):
        if path.name in finished and not store.lease_path(path.name).exists():
            shutil.rmtree(path, ignore_errors=True)


def _entries(folder: Path) -> list[Path]:
    # what belongs to a lease comes after it
    return sorted(folder.iterdir()) if folder.is_dir() else []
