"""What a report says of a sweep beside its numbers: settings, sizes of the splits, replicates."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.replicates import KEYS
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import frames_by
from abl.spec.read import read_sweep
from abl.spec.sweep import Sweep

ROLES = ("train", "validation", "test", "external")
# arms with one of these values separate a mechanism from more training, ensembling or capacity
CONTROLS = frozenset({"retrained", "matched", "null", "random", "shuffled", "ellipse", "full"})


@dataclass(frozen=True)
class SplitSize:
    """One part of the splits.

    Attributes:
        patients, units: Distinct ones over all splits.
        by_class: Mean number of units of each class in a split.
    """

    role: str
    patients: int
    units: int
    by_class: tuple[float, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each class."""
        total = sum(self.by_class)
        return tuple(count / total for count in self.by_class) if total else self.by_class


@dataclass(frozen=True, eq=False)
class ReportFacts:
    """An outcome with what else is known of its sweep.

    Attributes:
        sweep: The sweep file as read; None if it cannot be.
        sizes: Role -> size of that part of the splits, of those that predictions are known of.
    """

    outcome: Outcome
    sweep: Sweep | None
    sizes: Mapping[str, SplitSize]

    @cached_property
    def arms(self) -> list[ArmOutcome]:
        """Arms that have numbers."""
        return [arm for arm in self.outcome.arms if not arm.failed]

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """Distinct repeat, fold, seed."""
        rows = [a.replicates[KEYS] for a in self.arms if set(KEYS) <= set(a.replicates.columns)]
        return pd.concat(rows).drop_duplicates() if rows else pd.DataFrame(columns=KEYS)

    @property
    def splits(self) -> int:
        """Distinct (repeat, fold)."""
        return len(self.replicates[["repeat", "fold"]].drop_duplicates())

    @property
    def seeds(self) -> int:
        """Distinct seeds."""
        return int(self.replicates["seed"].nunique())

    @property
    def test_reads(self) -> int:
        """How many times the test set of a replicate was read: once by each arm on each."""
        return sum(len(arm.replicates) for arm in self.arms)

    @property
    def published(self) -> bool:
        """Whether a paper's own protocol was followed."""
        return self.outcome.facts.protocol == "published"

    @property
    def generated(self) -> bool:
        """Whether the images are generated."""
        return self.sweep is not None and self.sweep.data.phantom is not None

    @property
    def unit(self) -> str:
        """What is scored: image, nodule, patient, or case if that is not known."""
        return self.sweep.data.unit if self.sweep is not None else self.outcome.facts.unit or "case"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, as far as they are known."""
        return self.sweep.data.classes if self.sweep is not None else ()

    @property
    def has_controls(self) -> bool:
        """Whether some arm is a control of the study's mechanism."""
        values = {str(value) for arm in self.outcome.arms for value in arm.params.values()}
        return bool(values & CONTROLS)

    @property
    def compared(self) -> bool:
        """Whether arms were tested against a base."""
        return any(arm.comparison is not None for arm in self.outcome.arms)

    @property
    def external(self) -> bool:
        """Whether an external set was scored."""
        return "external" in self.sizes or bool(self.outcome.facts.external)


def report_facts(
    outcome: Outcome,
    predictions: pd.DataFrame,
    networks: pd.DataFrame,
    sweep_text: str,
    data_summary: Sequence[Mapping[str, Any]] = (),
) -> ReportFacts:
    """What the frames, the sweep file and the data summary tell; each may be empty."""
    sweep = sweep_of(sweep_text)
    sizes = {}
    for role in ROLES:
        frames = frames_by(predictions, "arm", role) or frames_by(networks, "network", role)
        # networks trained on a selection may be told on less than the whole training set
        frame = max(frames.values(), key=len, default=None)
        rows = [row for row in data_summary if row.get("role") == role]
        if frame is not None and len(frame):
            sizes[role] = _size(role, frame)
        elif rows:
            classes = sweep.data.classes if sweep else ()
            patients, images, *counts = (
                sum(int(row.get(name, 0)) for row in rows)
                for name in ("patients", "images", *classes)
            )
            sizes[role] = SplitSize(role, patients, images, tuple(map(float, counts)))
    return ReportFacts(outcome, sweep, sizes)


def sweep_of(text: str) -> Sweep | None:
    """The sweep that a text describes, None if it is none."""
    with tempfile.TemporaryDirectory(prefix="abl-") as folder:
        path = Path(folder) / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            return read_sweep(path).sweep
        except InputError:
            return None


def _size(role: str, frame: pd.DataFrame) -> SplitSize:
    rows = frame.drop_duplicates(["repeat", "fold", "unit"])
    splits = len(rows[["repeat", "fold"]].drop_duplicates())
    counts = np.bincount(rows["label"].to_numpy(np.int64)) / splits
    units, patients = rows["unit"].nunique(), rows["patient"].nunique()
    return SplitSize(role, int(patients), int(units), tuple(counts.tolist()))
