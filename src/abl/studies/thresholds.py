"""A scored cell: T* chosen on validation predictions, then one look at the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.adaptive import Decision, decide, histogram_threshold
from abl.decide.calibrate import Calibration, fit_calibration
from abl.decide.curves import best_threshold, choose_threshold, threshold_curve
from abl.decide.metrics import metric_named
from abl.decide.rules import FALSE_THRESHOLD, rule_named, threshold_from_share, threshold_value
from abl.plan.graph import PlannedCell
from abl.plan.stage import digest_of
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData
from abl.studies.analysis import ScoredCell, ScoredPart, Units, units_of
from abl.studies.predictions import Predictions
from abl.studies.threshold_options import BEST_ON_TEST, DecisionSearch, share_of

FALSE_GRID = tuple(step / 20 for step in range(21))


@dataclass(frozen=True, eq=False)
class _Part:
    """One part of a replicate's split: units and the networks' predictions on them."""

    units: Units
    predictions: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Chosen:
    """What was chosen without the test set; `by_score` if a validation score chose it."""

    decision: Decision
    by_score: bool = False
    curve: pd.DataFrame | None = None
    trials: pd.DataFrame | None = None


def scored_cell(
    sweep: Sweep,
    params: Mapping[str, Any],
    cell: PlannedCell,
    predictions: Predictions,
    opened: OpenData,
    values: Sequence[Any] | None,
    search: DecisionSearch,
    studies: Path | None = None,
) -> ScoredCell:
    """One arm on one replicate: T* from validation predictions, then one look at the test set.

    Args:
        values: Candidates of T*, or None if the arm's own value holds.
        search: How `threshold: search` searches.
        studies: Where searches are kept, to go on from where they stopped.
    """
    chooser = _Chooser(sweep, params, cell, predictions, opened)
    found = chooser.chosen(values, search, studies)
    metric = metric_named(chooser.by)
    on_validation = _decided(found.decision, "validation", chooser.validation)
    numbers: dict[str, float] = {}
    if found.by_score:
        labels = chooser.validation.units.labels
        numbers[f"validation_{metric.name}"] = metric(labels, on_validation.p)
    # everything is decided: now, and only now, the test set is read
    test, decision = chooser.part("test"), found.decision
    if chooser.false_from_test:
        decision = _best_on_test(decision, test, chooser.by)
    on_test = _decided(decision, "test", test)
    numbers |= decision.settings()
    numbers["share"] = float(np.mean(on_test.sent)) if on_test.sent is not None else 0.0
    # drawn in an appendix marked exploratory; nothing is chosen by it
    test_curve = (
        None if found.curve is None else chooser.curve(test, found.curve["threshold"].tolist())
    )
    return ScoredCell(
        cell.replicate, on_test, on_validation, numbers, found.curve, test_curve, found.trials
    )


def validation_part(
    sweep: Sweep,
    params: Mapping[str, Any],
    cell: PlannedCell,
    predictions: Predictions,
    opened: OpenData,
    values: Sequence[Any] | None,
    search: DecisionSearch,
) -> ScoredPart:
    """Final predictions of one arm on one replicate's validation images; no other part is read."""
    chooser = _Chooser(sweep, params, cell, predictions, opened)
    found = chooser.chosen(values, search, None)
    return _decided(found.decision, "validation", chooser.validation)


