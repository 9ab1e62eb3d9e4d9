"""Labels of a sweep file that name nothing which its tables show."""

from __future__ import annotations

from abl.decide.metric_names import metric_named
from abl.errors import InputError, Problem, nearest
from abl.plan.graph import Arm
from abl.spec.class_metrics import without_position
from abl.spec.labels import written_value
from abl.spec.read import SweepFile

# what a table shows beside metrics of predictions
COLUMNS_BESIDE_METRICS = ("share", "optimism", "threshold")


def label_problems(file: SweepFile, arms: list[Arm]) -> list[Problem]:
    """Labels of what no arm has, and of metrics that stand in no table."""
    sweep, labels = file.sweep, file.sweep.labels
    shown: dict[str, set[str]] = {name: set() for name in sweep.axes}
    for arm in arms:
        for axis, value in arm.named.items():
            shown.setdefault(axis, set()).add(written_value(value))
    for name, given in sweep.axes.items():
        if given.curve:
            shown[name] |= set(map(written_value, given.listed()))
    problems = [
        file.problem(f"labels.{block}: no axis '{axis}': {nearest(axis, shown)}", "labels", block)
        for block, named in (("axes", labels.axes), ("values", labels.values))
        for axis in named
        if axis not in shown and arms
    ]
    problems += [
        file.problem(
            f"labels.values.{axis}: no arm has '{value}': {nearest(value, shown[axis])}",
            "labels", "values", axis, value,
        )
        for axis, named in labels.values.items()
        if axis in shown and arms
        for value in named
        if value not in shown[axis]
    ]  # fmt: skip
    metrics = [*sweep.metrics, sweep.primary, *([sweep.select_by] if sweep.select_by else [])]
    known = {each: each for each in (*COLUMNS_BESIDE_METRICS, *map(_metric_name, metrics))}
    return problems + [
        file.problem(
            f"labels.metrics: no metric '{without_position(name)}' in this file: "
            f"{nearest(without_position(name), map(without_position, known))}",
            "labels", "metrics",
        )
        for name in labels.metrics
        if _metric_name(name) not in known
    ]  # fmt: skip


def _metric_name(name: str) -> str:
    try:
        return metric_named(name).name
    except InputError:  # told of where it is asked for
        return name
