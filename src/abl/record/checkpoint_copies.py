"""Checkpoints of a training on an object store, so that another machine can go on from them."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from abl.record.objects import Objects

COPY_S = 60.0


class CheckpointCopies:
    """Copies the files of a folder to an object store while an attempt writes them.

    Files are replaced whole, so that a copy is a whole checkpoint. What cannot be copied costs
    time after a failure, and nothing else.
    """

    def __init__(self, objects: Objects, digest: str, folder: Path, every_s: float = COPY_S):
        self._objects = objects
        self._at = f"checkpoints/{digest}"
        self._folder = folder
        self._every_s = every_s
        self._copied: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def bring(self) -> None:
        """Brings what another machine has left, unless something is here."""
        if any(self._folder.iterdir()):
            return
        with suppress(OSError):
            for name in self._objects.names(self._at):
                path = self._folder / Path(name).name
                self._objects.download(name, path)
                self._copied[path.name] = path.stat().st_mtime_ns

    def start(self) -> None:
        """Begins to copy."""
        self._thread.start()

    def stop(self) -> None:
        """Copies the last and ends."""
        self._stop.set()
        self._thread.join()
        self._copy()

    def remove(self) -> None:
        """Removes the copies: the training is finished."""
        with suppress(OSError):
            self._objects.remove(*self._objects.names(self._at))

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._copy()

    def _copy(self) -> None:
        with suppress(OSError):
            for path in sorted(self._folder.iterdir()):
                written = path.stat().st_mtime_ns
                # what begins with a dot is being written
                if path.name.startswith(".") or self._copied.get(path.name) == written:
                    continue
                self._objects.upload(path, f"{self._at}/{path.name}")
                self._copied[path.name] = written
