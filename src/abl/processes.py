"""Which process something belongs to, on whatever machine: leases and leftovers name it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_noted: list[int] = []


def note_status(code: object) -> None:
    """The exit status that this process is about to end with: `atexit` does not say.

    Args:
        code: As of SystemExit: None, a number, or a text that is told.
    """
    _noted[:] = [code if isinstance(code, int) else int(code is not None)]


def noted_status() -> int | None:
    """What `note_status` was told last, None if nothing was."""
    return _noted[0] if _noted else None


def process_start(pid: int) -> str | None:
    """When a living process of this machine started, in a form that tells reused ids apart."""
    try:
        # fields 3 and 22 of /proc/PID/stat, counted after the name, which may hold spaces
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # a zombie is dead, though nobody may ever ask for its exit status (PID 1 of a container)
        return None if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None


def machine() -> str:
    """A name for this machine's current run: process ids mean nothing elsewhere."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    with suppress(OSError):
        # two containers on one kernel see different processes
        boot += os.readlink("/proc/self/ns/pid")
    return f"{platform.node()}/{boot}"


def this_process() -> dict[str, Any]:
    """What names this process: machine, pid, start."""
    pid = os.getpid()
    return {"machine": machine(), "pid": pid, "start": process_start(pid)}


def is_known_dead(holder: Mapping[str, Any]) -> bool:
    """Whether a process that `this_process` named was of this machine and is no more."""
    pid = holder.get("pid")
    if holder.get("machine") != machine() or not isinstance(pid, int):
        return False
    return process_start(pid) != holder.get("start")
