"""What an analysis gives: scored replicates, and every prediction behind the table as frames.

Scored is each image, or the mean over the images of a nodule or a patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from abl.data.dataset import TOGETHER, UNIT_LABEL, unit_names
from abl.decide.check import Bools, Floats, Ints
from abl.decide.replicates import KEYS, Scores
from abl.errors import InputError
from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.plan.outcome import Outcome, Searches
from abl.record.store import Store

if TYPE_CHECKING:  # a plan compares and draws nothing
    from abl.report.pictures import Pictures
    from abl.studies.shared.contrasts import Contender

# networks are also in the store, by digest: what figures need is a sample, not all of them
MOST_NETWORK_ROWS = 2_000_000


@dataclass(frozen=True, eq=False)
class Units:
    """The units of one part of a split.

    Attributes:
        images: (N,) ids.
        names: (U,) images, nodules or patients.
        labels: (U,) label of the unit's images; where these differ as `data.patient_label` says.
        patients: (U,) patient of each unit, or what a column group keeps together with it.
        member: (N,) unit of each image.
    """

    images: np.ndarray
    names: np.ndarray
    labels: Ints
    patients: np.ndarray
    member: Ints

    def mean(self, p: Floats) -> Floats:
        """(N, K) probabilities of images -> (U, K) of units."""
        if len(self.names) == len(p):
            return p[np.argsort(self.member)]
        total = np.zeros((len(self.names), p.shape[1]))
        np.add.at(total, self.member, p)
        mean: Floats = total / np.bincount(self.member, minlength=len(self.names))[:, None]
        return mean


def units_of(frame: pd.DataFrame, positions: np.ndarray, unit: str) -> Units:
    """The units of some rows of a data set; `unit` is image, nodule or patient."""
    rows = frame.iloc[positions]
    key = unit_names(rows, unit).to_numpy()
    names, first, member = np.unique(key, return_index=True, return_inverse=True)
    labels = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(labels, member, rows[UNIT_LABEL if UNIT_LABEL in rows else "label"].to_numpy())
    # patients that a group joins are resampled as one
    clusters = rows[TOGETHER if TOGETHER in rows else "patient"].to_numpy()[first]
    return Units(rows["image"].to_numpy(), names, labels, clusters, member.astype(np.int64))


@dataclass(frozen=True, eq=False)
class ScoredPart:
    """Predictions on one part of a replicate's split.

    Attributes:
        role: train, validation or test.
        units: (U,) names of images, nodules or patients.
        labels: (U,) true classes.
        patients: (U,) names.
        p: (U, K) probabilities.
        sent: (U,) whether the second network had a say; None for a network's own predictions.
    """

    role: str
    units: np.ndarray
    labels: Ints
    patients: np.ndarray
    p: Floats
    sent: Bools | None = None

    @classmethod
    def of(cls, role: str, units: Units, p: Floats, sent: Bools | None = None) -> ScoredPart:
        return cls(role, units.names, units.labels, units.patients, p, sent)


@dataclass(frozen=True, eq=False)
class ScoredCell:
    """An arm on a replicate.

    Attributes:
        replicate: Which.
        test, validation: Final predictions.
        chosen: What was chosen (threshold) or measured beside the metrics (share).
        curve: Validation metrics over the curve axis, if the arm has one.
        test_curve: The same on test: exploratory, nothing is chosen by it.
        trials: Points of a search, if there was one.
    """

    replicate: Replicate
    test: ScoredPart
    validation: ScoredPart
    chosen: dict[str, float]
    curve: pd.DataFrame | None = None
    test_curve: pd.DataFrame | None = None
    trials: pd.DataFrame | None = None

    @property
    def scores(self) -> Scores:
        return Scores(*self.key, self.test.labels, self.test.patients, self.test.p)

    @property
    def key(self) -> tuple[int, int, int]:
        return self.replicate.repeat, self.replicate.fold, self.replicate.seed


@dataclass(frozen=True, eq=False)
class ScoredArm:
    """An arm with its scored replicates, or why there are none."""

    arm: Arm
    cells: tuple[ScoredCell, ...] = ()
    curve: pd.DataFrame | None = None
    test_curve: pd.DataFrame | None = None
    failed: str = ""

    @property
    def scores(self) -> list[Scores]:
        return [cell.scores for cell in self.cells]

    @property
    def contender(self) -> Contender:
        """What comparisons take."""
        from abl.studies.shared.contrasts import Contender

        units = (cell.test.units.tolist() for cell in self.cells)
        return Contender.of(self.arm.title, self.scores, units)


@dataclass(frozen=True, eq=False)
class Analysis:
    """The result of a study.

    Attributes:
        outcome: The table as values.
        predictions: One row an (arm, replicate, role, unit): arm (key), repeat, fold, seed, role,
            unit, label, patient, sent, p_0, p_1, ....
        networks: The same of single networks on train, validation and test; `network` names one,
            there is no `sent`.
        trials: Points of every search: arm, repeat, fold, seed, number, parameters, value_0, ...,
            front.
        pictures: Images with what networks see in them, if the study draws some.
        own: Frames of the study's own, by name: `images` is kept as images.parquet.
    """

    outcome: Outcome
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    pictures: Pictures | None = None
    searches: Searches = field(default_factory=Searches)
    own: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def scored_arms(
    plan: Plan, store: Store, score: Callable[[Arm, list[PlannedCell]], ScoredArm]
) -> list[ScoredArm]:
    """Every arm of a plan, scored; those that cannot be are marked failed, and say why.

    An arm may end in stages of any kind that write predictions.

    Args:
        score: Of an arm whose stages are all finished; an InputError is of this arm alone (a metric
            that is undefined at every T*, for one).
    """
    scored = []
    for at, (arm, cells) in enumerate(zip(plan.arms, plan.cells_by_arm(), strict=True)):
        failed = plan.without.get(at, "")
        if not failed:
            digests = (digest for cell in cells for digest in cell.uses.values())
            missing = [each for each in dict.fromkeys(digests) if not store.has(each)]
            failed = no_result_of(plan, missing) if missing else ""
        try:
            scored.append(ScoredArm(arm, failed=failed) if failed else score(arm, cells))
        except InputError as error:
            scored.append(ScoredArm(arm, failed=str(error)))
    return scored


def no_result_of(plan: Plan, missing: Sequence[str]) -> str:
    """Why an arm has no numbers: the first of the stages that were not finished, and how many."""
    more = f" and of {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"no result of {plan.stages[missing[0]].label}{more}"


def analysis_of(
    outcome: Outcome,
    scored: Sequence[ScoredArm],
    networks: Iterable[tuple[str, Replicate, ScoredPart]] = (),
) -> Analysis:
    """The outcome with the predictions of its arms, in the same order, and of networks."""
    parts = [
        _rows("arm", row.key, cell.replicate, part)
        for row, arm in zip(outcome.arms, scored, strict=True)
        for cell in arm.cells
        for part in (cell.validation, cell.test)
    ]
    trials = [
        cell.trials.assign(arm=row.key, **dict(zip(KEYS, cell.key, strict=True)))
        for row, arm in zip(outcome.arms, scored, strict=True)
        for cell in arm.cells
        if cell.trials is not None
    ]
    own, rows = [], 0
    for name, key, part in networks:
        if rows > MOST_NETWORK_ROWS:
            break
        own.append(_rows("network", name, key, part))
        rows += len(part.labels)
    every = pd.concat(trials, ignore_index=True) if trials else pd.DataFrame()
    return Analysis(outcome, _joined(parts), _joined(own), every)


def _rows(column: str, name: str, key: Replicate, part: ScoredPart) -> pd.DataFrame:
    count = len(part.labels)
    columns: dict[str, object] = {
        column: _constant(name, count),
        **{each: np.full(count, value) for each, value in vars(key).items()},
        "role": _constant(part.role, count),
        "unit": part.units.astype(str),
        "label": part.labels,
        "patient": part.patients.astype(str),
    }
    if part.sent is not None:
        columns["sent"] = part.sent
    columns |= {f"p_{at}": part.p[:, at] for at in range(part.p.shape[1])}
    return pd.DataFrame(columns)


def _constant(word: str, count: int) -> pd.Series:
    return pd.Series([word]).astype("category").repeat(count).reset_index(drop=True)


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame()
    whole = {}
    for name in parts[0].columns:
        columns = [part[name] for part in parts if name in part]
        if isinstance(columns[0].dtype, pd.CategoricalDtype):
            whole[name] = pd.Series(pd.api.types.union_categoricals(columns))
        else:
            whole[name] = pd.concat(columns, ignore_index=True)
    return pd.DataFrame(whole)
