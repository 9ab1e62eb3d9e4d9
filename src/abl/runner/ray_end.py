"""Leaves a Ray, whether or not it answers, and lets the process end as it would have without it."""

from __future__ import annotations

import atexit
import gc
import sys
import threading
from collections.abc import Callable

from abl.processes import noted_status
from abl.runner.ray_watch import end_process

# a Ray whose parts are gone may never come back from being shut down
SHUTDOWN_S = 15.0


def leave_ray(say: Callable[[str], None]) -> None:
    """Leaves Ray, or ends it; does not wait for ever for one whose parts are gone.

    Args:
        say: Is told if it does not answer.
    """
    import ray

    leaving = threading.Thread(target=ray.shutdown, name="ray-shutdown", daemon=True)
    # references to objects of Ray that another thread collects meanwhile end this process from
    # within Ray's library, with exit code 1: seen where modules were still imported beside it
    collects = gc.isenabled()
    gc.disable()
    try:
        leaving.start()
        leaving.join(SHUTDOWN_S)
    finally:
        if collects:
            gc.enable()
    if leaving.is_alive():
        say(f"warning: Ray did not answer for {SHUTDOWN_S:g} s as it was left")
        # Ray would be asked once more as Python ends; what is registered last is called first
        atexit.register(_end_without, leaving)


def _end_without(leaving: threading.Thread) -> None:
    """Ends this process with the status that it has, unless Ray was left after all.

    Of a Ray of this process the guard has ended meanwhile what did not answer.
    """
    status = noted_status()
    if status is None:
        # of a script nobody knows how it would have ended: it is not guessed without need
        leaving.join(SHUTDOWN_S)
    if not leaving.is_alive():
        return
    if status is None:
        status = 1
        print("abl: Ray still does not answer: exit code 1, whatever was done", file=sys.stderr)
    end_process(status)
