"""Stages for tests and benchmarks: they wait, fail or die, and import nothing heavy."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from abl.errors import StageError
from abl.stages.kind import Work, kind


@kind("nap")
def nap(work: Work) -> dict[str, Any]:
    """Waits `seconds`, then writes what it was told and what its inputs wrote.

    Each computation leaves a line in the file `count`, if that is set; `facts` are its facts.
    """
    counted = work.stage.settings.get("count")
    if counted:
        with Path(str(counted)).open("a") as file:
            file.write(f"{work.stage.settings.get('text', '')}\n")
    time.sleep(float(work.stage.settings.get("seconds", 0)))
    inputs = [
        work.store.file(digest, "nap.txt").read_text()
        for _, digest in sorted(work.stage.inputs.items())
    ]
    text = str(work.stage.settings.get("text", ""))
    (work.out / "nap.txt").write_text("".join([*inputs, text]))
    return dict(work.stage.settings.get("facts", {}))


@kind("fail")
def fail(work: Work) -> dict[str, Any]:
    """Always raises."""
    raise StageError(str(work.stage.settings.get("text", "told to fail")))


@kind("die")
def die(work: Work) -> dict[str, Any]:
    """Kills its own process until the file `alive` in the store's cache exists."""
    marker = work.store.cache / "alive"
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        if work.stage.settings.get("once"):
            marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (work.out / "nap.txt").write_text("survived")
    return {}
