"""T* in a sweep: its values, its choice on validation predictions, and the scored cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.curves import choose_threshold, threshold_curve
from abl.decide.replicates import Replicate as Scores
from abl.decide.rules import (
    apply_rule,
    rule_named,
    share_reclassified,
    threshold_from_share,
    threshold_value,
)
from abl.errors import InputError
from abl.plan.graph import PlannedCell
from abl.spec.sweep import Sweep
from abl.studies.predictions import Predictions
from abl.studies.scoring import ScoredCell
from abl.studies.units import Units, units_of
from abl.studies.workspace import OpenData


def curve_values(sweep: Sweep) -> tuple[Any, ...] | None:
    """Candidates of T* if it is a curve axis, None if it is an ordinary one."""
    axis = sweep.axes.get("threshold")
    return axis.listed() if axis is not None and axis.curve else None


def threshold_problem(value: Any) -> str:
    """What is wrong with a value of T*, "" if nothing."""
    try:
        if _share(value) is None:
            threshold_value(value)
    except (InputError, ValueError, TypeError):
        return f"threshold: {value!r} is not in [0, 1], 'always', or a share such as '38%'"
    return ""


def _share(value: Any) -> float | None:
    if isinstance(value, bool):
        raise ValueError
    if not (isinstance(value, str) and value.endswith("%")):
        return None
    share = float(value[:-1]) / 100
    if not 0 <= share <= 1:
        raise ValueError
    return share


@dataclass(frozen=True, eq=False)
class _Part:
    """Validation or test part of a replicate: units and the networks' predictions on them."""

    units: Units
    predictions: dict[str, np.ndarray]


def scored_cell(
    sweep: Sweep,
    params: Mapping[str, Any],
    cell: PlannedCell,
    predictions: Predictions,
    opened: OpenData,
    values: Sequence[Any] | None,
) -> ScoredCell:
    """One arm on one replicate: T* from validation predictions, then one look at the test set.

    Args:
        values: Candidates of T*, or None if the arm's own value holds.
    """
    rule = rule_named(str(params["rule"]))
    replicate = cell.replicate
    split = opened.split(sweep.splits, replicate.repeat, replicate.fold)
    frame = opened.dataset.frame

    def part(role: str, positions: np.ndarray) -> _Part:
        units = units_of(frame, positions, sweep.data.unit)
        images = frame["image"].to_numpy()[positions]
        found = {
            name: units.mean(predictions.of(cell.uses[name], role, images)) for name in rule.uses
        }
        return _Part(units, found)

    validation = part("validation", split.validation)
    by = sweep.select_by or sweep.primary
    metrics = list(dict.fromkeys([*sweep.metrics, sweep.primary, by]))
    chosen: dict[str, float] = {}
    curve = None
    threshold: float | None = None
    # an arm that names a T* of its own stands beside those that choose theirs
    if rule.has_threshold and values is not None and "threshold" not in params:
        curve = threshold_curve(
            validation.units.labels,
            validation.predictions,
            rule.name,
            [_resolved(value, validation) for value in values],
            metrics,
        )
        choice = choose_threshold(curve, by)
        threshold = choice.threshold
        chosen[f"validation_{by}"] = choice.value
    elif rule.has_threshold:
        threshold = _resolved(params["threshold"], validation)
    test = part("test", split.test)
    p = apply_rule(rule.name, test.predictions, threshold)
    if threshold is not None:
        chosen["threshold"] = threshold
        chosen["share"] = share_reclassified(test.predictions["original"], threshold)
    elif "original" in rule.uses:
        # every image, or none, gets a second opinion
        chosen["share"] = float(len(rule.uses) > 1)
    else:
        chosen["share"] = 1.0
    scores = Scores(
        replicate.repeat,
        replicate.fold,
        replicate.seed,
        test.units.labels,
        test.units.patients,
        p,
    )
    return ScoredCell(scores, test.units.names, chosen, curve)


def _resolved(value: Any, validation: _Part) -> float:
    share = _share(value)
    if share is not None:
        return threshold_from_share(validation.predictions["original"], share)
    return threshold_value(value)


def mean_curve(curves: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Mean and sd over replicates of validation curves on equal thresholds; None if they differ.

    Columns: threshold, step (thousandths, int64), then each metric and its `<metric>_sd`.
    """
    first = curves[0]["threshold"].to_numpy()
    if any(not np.array_equal(first, each["threshold"].to_numpy()) for each in curves):
        return None
    finite = np.isfinite(first)
    table: dict[str, np.ndarray] = {
        "threshold": first[finite],
        "step": np.rint(first[finite] * 1000).astype(np.int64),
    }
    for name in curves[0].columns.drop("threshold"):
        values = pd.DataFrame({at: each[name][finite] for at, each in enumerate(curves)})
        table[name] = values.mean(axis=1).to_numpy()
        table[f"{name}_sd"] = values.std(axis=1, ddof=1).to_numpy()
    return pd.DataFrame(table)
