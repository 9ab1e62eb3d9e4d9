"""The store: a folder for each finished stage, addressed by its digest. It is the truth."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abl.errors import StageError
from abl.plan.stage import Stage, digest_of
from abl.record.lease import BEAT_S, STALE_S, Lease, Watch

DONE = "DONE.json"
DAMAGED = "DAMAGED.json"


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader sees the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Done:
    """What DONE.json says of a finished stage.

    Attributes:
        digest: Of the stage.
        files: Name -> size in bytes and SHA-256.
        content: One hash over all files: what readers of this stage have consumed.
        inputs: Digest -> content hash of each input when it was read.
        facts: Seconds, label, versions, hardware, numbers of the stage; not part of any identity.
    """

    digest: str
    files: Mapping[str, tuple[int, str]]
    content: str
    inputs: Mapping[str, str]
    facts: Mapping[str, Any]
    stage: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Attempt:
    """A folder that one attempt at a stage writes to; nobody else does."""

    digest: str
    name: str
    folder: Path


class Store:
    """Finished stages below one folder of a file system.

    `work/<digest>/<attempt>/` while a stage runs, `done/<digest>/` once it is finished: the rename
    between them is the commit, and `DONE.json`, written before it, tells what was committed.
    """

    def __init__(self, root: Path, *, beat_s: float = BEAT_S, stale_s: float = STALE_S):
        self.root = Path(root)
        self.beat_s = beat_s
        self.stale_s = stale_s
        self._read: dict[str, Done] = {}
        self._checked: set[Path] = set()

    # -- paths ---------------------------------------------------------------------------------

    def folder(self, digest: str) -> Path:
        """Where a finished stage lies."""
        return self.root / "done" / digest

    def lease_path(self, digest: str) -> Path:
        """Where the lease of a stage lies."""
        return self.root / "lease" / digest

    @property
    def cache(self) -> Path:
        """Folder of what can be made again from the data: decoded images."""
        return self.root / "cache"

    def sweep_folder(self, name: str) -> Path:
        """Folder of a sweep's results."""
        return self.root / "sweeps" / name

    # -- reading -------------------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        """Whether a stage is finished (sizes are checked, checksums when a file is read)."""
        return self.done(digest) is not None

    def done(self, digest: str) -> Done | None:
        """What is known of a finished stage; None if it is not finished or a file has gone."""
        if digest in self._read:
            return self._read[digest]
        folder = self.folder(digest)
        try:
            said = json.loads((folder / DONE).read_text(encoding="utf-8"))
            done = Done(
                digest,
                {name: (int(size), str(sha)) for name, (size, sha) in said["files"].items()},
                str(said["content"]),
                dict(said["inputs"]),
                dict(said["facts"]),
                dict(said["stage"]),
            )
            for name, (size, _) in done.files.items():
                if (folder / name).stat().st_size != size:
                    return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        self._read[digest] = done
        return done

    def file(self, digest: str, name: str) -> Path:
        """A file of a finished stage, its checksum verified on the first read of this process.

        Raises:
            StageError: If it is not there or does not hold what was committed. A damaged stage
                counts as not finished from then on, so that the next run computes it again.
        """
        done = self.done(digest)
        if done is None or name not in done.files:
            raise StageError(f"stage {digest[:12]} has no {name}")
        path = self.folder(digest) / name
        if path not in self._checked:
            if sha256_of(path) != done.files[name][1]:
                self._read.pop(digest, None)
                with suppress(OSError):
                    os.replace(self.folder(digest) / DONE, self.folder(digest) / DAMAGED)
                raise StageError(
                    f"stage {digest[:12]}: {name} is damaged (checksum); "
                    "run the sweep again, which computes it again"
                )
            self._checked.add(path)
        return path

    def damaged(self, digest: str) -> str:
        """Name of the first file whose checksum is wrong, "" if all are right."""
        done = self.done(digest)
        if done is None:
            return DONE
        for name in done.files:
            try:
                self.file(digest, name)
            except (StageError, OSError):
                return name
        return ""

    def digests(self) -> list[str]:
        """Every finished stage, sorted."""
        folder = self.root / "done"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def usable(
        self, stages: Mapping[str, Stage], *, anew: bool = False
    ) -> tuple[set[str], dict[str, str]]:
        """Which stages need not run, and digest -> why of those that lie there but must.

        A stage is computed again if a file of it is missing or cut short, or if one of its inputs
        is not the one it consumed (it was computed again after damage).

        Args:
            anew: Look again at what this process knows already: a worker may have found damage.
        """
        if anew:
            self._read.clear()
        found: set[str] = set()
        said: dict[str, str] = {}
        for digest, stage in stages.items():
            # a folder is renamed into place whole: one without a good DONE.json is damaged
            lies_there = self.folder(digest).exists()
            done = self.done(digest)
            if done is None:
                if lies_there:
                    said[digest] = f"{stage.label}: damaged in the store, computed again"
                continue
            changed = [
                source
                for source, content in done.inputs.items()
                if source in stages and not self._is(source, content)
            ]
            if changed:
                said[digest] = f"{stage.label}: an input has changed since, computed again"
            else:
                found.add(digest)
        return found, said

    def _is(self, digest: str, content: str) -> bool:
        done = self.done(digest)
        # an input that was cleaned away is no reason to doubt what was made from it
        return done is None or done.content == content

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def claim(
        self, digest: str, *, wait: Callable[[float], None] = time.sleep
    ) -> Iterator[Attempt | None]:
        """An attempt at a stage, alone while the lease beats; None if it is finished meanwhile."""
        attempt = Attempt(digest, uuid.uuid4().hex[:12], Path())
        attempt.folder = self.root / "work" / digest / attempt.name
        lease = Lease(self.lease_path(digest), attempt.name, self.beat_s)
        watch = Watch(lease.path, self.stale_s)
        while not lease.take():
            if self.has(digest):
                yield None
                return
            if not watch.free():
                wait(0.2)
        with lease:
            if self.has(digest):
                yield None
                return
            attempt.folder.mkdir(parents=True)
            try:
                yield attempt
            finally:
                shutil.rmtree(attempt.folder, ignore_errors=True)
                self._drop_empty(attempt.folder.parent)

    def commit(
        self, attempt: Attempt, stage: Stage, facts: Mapping[str, Any], inputs: Mapping[str, str]
    ) -> Done:
        """Makes an attempt's folder the finished stage; if another attempt won, that one counts.

        Args:
            inputs: Digest -> content hash of what was read.
        """
        files = {}
        for path in sorted(attempt.folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(attempt.folder).as_posix()
                files[name] = (path.stat().st_size, sha256_of(path))
        said = {
            "attempt": attempt.name,
            "files": files,
            "content": digest_of({name: sha for name, (_, sha) in files.items()}),
            "inputs": dict(inputs),
            "facts": dict(facts),
            "stage": {
                **stage.identity(),
                "label": stage.label,
                "context": dict(stage.context),
            },
        }
        write_atomically(attempt.folder / DONE, json.dumps(said, indent=1, sort_keys=True))
        target = self.folder(attempt.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not self.has(attempt.digest):
            # what lies there is damaged: out of the way, never half of each
            self.discard(attempt.digest)
        try:
            os.rename(attempt.folder, target)
        except OSError:
            if not self.has(attempt.digest):
                raise
        done = self.done(attempt.digest)
        if done is None:
            raise StageError(f"{stage.label}: could not be committed")
        # what broken attempts left behind is of no more use
        shutil.rmtree(attempt.folder.parent, ignore_errors=True)
        return done

    def discard(self, digest: str) -> None:
        """Removes a stage so that it is computed again."""
        self._read.pop(digest, None)
        folder = self.folder(digest)
        self._checked = {path for path in self._checked if folder not in path.parents}
        grave = self.root / "work" / digest / f"discarded-{uuid.uuid4().hex[:8]}"
        grave.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(folder, grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)
        self._drop_empty(grave.parent)

    def checkpoints(self, attempt: Attempt) -> Path:
        """A folder for an attempt's checkpoints, with those of the newest broken attempt moved in.

        It is not part of what is committed.
        """
        own = attempt.folder.with_name(f"{attempt.name}.checkpoints")
        others = [
            path
            for path in attempt.folder.parent.glob("*.checkpoints")
            if path != own and path.is_dir()
        ]
        newest = max(others, key=lambda path: path.stat().st_mtime, default=None)
        if newest is not None:
            # copied, not moved: a worker believed dead may still be writing there
            shutil.copytree(newest, own, ignore_dangling_symlinks=True)
        own.mkdir(exist_ok=True)
        return own

    def content(self, digests: Iterable[str]) -> dict[str, str]:
        """Content hash of each finished stage."""
        return {d: done.content for d in digests if (done := self.done(d)) is not None}

    def _drop_empty(self, folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError:
            pass
