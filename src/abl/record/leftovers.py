"""What killed processes left behind of stages that are finished."""

from __future__ import annotations

import shutil
from collections.abc import Collection

from abl.record.store import Store


def clear_leftovers(store: Store, finished: Collection[str]) -> None:
    """Removes leases of dead holders and attempts that nobody is at work on.

    A process killed between its commit and the end of its lease leaves them; no later run would
    ask for that lease again.
    """
    store.clear_leases(finished)
    folder = store.root / "work"
    # an attempt makes its folder after it has taken its lease
    begun = (
        sorted(path for path in folder.iterdir() if path.name in finished)
        if folder.is_dir()
        else []
    )
    leased = set(store.leased()) if begun else set()
    for path in begun:
        if path.name not in leased:
            shutil.rmtree(path, ignore_errors=True)
