"""Workers that end with the raylet that started them.

Ray's own do not if it was killed: they would hold memory and GPU for as long as their driver lives.
"""

from __future__ import annotations

import os
import threading
import time

LOOK_S = 1.0
_watched = threading.Event()


def end_with_raylet() -> None:
    """Ends this process soon after its parent has ended. Works once a process."""
    if _watched.is_set():
        return
    _watched.set()
    raylet = os.getppid()

    def watch() -> None:
        while os.getppid() == raylet:
            time.sleep(LOOK_S)
        # nobody is there to be told; the lease of a dead process counts for nothing
        os._exit(1)

    threading.Thread(target=watch, name="raylet-watch", daemon=True).start()
