"""What killed processes left in a store: half-written files, attempts, what belongs to leases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from abl.record.own_names import is_attempt_name, is_stage_name
from abl.record.plans import SILENT_S
from abl.record.store import Store
from abl.record.work import entries
from abl.scratch import is_left_part, of_dead_process


def own_leases(store: Store) -> list[str]:
    """Digests of stages of which there is a lease, whether or not its holder lives."""
    return [digest for digest in store.leased() if is_stage_name(digest)]


def left_parts(store: Store, *, deep: bool) -> Iterator[Path]:
    """Half-written files of processes that are no more.

    Args:
        deep: Finished stages are looked into too, of which there may be 100,000.
    """
    root = store.root
    places = [root / "index", root / "cache", root / "plans", *entries(root / "cache")]
    for sweep in entries(root / "sweeps"):
        places += [sweep, *(path for path in entries(sweep) if path.is_dir())]
    if deep:
        places += entries(root / "done")
    for place in places:
        for path in entries(place):
            if path.name.startswith(".") and is_left_part(path):
                yield path


def left_attempts(store: Store) -> Iterator[Path]:
    """What attempts of processes that are no more wrote."""
    for folder in entries(store.root / "work"):
        for path in entries(folder):
            if is_attempt_name(path.name) and of_dead_process(path.name):
                yield path


def left_beats(store: Store) -> Iterator[Path]:
    """What belongs to a lease that is no more, of whoever died while it beat or took it."""
    for path in entries(store.root / "lease"):
        digest, dot, _ = path.name.partition(".")
        with suppress(OSError):
            silent_s = time.time() - path.lstat().st_mtime
            if (
                dot
                and is_stage_name(digest)
                and silent_s > SILENT_S
                and not store.lease_path(digest).exists()
            ):
                yield path
