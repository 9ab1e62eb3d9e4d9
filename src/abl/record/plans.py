"""What each sweep asks for: its latest plan, kept in the store, with a lease while it runs.

`plans/<run>.txt` names the sweep, then a digest a line. A run writes it before it looks what is
finished, and a stage that a running plan names is not removed; so what a run has found stays.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from abl.plan.stage import Stage
from abl.record.done import write_atomically
from abl.record.lease import FilePlace, Lease, Place, Watch, is_held
from abl.record.patient import ABSENT, UnreadableError, patiently
from abl.record.work import entries

# a holder on another machine that is silent for so long is dead, however its clock goes
SILENT_S = 3600.0
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
    """

    sweep: str
    stages: frozenset[str]
    sparing: frozenset[str]
    time: float
    running: bool


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

    @contextmanager
    def begin(self, sweep: str, stages: Mapping[str, Stage]) -> Iterator[None]:
        """Keeps a plan, and says while it lasts that it runs; earlier ones of the sweep go."""
        run = uuid.uuid4().hex
        lease = Lease(self._lease(run), run, self._beat_s)
        lease.take()
        with lease:
            path = self.folder / f"{run}.txt"
            write_atomically(path, json.dumps({"sweep": sweep}) + "\n" + _lines(stages))
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
                file.write(_lines(new))
            self._named |= new.keys()

    def kept(self) -> list[KeptPlan]:
        """Every plan. Raises UnreadableError if one cannot be read."""
        return [plan for _, plan in self._read()]

    def running(self) -> set[str]:
        """Digests that plans of living runs name."""
        return {d for plan in self.kept() if plan.running for d in plan.stages}

    def clear_dead(self) -> None:
        """Removes the leases of runs that are dead."""
        for path in entries(self.folder):
            if path.suffix == ".lease" and freed(FilePlace(path)):
                for beat in self.folder.glob(f"{path.name}.*"):
                    beat.unlink(missing_ok=True)

    def _lease(self, run: str) -> FilePlace:
        return FilePlace(self.folder / f"{run}.lease")

    def _read(self) -> Iterator[tuple[Path, KeptPlan]]:
        for path in entries(self.folder):
            if path.suffix != ".txt":
                continue
            with suppress(*ABSENT):
                first, *lines = patiently(partial(path.read_bytes), path).decode(
                    errors="replace"
                ).splitlines() or [""]
                try:
                    sweep = str(json.loads(first)["sweep"])
                except (ValueError, KeyError, TypeError):
                    sweep = ""  # damaged: what it asks for is kept
                found = [match for line in lines if (match := _LINE.fullmatch(line))]
                yield (
                    path,
                    KeptPlan(
                        sweep,
                        frozenset(match[1] for match in found),
                        frozenset(match[1] for match in found if match[2]),
                        path.stat().st_mtime,
                        is_held(self._lease(path.stem), SILENT_S),
                    ),
                )


def freed(place: Place) -> bool:
    """Removes a lease whose holder is known dead, or silent for SILENT_S: whether it is gone."""
    if Watch(place).free():
        return True
    content = place.read()
    return content is None or (not is_held(place, SILENT_S) and place.remove(content))


def _lines(stages: Mapping[str, Stage]) -> str:
    sparing = {digest for stage in stages.values() for digest in stage.shortcuts.values()}
    return "".join(f"{d} spares\n" if d in sparing else f"{d}\n" for d in stages)
