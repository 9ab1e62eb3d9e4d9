"""An outcome in MLflow's terms: run names, params, metrics, the table, the view. No MLflow here."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from abl.plan.outcome import ArmOutcome, Outcome
from abl.visible import visible_line

# MLflow keeps 250 characters of a key and 6000 of a value
_KEY_LENGTH, _VALUE_LENGTH = 250, 6000
_SHARE = "share"  # of images that a rule re-classifies
NOTE = "mlflow.note.content"

Point = tuple[str, int, float, int]  # key, step, value, milliseconds after the start of the run


def key_of(name: str) -> str:
    """A name that MLflow accepts as the key of a param or metric."""
    return re.sub(r"[^\w.\- :/]", "_", name)[:_KEY_LENGTH]


def arm_name(arm: ArmOutcome) -> str:
    """What the run of an arm is called, for instance `resnet18 · consensus 3 · model1`."""
    words = [
        value if isinstance(value, str) else f"{axis} {value}"
        for axis, value in arm.params.items()
        if value != ""
    ]
    return " · ".join(words) or "base"


def param_values(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as params; an empty value, of an axis that does not apply, is left out."""
    return {key_of(k): str(v)[:_VALUE_LENGTH] for k, v in settings.items() if v != ""}


def arm_metrics(arm: ArmOutcome, primary: str) -> dict[str, float]:
    """Mean, sd and interval ends of every metric, and the comparison; undefined ones left out."""
    found = _metrics_of({name: vars(cell) for name, cell in arm.cells.items()})
    if (compared := arm.comparison) is not None:
        found |= {
            f"{primary}_difference": compared.difference,
            f"{primary}_difference_low": compared.low,
            f"{primary}_difference_high": compared.high,
            f"{primary}_difference_low_corrected": compared.low_corrected,
            f"{primary}_difference_high_corrected": compared.high_corrected,
            f"{primary}_p": compared.p,
            f"{primary}_p_corrected": compared.p_corrected,
        }
    return _defined(found)


def external_metrics(outcome: Outcome, arm: ArmOutcome) -> dict[str, float]:
    """The arm on external sets: external_<set>_<metric>, its sd and interval ends."""
    found: dict[str, float] = {}
    for row in outcome.facts.external:
        found |= _metrics_of(row["arms"].get(arm.key, {}), f"external_{row['name']}_")
    return _defined(found)


def _metrics_of(cells: Mapping[str, Mapping[str, Any]], before: str = "") -> dict[str, float]:
    parts = (("mean", ""), ("sd", "_sd"), ("low", "_low"), ("high", "_high"))
    return {
        f"{before}{name}{suffix}": cell[part]
        for name, cell in cells.items()
        for part, suffix in parts
    }


def _defined(found: Mapping[str, float]) -> dict[str, float]:
    return {key_of(name): float(value) for name, value in found.items() if math.isfinite(value)}


def arm_points(outcome: Outcome, arm: ArmOutcome) -> list[Point]:
    """Everything of an arm that is a metric in MLflow."""
    numbers = arm_metrics(arm, outcome.primary) | external_metrics(outcome, arm)
    points = [(key, 0, value, 0) for key, value in numbers.items()]
    return points + curve_points(arm, outcome.primary)


def curve_points(arm: ArmOutcome, primary: str) -> list[Point]:
    """Curves of the primary metric and the share re-classified, stepped in thousandths.

    Those of other metrics stay in the store: few keys keep MLflow quick.
    """
    if arm.curve is None:
        return []
    shown = [name for name in (primary, _SHARE) if name in arm.curve.columns]
    return [
        (key_of(f"curve/{name}"), int(step), float(value), 0)
        for name in shown
        for step, value in zip(arm.curve["step"], arm.curve[name], strict=True)
        if math.isfinite(value)
    ]


def arm_tags(arm: ArmOutcome, sweep_key: str, content: str) -> dict[str, str]:
    """Tags that find and tell apart the runs of arms."""
    tags = {"abl.key": arm.key, "abl.kind": "arm", "abl.sweep_key": sweep_key}
    tags["abl.content"] = content
    if arm.comparison is not None:
        tags |= {"abl.verdict": arm.comparison.verdict, "abl.base": arm.comparison.base}
    if arm.best or arm.tied:
        tags["abl.mark"] = "best" if arm.best else "tied"
    return tags


def sweep_tags(outcome: Outcome, files: Iterable[str] = ()) -> dict[str, str]:
    """Tags of the run of a sweep; the last makes the UI show table.json as a table, and of the
    files those that end like it.
    """
    shown = ["table.json", *(name for name in files if name.endswith("_table.json"))]
    return {
        "abl.key": outcome.key,
        "abl.kind": "sweep",
        "abl.sweep_key": outcome.key,
        "abl.study": outcome.study,
        "mlflow.loggedArtifacts": json.dumps([{"path": n, "type": "table"} for n in shown]),
    }


def sweep_note(outcome: Outcome, answer: str = "") -> str:
    """Description of a sweep: the answer, then its notes. Markdown tables do not render in it.

    Args:
        answer: What was asked and what came out, as Markdown.
    """
    head = answer.strip() or f"**{_as_it_stands(outcome.title or outcome.name)}**"
    return "\n".join([head, "", *(f"- {_as_it_stands(note)}" for note in outcome.notes)])


