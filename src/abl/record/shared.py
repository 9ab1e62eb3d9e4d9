"""What stages read beside each other's files: folders of the cache, single files, meetings."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path


class Shared:
    """Files of a folder that every machine sees, or of this machine alone.

    Args:
        cache: Folder of what can be made again from the data.
    """

    def __init__(self, cache: Path):
        self._cache = cache

    def cached(self, name: str) -> Path:
        """A folder of the cache, brought to this machine if need be."""
        return self._cache / name

    def publish(self, names: Iterable[str]) -> None:
        """Lets other machines have these folders of the cache."""

    def name_of(self, path: str) -> str:
        """A name by which every machine finds a file of this one, for `path_of`."""
        return path

    def path_of(self, name: str) -> Path:
        """The file that `name_of` has named."""
        return Path(name)

    def meet(self, meeting: str) -> Callable[[], int]:
        """Comes to a meeting of processes; the function given counts who has come."""
        folder = self._cache / meeting
        folder.mkdir(parents=True, exist_ok=True)
        (folder / uuid.uuid4().hex).touch()
        return lambda: sum(1 for _ in folder.iterdir())

    def end_meeting(self, meeting: str) -> None:
        """Removes what a meeting left."""
        shutil.rmtree(self._cache / meeting, ignore_errors=True)
