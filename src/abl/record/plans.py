"""What each sweep asks for: its latest plan, kept in the store, with a lease while it runs.

`plans/<run>.txt` names the sweep, then a digest a line, and says at the end of each part what all
before it hashes to. A run writes it before it looks what is finished, and a stage that a running
plan names is not removed; so what a run has found stays.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from abl.kept_files import MUCH, json_kept, read_kept
from abl.plan.stage import Stage
from abl.record.done import write_atomically
from abl.record.lease import FilePlace, Lease, Place, Watch, is_held
from abl.record.own_names import is_run_name
from abl.record.patient import ABSENT, UnreadableError, patiently
from abl.record.work import entries

# a holder on another machine that is silent for so long is dead, however its clock goes
SILENT_S = 3600.0
_GROWS_S = 0.5  # a run may be writing to its plan
_LINE = re.compile(r"([0-9a-f]{64})( spares)?")


@dataclass(frozen=True)
class KeptPlan:
    """The plan of one run.

    Attributes:
        sweep: Its name.
        stages: Digests of all its stages.
        sparing: Those that only spare work in others.
        time: When it was last written to, seconds since 1970.
        running: Whether its run lives.
        whole: Whether it is there to its end; of earlier versions, whether each line is one.
    """

    sweep: str
    stages: frozenset[str]
    sparing: frozenset[str]
    time: float
    running: bool
    whole: bool = True


class Plans:
    """The plans of a store.

    Args:
        folder: Where they lie.
        beat_s: Seconds between two beats of a running one.
    """

    def __init__(self, folder: Path, beat_s: float):
        self.folder = folder
        self._beat_s = beat_s
        self._open: Path | None = None
        self._named: set[str] = set()
        self._sum = hashlib.sha256()  # over what was written to the open one

    @contextmanager
    def begin(self, sweep: str, stages: Mapping[str, Stage]) -> Iterator[None]:
        """Keeps a plan, and says while it lasts that it runs; earlier ones of the sweep go."""
        run = uuid.uuid4().hex
        lease = Lease(self._lease(run), run, self._beat_s)
        lease.take()
        with lease:
            path = self.folder / f"{run}.txt"
            text = json.dumps({"sweep": sweep, "ends": True}) + "\n" + _lines(stages)
            self._sum = hashlib.sha256()
            write_atomically(path, self._ended(text))
            with suppress(UnreadableError):  # it stays, and what it asks for with it
                for old, plan in self._read():
                    if plan.sweep == sweep and not plan.running and old != path:
                        old.unlink(missing_ok=True)
            self._open, self._named = path, set(stages)
            try:
                yield
            finally:
                self._open = None

    def grow(self, stages: Mapping[str, Stage]) -> None:
        """Adds stages to the plan that runs, if there is one."""
        new = {digest: stage for digest, stage in stages.items() if digest not in self._named}
        if self._open is not None and new:
            with self._open.open("a", encoding="utf-8") as file:
                file.write(self._ended(_lines(new)))
            self._named |= new.keys()

    def _ended(self, text: str) -> str:
        self._sum.update(text.encode())
        end = f"= {self._sum.hexdigest()}\n"
        self._sum.update(end.encode())
        return text + end

    def kept(self) -> list[KeptPlan]:
        """Every plan. Raises UnreadableError if one cannot be read, or is damaged."""
        found = list(self._read())
        if any(plan.running and not plan.whole for _, plan in found):
            time.sleep(_GROWS_S)
            found = list(self._read())
        for path, plan in found:
            if not plan.whole:
                sweep = plan.sweep or "its sweep"
                raise UnreadableError(
                    f"{path}: the plan is damaged, so that it is not known what it asks for: "
                    f"delete this file; `abl sweep` of {sweep} writes it anew"
                )
        return [plan for _, plan in found]

    def running(self) -> set[str]:
        """Digests that plans of living runs name."""
        return {d for plan in self.kept() if plan.running for d in plan.stages}

    def clear_dead(self) -> None:
        """Removes the leases of runs that are dead."""
        for path in entries(self.folder):
            if path.suffix == ".lease" and is_run_name(path.stem) and freed(FilePlace(path)):
                for beat in self.folder.glob(f"{path.name}.*"):
                    beat.unlink(missing_ok=True)

    def _lease(self, run: str) -> FilePlace:
        return FilePlace(self.folder / f"{run}.lease")

    def _read(self) -> Iterator[tuple[Path, KeptPlan]]:
        for path in entries(self.folder):
            if path.suffix != ".txt":
                continue
            with suppress(*ABSENT):
                content = patiently(partial(read_kept, path, MUCH), path)
                first, *lines = content.decode(errors="replace").splitlines() or [""]
                try:
                    head = json_kept(first)
                    sweep, ends = str(head["sweep"]), "ends" in head
                except (ValueError, KeyError, TypeError):
                    sweep, ends = "", True  # damaged
                found = [match for line in lines if (match := _LINE.fullmatch(line))]
                yield (
                    path,
                    KeptPlan(
                        sweep,
                        frozenset(match[1] for match in found),
                        frozenset(match[1] for match in found if match[2]),
                        path.stat().st_mtime,
                        is_held(self._lease(path.stem), SILENT_S),
                        _is_whole(content) if ends else len(found) == len(lines),
                    ),
                )


def _is_whole(content: bytes) -> bool:
    """Whether the last line is what all before it hashes to."""
    before, _, end = content.rstrip(b"\n").rpartition(b"\n")
    said = hashlib.sha256(before + b"\n").hexdigest()
    return content.endswith(b"\n") and end == f"= {said}".encode()


def freed(place: Place) -> bool:
    """Removes a lease whose holder is known dead, or silent for SILENT_S: whether it is gone."""
    if Watch(place).free():
        return True
    content = place.read()
    return content is None or (not is_held(place, SILENT_S) and place.remove(content))


def _lines(stages: Mapping[str, Stage]) -> str:
    sparing = {digest for stage in stages.values() for digest in stage.shortcuts.values()}
    return "".join(f"{d} spares\n" if d in sparing else f"{d}\n" for d in stages)
