"""Outcomes on disk: old ones are kept, the newest is found by name; what is read of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from abl.app.table_sums import (
    UnreadableTableError,
    checked_file,
    drawn_names,
    read_table_file,
    table_text,
)
from abl.contained import path_below
from abl.errors import InputError, nearest
from abl.kept_files import json_kept, read_kept
from abl.plan.outcome import Outcome, Searches
from abl.plan.outcome_json import outcome_from_json
from abl.record.patient import ABSENT
from abl.record.store import Store
from abl.report.labels import counted
from abl.report.tables.model import Table
from abl.report.tables.published import Published
from abl.studies.contract import study_named

if TYPE_CHECKING:  # a table that is shown is computed already
    from abl.spec.sweep import Sweep
    from abl.studies.shared.analysis import Analysis

PREDICTIONS, NETWORKS, TRIALS = "predictions.parquet", "networks.parquet", "trials.parquet"
POINTS = ("points.parquet", "point_scores.parquet", "point_curves.parquet")
PICTURES, REPORT = "pictures.npz", "report.html"
BEGUN = "begun.json"  # where the file of a sweep lies that was begun
OF_MLFLOW = "_table.json"  # how files end that MLflow shows as tables
ENVIRONMENT = "environment.json"
# of a sweep that a version ran which did not keep it
GIT_NOT_KNOWN = "not known: it was not kept when this sweep ran"


def outcome_named(store: Store, name: str) -> Outcome:
    """The newest outcome of a sweep.

    Raises:
        InputError: No sweep of that name was run here, or its table is damaged.
            UnreadableTableError, one of these, if that cannot be told.
    """
    folder = store.sweep_folder(name)
    latest = folder / "latest.json"
    try:
        key = json_kept(read_table_file(lambda: read_kept(latest), latest))["key"]
        found = outcome_from_json(table_text(path_below(folder, key), "outcome.json"))
        path_below(store.sweep_folder(found.name), found.key[:16])  # where its files lie
        if found.name != name:
            raise ValueError(f"the table of {name} says that it is another's")
        return found
    except UnreadableTableError:
        raise
    except (OSError, ValueError, KeyError, TypeError, InputError):
        known = sweep_names(store)
        if name in known:
            raise InputError(
                f"the table of '{name}' is damaged: `abl sweep FILE` makes it again"
            ) from None
        if (folder / BEGUN).is_file():
            raise InputError(
                f"'{name}' was begun and has no table yet: `abl watch {name}` says how far it is, "
                "`abl sweep FILE` goes on with it"
            ) from None
        advice = nearest(name, known) if known else "run `abl sweep FILE` first"
        raise InputError(f"no sweep '{name}' was run here: {advice}") from None


def sweep_names(store: Store) -> list[str]:
    """Sweeps that have a table, sorted."""
    folder = store.root / "sweeps"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / "latest.json").exists())


def outcome_folder(store: Store, outcome: Outcome) -> Path:
    """Where an outcome's tables, figures and predictions lie."""
    return store.sweep_folder(outcome.name) / outcome.key[:16]


def arm_predictions(store: Store, outcome: Outcome) -> pd.DataFrame:
    """Final predictions of every arm: one row an (arm, replicate, role, unit).

    Columns: arm (its key), repeat, fold, seed (int64), role (validation or test), unit, label,
    patient, sent (whether the second network had a say), p_0, p_1, .... Empty if none were kept.
    """
    return _frame(outcome_folder(store, outcome) / PREDICTIONS)


def kept_searches(store: Store, outcome: Outcome) -> Searches:
    """Every point of the searches of settings; empty if there was none."""
    folder = outcome_folder(store, outcome)
    return Searches(*(_frame(folder / name) for name in POINTS))


def kept_analysis(store: Store, outcome: Outcome) -> Analysis:
    """Everything that is kept of an outcome; frames that were not are empty."""
    from abl.report.pictures import pictures_from_bytes
    from abl.studies.shared.analysis import Analysis

    folder = outcome_folder(store, outcome)
    arms, networks, trials = (_frame(folder / n) for n in (PREDICTIONS, NETWORKS, TRIALS))
    path = checked_file(folder, PICTURES)
    pictures = pictures_from_bytes(path.read_bytes()) if path.exists() else None
    searches, own = kept_searches(store, outcome), own_frames(store, outcome)
    return Analysis(outcome, arms, networks, trials, pictures, searches, own)


