"""An arm on a replicate, scored: T* chosen on validation predictions, then one look at the test
set, and none at the labels of external sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from abl.decide.check import Floats
from abl.decide.chooser import Chooser, Chosen
from abl.decide.decision import Decision, decide
from abl.decide.metric_names import metric_named
from abl.decide.promise import promised_risk
from abl.decide.reliability import Calibration, fit_calibration
from abl.decide.rules import FALSE_THRESHOLD, rule_named
from abl.plan.graph import PlannedCell
from abl.plan.stage import digest_of
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData
from abl.studies.shared.analysis import ScoredCell, ScoredPart, Units, units_of
from abl.studies.shared.predictions import Predictions
from abl.studies.shared.thresholds import BEST_ON_TEST, DecisionSearch, PromiseOptions

RISK = "risk"  # that a T* promises to keep small
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
        promise: What `threshold: promise` promises.
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
        promise: PromiseOptions | None = None,
    ):
        self._sweep, self._cell = sweep, cell
        self._predictions, self._opened = predictions, opened
        self._values, self._search = values, search or DecisionSearch()
        self._promise = (promise or PromiseOptions()).promise
        self._rule = rule_named(str(params["rule"]))
        self._named = params.get("threshold")
        self._calibrate = str(params.get("calibrate", "none"))
        with_false = "false" in cell.uses and "false" not in self._rule.uses
        self._roles = [*self._rule.uses, *(["false"] if with_false else [])]
        given = params.get("false_threshold", FALSE_THRESHOLD)
        self._false_from_test = with_false and given == BEST_ON_TEST
        self._false = None
        if with_false:
            self._false = FALSE_THRESHOLD if self._false_from_test else float(given)
        self._by = metric_named(sweep.select_by or sweep.primary)
        self._metrics = [*sweep.metrics, sweep.primary]
        self._decision: Decision | None = None  # once it is scored

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
        self._decision = decision
        on_test = _decided(decision, "test", test)
        numbers |= decision.settings()
        numbers["share"] = float(np.mean(on_test.sent)) if on_test.sent is not None else 0.0
        if self._rule.has_threshold and self._named == "promise":
            numbers |= {f"validation_{RISK}": self._risk(on_validation), RISK: self._risk(on_test)}
        # drawn in an appendix marked exploratory; nothing is chosen by it
        test_curve = None
        if found.curve is not None:
            test_curve = self._chooser(test).curve(found.curve["threshold"].tolist(), self._metrics)
        trials = None if found.search is None else found.search.trials
        return ScoredCell(
            self._cell.replicate, on_test, on_validation, numbers, found.curve, test_curve, trials
        )

    def external(self, digests: Mapping[str, str], units: Units) -> Floats:
        """Final probabilities (U, K) on an external set, as decided without it.

        Args:
            digests: Role -> digest of its network's predictions on the set.

        Raises:
            ValueError: Not scored yet.
        """
        if self._decision is None:
            raise ValueError("nothing is decided yet: score it first")
        read = self._predictions
        raw = {role: read.of(digests[role], "external", units) for role in self._roles}
        return decide(self._decision, self._calibrated(raw))[0]

    def _risk(self, part: ScoredPart) -> float:
        """What was promised to be small, as it is."""
        sent = np.zeros(len(part.labels), dtype=bool) if part.sent is None else part.sent
        return promised_risk(self._promise.risk, part.labels, part.p, sent, part.patients)

    def _part(self, role: str) -> _Part:
        raw = self._raw(role)
        return _Part(raw.units, self._calibrated(raw.predictions))

    def _calibrated(self, predictions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self._calibrate == "none":
            return predictions
        return {name: self._calibrations[name].apply(p) for name, p in predictions.items()}

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
        return Chooser(
            self._rule.name, self._by.name, labels, p, self._false,
            part.units.patients, self._promise,
        )  # fmt: skip

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
