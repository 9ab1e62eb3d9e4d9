"""Has a guard (`ray_guard.py`) beside this process while it has a Ray, and tells it how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from abl.runner import ray_guard
from abl.runner.ray_guard import LONGEST_LINE, OWN_END

# this process waits for its guard no longer
_WAIT_S = 15.0
# a guard that is killed alone is started again, not for ever where the system has no room for it
_MOST_STARTS = 5
# pipes to guards -> the process that has them, not those that it forks
_pipes: dict[int, int] = {}


@contextmanager
def guarded(package: str) -> Iterator[None]:
    """While this is open a guard watches; afterwards what is left of the Ray is ended.

    Args:
        package: Folder of Ray's package.
    """
    # -I -S: it needs nothing of the environment, and is there in milliseconds
    command = [sys.executable, "-I", "-S", ray_guard.__file__, str(os.getpid()), package]
    # this process keeps both ends: what it says is not lost if the guard is killed
    heard, said = os.pipe()
    over = threading.Event()

    def start() -> subprocess.Popen[bytes]:
        nowhere = subprocess.DEVNULL
        # the driver's stderr, if it has one
        stderr = None if _is_open(2) else nowhere
        return subprocess.Popen(
            command, stdin=heard, stdout=nowhere, stderr=stderr, start_new_session=True
        )

    guard = start()

    def keep() -> None:
        nonlocal guard
        for _ in range(_MOST_STARTS):
            guard.wait()
            if over.is_set():
                return
            with suppress(OSError):
                guard = start()
        guard.wait()

    keeping = threading.Thread(target=keep, name="ray-guard", daemon=True)
    keeping.start()
    _pipes[said] = os.getpid()
    try:
        yield
    finally:
        over.set()
        say_own_end()
        del _pipes[said]
        os.close(said)
        keeping.join(_WAIT_S)
        if keeping.is_alive():
            guard.kill()
        os.close(heard)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def say_own_end() -> None:
    """Tells the guards that this process ends by itself and has told why, if there is a why."""
    _write(OWN_END)


def foretell(line: str) -> None:
    """What the guards tell should this process be ended before it could tell it itself."""
    _write(line.encode(errors="replace")[:LONGEST_LINE] + b"\n")


def _write(word: bytes) -> None:
    for pipe, process in tuple(_pipes.items()):
        if process == os.getpid():
            with suppress(OSError):
                os.write(pipe, word)
