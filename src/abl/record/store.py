"""The store: a folder for each finished stage, addressed by its digest. It is the truth."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from abl.errors import DamagedError, StageError
from abl.plan.stage import Stage
from abl.record.done import (
    DAMAGED,
    DONE,
    Attempt,
    Done,
    done_from_json,
    done_to_json,
    write_atomically,
)
from abl.record.lease import BEAT_S, STALE_S, FilePlace, Lease, Place, Watch
from abl.record.patient import ABSENT, UnreadableError, is_there, patiently
from abl.record.plans import Plans, freed
from abl.record.shared import Shared
from abl.record.work import (
    attempt_folder,
    checkpoints_taken_over,
    clear_dead_attempts,
    entries,
    grave_of,
)
from abl.scratch import written_whole
from abl.spec.yaml_file import sha256_of


class Store:
    """Finished stages below one folder of a file system.

    `work/<digest>/<attempt>/` while a stage runs, `done/<digest>/` once it is finished: the rename
    between them is the commit, and `DONE.json`, written before it, tells what was committed.

    Attributes:
        shared: What stages read beside each other's files, and where processes meet.
        plans: What each sweep asks for.
    """

    def __init__(self, root: Path, *, beat_s: float = BEAT_S, stale_s: float = STALE_S):
        self.root = Path(root)
        self.beat_s = beat_s
        self.stale_s = stale_s
        self.shared = Shared(self.cache)
        self.plans = Plans(self.root / "plans", beat_s)
        self._read: dict[str, Done] = {}
        self._checked: set[Path] = set()

    def folder(self, digest: str) -> Path:
        """Where a finished stage lies."""
        return self.root / "done" / digest

    def lease_path(self, digest: str) -> Path:
        """File of a stage's lease."""
        return self.root / "lease" / digest

    def lease_place(self, digest: str) -> Place:
        """Where the lease of a stage lies."""
        return FilePlace(self.lease_path(digest))

    def leased(self) -> list[str]:
        """Digests of which there is a lease, whether or not its holder lives."""
        # what belongs to a lease has its name with more behind it
        return sorted({path.name.partition(".")[0] for path in entries(self.root / "lease")})

    @property
    def address(self) -> dict[str, str]:
        """What another process opens this store by, see `opening.store_at`."""
        return {"root": str(self.root)}

    @property
    def cache(self) -> Path:
        """Folder of what can be made again from the data: decoded images."""
        return self.root / "cache"

    def sweep_folder(self, name: str) -> Path:
        """Folder of a sweep's results."""
        return self.root / "sweeps" / name

    def check(self, *, writing: bool) -> None:
        """Raises InputError if the store cannot be used; of a folder `check_root` tells that."""

    def check_shared(self) -> None:
        """Raises InputError if other processes cannot see this store; they see a folder."""

    def has(self, digest: str) -> bool:
        """Whether a stage is finished (sizes are checked, checksums when a file is read)."""
        return self.done(digest) is not None

    def done(self, digest: str, pauses: Sequence[float] | None = None) -> Done | None:
        """What is known of a finished stage; None if it is not finished or a file has gone.

        Args:
            pauses: Seconds between tries to read it; default those of `patiently`.

        Raises:
            UnreadableError: It cannot be told: what lies there cannot be read. Nothing is
                discarded for that.
        """
        if digest not in self._read and (done := self._looked_up(digest, pauses)) is not None:
            self._read[digest] = done
        return self._read.get(digest)

    def _looked_up(self, digest: str, pauses: Sequence[float] | None = None) -> Done | None:
        folder = self.folder(digest)
        try:
            # bytes that are no text are damage, as is text that does not parse
            content = patiently((folder / DONE).read_bytes, folder / DONE, pauses)
            done = done_from_json(digest, content)
            for name, (size, _) in done.files.items() if done else ():
                if patiently((folder / name).stat, folder / name, pauses).st_size != size:
                    return None
        except ABSENT:
            return None
        return done

    def file(self, digest: str, name: str) -> Path:
        """A file of a finished stage, its checksum verified on the first read of this process.

        Raises:
            StageError: It is not there.
            DamagedError: It does not hold what was committed. The stage counts as not finished
                from then on, so that the next run computes it again.
            UnreadableError: It is there and cannot be read.
        """
        done = self.done(digest)
        if done is None or name not in done.files:
            raise StageError(f"stage {digest[:12]} has no {name}")
        path = self._located(done, name)
        if path not in self._checked:
            if not self._holds(path, done.files[name][1]):
                self._read.pop(digest, None)
                with suppress(OSError):
                    self.mark_damaged(done)
                advice = "run the sweep again, which computes it again"
                raise DamagedError(f"stage {digest[:12]}: {name} is damaged (checksum); {advice}")
            self._checked.add(path)
        return path

    def _holds(self, path: Path, checksum: str) -> bool:
        try:
            return patiently(partial(sha256_of, path), path) == checksum
        except ABSENT:
            return False

    def _located(self, done: Done, name: str) -> Path:
        return self.folder(done.digest) / name

    def mark_damaged(self, done: Done) -> None:
        """What was proven wrong is finished no more; unless it was computed again meanwhile."""
        self._read.pop(done.digest, None)
        there = done_from_json(done.digest, self.read_done(done.digest))
        if there is None or there.attempt == done.attempt:
            os.replace(self.folder(done.digest) / DONE, self.folder(done.digest) / DAMAGED)

    def read_done(self, digest: str) -> bytes:
        """DONE.json as it lies there. Raises FileNotFoundError, or OSError if it is unreadable."""
        return (self.folder(digest) / DONE).read_bytes()

    def measured(self, done: Done, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file as it lies there. Raises as read_done."""
        path = self.folder(done.digest) / name
        return path.stat().st_size, sha256_of(path)

    def complete(self, digest: str, text: str) -> None:
        """Replaces DONE.json by one that says the same and more; its time stays."""
        path = self.folder(digest) / DONE
        was = path.stat()
        with written_whole(path) as part:
            part.write_text(text, encoding="utf-8")
            os.utime(part, ns=(was.st_atime_ns, was.st_mtime_ns))

    def damaged(self, digest: str) -> str:
        """Name of the first file whose checksum is wrong, "" if all are right."""
        done = self.done(digest)
        if done is None:
            return DONE
        for name in done.files:
            try:
                self.file(digest, name)
            except DamagedError:
                return name
        return ""

    def digests(self) -> list[str]:
        """Every finished stage, sorted."""
        folder = self.root / "done"
        # not through paths: there may be 100,000
        return sorted(each.name for each in os.scandir(folder)) if folder.is_dir() else []

    def known(self, digests: Collection[str]) -> dict[str, Done]:
        """What is known of those that are finished; one that cannot be read is not known.

        For what is told of a whole store: a stage of another sweep must not be in the way.
        """
        for digest in digests:
            if digest not in self._read:
                with suppress(UnreadableError):
                    if (done := self._looked_up(digest, pauses=())) is not None:
                        self._read[digest] = done
        return {digest: self._read[digest] for digest in digests if digest in self._read}

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
        known, lying = self.looked_up(stages)
        found: set[str] = set()
        said: dict[str, str] = {}
        for digest, stage in stages.items():
            # an input that was cleaned away is no reason to doubt what was made from it
            read = known[digest].inputs if digest in known else {}
            if any(known[d].content != content for d, content in read.items() if d in known):
                said[digest] = f"{stage.label}: an input has changed since, computed again"
            elif digest in known:
                found.add(digest)
            elif digest in lying:
                said[digest] = f"{stage.label}: damaged in the store, computed again"
        return found, said

    def looked_up(self, digests: Collection[str]) -> tuple[dict[str, Done], set[str]]:
        """Those that are finished, and all of which something lies there."""
        # a folder is renamed into place whole: one without a good DONE.json is damaged
        lying = {digest for digest in digests if is_there(self.folder(digest))}
        return {d: done for d in digests if (done := self.done(d)) is not None}, lying

    @contextmanager
    def claim(
        self, digest: str, *, wait: Callable[[float], None] = time.sleep
    ) -> Iterator[Attempt | None]:
        """An attempt at a stage, alone while the lease beats; None if it is finished meanwhile."""
        attempt = Attempt(digest, uuid.uuid4().hex[:12], Path())
        attempt.folder = attempt_folder(self.root, attempt)
        lease = Lease(self.lease_place(digest), attempt.name, self.beat_s)
        watch = Watch(lease.place, self.stale_s)
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
            clear_dead_attempts(attempt)
            try:
                yield attempt
            finally:
                shutil.rmtree(attempt.folder, ignore_errors=True)
                with suppress(OSError):
                    attempt.folder.parent.rmdir()  # unless another attempt's folder is there

    def commit(
        self, attempt: Attempt, stage: Stage, facts: Mapping[str, Any], inputs: Mapping[str, str]
    ) -> Done:
        """Makes an attempt's folder the finished stage; if another attempt won, that one counts.

        `inputs` are the content hashes of what was read, by digest.
        """
        said = done_to_json(attempt, stage, facts, inputs)
        write_atomically(attempt.folder / DONE, said)
        target = self.folder(attempt.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_there(target) and not self.has(attempt.digest):
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

    def clear_leftovers(self, finished: Collection[str]) -> None:
        """Removes leases of dead holders and attempts that nobody is at work on.

        A process killed between its commit and the end of its lease leaves them for ever.
        """
        self.clear_dead_leases(finished)
        # an attempt makes its folder after it has taken its lease
        begun = [path for path in entries(self.root / "work") if path.name in finished]
        leased = set(self.leased()) if begun else set()
        for path in begun:
            if path.name not in leased:
                shutil.rmtree(path, ignore_errors=True)

    def clear_dead_leases(self, digests: Collection[str]) -> list[str]:
        """Removes the leases of those whose holder is dead; which these are."""
        cleared = sorted(
            digest
            for digest in set(self.leased()) & set(digests)
            if freed(self.lease_place(digest))
        )
        for digest in cleared:
            for beat in self.lease_path(digest).parent.glob(f"{digest}.*"):
                if not beat.name.startswith((f"{digest}.new.", f"{digest}.dead.")):
                    beat.unlink(missing_ok=True)
        return cleared

    def discard(self, digest: str, *, unless: Callable[[], bool] | None = None) -> bool:
        """Removes a stage so that it is computed again: whether it is gone.

        Args:
            unless: Asked once it is out of the way; whether it is needed after all, and put back.
        """
        self._read.pop(digest, None)
        folder = self.folder(digest)
        self._checked = {path for path in self._checked if folder not in path.parents}
        grave = grave_of(self.root, digest)
        grave.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(folder, grave)
            if unless is not None and unless():
                with suppress(OSError):  # computed anew by now: that one counts
                    os.rename(grave, folder)
                    return False
            shutil.rmtree(grave, ignore_errors=True)
        except FileNotFoundError:
            return True
        finally:
            with suppress(OSError):
                grave.parent.rmdir()
        return True

    def checkpoints(self, attempt: Attempt) -> Path:
        """A folder for checkpoints, with those of the newest broken attempt; never committed."""
        return checkpoints_taken_over(attempt)

    def content(self, digests: Iterable[str]) -> dict[str, str]:
        """Content hash of each finished stage."""
        return {d: done.content for d in digests if (done := self.done(d)) is not None}
