"""How two versions of a sweep differ: settings, data, labels, and the cells of the table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from abl.app.results import arm_predictions, outcome_folder
from abl.app.table_sums import UnreadableTableError, table_text
from abl.app.versions import two_versions, version_named, versions_of
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.record.store import Store
from abl.report.labels import counted, label_in, one_line
from abl.report.named import words_of
from abl.report.numbers import scale_of
from abl.spec.yaml_file import document_from

SWEEP = "sweep.yaml"
MOST_NAMED = 5  # images in a line


def log_lines(store: Store, name: str) -> list[str]:
    """A line a version, the newest first: its arms, and what changed since the one before.

    Raises:
        InputError: No such sweep.
    """
    lines: list[str] = []
    before: Outcome | None = None
    scored_before: pd.Series | None = None
    for version in versions_of(store, name):
        head = f"{version.number:3}  {version.key[:8]}  {version.written:%Y-%m-%d %H:%M}"
        try:
            _, outcome = version_named(store, name, version.key)
        except UnreadableTableError:
            raise
        except InputError as error:  # one that is damaged hides no other
            lines.append(f"{head}  {error}")
            continue
        said, scored = [counted(len(outcome.arms), "arm")], _scored(store, outcome)
        if before is not None:
            settings = list(_settings(store, before, outcome))
            images = list(_images(scored_before, scored, outcome))
            said += [*_come_and_gone(before, outcome), *_in_short(settings, images)]
        lines.append(f"{head}  {'; '.join(said)}{' (newest)' if version.newest else ''}")
        before, scored_before = outcome, scored
    return lines[::-1]


def diff_lines(store: Store, name: str, *which: str) -> list[str]:
    """What changed from a version to another, under its headings.

    Args:
        which: Two versions, by number or key; one is held against the newest, the newest itself,
            or none, against the one before it.

    Raises:
        InputError: No such sweep or version.
    """
    old, new = (version_named(store, name, key)[1] for key in two_versions(store, name, which))
    lines = [f"{name}: {old.key[:8]} -> {new.key[:8]}"]
    for title, found in (
        ("settings", list(_settings(store, old, new))),
        ("data and labels", list(_images(_scored(store, old), _scored(store, new), new))),
        ("arms", list(_arms(old, new))),
    ):
        lines += ["", title, *(f"  {line}" for line in found or ["the same"])]
    return lines


def _come_and_gone(old: Outcome, new: Outcome) -> Iterator[str]:
    """`new: forest`, `gone: svm`: the arms of one version alone, by name."""
    before, after = ({whole.title_of(arm): arm for arm in whole.arms} for whole in (old, new))
    for what, whole, arms, others in (("new", new, after, before), ("gone", old, before, after)):
        if names := [_name(whole, arm) for title, arm in arms.items() if title not in others]:
            yield f"{what}: {_listed(names)}"


def _name(outcome: Outcome, arm: ArmOutcome) -> str:
    return words_of(arm, outcome) if outcome.axes else outcome.name


def _in_short(settings: list[str], images: list[str]) -> list[str]:
    said = settings[:2] + ([counted(len(settings) - 2, "more setting")] if settings[2:] else [])
    return [*said, *images[:2]] or ["same settings and data"]


def _settings(store: Store, old: Outcome, new: Outcome) -> Iterator[str]:
    """Settings as the files have them, by dotted path: `train.epochs 6 -> 8`."""
    before, after = (_flat(_values(store, outcome)) for outcome in (old, new))
    for path in dict.fromkeys([*before, *after]):
        then, now = before.get(path), after.get(path)
        if then != now or (path in before) != (path in after):
            yield f"{path} {_shown(path, before)} -> {_shown(path, after)}"


def _values(store: Store, outcome: Outcome) -> Any:
    folder = outcome_folder(store, outcome)
    return document_from(table_text(folder, SWEEP), folder / SWEEP).values


def _flat(values: Any, path: str = "") -> dict[str, Any]:
    """Values by dotted path. A list is one value, as are the values of an axis."""
    if not isinstance(values, Mapping) or not values:
        return {path: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{path}.{name}" if path else str(name))
    return flat


def _shown(path: str, values: Mapping[str, Any]) -> str:
    """A value as a file has it, in full: rounded ones may look the same."""
    if path not in values:
        return "(not said)"
    value = values[path]
    return json.dumps(value) if isinstance(value, bool | float | None) else one_line(str(value))


def _images(before: pd.Series | None, after: pd.Series | None, outcome: Outcome) -> Iterator[str]:
    """Units that were scored, and their labels; parts of the splits are of each replicate."""
    if before is None or after is None:
        yield "not known: predictions of one of them were not kept"
        return
    unit = outcome.facts.unit or "image"
    for words, names in (
        ("added", after.index.difference(before.index)),
        ("gone", before.index.difference(after.index)),
    ):
        if len(names):
            yield f"{counted(len(names), f'scored {unit}')} {words}: {_listed(names)}"
    both = before.index.intersection(after.index)
    changed = both[before.loc[both].to_numpy() != after.loc[both].to_numpy()]
    if len(changed):
        yield f"{counted(len(changed), 'label')} changed: {_listed(changed)}"


def _scored(store: Store, outcome: Outcome) -> pd.Series | None:
    """Unit -> label, of validation and test images."""
    frame = arm_predictions(store, outcome)
    if frame.empty:
        return None
    return frame.drop_duplicates("unit").set_index("unit")["label"].sort_index()


def _listed(names: Iterable[object]) -> str:
    every = [str(name) for name in names]
    shown = every[:MOST_NAMED]
    more = [f"and {len(every) - len(shown)} more"] if len(every) > len(shown) else []
    return ", ".join([*shown, *more])


def _arms(old: Outcome, new: Outcome) -> Iterator[str]:
    """Rows by their titles: the primary metric and the verdict, then and now."""
    before, after = ({outcome.title_of(arm): arm for arm in outcome.arms} for outcome in (old, new))
    same = 0
    for title in dict.fromkeys([*before, *after]):
        whose, arm = (new, after[title]) if title in after else (old, before[title])
        name = _name(whose, arm)
        if title not in after:
            yield f"{name}: gone"
        elif title not in before:
            yield f"{name}: new, {_score(new, after[title])}"
        else:
            then, now = (_score(old, before[title]), _score(new, after[title]))
            if then == now:
                same += 1
                continue
            yield f"{name}: {then} -> {now}"
    if same:
        yield f"{counted(same, 'arm')} {'has' if same == 1 else 'have'} the same numbers"


def _score(outcome: Outcome, arm: ArmOutcome) -> str:
    if arm.failed:
        return f"failed ({arm.failed})"
    cell, table = arm.cells.get(outcome.primary), outcome.facts.table
    label = label_in(outcome, outcome.primary)
    if cell is None:
        return label
    scale = scale_of(outcome.primary, [cell.mean], per_cent=table.per_cent, decimals=table.decimals)
    verdict = f", {arm.comparison.verdict}" if arm.comparison else ""
    return f"{label} {scale.mean_and_interval(cell.mean, cell.low, cell.high)}{verdict}"
