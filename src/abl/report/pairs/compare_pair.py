"""Two arms on the same test units: what differs, image by image, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from abl.decide.check import Floats, Ints, largest_class
from abl.decide.comparison import Contrast, comparisons
from abl.decide.contributions import DRAWS
from abl.decide.intervals import difference_interval
from abl.decide.paired_tests import delong_test, mcnemar_test
from abl.decide.replicates import Scores, mean_over_splits, one_image_per_patient, replicate_scores
from abl.report.labels import is_metric, metric_label
from abl.report.prediction_frames import probabilities_of, probability_columns, scored_replicates


@dataclass(frozen=True)
class MetricDifference:
    """A metric of both arms; first - second with its interval; nan where undefined.

    Attributes:
        first_defined, second_defined, both_defined: Replicates in which the first arm, the second,
            or both have a value; the difference is over the last.
        of_networks: Whether the interval takes the trained networks as given (`Comparison`).
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    first_defined: int
    second_defined: int
    both_defined: int
    of_networks: bool


@dataclass(frozen=True)
class ReplicateTest:
    """Units right and wrong in one replicate, and the tests that hold within one.

    Attributes:
        both, only_first, only_second, neither: Units that are right.
        mcnemar_p: Exact.
        auc_difference, delong_p: nan for more than two classes.
    """

    repeat: int
    fold: int
    seed: int
    both: int
    only_first: int
    only_second: int
    neither: int
    mcnemar_p: float
    auc_difference: float
    delong_p: float


@dataclass(frozen=True)
class ChangedUnit:
    """A unit that one arm gets right and the other wrong, in at least one replicate.

    Attributes:
        tested: Replicates in which it is in the test set.
        only_first, only_second: Replicates in which only that arm is right.
        first, second: Mean over replicates of the probability of class 1; for more than two
            classes that of its label.
    """

    unit: str
    patient: str
    label: int
    tested: int
    only_first: int
    only_second: int
    first: float
    second: float


@dataclass(frozen=True)
class PairComparison:
    """Two arms on the same test units.

    Attributes:
        first, second: Sweep and arm.
        unit: image, nodule or patient.
        classes: Names; may be empty.
        units, patients, replicates: How many; patients are what is resampled, see `cluster`.
        p, verdict: Of the difference in the primary metric; the verdict (`Comparison`) speaks of
            the first arm.
        clustered: Whether a patient has several units, so that tests within a replicate ignore it.
        changed: Units that changed, those only the first arm gets right before the others.
        cluster: What is resampled: patient, group, or image where no patient is known.
    """

    first: str
    second: str
    unit: str
    classes: tuple[str, ...]
    class_count: int
    units: int
    patients: int
    replicates: int
    primary: str
    p: float
    verdict: str
    clustered: bool
    metrics: tuple[MetricDifference, ...]
    tests: tuple[ReplicateTest, ...]
    changed: tuple[ChangedUnit, ...]
    notes: tuple[str, ...] = ()
    cluster: str = "patient"
    labels: Mapping[str, str] = field(default_factory=dict)

    def metric_name(self, metric: str) -> str:
        """What a metric is called here: by the sweep's own label, if it has one."""
        return self.labels.get(metric) or metric_label(metric, self.class_count)


def compared(
    rows: pd.DataFrame,
    other: pd.DataFrame,
    *,
    titles: tuple[str, str],
    primary: str,
    metrics: Sequence[str],
    margin: float | None = None,
    unit: str = "image",
    classes: Sequence[str] = (),
    resamples: int = DRAWS,
    out_of_fold: bool = True,
) -> PairComparison:
    """The comparison of two arms' test rows, alike in everything but their probabilities.

    Args:
        rows, other: repeat, fold, seed, unit, label, patient, p_0, ...: ordered by these.
        out_of_fold: Whether neither arm was trained on what it is tested on.
    """
    first, second = scored_replicates(rows), scored_replicates(other)
    contrast = Contrast(titles[1], first, second, out_of_fold)
    (tested,) = comparisons([contrast], primary, margin=margin, resamples=resamples)
    shown = dict.fromkeys([primary, *(name for name in metrics if is_metric(name))])
    return PairComparison(
        first=titles[0],
        second=titles[1],
        unit=unit,
        classes=tuple(classes),
        class_count=len(probability_columns(rows)),
        units=int(rows["unit"].nunique()),
        patients=int(rows["patient"].nunique()),
        replicates=len(first),
        primary=primary,
        p=tested.p,
        verdict=tested.verdict,
        clustered=not all(one_image_per_patient(each.patients) for each in first),
        metrics=tuple(_difference(first, second, name, resamples) for name in shown),
        tests=tuple(_test(a, b) for a, b in zip(first, second, strict=True)),
        changed=_changed(rows, other),
    )


