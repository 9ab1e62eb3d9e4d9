"""How a decision is chosen from validation predictions, for sweeps and for `abl decide` alike:
given, exact, along a grid, by a promise, or searched with Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from abl.decide.check import Bools, Floats
from abl.decide.curves import best_threshold, choose_threshold, threshold_curve
from abl.decide.decision import Decision, DecisionInputs, histogram_threshold
from abl.decide.decision_space import DecisionSpace, Objectives
from abl.decide.promise import Promise, promised_threshold
from abl.decide.rules import Threshold, rule_named, threshold_from_share, threshold_value
from abl.errors import InputError
from abl.search.generations import Asking, Values
from abl.search.journal import Searched, search
from abl.search.samplers import Direction, SamplerName
from abl.search.space import Point, Range

TIE = 1e-12


@dataclass(frozen=True)
class DecisionOptions:
    """What is searched, by what, and how.

    Attributes:
        space: Of decision_space.PARAMETERS.
        objectives: One or two: metrics, "cost", "share".
        trials, sampler, seed: As `search`.
        costs: (K, K) for "cost".
    """

    space: Sequence[str]
    objectives: Sequence[str]
    trials: int = 200
    sampler: SamplerName = "tpe"
    seed: int = 0
    costs: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search of a decision found on the validation images.

    Attributes:
        decision: The best. With two objectives, the point of the front with the best first one.
        values: Of the objectives there.
        share: Of the images, sent to the second network.
        trials: One row a trial: number, what the decision sets (threshold or threshold_0, ...;
            weight, cutoff, false_threshold), value_0 and value_1 (nan where undefined), share,
            front (bool: no trial is better in one objective and as good in the other).
        decisions: That of each row.
    """

    decision: Decision
    values: tuple[float, ...]
    share: float
    trials: pd.DataFrame
    decisions: tuple[Decision, ...]


def search_decision(
    labels: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    rule: str,
    options: DecisionOptions,
    *,
    threshold: Threshold | None = None,
    false_threshold: float | None = None,
    start: Sequence[Decision] = (),
    storage: Path | None = None,
    study: str = "",
) -> SearchResult:
    """The best decision found on these (validation) images; of equal ones that which sends fewest.

    The first trials are the known decisions: T* = 0, 0.9 and always, weight 0.5 and 1, cut-off 0.5,
    no False network. With as many trials, the result is on these images no worse than they are.

    Args:
        labels: (N,) int.
        predictions: Network -> (N, K).
        threshold: T* if it is not searched and the rule has one.
        false_threshold: If it is not searched and the False network answers.
        start: Further decisions to begin with.
        storage, study: As `search`; `study` is a digest of labels, predictions, rule and costs.

    Raises:
        InputError: What cannot be searched, unfit arrays, objectives undefined everywhere.
    """
    with_false = "false_threshold" in options.space or false_threshold is not None
    inputs = DecisionInputs(rule, predictions, with_false=with_false)
    scored = Objectives(labels, options.objectives, inputs.classes, options.costs)
    missing = threshold is None and rule_named(rule).has_threshold
    fixed = Decision(rule, 0.0 if missing else threshold, false_threshold=false_threshold)
    within = DecisionSpace(inputs, options.space, fixed, of_class_alone=scored.of_class_alone)
    if missing and not {"threshold", "class_thresholds"} & set(options.space):
        raise InputError(f"search: rule '{rule}' needs a threshold, searched or given")
    if len(np.asarray(labels)) != inputs.images:
        raise InputError(f"predictions: {inputs.images} rows for {len(np.asarray(labels))} labels")

    def evaluate(point: Point) -> Values:
        return scored.values(*inputs.final(within.decision(point)))

    first = [*within.known_points(), *map(within.point, start)]
    every = {name: Range(0.0, 1.0) for name in within.coordinates}
    found = search(
        Asking(every, scored.directions, options.sampler, options.seed, first),
        evaluate,
        trials=options.trials,
        storage=storage,
        study=f"{study} {rule} {fixed} {tuple(options.space)} {scored.names}",
    )
    decisions = tuple(within.decision(each.point) for each in found)
    shares = np.array([inputs.final(each)[1].mean() for each in decisions])
    return _result(found, decisions, shares, scored.directions)


def _result(
    found: Sequence[Searched],
    decisions: tuple[Decision, ...],
    shares: Floats,
    directions: Sequence[Direction],
) -> SearchResult:
    undefined = (np.nan,) * len(directions)
    values = np.array([undefined if each.values is None else each.values for each in found])
    values = values.reshape(len(found), len(directions))
    sign = np.where(np.array(directions) == "maximize", 1.0, -1.0)
    if np.isnan(values).all():
        raise InputError("search: the objective is undefined for every decision")
    front = pareto_front(sign * values)
    frame = pd.DataFrame({"number": [each.number for each in found]})
    frame = frame.join(pd.DataFrame([each.settings() for each in decisions]))
    for at in range(len(directions)):
        frame[f"value_{at}"] = values[:, at]
    frame["share"], frame["front"] = shares, front
    candidates = np.flatnonzero(front)
    for quality in (sign * values).T:
        best = quality[candidates].max()
        candidates = candidates[quality[candidates] >= best - TIE * max(1.0, abs(best))]
    chosen = int(candidates[np.argmin(shares[candidates])])
    return SearchResult(
        decisions[chosen],
        tuple(float(value) for value in values[chosen]),
        float(shares[chosen]),
        frame,
        decisions,
    )


