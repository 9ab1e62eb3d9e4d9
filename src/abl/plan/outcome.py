"""What a sweep found, as plain values: its arms, facts beside them, the points of its searches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from abl.plan.facts import Facts
from abl.plan.graph import Arm
from abl.plan.scored_part import scored_part
from abl.spec.labels import written_value

# every note on an imported arm begins with it
IMPORTED = "imported: "
# the note on the column optimism begins with it: a table without that column leaves it out
OPTIMISM = "Optimism: "


@dataclass(frozen=True)
class Cell:
    """One number of an ablation table, with the replicates behind it.

    Attributes:
        mean: Mean over replicates (seeds averaged within (repeat, fold) first); nan if undefined.
        sd: Standard deviation over replicates (ddof = 1); nan with a single replicate.
        low, high: 95 % interval, of other patients and, from three trainings on, other trainings;
            nan where it was not computed.
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
    """An arm against its base on the primary metric.

    Attributes:
        base: Title of the base.
        difference: Arm - base, over the replicates in which both are defined.
        low, high: 95 % interval; it excludes 0 exactly where p is below 0.05. nan of arms that
            predict the same, as p: that their difference is 0 is no inference.
        p, p_corrected: Alone, and within the table's family.
        verdict: better, better by more than the margin, worse, worse by more than the margin,
            equivalent, undecided, these networks differ, same predictions, or `no verdict: ` with
            its reason.
        low_corrected, high_corrected: Ends that hold for the whole family in 95 %, by which
            equivalence and the margin are judged; nan in outcomes of earlier versions.
        of_networks: Whether it takes the trained networks as given: under three trainings of an
            arm, or one seed alone.
    """

    base: str
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    verdict: str
    low_corrected: float = math.nan
    high_corrected: float = math.nan
    of_networks: bool = False


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
        best, tied: Best of the table on the primary metric; another that may be the best, too.
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

    def without_marks(self) -> ArmOutcome:
        """The arm where it is neither compared nor marked."""
        return replace(self, comparison=None, best=False, tied=False)


@dataclass(frozen=True, repr=False)
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
        facts: What else is kept of the sweep.
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
    facts: Facts = field(default_factory=Facts)

    def __repr__(self) -> str:
        return f"<Outcome {self.name} {self.key[:8]}: {len(self.arms)} arms by {self.primary}>"

    @cached_property
    def scored(self) -> str:
        """What the images that are scored are called: see scored_part."""
        return scored_part(self.facts.departures)

    @cached_property
    def told_apart(self) -> tuple[str, ...]:
        """The axes that tell the arms apart: those with more than one value; all if none does."""
        values = {
            axis: {written_value(arm.params.get(axis, "")) for arm in self.arms}
            for axis in self.axes
        }
        # whether a value is chosen on validation goes with the other axes
        chosen = values.get(self.curve_axis, set()) <= {"", "chosen"}
        varied = [
            axis
            for axis, of_axis in values.items()
            if len(of_axis) > 1 and not (chosen and axis == self.curve_axis)
        ]
        return tuple(varied) or self.axes

    @cached_property
    def ambiguous(self) -> frozenset[str]:
        """The axes of which a value is one of another axis too: alone it would not say of which."""
        axes: dict[str, set[str]] = {}
        for arm in self.arms:
            for axis in self.told_apart:
                if (value := arm.params.get(axis, "")) != "":
                    axes.setdefault(written_value(value), set()).add(axis)
        return frozenset(axis for each in axes.values() if len(each) > 1 for axis in each)

    def title_of(self, arm: ArmOutcome) -> str:
        """An arm as the plan names it, where what is chosen on validation is no part of it."""
        params = {
            axis: value
            for axis, value in arm.params.items()
            if value != "" and (axis != self.curve_axis or value != "chosen")
        }
        return Arm(params, tuple(params)).title


COMPLETE, PRUNED, STOPPED, FAILED = "complete", "pruned", "stopped", "failed"
PARAM = "param:"  # of columns that hold what was searched


@dataclass(frozen=True, eq=False)
class Searches:
    """Every point of every search, on validation images alone.

    Attributes:
        points: One row a point: `search` (its name: the arm, "" if there is one search), `number`
            and `generation` (int64, from 0), `state` (complete; pruned: hopeless after some
            replicates; stopped: hopeless within a training; failed), `replicates` (int64: scored),
            `value_0`, ... (float64, one an objective: mean over replicates, nan unless complete),
            `so_far_0`, ... (mean over the replicates scored), `constraint_0`, ... (mean violation,
            above 0 is violated), `reason` (why it ended early), `feasible`, `front`, `chosen`
            (bool), and `param:<name>` (object: number, word or bool, words alone where choices are
            of several kinds; None where a condition leaves it out).
        scores: One row a scored replicate of a point: `search`, `number`, `at` (int64: position
            in the fixed order), `repeat`, `fold`, `seed` (int64), `value_0`, ....
        curves: One row an epoch of a training: `search`, `number`, `at`, `role`, `epoch` (int64),
            `validation_loss`, `validation_accuracy` (float64).
    """

    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __bool__(self) -> bool:
        return len(self.points) > 0
