"""Work on stages that are not finished: attempts, and the one checkpoint that a stage has.

`work/<digest>/<attempt>.<process>/` is what an attempt writes, `<attempt>.checkpoints/` what the
next one goes on from, `discarded-<...>.<process>/` a finished stage on its way out.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from abl.record.done import Attempt
from abl.scratch import bytes_below, of_dead_process, process_mark

CHECKPOINTS = ".checkpoints"


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing if it is absent."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def attempt_folder(root: Path, attempt: Attempt) -> Path:
    """Where an attempt of this process writes."""
    return root / "work" / attempt.digest / f"{attempt.name}.{process_mark()}"


def grave_of(root: Path, digest: str) -> Path:
    """Where a finished stage is put before it is removed: never half of it in its place."""
    return root / "work" / digest / f"discarded-{uuid.uuid4().hex[:8]}.{process_mark()}"


def clear_dead_attempts(attempt: Attempt) -> None:
    """Removes what attempts of dead processes wrote; for who holds the stage's lease."""
    for path in entries(attempt.folder.parent):
        if of_dead_process(path.name):
            shutil.rmtree(path, ignore_errors=True)


def checkpoints_taken_over(attempt: Attempt) -> Path:
    """The attempt's folder for checkpoints, with those of the last one; for who holds the lease.

    It is renamed, which is done or not done: there is one at any time, however often a process is
    killed. A worker believed dead that still writes finds its folder gone, and goes on without
    checkpoints (`save_checkpoint`).
    """
    own = attempt.folder.with_name(f"{attempt.name}{CHECKPOINTS}")
    if own.is_dir():
        return own
    # earlier versions left one a kill, the last perhaps copied in part: a training's grow with time
    others = sorted(attempt.folder.parent.glob(f"*{CHECKPOINTS}"), key=_size_and_time)
    if others:
        os.rename(others[-1], own)
    for path in others[:-1]:
        shutil.rmtree(path, ignore_errors=True)
    own.mkdir(exist_ok=True)
    for part in own.glob(".*.part"):  # of a process killed while it wrote
        with suppress(OSError):
            part.unlink()
    return own


def _size_and_time(folder: Path) -> tuple[int, float]:
    parts = sum(bytes_below(part) for part in folder.glob(".*.part"))
    return bytes_below(folder) - parts, folder.stat().st_mtime
