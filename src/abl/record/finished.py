"""Finished stages of a store: read, held against checksums, marked where damage is proven."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from abl.errors import DamagedError, StageError
from abl.kept_files import read_kept, stat_kept
from abl.plan.stage import Stage
from abl.record.done import DAMAGED, DONE, Done, done_from_json
from abl.record.patient import ABSENT, UnreadableError, is_there, patiently
from abl.scratch import written_whole
from abl.spec.yaml_file import sha256_of


class FinishedStages:
    """Finished stages in `done/<digest>/` below one folder of a file system.

    `DONE.json` tells what was committed; a stage without a good one is not finished.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self._read: dict[str, Done] = {}
        # digest -> file -> where, with size, time and inode, as its checksum was right
        self._checked: dict[str, dict[str, tuple[Path, tuple[int, int, int]]]] = {}

    def folder(self, digest: str) -> Path:
        """Where a finished stage lies."""
        return self.root / "done" / digest

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
            content = patiently(partial(read_kept, folder / DONE), folder / DONE, pauses)
            done = done_from_json(digest, content)
            for name, (size, _) in done.files.items() if done else ():
                path = folder / name
                if patiently(partial(stat_kept, path), path, pauses).st_size != size:
                    return None
        except ABSENT:
            return None
        return done

    def file(self, digest: str, name: str) -> Path:
        """A file of a finished stage, its checksum verified on the first read of this process, and
        anew once its size, time or inode are others.

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
        if not self._is_checked(done, name, path):
            seen = _seen(path)
            if not self._holds(path, done.files[name][1]):
                self._read.pop(digest, None)
                with suppress(OSError):
                    self.mark_damaged(done)
                advice = "a run of its sweep computes it again"
                raise DamagedError(f"stage {digest[:12]}: {name} is damaged (checksum); {advice}")
            if seen is not None:
                self._checked.setdefault(digest, {})[name] = path, seen
        return path

    def recheck(self, digests: Collection[str]) -> None:
        """Raises as `file` if a file that was read of these stages has another content by now: it
        may have been read as one or the other. One that is gone was read before it went.
        """
        for digest in digests:  # not through all that was ever read: a run has 100,000 stages
            for name, (path, seen) in list(self._checked.get(digest, {}).items()):
                if _seen(path) not in (seen, None):
                    self.file(digest, name)

    def _is_checked(self, done: Done, name: str, path: Path) -> bool:
        known = self._checked.get(done.digest, {}).get(name)
        return known is not None and known == (path, _seen(path))

    def _forget_checks(self, digest: str) -> None:
        self._checked.pop(digest, None)

    def _holds(self, path: Path, checksum: str) -> bool:
        try:
            patiently(partial(stat_kept, path), path)
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
        return read_kept(self.folder(digest) / DONE)

    def measured(self, done: Done, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file as it lies there. Raises as read_done."""
        path = self.folder(done.digest) / name
        size = stat_kept(path).st_size
        # of another size it is none of ours, however long it takes to read
        return size, sha256_of(path) if size == done.files[name][0] else ""

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

    def content(self, digests: Iterable[str]) -> dict[str, str]:
        """Content hash of each finished stage."""
        return {d: done.content for d in digests if (done := self.done(d)) is not None}


def _seen(path: Path) -> tuple[int, int, int] | None:
    """What a change of a file changes; None if it is not there."""
    try:
        found = patiently(partial(stat_kept, path), path)
    except ABSENT:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
