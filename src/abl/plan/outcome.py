"""What a sweep found, as plain values: what studies return and what tables and MLflow show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Cell:
    """One number of an ablation table, with the replicates behind it.

    Attributes:
        mean: Mean over replicates (seeds averaged within (repeat, fold) first); nan if undefined.
        sd: Standard deviation over replicates (ddof = 1); nan with a single replicate.
        low, high: 95 % interval by resampling patients; nan where it was not computed.
        count: Replicates with a defined value.
        undefined: Replicates in which the metric is undefined (one class, no predicted positive).
    """

    mean: float
    sd: float
    low: float
    high: float
    count: int
    undefined: int = 0


@dataclass(frozen=True)
class Comparison:
    """An arm against its base on the primary metric."""

    base: str
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    verdict: str  # better | worse | equivalent | undecided


@dataclass(frozen=True)
class ArmOutcome:
    """One row of the ablation table.

    Attributes:
        key: Digest of the arm's settings: its identity in MLflow.
        params: Axis name -> value as shown ("" where the axis does not apply).
        cells: Metric name -> Cell.
        replicates: One row a replicate: repeat, fold, seed, chosen values, one column a metric.
        curve: Curve over the `curve: true` axis, on validation, or None. Columns: the axis (for
            instance `threshold`, in thousandths as int64 in `step`), one column a metric (mean over
            replicates), one `<metric>_sd`.
        stages: Digests of the stages it was computed from.
        comparison: Against the base arm; None for the base itself or where not asked for.
        best, tied: Best of the table on the primary metric; not distinguishable from it.
        failed: Why it has no numbers, or "".
        test_curve: The curve on test, for an exploratory appendix alone, or None.
    """

    key: str
    params: Mapping[str, str | int | float]
    cells: Mapping[str, Cell]
    replicates: pd.DataFrame
    curve: pd.DataFrame | None = None
    stages: tuple[str, ...] = ()
    comparison: Comparison | None = None
    best: bool = False
    tied: bool = False
    failed: str = ""
    test_curve: pd.DataFrame | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a sweep.

    Attributes:
        name: The sweep's name.
        key: Digest of the whole sweep (arms, replicates, analysis).
        study, title: From the sweep file.
        axes: Columns of the table, in order: names of ArmOutcome.params.
        metrics: Columns of the table, in order: names of ArmOutcome.cells.
        primary: The metric that decides.
        curve_axis: Name of the `curve: true` axis, or "".
        arms: Rows of the table.
        notes: Sentences printed under the table.
        facts: Whatever else is worth keeping (replicates, patients, versions), JSON-able.
    """

    name: str
    key: str
    study: str
    title: str
    axes: tuple[str, ...]
    metrics: tuple[str, ...]
    primary: str
    curve_axis: str
    arms: tuple[ArmOutcome, ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
