"""How T* is chosen from validation predictions: one way for sweeps and for `abl decide`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from abl.decide.adaptive import Decision, histogram_threshold
from abl.decide.curves import best_threshold, choose_threshold, threshold_curve
from abl.decide.decision_search import DecisionOptions, SearchResult, search_decision
from abl.decide.rules import Threshold, rule_named, threshold_from_share, threshold_value


@dataclass(frozen=True, eq=False)
class Chosen:
    """What was chosen without the test set.

    Attributes:
        decision: By it the test set is decided.
        by_score: Whether a score on validation images chose it.
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
        rule: A rule of decide.rules.
        by: Metric to choose by.
        labels: (N,) int.
        predictions: Network -> (N, K).
        false_threshold: Of the False extension, if it is on.
    """

    rule: str
    by: str
    labels: ArrayLike
    predictions: Mapping[str, ArrayLike]
    false_threshold: float | None = None

    def chosen(self, value: Any, training: Callable[[], ArrayLike]) -> Chosen:
        """By a value of T*: a number, `always`, a share such as `38%`, `exact` or `histogram`.

        A rule without a threshold has nothing to choose.

        Args:
            training: The original network's predictions (M, K) of training images; read for
                `histogram` alone.
        """
        if not rule_named(self.rule).has_threshold:
            return Chosen(self._decision(None))
        if value == "exact":
            best = best_threshold(
                self.labels, self.predictions, self.rule, self.by,
                false_threshold=self.false_threshold,
            )  # fmt: skip
            return Chosen(self._decision(best.threshold), by_score=True)
        if value == "histogram":
            return Chosen(self._decision(histogram_threshold(training())))
        return Chosen(self._decision(self.resolved(value)))

    def resolved(self, value: Any) -> float:
        """A number, `always` or a share of these images as T*."""
        share = share_of(value)
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


def share_of(value: Any) -> float | None:
    """The share in '38%', None for anything that is no share. Raises ValueError outside [0, 1]."""
    if isinstance(value, bool):
        raise ValueError
    if not (isinstance(value, str) and value.endswith("%")):
        return None
    share = float(value[:-1]) / 100
    if not 0 <= share <= 1:
        raise ValueError
    return share
