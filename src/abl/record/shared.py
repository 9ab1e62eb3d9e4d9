"""What workers read beside stages (views, masks, weights), in a folder or on an object store."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from abl.errors import StageError
from abl.kept_files import json_kept
from abl.record.done import files_below
from abl.record.objects import Objects
from abl.scratch import part_of
from abl.spec.yaml_file import sha256_of


class Shared:
    """Files of a folder that every machine sees, or of this machine alone."""

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


WHOLE = "WHOLE.json"
SHARED = "shared:"


class ObjectShared(Shared):
    """Files on an object store, with copies below the cache of this machine."""

    def __init__(self, objects: Objects, cache: Path):
        super().__init__(cache)
        self._objects = objects
        self._names: dict[str, str] = {}

    def publish(self, names: Iterable[str]) -> None:
        for name in names:
            if self._objects.read(f"cache/{name}/{WHOLE}") is not None:
                continue
            folder = self._cache / name
            files = {
                path.relative_to(folder).as_posix(): sha256_of(path)
                for path in files_below(folder)
                if not path.name.startswith(".")
            }
            for file in files:
                self._objects.upload(folder / file, f"cache/{name}/{file}")
            self._objects.write(f"cache/{name}/{WHOLE}", json.dumps(files).encode())

    def cached(self, name: str) -> Path:
        """A folder of the cache, brought to this machine if need be.

        Raises:
            StageError: Nobody has shared it, or it is damaged.
        """
        folder = self._cache / name
        if folder.exists():
            return folder
        self._cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self._cache / f"{name}.lock"):
            if not folder.exists():
                self._bring(name, folder)
        return folder

    def _bring(self, name: str, folder: Path) -> None:
        said = self._objects.read(f"cache/{name}/{WHOLE}")
        if said is None:
            raise StageError(f"{name} is not in the store: run `abl sweep` where the data are")
        fresh = part_of(folder)
        try:
            for file, sha in json_kept(said).items():
                self._objects.download(f"cache/{name}/{file}", fresh / file)
                if sha256_of(fresh / file) != sha:
                    self._objects.remove(f"cache/{name}/{WHOLE}")  # shared anew by the next run
                    raise StageError(f"{name}: {file} is damaged in the store; run the sweep again")
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def name_of(self, path: str) -> str:
        if path in self._names:  # asked for each stage that starts
            return self._names[path]
        name = f"file-{sha256_of(Path(path))}"
        folder = self._cache / name
        if not folder.exists():
            folder.mkdir(parents=True)
            shutil.copyfile(path, folder / Path(path).name)
        self.publish([name])
        self._names[path] = f"{SHARED}{name}/{Path(path).name}"
        return self._names[path]

    def path_of(self, name: str) -> Path:
        if not name.startswith(SHARED):
            return Path(name)
        folder, _, file = name.removeprefix(SHARED).partition("/")
        return self.cached(folder) / file

    def meet(self, meeting: str) -> Callable[[], int]:
        self._objects.write(f"meetings/{meeting}/{uuid.uuid4().hex}", b"1")
        return lambda: len(self._objects.names(f"meetings/{meeting}"))

    def end_meeting(self, meeting: str) -> None:
        self._objects.remove(*self._objects.names(f"meetings/{meeting}"))