class _Chooser:
    """An arm on a replicate: its networks' calibrated predictions, and how its T* is chosen."""

    def __init__(
        self,
        sweep: Sweep,
        params: Mapping[str, Any],
        cell: PlannedCell,
        predictions: Predictions,
        opened: OpenData,
    ):
        self._sweep, self._cell = sweep, cell
        self._predictions, self._opened = predictions, opened
        self._rule = rule_named(str(params["rule"]))
        self._named = params.get("threshold")
        self._calibrate = str(params.get("calibrate", "none"))
        with_false = "false" in cell.uses
        self._roles = [*self._rule.uses, *(["false"] if with_false else [])]
        given = params.get("false_threshold", FALSE_THRESHOLD)
        self.false_from_test = with_false and given == BEST_ON_TEST
        self._false = None
        if with_false:
            self._false = FALSE_THRESHOLD if self.false_from_test else float(given)
        self.by = metric_named(sweep.select_by or sweep.primary).name

    def part(self, role: str) -> _Part:
        """Units of a part of the split, with calibrated predictions."""
        raw = self._raw(role)
        calibrated = {n: self._calibrations[n].apply(p) for n, p in raw.predictions.items()}
        return _Part(raw.units, calibrated)

    @cached_property
    def validation(self) -> _Part:
        return self.part("validation")

    @cached_property
    def _calibrations(self) -> dict[str, Calibration]:
        raw = self._raw("validation")
        return {
            name: fit_calibration(self._calibrate, raw.units.labels, p)
            for name, p in raw.predictions.items()
        }

    def _raw(self, role: str) -> _Part:
        key, frame = self._cell.replicate, self._opened.dataset.frame
        split = dict(self._opened.split(self._sweep.splits, key.repeat, key.fold).items())
        units = units_of(frame, split[role], self._sweep.data.unit)
        images = frame["image"].to_numpy()[split[role]]
        of = {
            name: units.mean(self._predictions.of(self._cell.uses[name], role, images))
            for name in self._roles
        }
        return _Part(units, of)

    def chosen(
        self, values: Sequence[Any] | None, search: DecisionSearch, studies: Path | None
    ) -> _Chosen:
        """The decision, from validation (or, for `histogram`, training) predictions alone."""
        rule, named = self._rule, self._named
        if not rule.has_threshold:
            return _Chosen(self._decision(None))
        # an arm that names a T* of its own stands beside those that choose theirs
        if values is not None and named is None:
            return self._from_curve(values)
        if named == "search":
            return self._searched(search, studies)
        labels, predictions = self.validation.units.labels, self.validation.predictions
        if named == "exact":
            best = best_threshold(
                labels, predictions, rule.name, self.by, false_threshold=self._false
            )
            return _Chosen(self._decision(best.threshold), by_score=True)
        if named == "histogram":
            seen = self.part("train").predictions["original"]
            return _Chosen(self._decision(histogram_threshold(seen)))
        return _Chosen(self._decision(_resolved(named, self.validation)))

    def _decision(self, threshold: float | None) -> Decision:
        return Decision(self._rule.name, threshold, false_threshold=self._false)

    def curve(self, part: _Part, thresholds: Sequence[float]) -> pd.DataFrame:
        """Every metric of the sweep at each T*, on one part of the split."""
        sweep = self._sweep
        return threshold_curve(
            part.units.labels,
            part.predictions,
            self._rule.name,
            list(thresholds),
            list(dict.fromkeys([*sweep.metrics, sweep.primary, self.by])),
            false_threshold=self._false,
        )

    def _from_curve(self, values: Sequence[Any]) -> _Chosen:
        resolved = [_resolved(value, self.validation) for value in values]
        curve = self.curve(self.validation, resolved)
        best = choose_threshold(curve, self.by).threshold
        return _Chosen(self._decision(best), by_score=True, curve=curve)

    def _searched(self, search: DecisionSearch, studies: Path | None) -> _Chosen:
        # importing Optuna takes a second, which only a search need pay
        from abl.decide.decision_search import search_decision

        # whatever changes points or values; more trials only prolong a study
        name = digest_of(
            [
                search.model_dump(mode="json", exclude={"trials"}),
                [self._rule.name, self.by, self._false, self._calibrate],
                {role: self._cell.uses[role] for role in self._roles},
                self.validation.units.names.tolist(),
                self.validation.units.labels.tolist(),
            ]
        )
        found = search_decision(
            self.validation.units.labels,
            self.validation.predictions,
            self._rule.name,
            space=search.over,
            objectives=search.objectives or (self.by,),
            trials=search.trials,
            sampler=search.sampler,
            seed=search.seed,
            costs=search.costs,
            false_threshold=self._false,
            storage=None if studies is None else studies / f"{name}.journal",
            study=name,
        )
        return _Chosen(found.decision, by_score=True, trials=found.trials)


def _best_on_test(decision: Decision, test: _Part, by: str) -> Decision:
    """The False threshold that looks best on the test set, as the paper chose it."""
    metric = metric_named(by)
    tried = [replace(decision, false_threshold=value) for value in FALSE_GRID]
    values = [metric(test.units.labels, decide(each, test.predictions)[0]) for each in tried]
    return tried[int(np.nanargmax(np.array(values) * (1 if metric.higher_is_better else -1)))]


def _decided(decision: Decision, role: str, part: _Part) -> ScoredPart:
    p, sent = decide(decision, part.predictions)
    return ScoredPart.of(role, part.units, p, sent)


def _resolved(value: Any, validation: _Part) -> float:
    share = share_of(value)
    if share is not None:
        return threshold_from_share(validation.predictions["original"], share)
    return threshold_value(value)


def mean_curve(given: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Mean and sd over replicates of curves on equal thresholds; None if they differ or are none.

    Columns: threshold, step (thousandths, int64), then each metric and its `<metric>_sd`.
    """
    curves = [each for each in given if each is not None]
    if not curves:
        return None
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
