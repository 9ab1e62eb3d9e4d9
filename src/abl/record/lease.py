"""A lease says that a process is at work on a stage, so that nobody else starts the same."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

BEAT_S = 10.0
STALE_S = 60.0


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
    try:
        # two containers on one kernel see different processes
        boot += os.readlink("/proc/self/ns/pid")
    except OSError:
        pass
    return f"{platform.node()}/{boot}"


class Lease:
    """One process's hold on one stage: a file whose beat changes while the holder lives.

    Use as a context manager; while it is open a thread beats every `beat_s` seconds.
    """

    def __init__(self, path: Path, owner: str, beat_s: float = BEAT_S):
        self.path = path
        self.owner = owner
        self.beat_s = beat_s
        self.beats = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _content(self) -> str:
        pid = os.getpid()
        return json.dumps(
            {
                "owner": self.owner,
                "machine": machine(),
                "pid": pid,
                "start": process_start(pid),
                "beat": self.beats,
            }
        )

    def take(self) -> bool:
        """Takes the lease if nobody has it: whether it is ours now."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            file.write(self._content())
        return True

    def __enter__(self) -> Lease:
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        if _owner(self.path) == self.owner:
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(self.beat_s):
            self.beats += 1
            if _owner(self.path) != self.owner:
                return
            fresh = self.path.with_name(f"{self.path.name}.{self.owner}")
            try:
                fresh.write_text(self._content())
                os.replace(fresh, self.path)
            except OSError:
                # a full or read-only disk: the commit will say so, better than a beat can
                fresh.unlink(missing_ok=True)


def _owner(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text()).get("owner"))
    except (OSError, ValueError, AttributeError):
        return None


class Watch:
    """Somebody else's lease, seen over time: free as soon as its holder is known dead or silent.

    Silence is measured on this process's own clock, as clocks of machines differ.
    """

    def __init__(
        self, path: Path, stale_s: float = STALE_S, clock: Callable[[], float] = time.monotonic
    ):
        self.path = path
        self.stale_s = stale_s
        self._clock = clock
        self._seen: str | None = None
        self._since = clock()

    def free(self) -> bool:
        """Whether the lease is gone or its holder dead; a dead holder's file is removed."""
        try:
            content = self.path.read_text()
        except FileNotFoundError:
            return True
        if content != self._seen:
            self._seen, self._since = content, self._clock()
        if not (_holder_is_dead(content) or self._clock() - self._since > self.stale_s):
            return False
        # of several observers one moves the file away; the others find it gone
        grave = self.path.with_name(f"{self.path.name}.dead.{os.getpid()}.{threading.get_ident()}")
        try:
            os.rename(self.path, grave)
        except FileNotFoundError:
            return True
        if grave.read_text() != content:
            # a new holder came in between: give it back
            os.rename(grave, self.path)
            return False
        grave.unlink()
        return True


def is_held(path: Path, stale_s: float = STALE_S) -> bool:
    """Whether a lease is held, as far as one look tells; nothing is changed."""
    try:
        content, age_s = path.read_text(), time.time() - path.stat().st_mtime
    except OSError:
        return False
    return not _holder_is_dead(content) and age_s <= stale_s


def _holder_is_dead(content: str) -> bool:
    try:
        holder = json.loads(content)
    except ValueError:
        return False
    if not isinstance(holder, dict) or holder.get("machine") != machine():
        return False
    pid = holder.get("pid")
    return isinstance(pid, int) and process_start(pid) != holder.get("start")