def _as_it_stands(text: str) -> str:
    """Text that Markdown shows as it stands: titles and classes come from files of others."""
    text = (
        visible_line(" ".join(text.split()), "")
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )
    return re.sub(r"([\\`*_|~!\[\]])", r"\\\1", text)


def replicates_frame(outcome: Outcome) -> pd.DataFrame:
    """Axis values and replicates of every arm, one row a replicate of an arm."""
    parts = []
    for row, arm in enumerate(outcome.arms):
        part = arm.replicates.copy()
        for axis in reversed(outcome.axes):
            if axis not in part:
                part.insert(0, axis, str(arm.params.get(axis, "")))
        part.insert(0, "row", row)
        parts.append(part)
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"row": []})
    # a chosen value may be a number in one arm and a word in the next
    mixed = whole.select_dtypes(["object"]).columns
    return whole.astype(dict.fromkeys(mixed, str))


def arm_content(arm: ArmOutcome, external: Mapping[str, float] | None = None) -> str:
    """Digest of everything the run of an arm shows: equal content is not written again."""
    return digest(
        # without external sets the digest is what it was before there were any
        ({"external": dict(external)} if external else {})
        | {
            "params": dict(arm.params),
            "cells": {name: vars(cell) for name, cell in arm.cells.items()},
            "comparison": vars(arm.comparison) if arm.comparison else None,
            "curve": None if arm.curve is None else arm.curve.to_dict(orient="list"),
            "stages": list(arm.stages),
            "marks": [arm.best, arm.tied, arm.failed],
        }
    )


def arm_contents(outcome: Outcome) -> list[str]:
    """`arm_content` of each arm of an outcome."""
    return [arm_content(arm, external_metrics(outcome, arm)) for arm in outcome.arms]


def outcome_content(
    outcome: Outcome, rendered: Mapping[str, str], contents: Sequence[str] | None = None
) -> str:
    """Digest of everything the run of a sweep shows.

    Args:
        contents: `arm_contents`, if they are known.
    """
    keys = (arm.key for arm in outcome.arms)
    arms = [list(each) for each in zip(keys, contents or arm_contents(outcome), strict=True)]
    return digest(
        {
            "arms": arms,
            "notes": [outcome.title, *outcome.notes],
            "columns": [list(outcome.axes), list(outcome.metrics), outcome.primary],
            "rendered": dict(rendered),
        }
    )


def view_state(outcome: Outcome) -> str:
    """The runs page that reads as the ablation table, as the JSON of a shared view.

    MLflow 3.17 reads it from the experiment's tag `mlflow.sharedViewState.<key>` when the address
    carries `viewStateShareKey=<key>`. Only arms: the primary metric, the difference to the base and
    the verdict first, so that a window of 1280 px shows them; then each metric with its 95 %
    interval (or its sd, where the sweep file asks for the spread), and the axes.
    """
    metrics = sorted(outcome.metrics, key=lambda name: name != outcome.primary)
    widths = {"attributes.`Run Name`": 210}
    fixed = len(widths)
    ends = ("sd",) if outcome.facts.table.spread else ("low", "high")

    def beside(metric: str) -> list[str]:
        return [f"{metric}_{end}" for end in ends]

    if any(arm.comparison for arm in outcome.arms):
        for name in (outcome.primary, f"{outcome.primary}_difference"):
            widths[f"metrics.`{key_of(name)}`"] = _column_width([name, "0.000"])
        widths["tags.`abl.verdict`"] = 150
        ends_of_difference = beside(f"{outcome.primary}_difference") if "low" in ends else []
    else:
        ends_of_difference = []
    named = [name for metric in metrics for name in (metric, *beside(metric))]
    named = [*ends_of_difference, *named]
    sets = outcome.facts.external
    named += [f"external_{row['name']}_{outcome.primary}" for row in sets]
    for name in map(key_of, named):
        widths.setdefault(f"metrics.`{name}`", _column_width([name, "0.000"]))
    for axis in outcome.axes:
        shown = [axis, *(str(arm.params.get(axis, "")) for arm in outcome.arms)]
        widths[f"params.`{key_of(axis)}`"] = _column_width(shown)
    shown_columns = list(widths)[fixed:]
    widths["runDateAndNestInfo"] = 95
    state = {
        "searchFilter": f'tags."abl.kind" = "arm" and tags."abl.sweep_key" = "{outcome.key}"',
        "selectedColumns": shown_columns,
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    return json.dumps(state, ensure_ascii=False, sort_keys=True)


def shared_view_key(state: str) -> str:
    """The key of a shared view: the hash of its state. Of the experiment's tag, and the address."""
    return hashlib.sha256(state.encode()).hexdigest()


def _column_width(texts: Iterable[str]) -> int:
    """Pixels that hold the longest text, within reason."""
    return min(220, 32 + 7 * max(len(text) for text in texts))


def digest(content: Any) -> str:
    """SHA-256 of what is JSON, numbers of NumPy included."""
    text = json.dumps(content, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # a number of NumPy
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be recorded")
