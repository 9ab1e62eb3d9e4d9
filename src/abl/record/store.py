"""The store: a folder for each finished stage, addressed by its digest. It is the truth."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from abl.errors import StageError
from abl.plan.stage import Stage
from abl.record.done import (
    DONE,
    Attempt,
    Done,
    done_to_json,
    write_atomically,
)
from abl.record.finished import FinishedStages
from abl.record.lease import BEAT_S, STALE_S, FilePlace, Lease, Place, Watch
from abl.record.patient import is_there
from abl.record.plans import Plans, freed
from abl.record.shared import Shared
from abl.record.work import (
    attempt_folder,
    checkpoints_taken_over,
    clear_dead_attempts,
    entries,
    grave_of,
)
from abl.scratch import of_dead_process


class Store(FinishedStages):
    """Finished stages below one folder of a file system.

    `work/<digest>/<attempt>/` while a stage runs, `done/<digest>/` once it is finished: the rename
    between them is the commit, and `DONE.json`, written before it, tells what was committed.

    Attributes:
        shared: What stages read beside each other's files, and where processes meet.
        plans: What each sweep asks for.
    """

    def __init__(self, root: Path, *, beat_s: float = BEAT_S, stale_s: float = STALE_S):
        super().__init__(root)
        self.beat_s = beat_s
        self.stale_s = stale_s
        self.shared = Shared(self.cache)
        self.plans = Plans(self.root / "plans", beat_s)

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

    def check(self, *, writing: bool) -> None:
        """Raises InputError if the store cannot be used; of a folder `check_root` tells that."""

    def check_shared(self) -> None:
        """Raises InputError if other processes cannot see this store; they see a folder."""

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
                taken = beat.name.startswith((f"{digest}.new.", f"{digest}.dead."))
                if not taken or of_dead_process(beat.name):
                    beat.unlink(missing_ok=True)
        return cleared

    def discard(self, digest: str, *, unless: Callable[[], bool] | None = None) -> bool:
        """Removes a stage so that it is computed again: whether it is gone.

        Args:
            unless: Asked once it is out of the way; whether it is needed after all, and put back.
        """
        self._read.pop(digest, None)
        folder = self.folder(digest)
        self._forget_checks(digest)
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
