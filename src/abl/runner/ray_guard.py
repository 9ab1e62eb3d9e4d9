"""Ends what is left of a Ray that this process started, also when this process was killed.

Ray's own parts watch each other, but not all of them and not at once: workers whose raylet was
killed go on for ever, its agents ask a dead GCS for a minute. The guard is a small process in a
session of its own that holds a pipe to the driver. It notes which processes there are below Ray's
and ends those that still live a few seconds after the pipe was closed, which the system does if the
driver dies. Ray's C++ library ends a driver from within, too, and no Python is run then: if the
pipe was closed without a word it is the guard that tells people, on the driver's stderr. This file
is run as a script, so that it imports nothing of the package; `ray_guarding.py` starts it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# how often it is looked which processes there are
LOOK_S = 1.0
# what ends by itself has done so by then
GRACE_S = 3.0

KEPT = "what is finished is kept: the same command goes on from here"
ADVICE = f"{KEPT}, or use --executor local"

# the driver's word that its end is its own: whatever is to be told it tells itself
OWN_END = b"\0"
# what a pipe and a terminal take at once
LONGEST_LINE = 2_000


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
        # Ray names a session by when it began and by the process that began it
        self._session = re.compile(rf"session_[\d_-]+_{driver}\b")
        self._since = int(process_table().get(driver, (0, "0"))[1])
        self._known: dict[int, str] = {}
        self._others: set[tuple[int, str]] = set()

    def look(self) -> None:
        """Notes who has come, forgets who has gone."""
        table = process_table()
        known = {
            pid: start for pid, start in self._known.items() if table.get(pid, (0, ""))[1] == start
        }
        known |= parts_of_ray(self._driver, self._package, table) | self._of_session(table)
        parents = set(known)
        while parents:
            # children of those found last
            parents = {pid for pid, (parent, _) in table.items() if parent in parents} - set(known)
            known |= {pid: table[pid][1] for pid in parents}
        self._known = known

    def _of_session(self, table: Mapping[int, tuple[int, str]]) -> dict[int, str]:
        """Those that lost their parent before it was looked: their command lines name the session.

        Not for long: Ray's programs give themselves other names once they are up.
        """
        there = {(pid, start) for pid, (_, start) in table.items() if int(start) >= self._since}
        found = {}
        for pid, start in there - self._others:
            command = command_of(pid)
            # people may read its logs
            if self._package in command and self._session.search(command):
                found[pid] = start
            elif command:
                self._others.add((pid, start))
        self._others &= there
        return found

    def living(self) -> list[int]:
        """Ids of those that live."""
        self.look()
        return sorted(self._known)

    def kill(self) -> None:
        """Ends all of them."""
        for pid in self.living():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


class DriverEnd:
    """How a driver ended, as far as another process than its parent can know."""

    def __init__(self, driver: int):
        self._stat = -1
        with suppress(OSError):
            # opened while it lives: its parent may ask for its status before a path is looked up
            self._stat = os.open(f"/proc/{driver}/stat", os.O_RDONLY)

    def status(self) -> int | None:
        """As `wait` gives it; None if it is no longer known."""
        try:
            fields = os.pread(self._stat, 4096, 0).rpartition(b")")[2].split()
            return int(fields[49]) if fields[0] in b"ZX" else None
        except (OSError, IndexError, ValueError):
            return None

    def line(self) -> str:
        """One line for people."""
        status = self.status()
        if status is None:
            return f"this command was killed, or ended from within by Ray's library; {ADVICE}"
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            by = "most likely by Ray's library"
            return f"this command was ended from within, {by} (exit code {code}); {ADVICE}"
        number, name = os.WTERMSIG(status), f"signal {os.WTERMSIG(status)}"
        with suppress(ValueError):
            name = signal.Signals(number).name
        if number == signal.SIGKILL:
            name += ", as the system does where memory is short"
        how = "has crashed" if number in _CRASHES else "was killed"
        return f"this command {how} ({name}); {ADVICE if number in _CRASHES else KEPT}"


# what a library's fault ends a process with
_CRASHES = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV}


def _tell(terminal: int, line: str) -> None:
    """Writes a line to the driver's stderr unless that would be waited for."""
    with suppress(OSError):
        # a live display leaves the cursor behind its last line
        start = "\n" if os.isatty(terminal) else ""
        if select.select([], [terminal], [], 1.0)[1]:
            os.write(terminal, f"{start}abl: {line}\n".encode())
    with suppress(OSError):
        os.close(terminal)


def _has_come(seconds: float) -> bool:
    return bool(select.select([0], [], [], seconds)[0])


def _watch(driver: int, package: str) -> None:
    family, end = Family(driver, package), DriverEnd(driver)
    # its own faults are nobody's business there, and who reads it waits until all have closed it
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    heard, new = b"", b"."
    # a child that the driver has forked may hold the pipe open for longer than it lives
    while new and OWN_END not in heard and (os.getppid() == driver or _has_come(0)):
        if _has_come(LOOK_S):
            new = os.read(0, LONGEST_LINE)
            heard += new
        else:
            family.look()
    if OWN_END not in heard:
        foretold = heard.decode(errors="replace").splitlines()
        _tell(terminal, foretold[-1] if foretold else end.line())
    deadline = time.monotonic() + GRACE_S
    while family.living() and time.monotonic() < deadline:
        time.sleep(0.1)
    # twice: one that was just starting another
    family.kill()
    family.kill()


if __name__ == "__main__":
    _watch(int(sys.argv[1]), sys.argv[2])