def pareto_front(values: Floats) -> Bools:
    """(N,) bool: rows of (N, objectives), higher better, that no other row dominates; nan never."""
    defined = ~np.asarray(np.isnan(values).any(axis=1))
    above = np.asarray((values[None] >= values[:, None]).all(axis=2))
    beyond = np.asarray((values[None] > values[:, None]).any(axis=2))
    dominated = np.asarray((above & beyond & defined).any(axis=1))
    return defined & ~dominated


@dataclass(frozen=True, eq=False)
class Chosen:
    """What was chosen without the test set.

    Attributes:
        by_score: Whether the metric to choose by chose it, on validation images.
        curve: Of a grid: the metrics at each of its T*.
        search: What a search found.
    """

    decision: Decision
    by_score: bool = False
    curve: pd.DataFrame | None = None
    search: SearchResult | None = None


@dataclass(frozen=True, eq=False)
class Chooser:
    """The T* of a rule, from labelled validation images.

    Attributes:
        by: Metric to choose by.
        labels: (N,) int.
        predictions: Network -> (N, K).
        false_threshold: Of the False extension, if it is on.
        patients: (N,) names, and `promise`: for `promise` alone.
    """

    rule: str
    by: str
    labels: ArrayLike
    predictions: Mapping[str, ArrayLike]
    false_threshold: float | None = None
    patients: ArrayLike | None = None
    promise: Promise | None = None

    def chosen(self, value: Any, training: Callable[[], ArrayLike]) -> Chosen:
        """By a value of T*: a number, `always`, a share such as `38%`, or one of three words.

        `exact` is the best there is; `histogram` is read off training images; `promise` is the
        smallest that keeps the promise. A rule without a threshold has nothing to choose.

        Args:
            training: The original network's predictions (M, K) of training images; read for
                `histogram` alone.

        Raises:
            InputError: Among others, no T* keeps the promise.
        """
        if not rule_named(self.rule).has_threshold:
            return Chosen(self._decision(None))
        if value == "exact":
            best = best_threshold(
                self.labels, self.predictions, self.rule, self.by,
                false_threshold=self.false_threshold,
            )  # fmt: skip
            return Chosen(self._decision(best.threshold), by_score=True)
        if value == "promise" and self.patients is not None:
            kept = promised_threshold(
                self.labels, self.predictions, self.rule, self.patients,
                self.promise or Promise(), false_threshold=self.false_threshold,
            )  # fmt: skip
            return Chosen(self._decision(kept.threshold))
        if value == "histogram":
            return Chosen(self._decision(histogram_threshold(training())))
        return Chosen(self._decision(self.resolved(value)))

    def resolved(self, value: Any) -> float:
        """A number, `always` or a share of these images as T*."""
        share = written_share(value)
        if share is not None:
            return threshold_from_share(self.predictions["original"], share)
        return threshold_value(value)

    def along(self, values: Sequence[Any], metrics: Sequence[str]) -> Chosen:
        """The best of a grid; its curve has the metrics and the one that is chosen by."""
        curve = self.curve([self.resolved(value) for value in values], metrics)
        best = choose_threshold(curve, self.by).threshold
        return Chosen(self._decision(best), by_score=True, curve=curve)

    def curve(self, thresholds: Sequence[float], metrics: Sequence[str]) -> pd.DataFrame:
        """Metrics, and the one that is chosen by, at each T*, as threshold_curve."""
        names = list(dict.fromkeys([*metrics, self.by]))
        return threshold_curve(
            self.labels, self.predictions, self.rule, list(thresholds), names,
            false_threshold=self.false_threshold,
        )  # fmt: skip

    def searched(
        self,
        options: DecisionOptions,
        *,
        threshold: Threshold | None = None,
        start: Sequence[Decision] = (),
        storage: Path | None = None,
        study: str = "",
    ) -> Chosen:
        """What a search finds, as search_decision."""
        found = search_decision(
            self.labels, self.predictions, self.rule, options,
            threshold=threshold, false_threshold=self.false_threshold, start=start,
            storage=storage, study=study,
        )  # fmt: skip
        return Chosen(found.decision, by_score=True, search=found)

    def _decision(self, threshold: float | None) -> Decision:
        return Decision(self.rule, threshold, false_threshold=self.false_threshold)


def written_share(value: Any) -> float | None:
    """The share in '38%', None for anything that is no share. Raises ValueError outside [0, 1]."""
    if isinstance(value, bool):
        raise ValueError
    if not (isinstance(value, str) and value.endswith("%")):
        return None
    share = float(value[:-1]) / 100
    if not 0 <= share <= 1:
        raise ValueError
    return share
