"""The data behind the arms: their source, what was left out, the parts of the splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from abl.plan.outcome import Outcome
from abl.report.figures.arms import frames_by
from abl.report.labels import cluster_word
from abl.spec.sweep import Sweep

EXTERNAL = "external"
ROLES = ("train", "validation", "test", EXTERNAL)


@dataclass(frozen=True)
class SplitSize:
    """One part of the splits.

    Attributes:
        patients, units: Distinct ones over the splits that are known; patients are what splits keep
            together, see `DataPart.cluster`.
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
class DataPart:
    """The data of some arms, from their source to the parts of the splits.

    Attributes:
        name: Of the data set, with what tells it from others; "" if all arms have the same.
        unit: What is scored.
        cluster: What splits keep together and intervals resample: patient, group or image.
        splits: How many splits the sizes are over: all of them, or 1 where only the first is known.
        sizes: Role -> size.
        flow: name, unit, listed, left_out, second, used: see studies/shared/ran.py; {} if unknown.
    """

    name: str
    unit: str
    splits: int
    sizes: Mapping[str, SplitSize]
    flow: Mapping[str, Any] = field(default_factory=dict)
    cluster: str = "patient"

    @property
    def counted(self) -> tuple[str, ...]:
        """What sizes are counted in, clusters first: groups, images."""
        return tuple(dict.fromkeys((self.cluster, self.unit)))

    def counts(self, size: SplitSize) -> tuple[int, ...]:
        """As many numbers as `counted` has words."""
        return (size.patients, size.units)[: len(self.counted)]


def data_parts(
    outcome: Outcome,
    predictions: pd.DataFrame,
    networks: pd.DataFrame,
    summary: Sequence[Mapping[str, Any]],
    sweep: Sweep | None,
) -> list[DataPart]:
    """The data of the arms, several where an axis changes them; external sets with the first.

    Args:
        summary: One row a part of the first split: role, patients, images, counts by class.
    """
    recorded = outcome.facts.ran.get("data") or ()
    data = [_recorded(row, named=len(recorded) > 1) for row in recorded]
    if not data:
        data = _from_frames(outcome, predictions, networks, summary, sweep)
    data = [replace(part, cluster=cluster_word(outcome)) for part in data]
    external = dict(_external(outcome.facts.external))
    if external and data:
        sizes = {role: size for role, size in data[0].sizes.items() if role != EXTERNAL}
        data[0] = replace(data[0], sizes=sizes | external)
    return data


def _external(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, SplitSize]]:
    for row in rows:
        if "patients" in row:
            role, by_class = f"{EXTERNAL} {row['name']}", tuple(map(float, row["classes"].values()))
            yield role, SplitSize(role, int(row["patients"]), int(row["units"]), by_class)


def _recorded(row: Mapping[str, Any], *, named: bool) -> DataPart:
    sizes = {
        str(part["role"]): SplitSize(
            str(part["role"]), int(part["patients"]), int(part["units"]), tuple(part["by_class"])
        )
        for part in row["parts"]
        if int(part["units"])  # a split without a validation part
    }
    name = str(row["name"]) if named else ""
    return DataPart(name, str(row["unit"]), int(row["splits"]), sizes, row)


def _from_frames(
    outcome: Outcome,
    predictions: pd.DataFrame,
    networks: pd.DataFrame,
    summary: Sequence[Mapping[str, Any]],
    sweep: Sweep | None,
) -> list[DataPart]:
    """Of an outcome that kept no record: by its predictions, else by the summary of one split."""
    known: dict[str, SplitSize] = {}
    of_one: dict[str, SplitSize] = {}
    splits = 1
    for role in ROLES:
        frames = frames_by(predictions, "arm", role) or frames_by(networks, "network", role)
        # networks trained on a selection may be told on less than the whole training set
        frame = max(frames.values(), key=len, default=None)
        if frame is not None and len(frame):
            known[role] = _size(role, frame)
            splits = max(splits, len(frame[["repeat", "fold"]].drop_duplicates()))
        elif (found := _of_summary(role, summary, sweep)) is not None:
            of_one[role] = found
    unit = sweep.data.unit if sweep is not None else outcome.facts.unit or "case"
    # what is known of one split alone is not put beside what is known of all
    sizes = known | of_one if splits == 1 else known
    return [DataPart("", unit, splits, {r: sizes[r] for r in ROLES if r in sizes})] if sizes else []


def _of_summary(
    role: str, summary: Sequence[Mapping[str, Any]], sweep: Sweep | None
) -> SplitSize | None:
    rows = [row for row in summary if row.get("role") == role]
    if not rows:
        return None
    classes = sweep.data.classes if sweep else ()
    patients, images, *counts = (
        sum(int(row.get(name, 0)) for row in rows) for name in ("patients", "images", *classes)
    )
    return SplitSize(role, patients, images, tuple(map(float, counts)))


def _size(role: str, frame: pd.DataFrame) -> SplitSize:
    rows = frame.drop_duplicates(["repeat", "fold", "unit"])
    splits = len(rows[["repeat", "fold"]].drop_duplicates())
    counts = np.bincount(rows["label"].to_numpy(np.int64)) / splits
    units, patients = rows["unit"].nunique(), rows["patient"].nunique()
    return SplitSize(role, int(patients), int(units), tuple(counts.tolist()))


def scored_units(predictions: pd.DataFrame) -> pd.DataFrame:
    """unit, patient of every test prediction, each once; empty if none were kept."""
    if predictions.empty or "role" not in predictions:
        return pd.DataFrame(columns=["unit", "patient"])
    rows = predictions[(predictions["role"] == "test").to_numpy()]
    return rows[["unit", "patient"]].astype(str).drop_duplicates()
