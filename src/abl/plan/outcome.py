"""What a sweep found, as plain values: its arms, facts beside them, the points of its searches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import pandas as pd

from abl.plan.graph import Arm
from abl.plan.scored_part import scored_part
from abl.spec.labels import Labels, written_value
from abl.spec.table_style import TableStyle

# every note on an imported arm begins with it
IMPORTED = "imported: "


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

    def without_marks(self) -> ArmOutcome:
        """The arm where it is neither compared nor marked."""
        return replace(self, comparison=None, best=False, tied=False)


Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What is kept of a sweep beside its table; every value can be written as JSON.

    Attributes:
        data: The data by role and centre, of the first split.
        training_patients: Patients of a training part, for the corrected resampled t-test.
        protocol: Whose: `published` for a paper's own.
        departures: What the sweep follows of it: name, sentence, by_test (what test labels choose).
        study: What one study keeps for its own figures and tables: network, modalities,
            label_noise.
        tests: Every comparison of the table's family, with all its tests.
        external: External sets, and the arms' scores on them.
        activation: `area`: share of the image inside the masks, by arm.
        searches: Searches of hyperparameters, and what each chose.
        table: How the table is printed.
        labels: What the sweep file calls axes, values and metrics.
        unit: What is scored: image, nodule or patient; "" if that is not known.
        margin: Of equivalence; None if none was given.
        classes: Names of the classes.
        patients_by_split: What splits keep together; "" if that is not known.
        clusters: What splits keep together and intervals resample, where that is no patient: group
            (of a column group), or image.
        patients_unknown: Whether the data name no patients, so that each image counts as one.
        one_class: Arm (key) -> replicates on which it predicts one class only.
        one_class_of: Arm (key) -> position of that class, if it is the same in all of these.
        controls: Arm (key) -> how it used labels of the test set; such an arm is never the best.
        trainings: Arm (key) -> distinct predictions among its replicates, where some seeds of a
            split predict the same for every unit.
        collapsed: Arm (key) -> what collapsed against its base: acc, f1, or `called CLASS` (the
            share of units called that class) with `before` and `after`.
        stages, asked: Stages of the plan, and how many were asked for before equal ones were one.
        ran: What ran: settings by arm, trainings by network, where each image went; see
            studies/shared/ran.py.
        imported: Keys of the arms that were imported.
        key_without_imported: The sweep's key without them.
    """

    data: Rows = ()
    training_patients: int = 1
    protocol: str = ""
    departures: Rows = ()
    study: Mapping[str, Any] = field(default_factory=dict)
    tests: Rows = ()
    external: Rows = ()
    activation: Mapping[str, Any] = field(default_factory=dict)
    searches: Rows = ()
    table: TableStyle = field(default_factory=TableStyle)
    labels: Labels = field(default_factory=Labels)
    unit: str = ""
    margin: float | None = None
    classes: Sequence[str] = ()
    patients_by_split: str = ""
    clusters: str = ""
    patients_unknown: bool = False
    one_class: Mapping[str, int] = field(default_factory=dict)
    one_class_of: Mapping[str, int] = field(default_factory=dict)
    controls: Mapping[str, str] = field(default_factory=dict)
    trainings: Mapping[str, int] = field(default_factory=dict)
    collapsed: Mapping[str, Rows] = field(default_factory=dict)
    stages: int = 0
    asked: int = 0
    ran: Mapping[str, Any] = field(default_factory=dict)
    imported: Sequence[str] = ()
    key_without_imported: str = ""

    def flat(self) -> dict[str, Any]:
        """As JSON has them: facts of the study among the others, those in RARE only if there."""
        flat: dict[str, Any] = {}
        for name in _FACTS:
            value = getattr(self, name)
            if name == "study":
                flat |= value
            elif isinstance(value, Labels):
                flat |= {name: given} if (given := value.model_dump(exclude_defaults=True)) else {}
            elif value or name not in _RARE:
                flat[name] = _style(value) if isinstance(value, TableStyle) else value
        return flat

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> Facts:
        """What `flat` gave; a name that is no field is a fact of the study."""
        own: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in flat.items()
            if name in _FACTS
        }
        if "table" in own:
            own["table"] = TableStyle(**own["table"])
        if "labels" in own:
            own["labels"] = Labels(**own["labels"])
        study = {name: value for name, value in flat.items() if name not in _FACTS}
        return cls(**own, study=study)


def _style(table: TableStyle) -> dict[str, Any]:
    """How a table is printed; a choice of later versions only where it was made."""
    return table.model_dump(exclude={n for n in ("spread", "runs") if not getattr(table, n)})


_FACTS = tuple(each.name for each in fields(Facts))
_RARE = {
    "external", "activation", "searches", "imported", "key_without_imported", "controls",
    "trainings", "collapsed", "ran", "clusters", "patients_unknown", "departures", "one_class_of",
}  # fmt: skip


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
    facts: Facts = Facts()

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
