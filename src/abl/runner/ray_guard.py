"""Ends what is left of a Ray that this process started, also when this process was killed.

Ray's own parts watch each other, but not all of them and not at once: workers whose raylet was
killed go on for ever, its agents ask a dead GCS for a minute. The guard is a small process in a
session of its own that holds a pipe to the driver. It notes which processes there are below Ray's
and ends those that still live a few seconds after the pipe was closed, which the system does if the
driver dies. This file is run as a script, so that it imports nothing of the package.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

# how often it is looked which processes there are
LOOK_S = 1.0
# what ends by itself has done so by then
GRACE_S = 3.0
# the driver waits for its guard no longer
_WAIT_S = 15.0


def process_table() -> dict[int, tuple[int, str]]:
    """Every living process of this machine: its parent, and when it started; empty where unknown.

    The start tells reused ids apart. Zombies are dead.
    """
    found = {}
    with suppress(OSError):
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError, IndexError, ValueError):
                said = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                # counted after the program's name, which may hold spaces
                fields = said.rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    found[int(folder.name)] = (int(fields[1]), fields[19])
    return found


def command_of(pid: int) -> str:
    """The command line of a process, "" if there is none."""
    try:
        said = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return said.replace("\0", " ")


def parts_of_ray(
    driver: int, package: str, table: Mapping[int, tuple[int, str]] | None = None
) -> dict[int, str]:
    """Processes that a driver has started from Ray's package: id -> start.

    Args:
        package: Folder of Ray's package, which their command lines name.
    """
    table = process_table() if table is None else table
    return {
        pid: start
        for pid, (parent, start) in table.items()
        # the guard's own command line names the package too
        if parent == driver and package in (command := command_of(pid)) and __file__ not in command
    }


class Family:
    """The processes of one Ray, those that have lost their parent too."""

    def __init__(self, driver: int, package: str):
        self._driver, self._package = driver, package
        self._known: dict[int, str] = {}

    def look(self) -> None:
        """Notes who has come, forgets who has gone."""
        table = process_table()
        known = {
            pid: start for pid, start in self._known.items() if table.get(pid, (0, ""))[1] == start
        }
        known |= parts_of_ray(self._driver, self._package, table)
        parents = set(known)
        while parents:
            # children of those found last
            parents = {pid for pid, (parent, _) in table.items() if parent in parents} - set(known)
            known |= {pid: table[pid][1] for pid in parents}
        self._known = known

    def living(self) -> list[int]:
        """Ids of those that live."""
        self.look()
        return sorted(self._known)

    def kill(self) -> None:
        """Ends all of them."""
        for pid in self.living():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def guarded(package: str) -> Iterator[None]:
    """While this is open a guard watches; afterwards what is left of the Ray is ended.

    Args:
        package: Folder of Ray's package.
    """
    # -I -S: it needs nothing of the environment, and is there in milliseconds
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), package]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
    ) as guard:
        try:
            yield
        finally:
            assert guard.stdin is not None
            with suppress(OSError):
                guard.stdin.close()
            try:
                guard.wait(timeout=_WAIT_S)
            except subprocess.TimeoutExpired:
                guard.kill()


def _watch(driver: int, package: str) -> None:
    family = Family(driver, package)
    while not select.select([sys.stdin], [], [], LOOK_S)[0]:
        family.look()
    deadline = time.monotonic() + GRACE_S
    while family.living() and time.monotonic() < deadline:
        time.sleep(0.1)
    # twice: one that was just starting another
    family.kill()
    family.kill()


if __name__ == "__main__":
    _watch(int(sys.argv[1]), sys.argv[2])
