"""Workers that end with the Ray that started them.

Ray's own do not if their raylet was killed: they would hold memory and GPU for as long as their
driver lives. Of a GCS that is gone raylets, and with them workers, hear only after a minute, of one
that stands still never.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from abl.runner.ray_watch import SILENCE_S, Silence, answering_part

LOOK_S = 1.0
ASK_EVERY_S = 5.0
_watched = threading.Event()


def end_with_ray() -> None:
    """Ends this process soon after its raylet, or half a minute after the GCS, has ended."""
    if _watched.is_set():
        return
    _watched.set()
    raylet, gcs = os.getppid(), None
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        gcs = answering_part("GCS", ray.get_runtime_context().gcs_address)

    def watch() -> None:
        asked, silence, silent_s = time.monotonic(), Silence(), 0.0
        while os.getppid() == raylet and silent_s < SILENCE_S:
            time.sleep(LOOK_S)
            if gcs is not None and time.monotonic() - asked > ASK_EVERY_S:
                silent_s = silence.after(gcs.alive())
                asked = time.monotonic()
        # nobody is there to be told; the lease of a dead process counts for nothing
        os._exit(1)

    threading.Thread(target=watch, name="worker-watch", daemon=True).start()
