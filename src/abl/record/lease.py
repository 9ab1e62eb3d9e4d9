"""A lease says that a process is at work on a stage, so that nobody else starts the same."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from abl.kept_files import NotAFileError, json_kept, read_kept
from abl.processes import is_known_dead, this_process
from abl.scratch import process_mark

BEAT_S = 10.0
STALE_S = 60.0


class Place(Protocol):
    """Where a lease lies."""

    def create(self, content: str) -> bool:
        """Writes it if nothing is there: whether it did."""

    def read(self) -> str | None:
        """What is there, None if nothing is."""

    def write(self, content: str, owner: str) -> None:
        """Writes it over what is there; for its holder alone."""

    def remove(self, content: str) -> bool:
        """Removes it if it still says this: whether nothing of it is there now."""

    def age_s(self) -> float:
        """Seconds since it was written, as the place's clock says."""


class FilePlace(Place):
    """A lease as a file of a folder that every process sees."""

    def __init__(self, path: Path):
        self.path = path

    def create(self, content: str) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._beside("new")
        try:
            # linked when it is whole: a process killed in between must leave no empty lease, of
            # which nobody could tell whose it is
            fresh.write_text(content)
            os.link(fresh, self.path)
        except FileExistsError:
            return False
        finally:
            fresh.unlink(missing_ok=True)
        return True

    def read(self) -> str | None:
        try:
            return read_kept(self.path).decode(errors="replace")
        except NotAFileError as error:
            # it is in the way of a lease, and no process will ever take it away
            raise OSError(errno.EEXIST, "no file: move it away", str(self.path)) from error
        except FileNotFoundError:
            return None

    def write(self, content: str, owner: str) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{owner}")
        try:
            fresh.write_text(content)
            os.replace(fresh, self.path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise

    def remove(self, content: str) -> bool:
        # of several observers one moves the file away; the others find it gone
        grave = self._beside("dead")
        try:
            os.rename(self.path, grave)
        except FileNotFoundError:
            return True
        if read_kept(grave).decode(errors="replace") != content:
            # a new holder came in between: give it back
            os.rename(grave, self.path)
            return False
        grave.unlink()
        return True

    def age_s(self) -> float:
        return time.time() - self.path.stat().st_mtime

    def _beside(self, what: str) -> Path:
        # whoever finds it left can tell whether its process is dead
        return self.path.with_name(
            f"{self.path.name}.{what}.{threading.get_ident()}.{process_mark()}"
        )


class Lease:
    """One process's hold on one stage: its beat changes while the holder lives.

    Use as a context manager; while it is open a thread beats every `beat_s` seconds.
    """

    def __init__(self, place: Place, owner: str, beat_s: float = BEAT_S):
        self.place = place
        self.owner = owner
        self.beat_s = beat_s
        self.beats = 0
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _content(self) -> str:
        said = {"owner": self.owner, "since": self._since, "beat": self.beats}
        return json.dumps({**said, **this_process()})

    def take(self) -> bool:
        """Takes the lease if nobody has it: whether it is ours now."""
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        return self.place.create(self._content())

    def __enter__(self) -> Lease:
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        with suppress(OSError):  # a lost store: whoever wants it waits until the lease is stale
            content = self.place.read()
            if content is not None and _owner(content) == self.owner:
                self.place.remove(content)

    def _beat(self) -> None:
        while not self._stop.wait(self.beat_s):
            self.beats += 1
            # a full or read-only disk: the commit will say so, better than a beat can
            with suppress(OSError):
                content = self.place.read()
                if content is None or _owner(content) != self.owner:
                    return
                self.place.write(self._content(), self.owner)


def _owner(content: str) -> str | None:
    try:
        return str(json_kept(content).get("owner"))
    except (ValueError, AttributeError):
        return None


class Watch:
    """Somebody else's lease, seen over time: free as soon as its holder is known dead or silent.

    Silence is measured on this process's own clock, as clocks of machines differ.
    """

    def __init__(
        self, place: Place, stale_s: float = STALE_S, clock: Callable[[], float] = time.monotonic
    ):
        self.place = place
        self.stale_s = stale_s
        self._clock = clock
        self._seen: str | None = None
        self._since = clock()

    def free(self) -> bool:
        """Whether the lease is gone or its holder dead; a dead holder's lease is removed."""
        content = self.place.read()
        if content is None:
            return True
        if content != self._seen:
            self._seen, self._since = content, self._clock()
        if not (_holder_is_dead(content) or self._clock() - self._since > self.stale_s):
            return False
        return self.place.remove(content)


def is_held(place: Place, stale_s: float = STALE_S) -> bool:
    """Whether a lease is held, as far as one look tells; nothing is changed."""
    try:
        content, age_s = place.read(), place.age_s()
    except OSError:
        return False
    return content is not None and not _holder_is_dead(content) and age_s <= stale_s


def _holder_is_dead(content: str) -> bool:
    try:
        holder = json_kept(content)
    except ValueError:
        return False
    return isinstance(holder, dict) and is_known_dead(holder)
