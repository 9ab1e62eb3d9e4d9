"""A two-step decision with everything about it that may be tuned, and what it is scored by.

The paper fixes T* at 0.9 and names adaptive thresholds as future work (Lee, Kwak, Lee, Sci. Rep.
2025, doi 10.1038/s41598-025-00416-5). Whatever is tuned is tuned on validation images alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from abl.decide.check import (
    Bools,
    Floats,
    at_least,
    checked_pair,
    checked_predictions,
    largest_class,
    margin,
)
from abl.decide.rules import Threshold, confidence, rule_named, rule_path, threshold_value
from abl.errors import InputError, Problem, raise_if_any

HISTOGRAM_BARS = 10
MIXED = ("original", "true")
TIE_RULE = 0.5
# the largest p_M that is benign, not a tie
BELOW_TIE = TIE_RULE - 1e-12
OWN_WEIGHT = {"model1": 1.0, "model2": 0.5, "average": 0.5}


@dataclass(frozen=True)
class Decision:
    """One way to decide from the predictions of two or three networks.

    Attributes:
        rule: A rule of decide.rules.
        threshold: T* in [0, 1] or infinity (`always`), or one for each class that the original
            network predicts; None for rules without one.
        weight: Of the true network where the second network is asked: 1 is model 1, 0.5 is model 2
            and `average`. None is the rule's own.
        cutoff: p_M in (0, 1) at and above which an image is malignant (K = 2); 0.5 is the tie rule.
        false_threshold: If given, the False network answers where the confidence after the rule,
            before the cut-off, is below it.

    Raises:
        InputError: With every value out of its range.
    """

    rule: str
    threshold: Threshold | tuple[Threshold, ...] | None = None
    weight: float | None = None
    cutoff: float = TIE_RULE
    false_threshold: float | None = None

    def __post_init__(self) -> None:
        chosen = rule_named(self.rule)
        problems = []
        if chosen.has_threshold and self.threshold is None:
            problems.append(f"rule '{self.rule}' needs a threshold: a number in [0, 1] or 'always'")
        if not chosen.has_threshold and self.threshold is not None:
            problems.append(f"rule '{self.rule}' has no threshold: leave it out")
        if self.weight is not None and chosen.uses != MIXED:
            problems.append(f"rule '{self.rule}' mixes no two networks: leave the weight out")
        if self.weight is not None and not 0 <= self.weight <= 1:
            problems.append(f"weight: {self.weight} is outside [0, 1]")
        if not 0 < self.cutoff < 1:
            problems.append(f"cut-off: {self.cutoff} is not between 0 and 1")
        raise_if_any([Problem(each) for each in problems])
        if self.threshold is not None:
            values = tuple(threshold_value(each) for each in self.thresholds)
            object.__setattr__(
                self, "threshold", values if isinstance(self.threshold, tuple) else values[0]
            )
        if self.false_threshold is not None:
            threshold_value(self.false_threshold)

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """T* as a tuple: none, one, or one a class."""
        if self.threshold is None:
            return ()
        return self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)

    def settings(self) -> dict[str, float]:
        """What is set, by name: threshold or threshold_0, ...; weight, cutoff, false_threshold.

        A weight that is the rule's own, the tie rule and an absent False network are left out.
        """
        found: dict[str, float] = {}
        for at, value in enumerate(self.thresholds):
            name = f"threshold_{at}" if isinstance(self.threshold, tuple) else "threshold"
            found[name] = threshold_value(value)
        cutoff = None if self.cutoff == TIE_RULE else self.cutoff
        others = {"weight": self.weight, "cutoff": cutoff, "false_threshold": self.false_threshold}
        return found | {name: value for name, value in others.items() if value is not None}


def decide(decision: Decision, predictions: Mapping[str, ArrayLike]) -> tuple[Floats, Bools]:
    """Final probabilities (N, K), and (N,) which images were sent to the second network.

    A cut-off other than 0.5 is moved to 0.5 by shifting the log odds of p_M, so that the recorded
    probabilities give the final class by the usual rule, and AUC stays as it was (up to rounding).
    With a rule that has no threshold, all images are sent, or none if it is the original's answer.

    Args:
        predictions: Network -> (N, K), those that the rule uses, and `false` for a False threshold.

    Raises:
        InputError: Missing or unequal predictions; a number of thresholds other than that of the
            classes; a cut-off for more than two classes.
    """
    with_false = decision.false_threshold is not None
    return DecisionInputs(decision.rule, predictions, with_false=with_false).final(decision)


class DecisionInputs:
    """Checked predictions of a rule's networks, for many decisions on the same images.

    Attributes:
        confidence, original_class: (N,) of the original network.
        kept, sent: (N, K) what an image keeps, and what it gets from the rule if it is sent on.
        networks: Network -> (N, K).
    """

    def __init__(self, rule: str, predictions: Mapping[str, ArrayLike], *, with_false: bool):
        self.rule = rule_named(rule)
        needed = (*self.rule.uses, *(("false",) if with_false else ()))
        # a False threshold of 0 changes nothing, and its predictions are checked with the others
        unused = 0.0 if with_false else None
        self.kept, self.sent, self.confidence = rule_path(
            self.rule, predictions, false_threshold=unused
        )
        self.networks = {name: checked_predictions(predictions[name], name) for name in needed}
        self.original_class = largest_class(self.networks.get("original", self.kept))
        self.images, self.classes = self.kept.shape

    def final(self, decision: Decision) -> tuple[Floats, Bools]:
        """As `decide`, for a decision by this rule."""
        if decision.cutoff != TIE_RULE and self.classes != 2:
            raise InputError(f"cut-off: for two classes, and these have {self.classes}")
        sent_on = self._sent_on(decision)
        second = self.sent
        if decision.weight is not None:
            original, true = (self.networks[name] for name in MIXED)
            second = (1 - decision.weight) * original + decision.weight * true
        p = np.where(sent_on[:, None], second, self.kept)
        if decision.false_threshold is not None:
            unsure = margin(p) < threshold_value(decision.false_threshold)
            p = np.where(unsure[:, None], self.networks["false"], p)
        return with_cutoff_at_half(p, decision.cutoff), sent_on

    def _sent_on(self, decision: Decision) -> Bools:
        if decision.rule != self.rule.name:
            raise ValueError(f"a decision by {decision.rule}, not {self.rule.name}")
        if not self.rule.has_threshold:
            return np.full(self.images, "true" in self.rule.uses)
        thresholds = np.array([threshold_value(each) for each in decision.thresholds])
        if not isinstance(decision.threshold, tuple):
            return self.confidence < thresholds[0]
        if len(thresholds) != self.classes:
            raise InputError(
                f"{len(thresholds)} thresholds for {self.classes} classes: give one for each"
            )
        return self.confidence < thresholds[self.original_class]


def with_cutoff_at_half(p: Floats, cutoff: float) -> Floats:
    """p (N, 2) with its log odds shifted so that p_M >= cutoff becomes p_M >= 0.5; 0.5 is p."""
    if cutoff == TIE_RULE:
        return p
    malignant = p[:, 1]
    odds_for, odds_against = malignant * (1 - cutoff), (1 - malignant) * cutoff
    shifted = odds_for / (odds_for + odds_against)
    # rounding may carry an image at the cut-off over 0.5
    called = at_least(malignant, cutoff)
    shifted = np.where(called, np.maximum(shifted, TIE_RULE), np.minimum(shifted, BELOW_TIE))
    return np.column_stack([1 - shifted, shifted])


def histogram_threshold(p_training: ArrayLike) -> float:
    """T* read off the training images: the lower edge of the highest of ten bars of confidence.

    The paper's 0.9 was read off such a histogram. Of equal bars the lowest, which sends fewest on.
    These are predictions on images that the network was trained on: a baseline, not a choice.
    Raises InputError without images.
    """
    certain = confidence(p_training)
    if not certain.size:
        raise InputError("no training image to read the histogram of confidence from")
    # tenths as decimals have them: the third step of a range is 0.30000000000000004
    edges = np.arange(HISTOGRAM_BARS + 1) / HISTOGRAM_BARS
    counts, _ = np.histogram(certain, bins=edges)
    return float(edges[int(np.argmax(counts))])


def expected_cost(labels: ArrayLike, p: ArrayLike, costs: ArrayLike) -> float:
    """Mean over images of costs[true class, final class], (K, K); nan without images."""
    truth, final = checked_pair(labels, p)
    table = checked_costs(costs, final.shape[1])
    return float(table[truth, largest_class(final)].mean()) if len(truth) else math.nan


def checked_costs(costs: ArrayLike, classes: int) -> Floats:
    """costs as float64 (K, K). Raises InputError."""
    try:
        table = np.asarray(costs, dtype=np.float64)
    except ValueError:  # rows of different lengths
        table = np.empty(0)
    if table.shape != (classes, classes) or not np.isfinite(table).all() or (table < 0).any():
        raise InputError(
            f"costs: needs a {classes} x {classes} table of numbers from 0 up, "
            "a row a true class, a column a final class"
        )
    return table


def spread(replicates: pd.DataFrame) -> pd.DataFrame:
    """How far what was chosen differs between replicates.

    Args:
        replicates: One row a replicate, a column a setting or score.

    Returns:
        One row a numeric column: name, median, low, high, sd (ddof = 1; nan if one is infinite, as
        `always` is), count (replicates in which it is set).
    """
    rows = []
    for name in replicates.select_dtypes("number").columns:
        values = replicates[name].dropna().to_numpy(dtype=np.float64)
        if not values.size:
            continue
        finite = np.isfinite(values).all() and len(values) > 1
        rows.append(
            {
                "name": str(name),
                # a middle value that occurs: between a number and `always` there is none
                "median": float(np.quantile(values, 0.5, method="inverted_cdf")),
                "low": float(values.min()),
                "high": float(values.max()),
                "sd": float(values.std(ddof=1)) if finite else math.nan,
                "count": len(values),
            }
        )
    return pd.DataFrame(rows, columns=["name", "median", "low", "high", "sd", "count"])