def _difference(
    first: list[Scores], second: list[Scores], metric: str, resamples: int
) -> MetricDifference:
    found = difference_interval(first, second, metric, resamples=resamples)
    a, b = (_mean(arm, metric) for arm in (first, second))
    return MetricDifference(
        metric, a, b, found.estimate, found.low, found.high,
        found.defined, found.base_defined, found.both_defined, found.of_networks,
    )  # fmt: skip


def _mean(arm: list[Scores], metric: str) -> float:
    values = replicate_scores(arm, [metric])[metric].to_numpy(dtype=np.float64)[None, :]
    return float(mean_over_splits(values, arm, np.ones((1, len(arm))))[0])


def _test(a: Scores, b: Scores) -> ReplicateTest:
    final, other_final = largest_class(a.p), largest_class(b.p)
    right, other_right = final == a.labels, other_final == b.labels
    both, only_first, only_second, neither = (
        int(np.sum(one & other)) for one in (right, ~right) for other in (other_right, ~other_right)
    )
    p = mcnemar_test(a.labels, final, other_final).p
    auc_difference, delong_p = math.nan, math.nan
    if a.p.shape[1] == 2:
        delong = delong_test(a.labels, a.p[:, 1], b.p[:, 1])
        auc_difference, delong_p = delong.difference, delong.p
    return ReplicateTest(
        *a.key, both, only_first, only_second, neither, p, auc_difference, delong_p
    )


def _changed(rows: pd.DataFrame, other: pd.DataFrame) -> tuple[ChangedUnit, ...]:
    """Units that only one arm gets right somewhere: those of the first arm first, by replicates, of
    as many by how much more probable it finds the label.
    """
    p, other_p = probabilities_of(rows), probabilities_of(other)
    labels = rows["label"].to_numpy(dtype=np.int64)
    right, other_right = largest_class(p) == labels, largest_class(other_p) == labels
    by_unit = pd.DataFrame(
        {
            "unit": rows["unit"].astype(str).to_numpy(),
            "patient": rows["patient"].astype(str).to_numpy(),
            "label": labels,
            "tested": labels,
            "only_first": right & ~other_right,
            "only_second": ~right & other_right,
            "first": _shown_probability(p, labels),
            "second": _shown_probability(other_p, labels),
        }
    ).groupby("unit", sort=True)
    kept = dict.fromkeys(("patient", "label"), "first")
    counted = dict.fromkeys(("only_first", "only_second"), "sum")
    means = dict.fromkeys(("first", "second"), "mean")
    # columns in the order of ChangedUnit
    found = by_unit.agg({**kept, "tested": "size", **counted, **means})
    found = found[(found["only_first"] > 0) | (found["only_second"] > 0)].reset_index()
    units = [ChangedUnit(*row) for row in found.itertuples(index=False, name=None)]
    two = p.shape[1] == 2

    def place(each: ChangedUnit) -> tuple[int, float, str]:
        change = each.second - each.first
        towards_second = -change if two and each.label == 0 else change
        return each.only_second - each.only_first, towards_second, each.unit

    return tuple(sorted(units, key=place))


def _shown_probability(p: Floats, labels: Ints) -> Floats:
    return p[:, 1] if p.shape[1] == 2 else p[np.arange(len(p)), labels]
