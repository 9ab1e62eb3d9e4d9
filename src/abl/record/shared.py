"""What workers read beside stages (views, masks, weights), in a folder or on an object store."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from abl.contained import is_contained, path_below
from abl.errors import StageError
from abl.kept_files import json_kept
from abl.plan.stage import digest_of
from abl.record.done import files_below
from abl.record.objects import Objects
from abl.scratch import part_of, written_whole
from abl.spec.yaml_file import sha256_of
from abl.told_lock import told_lock


class Shared:
    """Files of a folder that every machine sees, or of this machine alone."""

    def __init__(self, cache: Path):
        self._cache = cache

    def cached(self, name: str) -> Path:
        """A folder of the cache, brought to this machine if need be.

        Raises:
            StageError: It cannot be had: nobody has shared it, it is damaged, or is no such name.
        """
        if not is_contained(name):  # it may come from a cache that others have written
            raise StageError(f"{name!r} is not the name of a folder of the cache")
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
            folder = super().cached(name)
            files = {
                path.relative_to(folder).as_posix(): sha256_of(path)
                for path in files_below(folder)
                if not path.name.startswith(".")
            }
            for file in files:
                self._objects.upload(folder / file, f"cache/{name}/{file}")
            self._objects.write(f"cache/{name}/{WHOLE}", json.dumps(files).encode())

    def cached(self, name: str) -> Path:
        folder = super().cached(name)
        if folder.exists():
            return folder
        self._cache.mkdir(parents=True, exist_ok=True)
        with told_lock(self._cache / f"{name}.lock", f"the copy of {name}"):
            if not folder.exists():
                self._bring(name, folder)
        return folder

    def _bring(self, name: str, folder: Path) -> None:
        said = self._objects.read(f"cache/{name}/{WHOLE}")
        if said is None:
            raise StageError(f"{name} is not in the store: run `abl sweep` where the data are")
        fresh = part_of(folder)
        try:
            for file, sha in self._listed(name, said).items():
                path = path_below(fresh, file)
                self._objects.download(f"cache/{name}/{file}", path)
                if sha256_of(path) != sha:
                    self._refuse(name, file)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _listed(self, name: str, said: bytes) -> dict[str, str]:
        """File -> SHA-256 of a shared folder. Raises StageError if that is none of ours."""
        try:
            files = json_kept(said)
        except ValueError:
            files = None
        # what others wrote to the bucket names files of this machine here
        if not isinstance(files, dict) or not all(map(is_contained, files)):
            self._refuse(name, WHOLE)
        return {file: str(sha) for file, sha in files.items()}

    def _refuse(self, name: str, file: str) -> NoReturn:
        self._objects.remove(f"cache/{name}/{WHOLE}")  # shared anew by the next run
        raise StageError(f"{name}: {file} is damaged in the store; run the sweep again")

    def name_of(self, path: str) -> str:
        if path in self._names:  # asked for each stage that starts
            return self._names[path]
        sha = sha256_of(Path(path))
        # its own name is part of it: of two files with one content each is found
        name = f"file-{digest_of([sha, Path(path).name])}"
        copy = self._cache / name / Path(path).name
        # what a killed process has copied in part must not be published as whole
        if not copy.is_file() or sha256_of(copy) != sha:
            copy.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(copy) as part:
                shutil.copyfile(path, part)
                if sha256_of(part) != sha:
                    raise StageError(f"{path} was changed while it was read: run the sweep again")
        self.publish([name])
        self._names[path] = f"{SHARED}{name}/{Path(path).name}"
        return self._names[path]

    def path_of(self, name: str) -> Path:
        if not name.startswith(SHARED):
            return Path(name)
        folder, _, file = name.removeprefix(SHARED).partition("/")
        if not is_contained(file):
            raise StageError(f"{name!r} is not the name of a shared file")
        return self.cached(folder) / file

    def meet(self, meeting: str) -> Callable[[], int]:
        self._objects.write(f"meetings/{meeting}/{uuid.uuid4().hex}", b"1")
        return lambda: len(self._objects.names(f"meetings/{meeting}"))

    def end_meeting(self, meeting: str) -> None:
        self._objects.remove(*self._objects.names(f"meetings/{meeting}"))
