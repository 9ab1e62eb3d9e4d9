"""The protocol of a sweep in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from abl.report.labels import counted, metric_label
from abl.report.page.report_facts import ReportFacts
from abl.spec.base import Part
from abl.spec.sweep import Sweep


def protocol_rows(facts: ReportFacts) -> list[tuple[str, str]]:
    """Term and description of each part of the protocol, defaults included."""
    sweep = facts.sweep
    if sweep is None:
        return []
    draws = sweep.resamples
    rows = [
        ("Study", sweep.study + (", published protocol" if facts.published else "")),
        ("Data", data_words(sweep)),
        ("Scored", f"each {sweep.data.unit}, classes {', '.join(sweep.data.classes)}"),
        ("Image", settings_words(sweep.image)),
        ("Splits", split_words(sweep)),
        *((f"External set {s.name}", f"{s.source}; decides nothing") for s in sweep.external),
        ("Replicates", replicate_words(facts)),
        ("Training", settings_words(sweep.train, leave={"optimizer", "schedule", "augment"})),
        ("Optimizer", settings_words(sweep.train.optimizer)),
        ("Schedule", settings_words(sweep.train.schedule)),
        ("Augmentation", settings_words(sweep.train.augment)),
    ]
    if sweep.options:
        rows.append(("Options of the study", _words(sweep.options)))
    rows += [
        (f"Axis {name}", _values(axis.listed()) + (", chosen on validation" if axis.curve else ""))
        for name, axis in sweep.axes.items()
    ]
    rows += [
        ("Metrics", f"{metric_labels(sweep.metrics)}; {metric_label(sweep.primary)} decides"),
        ("Chosen by", f"{metric_label(sweep.select_by or sweep.primary)} on validation"),
        ("Compared with", _words(sweep.base) if sweep.base else "nothing"),
        *(("Also compared", f"{_words(c.arm)} with {_words(c.base)}") for c in sweep.contrasts),
        ("Margin", f"{sweep.margin:g}" if sweep.margin else "none given"),
        ("Resamples", f"{draws:,} permutations, {draws // 5:,} bootstrap draws"),
    ]
    return rows


def data_words(sweep: Sweep) -> str:
    """Where the images come from."""
    data = sweep.data
    if data.phantom is not None:
        return "generated ultrasound images: " + settings_words(data.phantom)
    source = f"set {data.set}" if data.set else f"manifest {data.manifest}"
    parts = [source, *(f"{column} in {', '.join(kept)}" for column, kept in data.where.items())]
    if data.drop_missing:
        parts.append("rows without " + ", ".join(data.drop_missing) + " left out")
    return "; ".join(parts)


def split_words(sweep: Sweep) -> str:
    """How patients are divided."""
    splits = sweep.splits
    kinds = {
        "holdout": f"hold-out, {100 * splits.test:.0f} % test",
        "kfold": f"{splits.folds} folds",
        "monte_carlo": f"independent draws, {100 * splits.test:.0f} % test",
        "column": f"column {splits.column} of the manifest",
    }
    text = f"{kinds[splits.kind]}, by {splits.by}, stratified by class, seed {splits.seed}"
    if splits.kind != "column":
        text += f"; {100 * splits.validation:.0f} % of the rest for validation"
    return f"{text}; near-duplicates across splits: {sweep.data.duplicates}"


def replicate_words(facts: ReportFacts) -> str:
    """How many splits and seeds."""
    splits, seeds = counted(facts.splits, "split"), counted(facts.seeds, "seed")
    return f"{counted(len(facts.replicates), 'replicate')}: {splits} x {seeds}"


def settings_words(part: Part, *, leave: set[str] | None = None) -> str:
    """A block of the sweep file as `name value, name value`, defaults included."""
    values = part.model_dump(mode="json", exclude=leave)
    return _words({name: value for name, value in values.items() if value is not None})


def _setting(name: str, value: Any) -> str:
    if name == "name":
        return _words(value)
    return f"{name} ({_words(value)})" if isinstance(value, dict) else f"{name} {_words(value)}"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(_setting(name, inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(_words(inner) for inner in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _values(values: tuple[Any, ...]) -> str:
    shown = [_words(value) for value in values]
    if len(shown) > 12:
        return f"{shown[0]}, {shown[1]}, ..., {shown[-1]} ({len(shown)} values)"
    return ", ".join(shown)


def metric_labels(metrics: Iterable[str]) -> str:
    """Metrics as tables name them."""
    return ", ".join(metric_label(name) for name in metrics)
