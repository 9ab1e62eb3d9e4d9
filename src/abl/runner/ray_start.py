"""A Ray that is being started is waited for as long as it may take, and while its parts live."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abl.runner.held_interrupt import HeldInterrupt
from abl.runner.ray_guard import command_of, parts_of_ray
from abl.runner.ray_watch import Interruption, RayLost

# a Ray that starts takes seconds, from a slow disk perhaps a minute
SLOW_START_S = 30.0
MOST_START_S = 90.0
WITHOUT_RAY = "--executor local needs no Ray"
# programs and what people are told of them
PART_NAMES = {"gcs_server": "Ray's GCS", "raylet": "Ray's raylet on this machine"}


def ray_package() -> str:
    """Folder of Ray's package, which the command lines of its parts name."""
    import ray

    return f"{Path(ray.__file__).parent}{os.sep}"


class Starting:
    """Main parts of a Ray that is being started here, as they come."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def died(self) -> str:
        """Which part has died already, "" if none has: Ray itself would ask it for a minute."""
        now = own_parts()
        gone = next((name for pid, name in self._known.items() if pid not in now), "")
        self._known |= {pid: name for pid, (name, _) in now.items()}
        return f"{gone} has died" if gone else ""


def own_parts() -> dict[int, tuple[str, str]]:
    """The GCS and the raylet that this process has started: id -> name for people, start."""
    found = {}
    for pid, start in parts_of_ray(os.getpid(), ray_package()).items():
        name = PART_NAMES.get(Path(command_of(pid).split(" ")[0]).name)
        if name:
            found[pid] = (name, start)
    return found


@contextmanager
def restrained_ray() -> Iterator[None]:
    """Keeps Ray from what no setting keeps it from.

    It prints the log of a raylet that has died. And it takes SIGTERM for itself, and then ends the
    process in whatever it is at: left alone where somebody takes it already (cli/termination.py).
    """
    from ray._private import utils, worker

    replaced = {(worker, "print_to_stdstream")}
    if callable(signal.getsignal(signal.SIGTERM)):
        replaced.add((utils, "set_sigterm_handler"))
    found = {(place, name): getattr(place, name, None) for place, name in replaced}
    originals = {where: each for where, each in found.items() if each is not None}
    for place, name in originals:
        setattr(place, name, lambda *given, **named: None)
    try:
        yield
    finally:
        for (place, name), each in originals.items():
            setattr(place, name, each)


def within_time(
    start: Callable[[], Any],
    what: str,
    say: Callable[[str], None],
    died: Callable[[], str] = lambda: "",
) -> None:
    """Calls what starts Ray, in this thread, for a minute and a half at most.

    Ctrl-C or SIGTERM meanwhile is heeded once it has started, or after some seconds.

    Args:
        what: One line of what it is if it does not come to an end.
        say: Is told if it takes long.
        died: What has died meanwhile without which it will never come to an end, "" if nothing has.

    Raises:
        TimeoutError: It took longer, or something died; and it could be ended.
    """
    ended, why = threading.Event(), [""]
    interruption, held = Interruption(status=2), HeldInterrupt(say)

    def watch() -> None:
        since, slow = time.monotonic(), False
        while not why[0]:
            if ended.wait(min(1.0, SLOW_START_S)):
                return
            held.look()
            passed = time.monotonic() - since
            if passed > SLOW_START_S and not slow:
                slow = True
                say(f"Ray has not started after {SLOW_START_S:g} s; {WITHOUT_RAY}")
            why[0] = died() or (
                f"no answer for {MOST_START_S:g} s" if passed > MOST_START_S else ""
            )
        held.let_through()
        interruption.interrupt(f"{what}: {why[0]}; {WITHOUT_RAY}")

    threading.Thread(target=watch, name="ray-start", daemon=True).start()
    try:
        try:
            with held:
                start()
        finally:
            ended.set()
            interruption.over()
    except (RayLost, KeyboardInterrupt):
        if not interruption.sent:
            raise
        held.heed()  # Ray's parts may have died of the same signal
        raise TimeoutError(why[0]) from None
