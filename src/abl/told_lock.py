"""Locks between processes of a machine: a long wait for one is told, once, and that it is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

# a wait that is longer is told
LOCK_TOLD_S = 5.0


def _to_people(line: str) -> None:
    print(f"abl: {line}", file=sys.stderr, flush=True)


@contextmanager
def told_lock(path: Path, what: str, say: Callable[[str], None] = _to_people) -> Iterator[None]:
    """Holds a lock while its block lasts.

    Args:
        path: File of the lock; the kernel frees it when its holder dies.
        what: What is waited for, as people call it.
        say: Takes a line; default standard error.
    """
    lock, began = FileLock(path), time.monotonic()
    try:
        lock.acquire(timeout=LOCK_TOLD_S)
    except Timeout:
        say(f"waiting for {what}: another process of this machine is at it ({path})")
        lock.acquire()
        say(f"{what}: goes on after {time.monotonic() - began:.0f} s of waiting")
    try:
        yield
    finally:
        lock.release()
