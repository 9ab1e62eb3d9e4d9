"""Which stages somebody asks for: the latest plan and the latest table of each sweep.

Digests are taken from the text of an outcome, so that a damaged table asks for what it names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from abl.kept_files import MUCH, json_kept, read_kept
from abl.record.done import Done
from abl.record.patient import ABSENT, patiently
from abl.record.store import Store
from abl.record.work import entries

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass
class AskedStages:
    """Who asks for which stages.

    Attributes:
        sweeps: Digest -> sweeps whose latest plan or table asks for it.
        used: Digest -> when a table, an earlier one too, was last made of it, or a plan of it run;
            seconds since 1970.
        running: Digests in plans of living runs.
        has_plans: Whether any plan is kept; earlier versions kept none.
    """

    sweeps: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    used: dict[str, float] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    has_plans: bool = False

    def note(self, digests: Collection[str], time: float, sweep: str | None) -> None:
        """Notes that these were used then; of `sweep`, if that asks for them still."""
        for digest in digests:
            self.used[digest] = max(self.used.get(digest, 0.0), time)
            if sweep is not None:
                self.sweeps[digest].add(sweep)

    def follow_inputs(self, known: Mapping[str, Done]) -> None:
        """Adds what those that are asked for were read from; earlier versions kept no plan."""
        ahead = [digest for digest in self.sweeps if digest in known]
        while ahead:
            digest = ahead.pop()
            inputs = known[digest].stage.get("inputs")
            for source in inputs.values() if isinstance(inputs, dict) else ():
                self.used[source] = max(self.used.get(source, 0.0), self.used.get(digest, 0.0))
                if source in known and not self.sweeps[digest] <= self.sweeps[source]:
                    self.sweeps[source] |= self.sweeps[digest]
                    ahead.append(source)

    def of(self, sweep: str) -> set[str]:
        """Digests that a sweep asks for."""
        return {digest for digest, sweeps in self.sweeps.items() if sweep in sweeps}


def asked_of(store: Store) -> AskedStages:
    """Reads the plans and tables of a store.

    Raises:
        UnreadableError: One cannot be read, so that it is not known what is needed.
    """
    asked = AskedStages()
    plans = store.plans.kept()
    asked.has_plans = bool(plans)
    newest: dict[str, float] = {}
    for plan in plans:
        newest[plan.sweep] = max(newest.get(plan.sweep, 0.0), plan.time)
    for plan in plans:
        if plan.running:
            asked.running |= plan.stages
        if plan.running or not plan.sweep or plan.time >= newest[plan.sweep]:
            # what only spared work is of no more use once all else is finished
            rest = plan.stages - plan.sparing
            whole = not plan.running and all(store.folder(each).is_dir() for each in rest)
            asked.note(rest if whole else plan.stages, plan.time, plan.sweep)
    for folder in entries(store.root / "sweeps"):
        latest = _latest(folder)
        for place in entries(folder):
            path = place / "outcome.json"
            with suppress(*ABSENT):
                found = {each.decode() for each in _DIGEST.findall(_read(path))}
                is_latest = latest in (None, place.name)
                when = (folder / "latest.json") if latest == place.name else path
                asked.note(found, when.stat().st_mtime, folder.name if is_latest else None)
    return asked


def _latest(folder: Path) -> str | None:
    """Which table of a sweep is the latest; None if that is not said: any may be."""
    try:
        return str(json_kept(_read(folder / "latest.json"))["key"])
    except (*ABSENT, ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> bytes:
    return patiently(partial(read_kept, path, MUCH), path)
