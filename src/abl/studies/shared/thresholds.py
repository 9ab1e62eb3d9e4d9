"""T* of a sweep: what may be said of it, and a scored cell: T* chosen on validation predictions,
then one look at the test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from abl.decide.chooser import Chooser, Chosen, DecisionOptions, written_share
from abl.decide.decision import Decision, decide
from abl.decide.metrics import metric_named
from abl.decide.reliability import Calibration, fit_calibration
from abl.decide.rules import FALSE_THRESHOLD, rule_named, threshold_value
from abl.errors import InputError
from abl.plan.graph import PlannedCell
from abl.plan.stage import digest_of
from abl.search.samplers import asking_samplers
from abl.spec.base import Part
from abl.spec.search import sampler_problem
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData
from abl.studies.shared.analysis import ScoredCell, ScoredPart, Units, units_of
from abl.studies.shared.predictions import Predictions

CHOSEN_BY = ("exact", "histogram", "search")
BEST_ON_TEST = "best_on_test"
SEARCHED = Literal["threshold", "class_thresholds", "weight", "cutoff", "false_threshold"]


class DecisionSearch(Part):
    """What `threshold: search` searches with Optuna, on validation predictions alone."""

    over: tuple[SEARCHED, ...] = Field(
        ("threshold",),
        min_length=1,
        description="T*; or one T* for each class that O predicts; the weight of T in the mean; "
        "the cut-off of the final decision; the confidence under which the False network decides.",
    )
    objectives: tuple[str, ...] = Field(
        (),
        max_length=2,
        description="A metric, `cost`, or a metric and `share` (of images sent on; fewer is "
        "better); default: what `select_by` or `primary` names.",
    )
    costs: tuple[tuple[float, ...], ...] | None = Field(
        None, description="Cost of deciding class j (column) for class i (row), for `cost`."
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] = Field(200, description="Points tried.")
    sampler: str = Field(
        "tpe",
        json_schema_extra=lambda schema: schema.update(enum=[*asking_samplers()]),
        description="Optuna's sampler.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of the sampler.")

    def options(self, by: str) -> DecisionOptions:
        """What is searched; by this metric, where no objective is named."""
        objectives = self.objectives or (by,)
        return DecisionOptions(
            self.over, objectives, self.trials, self.sampler, self.seed, self.costs
        )


def decision_search_problems(search: DecisionSearch) -> list[str]:
    """What is wrong with a search block beside its form."""
    problems = sampler_problem("options.search.sampler", search.sampler, asking_samplers())
    for name in search.objectives:
        if name in ("cost", "share"):
            continue
        try:
            metric_named(name)
        except InputError as error:
            problems.append(f"options.search.objectives: {error}")
    if search.objectives == ("share",):
        problems.append("options.search.objectives: share alone sends nothing on: add a metric")
    if "cost" in search.objectives and search.costs is None:
        problems.append("options.search.costs: give a matrix, e.g. [[0, 1], [5, 0]]")
    if {"threshold", "class_thresholds"} <= set(search.over):
        problems.append("options.search.over: threshold or class_thresholds, not both")
    return problems


def threshold_problem(value: Any, *, of_curve: bool = False) -> str:
    """What is wrong with a value of T*, "" if nothing."""
    if value in CHOSEN_BY:
        return f"threshold: {value} chooses a T* itself: no place on a curve" if of_curve else ""
    try:
        if written_share(value) is None:
            threshold_value(value)
    except (InputError, ValueError, TypeError):
        ways = ", ".join(CHOSEN_BY)
        return f"threshold: {value!r} is not in [0, 1], 'always', a share as '38%', or {ways}"
    return ""


FALSE_GRID = tuple(step / 20 for step in range(21))


@dataclass(frozen=True, eq=False)
class _Part:
    """One part of a replicate's split: units and the networks' predictions on them."""

    units: Units
    predictions: dict[str, np.ndarray]


class ArmCell:
    """An arm on a replicate: its networks' calibrated predictions, and how its T* is chosen.

    Args:
        values: Candidates of T*, or None if the arm's own value holds.
        search: How `threshold: search` searches.
    """

    def __init__(
        self,
        sweep: Sweep,
        params: Mapping[str, Any],
        cell: PlannedCell,
        predictions: Predictions,
        opened: OpenData,
        values: Sequence[Any] | None = None,
        search: DecisionSearch | None = None,
    ):
        self._sweep, self._cell = sweep, cell
        self._predictions, self._opened = predictions, opened
        self._values, self._search = values, search or DecisionSearch()
        self._rule = rule_named(str(params["rule"]))
        self._named = params.get("threshold")
        self._calibrate = str(params.get("calibrate", "none"))
        with_false = "false" in cell.uses
        self._roles = [*self._rule.uses, *(["false"] if with_false else [])]
        given = params.get("false_threshold", FALSE_THRESHOLD)
        self._false_from_test = with_false and given == BEST_ON_TEST
        self._false = None
        if with_false:
            self._false = FALSE_THRESHOLD if self._false_from_test else float(given)
        self._by = metric_named(sweep.select_by or sweep.primary)
        self._metrics = [*sweep.metrics, sweep.primary]

    def validated(self) -> ScoredPart:
        """Final predictions on the validation images; no other part is read."""
        return _decided(self._chosen(None).decision, "validation", self._validation)

    def scored(self, studies: Path | None = None) -> ScoredCell:
        """T* from validation predictions, then one look at the test set.

        Args:
            studies: Where searches are kept, to go on from where they stopped.
        """
        found = self._chosen(studies)
        on_validation = _decided(found.decision, "validation", self._validation)
        numbers: dict[str, float] = {}
        if found.by_score:
            value = self._by(self._validation.units.labels, on_validation.p)
            numbers[f"validation_{self._by.name}"] = value
        # everything is decided: now, and only now, the test set is read
        test, decision = self._part("test"), found.decision
        if self._false_from_test:
            # the False threshold that looks best on the test set, as the paper chose it
            tried = [replace(decision, false_threshold=value) for value in FALSE_GRID]
            final = [decide(each, test.predictions)[0] for each in tried]
            values = np.array([self._by(test.units.labels, p) for p in final])
            decision = tried[int(np.nanargmax(values * (1 if self._by.higher_is_better else -1)))]
        on_test = _decided(decision, "test", test)
        numbers |= decision.settings()
        numbers["share"] = float(np.mean(on_test.sent)) if on_test.sent is not None else 0.0
        # drawn in an appendix marked exploratory; nothing is chosen by it
        test_curve = None
        if found.curve is not None:
            test_curve = self._chooser(test).curve(found.curve["threshold"].tolist(), self._metrics)
        trials = None if found.search is None else found.search.trials
        return ScoredCell(
            self._cell.replicate, on_test, on_validation, numbers, found.curve, test_curve, trials
        )

    def _part(self, role: str) -> _Part:
        raw = self._raw(role)
        if self._calibrate == "none":
            return raw
        calibrated = {n: self._calibrations[n].apply(p) for n, p in raw.predictions.items()}
        return _Part(raw.units, calibrated)

    @cached_property
    def _validation(self) -> _Part:
        return self._part("validation")

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
        uses, read = self._cell.uses, self._predictions
        return _Part(units, {name: read.of(uses[name], role, units) for name in self._roles})

    def _chooser(self, part: _Part) -> Chooser:
        labels, p = part.units.labels, part.predictions
        return Chooser(self._rule.name, self._by.name, labels, p, self._false)

    def _chosen(self, studies: Path | None) -> Chosen:
        """The decision, from validation (or, for `histogram`, training) predictions alone."""
        chooser, search = self._chooser(self._validation), self._search
        # an arm that names a T* of its own stands beside those that choose theirs
        if self._rule.has_threshold and self._values is not None and self._named is None:
            return chooser.along(self._values, self._metrics)
        if not self._rule.has_threshold or self._named != "search":
            return chooser.chosen(self._named, lambda: self._part("train").predictions["original"])
        # whatever changes points or values; more trials only prolong a study
        name = digest_of(
            [
                search.model_dump(mode="json", exclude={"trials"}),
                [self._rule.name, self._by.name, self._false, self._calibrate],
                {role: self._cell.uses[role] for role in self._roles},
                self._validation.units.names.tolist(),
                self._validation.units.labels.tolist(),
            ]
        )
        storage = None if studies is None else studies / f"{name}.journal"
        return chooser.searched(search.options(self._by.name), storage=storage, study=name)


def _decided(decision: Decision, role: str, part: _Part) -> ScoredPart:
    p, sent = decide(decision, part.predictions)
    return ScoredPart.of(role, part.units, p, sent)


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
