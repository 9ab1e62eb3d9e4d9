"""The store on an object store, for machines that share no folder: stages and checkpoints."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from abl.contained import is_contained
from abl.errors import InputError, StageError
from abl.plan.stage import Stage
from abl.record.done import DAMAGED, DONE, Attempt, Done, done_from_json, done_to_json
from abl.record.lease import Place
from abl.record.objects import ObjectPlace, Objects
from abl.record.shared import ObjectShared
from abl.record.store import Store
from abl.scratch import scratch_folder
from abl.spec.yaml_file import sha256_of
from abl.told_lock import told_lock


class ObjectStore(Store):
    """Finished stages on an object store, with a folder of this machine for work and copies.

    `done/<digest>/<attempt>/` holds the files; the commit is `done/<digest>/DONE.json`, made only
    if it is absent. Of several attempts one is named there, and nothing else counts.

    Args:
        url: Such as s3://bucket/folder.
        root: Folder of this machine; what lies in it can be fetched again.

    Raises:
        InputError: As Objects.
    """

    def __init__(self, url: str, root: Path):
        super().__init__(root)
        self.objects = Objects(url)
        self.shared = ObjectShared(self.objects, self.cache)
        self._copies: dict[str, CheckpointCopies] = {}

    @property
    def address(self) -> dict[str, str]:
        return {"url": self.objects.url, "root": str(self.root)}

    def check(self, *, writing: bool) -> None:
        self.objects.check(writing=writing)

    def check_shared(self) -> None:
        if self.objects.is_of_this_process:
            raise InputError(
                f"--store {self.objects.url}: other processes do not see the memory of this one: "
                "use s3://BUCKET/FOLDER, or --executor local"
            )

    def lease_place(self, digest: str) -> Place:
        return ObjectPlace(self.objects, f"lease/{digest}")

    def leased(self) -> list[str]:
        return [name.partition("/")[2] for name in self.objects.names("lease")]

    def digests(self) -> list[str]:
        return sorted(digest for digest, files in self._list().items() if _is_stage(files))

    def _list(self) -> dict[str, dict[str, int]]:
        """Digest -> bytes of each file below its folder."""
        listed: dict[str, dict[str, int]] = {}
        for name, size in self.objects.sizes("done").items():
            digest, slash, file = name.removeprefix("done/").partition("/")
            if slash:  # else it lies beside the stages
                listed.setdefault(digest, {})[file] = size
        return listed

    def known(self, digests: Collection[str]) -> dict[str, Done]:
        return self.looked_up(digests)[0]

    def looked_up(self, digests: Collection[str]) -> tuple[dict[str, Done], set[str]]:
        listed = self._list()
        asked = [d for d in digests if d not in self._read and DONE in listed.get(d, ())]
        read = self.objects.read_many([f"done/{digest}/{DONE}" for digest in asked])
        for name, text in read.items():
            digest = name.split("/")[1]
            done = _if_whole(done_from_json(digest, text), listed[digest])
            if done is not None:
                self._read[digest] = done
        known = {digest: self._read[digest] for digest in digests if digest in self._read}
        return known, {digest for digest in digests if _is_stage(listed.get(digest, {}))}

    def _looked_up(self, digest: str, pauses: Sequence[float] | None = None) -> Done | None:
        text = self.objects.read(f"done/{digest}/{DONE}")
        if text is None:
            return None
        sizes = self.objects.sizes(f"done/{digest}")
        files = {name.removeprefix(f"done/{digest}/"): size for name, size in sizes.items()}
        return _if_whole(done_from_json(digest, text), files)

    def _located(self, done: Done, name: str) -> Path:
        path = self.root / "fetched" / done.digest / done.attempt / name
        if not self._is_checked(done, name, path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # the processes of a machine fetch a file once
            what = f"the copy of {done.digest[:12]}/{name}"
            with told_lock(path.with_name(f"{path.name}.lock"), what):
                if path.exists() and sha256_of(path) != done.files[name][1]:
                    path.unlink()  # this copy is damaged, which says nothing of the original
                try:
                    if not path.exists():
                        self.objects.download(f"done/{done.digest}/{done.attempt}/{name}", path)
                except FileNotFoundError:
                    path.touch()  # told as damaged by its checksum
        return path

    def mark_damaged(self, done: Done) -> None:
        self._read.pop(done.digest, None)
        folder = f"done/{done.digest}"
        text = self.objects.read(f"{folder}/{DONE}")
        said = done_from_json(done.digest, text) if text else None
        if text is not None and (said is None or said.attempt == done.attempt):
            self.objects.write(f"{folder}/{DAMAGED}", text)
            self.objects.remove(f"{folder}/{DONE}")

    def read_done(self, digest: str) -> bytes:
        text = self.objects.read(f"done/{digest}/{DONE}")
        if text is None:
            raise FileNotFoundError(f"done/{digest}/{DONE}")
        return text

    def measured(self, done: Done, name: str) -> tuple[int, str]:
        # a copy is of this machine: the original is fetched, and not kept
        with scratch_folder("abl-verify-") as folder:
            path = folder / "file"
            self.objects.download(f"done/{done.digest}/{done.attempt}/{name}", path)
            return path.stat().st_size, sha256_of(path)

    def complete(self, digest: str, text: str) -> None:
        self.objects.write(f"done/{digest}/{DONE}", text.encode())

    @contextmanager
    def claim(
        self, digest: str, *, wait: Callable[[float], None] = time.sleep
    ) -> Iterator[Attempt | None]:
        """An attempt at a stage, alone while the lease beats; None if it is finished meanwhile."""
        with super().claim(digest, wait=wait) as attempt:
            try:
                yield attempt
            finally:
                copies = self._copies.pop(digest, None)
                if copies is not None:
                    copies.stop()

    def checkpoints(self, attempt: Attempt) -> Path:
        """As of a folder; what was left on another machine is brought, what is written copied."""
        folder = super().checkpoints(attempt)
        copies = CheckpointCopies(self.objects, attempt.digest, folder)
        copies.bring()
        copies.start()
        self._copies[attempt.digest] = copies
        return folder

    def commit(
        self, attempt: Attempt, stage: Stage, facts: Mapping[str, Any], inputs: Mapping[str, str]
    ) -> Done:
        """Uploads an attempt and makes it the finished stage, if no other attempt was first."""
        said = done_to_json(attempt, stage, facts, inputs)
        ours = done_from_json(attempt.digest, said)
        assert ours is not None
        folder = f"done/{attempt.digest}"
        for name in ours.files:
            self.objects.upload(attempt.folder / name, f"{folder}/{attempt.name}/{name}")
        won = self.objects.create(f"{folder}/{DONE}", said.encode())
        if not won and not self.has(attempt.digest):
            self.objects.remove(f"{folder}/{DONE}")  # what lies there is damaged
            won = self.objects.create(f"{folder}/{DONE}", said.encode())
        if won:
            self._read[attempt.digest] = ours
            kept = self.root / "fetched" / attempt.digest / attempt.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.rename(attempt.folder, kept)
        done = self.done(attempt.digest)
        if done is None:
            raise StageError(f"{stage.label}: could not be committed")
        there = self.objects.names(folder)
        of_others = [name for name in there if not name.startswith(f"{folder}/{done.attempt}/")]
        self.objects.remove(*(name for name in of_others if name != f"{folder}/{DONE}"))
        copies = self._copies.pop(attempt.digest, None)
        if copies is not None:
            copies.stop()
            copies.remove()
        shutil.rmtree(attempt.folder.parent, ignore_errors=True)
        return done

    def discard(self, digest: str, *, unless: Callable[[], bool] | None = None) -> bool:
        if unless is not None and unless():
            return False
        self._read.pop(digest, None)
        copies = self.root / "fetched" / digest
        self._forget_checks(digest)
        shutil.rmtree(copies, ignore_errors=True)
        # first what says that the rest counts
        self.objects.remove(f"done/{digest}/{DONE}", *self.objects.names(f"done/{digest}"))
        return True


def _is_stage(files: Mapping[str, int]) -> bool:
    # attempts that were broken off leave files and neither of these
    return DONE in files or DAMAGED in files


def _if_whole(done: Done | None, there: Mapping[str, int]) -> Done | None:
    if done is None:
        return None
    sizes = {f"{done.attempt}/{name}": size for name, (size, _) in done.files.items()}
    return done if all(there.get(name) == size for name, size in sizes.items()) else None


COPY_S = 60.0


class CheckpointCopies:
    """Copies the files of a folder to an object store while an attempt writes them.

    Files are replaced whole, so that a copy is a whole checkpoint. What cannot be copied costs
    time after a failure, and nothing else.
    """

    def __init__(self, objects: Objects, digest: str, folder: Path):
        self._objects = objects
        self._at = f"checkpoints/{digest}"
        self._folder = folder
        self._copied: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def bring(self) -> None:
        """Brings what another machine has left, unless something is here."""
        if any(self._folder.iterdir()):
            return
        with suppress(OSError):
            for name in self._objects.names(self._at):
                file = name.rpartition("/")[2]
                if not is_contained(file):  # none that was copied from here
                    continue
                path = self._folder / file
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
        while not self._stop.wait(COPY_S):
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