def own_frames(store: Store, outcome: Outcome) -> dict[str, pd.DataFrame]:
    """Frames of the outcome's study's own, by name."""
    return {path.stem: _frame(path) for path in own_files(outcome_folder(store, outcome))}


def study_tables(
    outcome: Outcome, own: Mapping[str, pd.DataFrame], published: Published | None = None
) -> Mapping[str, Table]:
    """Tables that the outcome's study makes of it; none of a study that is not known."""
    study = study_named(outcome.study)
    from abl.report.tables.scored_table import scored_table

    found = study.tables(outcome, own, published) if study else {}
    return {name: scored_table(table, outcome) for name, table in found.items()}


def own_files(folder: Path) -> list[Path]:
    """Frames of a study's own below an outcome's folder, sorted."""
    general = {PREDICTIONS, NETWORKS, TRIALS, *POINTS}
    return sorted(path for path in folder.glob("*.parquet") if path.name not in general)


def kept_sweep(store: Store, outcome: Outcome) -> tuple[Sweep, str]:
    """The sweep file of an outcome, as read and as it stands.

    Raises:
        InputError: This version does not read it.
    """
    from abl.report.page.report_facts import sweep_of

    text = table_text(outcome_folder(store, outcome), "sweep.yaml")
    sweep = sweep_of(text)
    if sweep is None:
        raise InputError(f"{outcome.name}: its sweep file is of another version: run it again")
    return sweep, text


def kept_environment(folder: Path) -> dict[str, Any]:
    """What the run of a kept outcome ran on, as `report.environment` gives it."""
    path = folder / ENVIRONMENT
    try:
        found = json_kept(read_table_file(lambda: read_kept(path), path))
    except (*ABSENT, ValueError):
        found = None
    return found if isinstance(found, dict) else {"git": GIT_NOT_KNOWN}


def is_drawn_name(name: str) -> bool:
    """Whether a file of this name is drawn of a table: a figure, a table for MLflow, the report."""
    return name.endswith((".png", ".svg", OF_MLFLOW)) or name == REPORT


def recorded_files(folder: Path) -> dict[str, Path]:
    """What of an outcome's folder goes into MLflow beside the rendered tables, by name.

    Raises:
        InputError: One does not hold what was written, or has gone.
    """
    try:
        noted = drawn_names(folder) or []
    except ValueError:
        noted = []  # the look at each says so
    names = {name for name in noted if is_drawn_name(name)}
    names |= {path.name for path in folder.iterdir() if is_drawn_name(path.name)}
    names |= {*(path.name for path in own_files(folder)), PREDICTIONS, TRIALS, *POINTS}
    looked_at = {name: checked_file(folder, name) for name in sorted(names)}
    return {name: path for name, path in looked_at.items() if path.exists()}


def _frame(path: Path) -> pd.DataFrame:
    if not checked_file(path.parent, path.name).exists():
        return pd.DataFrame()
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        if isinstance(error, OSError) and error.errno and not isinstance(error, ABSENT):
            why = error.strerror or str(error)
            raise UnreadableTableError(f"{path}: cannot be read ({why}); see to it") from error
        name = f"{path.parent.parent.name}: {path.name}"
        raise InputError(f"{name} is damaged: `abl sweep FILE` makes it again") from error


def what_changed(store: Store, outcome: Outcome) -> str:
    """How a sweep differs from its last run under the same name; "" if it does not."""
    try:
        before = outcome_named(store, outcome.name)
    except UnreadableTableError:
        raise  # it would be replaced unseen
    except InputError:
        return ""
    if before.key == outcome.key:
        return ""
    old = Counter(arm.key for arm in before.arms)
    new = Counter(arm.key for arm in outcome.arms)
    # an arm of the same name, computed from other stages, is no other arm
    come = Counter(outcome.title_of(arm) for arm in outcome.arms if arm.key not in old)
    gone = Counter(before.title_of(arm) for arm in before.arms if arm.key not in new)
    counts = {"changed": come & gone, "new": come - gone, "gone": gone - come}
    said = [
        f"{counted(many, 'arm')} {'is' if many == 1 else 'are'} {what}"
        for what, titles in counts.items()
        if (many := titles.total())
    ]
    arms = ", ".join(said) or "its arms are the same"
    return (
        f"{outcome.name} was edited since its last run: {arms}; "
        f"the old table is kept as {before.key[:16]}"
    )
