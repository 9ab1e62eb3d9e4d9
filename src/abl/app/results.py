"""Outcomes on disk: the tables of a sweep, old ones kept, the newest found by name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow.parquet import read_metadata

from abl.app.table_sums import (
    checked_file,
    drop_sums,
    has_sums,
    table_text,
    write_sums,
    wrong_in_table,
)
from abl.errors import InputError, nearest
from abl.kept_files import MUCH, json_kept, read_kept
from abl.plan.outcome import Outcome, Searches
from abl.plan.outcome_json import outcome_from_json, outcome_to_json
from abl.record.done import write_atomically
from abl.record.store import Store
from abl.report.figures.arms import Frames
from abl.report.page.report_facts import sweep_of
from abl.report.pictures import pictures_from_bytes, pictures_to_bytes
from abl.report.tables import printed, styled_table
from abl.report.tables.facts import external_sizes, facts_tables
from abl.report.tables.model import Table, shown_json
from abl.report.tables.published import Published
from abl.scratch import written_whole
from abl.spec.sweep import Sweep
from abl.studies.contract import studies
from abl.studies.shared.analysis import Analysis

PREDICTIONS, NETWORKS, TRIALS = "predictions.parquet", "networks.parquet", "trials.parquet"
POINTS = ("points.parquet", "point_scores.parquet", "point_curves.parquet")
PICTURES, REPORT = "pictures.npz", "report.html"
OF_MLFLOW = "_table.json"  # how files end that MLflow shows as tables
ENVIRONMENT = "environment.json"
# of a sweep that a version ran which did not keep it
GIT_NOT_KNOWN = "not known: it was not kept when this sweep ran"
SUFFIX = {"text": "txt", "md": "md", "csv": "csv", "latex": "tex", "html": "html"}


def outcome_named(store: Store, name: str) -> Outcome:
    """The newest outcome of a sweep.

    Raises:
        InputError: No sweep of that name was run here, or its table is damaged.
    """
    folder = store.sweep_folder(name)
    try:
        key = json_kept(read_kept(folder / "latest.json"))["key"]
        return outcome_from_json(table_text(folder / key, "outcome.json"))
    except (OSError, ValueError, KeyError, TypeError, InputError):
        known = sweep_names(store)
        if name in known:
            raise InputError(
                f"the table of '{name}' is damaged: `abl sweep FILE` makes it again"
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
    folder = outcome_folder(store, outcome)
    arms, networks, trials = (_frame(folder / n) for n in (PREDICTIONS, NETWORKS, TRIALS))
    path = checked_file(folder, PICTURES)
    pictures = pictures_from_bytes(path.read_bytes()) if path.exists() else None
    searches, own = kept_searches(store, outcome), own_frames(store, outcome)
    return Analysis(outcome, arms, networks, trials, pictures, searches, own)


def own_frames(store: Store, outcome: Outcome) -> dict[str, pd.DataFrame]:
    """Frames of the outcome's study's own, by name."""
    return {path.stem: _frame(path) for path in _own_files(outcome_folder(store, outcome))}


def study_tables(
    outcome: Outcome, own: Mapping[str, pd.DataFrame], published: Published | None = None
) -> Mapping[str, Table]:
    """Tables that the outcome's study makes of it; none of a study that is not known."""
    study = studies().get(outcome.study)
    return study.tables(outcome, own, published) if study else {}


def _own_files(folder: Path) -> list[Path]:
    general = {PREDICTIONS, NETWORKS, TRIALS, *POINTS}
    return sorted(path for path in folder.glob("*.parquet") if path.name not in general)


def kept_sweep(store: Store, outcome: Outcome) -> tuple[Sweep, str]:
    """The sweep file of an outcome, as read and as it stands.

    Raises:
        InputError: This version does not read it.
    """
    text = table_text(outcome_folder(store, outcome), "sweep.yaml")
    sweep = sweep_of(text)
    if sweep is None:
        raise InputError(f"{outcome.name}: its sweep file is of another version: run it again")
    return sweep, text


def keep_outcome(
    store: Store,
    analysis: Analysis,
    sweep_text: str,
    surroundings: Mapping[str, Any] | None = None,
    *,
    ran: bool = True,
) -> Path:
    """Writes an outcome with predictions and tables beside earlier ones of its name; its folder.

    Args:
        surroundings: What the run ran on, the state of its git checkout among it.
        ran: Whether something was computed. If all was there, what an earlier run of this outcome
            ran on is kept; if that is not known, it is not made up.
    """
    outcome = analysis.outcome
    folder = outcome_folder(store, outcome)
    text = outcome_to_json(outcome)
    if surroundings is not None and (ran or not (folder / "outcome.json").exists()):
        write_atomically(folder / ENVIRONMENT, json.dumps(surroundings, indent=1, default=str))
    if not _is_kept(folder, analysis, text):
        drop_sums(folder)
        # what was drawn of other numbers must not stay beside these
        (folder / REPORT).unlink(missing_ok=True)
        write_atomically(folder / "sweep.yaml", sweep_text)
        _write_frames(folder, analysis)
        write_atomically(folder / "outcome.json", text)
    if not has_sums(folder):
        write_sums(folder, ["outcome.json", "sweep.yaml", PICTURES, *_frames_of(analysis)])
    for suffix, shown in rendered(outcome).items():
        write_atomically(folder / suffix, shown)
    write_atomically(folder.parent / "latest.json", json.dumps({"key": outcome.key[:16]}))
    return folder


def kept_environment(folder: Path) -> dict[str, Any]:
    """What the run of a kept outcome ran on, as `report.environment` gives it."""
    try:
        found = json_kept(read_kept(folder / ENVIRONMENT))
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {"git": GIT_NOT_KNOWN}


def draw_outcome(folder: Path, analysis: Analysis, sweep_text: str) -> None:
    """Figures and report of a kept outcome, unless they are there.

    Of a study that is not known (from a user's file that is no longer loaded) the general ones.
    """
    if (folder / REPORT).exists():
        return
    # matplotlib, which takes half a second and which nothing else here needs
    from abl.report.figures.every import figures_of
    from abl.report.figures.style import save_figure
    from abl.report.page.html_report import report_page

    outcome = analysis.outcome
    frames = Frames(
        analysis.predictions, analysis.networks, analysis.trials, analysis.pictures,
        analysis.searches, analysis.own,
    )  # fmt: skip
    study, own_tables = studies().get(outcome.study), study_tables(outcome, analysis.own)
    for name, table in own_tables.items():
        write_atomically(folder / f"{name}{OF_MLFLOW}", shown_json(table))
    figures = figures_of(outcome, frames, study.figures(outcome, frames) if study else {})
    for name, figure in figures.items():
        for kind in ("png", "svg"):
            save_figure(figure, folder / f"{name}.{kind}")
    page = report_page(
        outcome,
        predictions=analysis.predictions,
        networks=analysis.networks,
        sweep_text=sweep_text,
        environment=kept_environment(folder),
        data_summary=[*outcome.facts.data, *external_sizes(outcome.facts.external)],
        more_tables=[
            *(table for name, table in facts_tables(outcome).items() if name != "data"),
            *own_tables.values(),
        ],
        figures=figures,
        of_study=study.weaknesses if study else None,
    )
    # last, as it says that the figures are there
    write_atomically(folder / REPORT, page)


def recorded_files(folder: Path) -> dict[str, Path]:
    """What of an outcome's folder goes into MLflow beside the tables, by name."""
    wanted = (*folder.glob("*.png"), *folder.glob("*.svg"), *folder.glob(f"*{OF_MLFLOW}"))
    wanted += (*_own_files(folder),)
    kept = (folder / name for name in (PREDICTIONS, TRIALS, *POINTS, REPORT))
    return {path.name: path for path in sorted((*wanted, *kept)) if path.exists()}


def _frames_of(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """What is kept, by file name."""
    frames = {
        PREDICTIONS: analysis.predictions,
        NETWORKS: analysis.networks,
        TRIALS: analysis.trials,
        **dict(zip(POINTS, vars(analysis.searches).values(), strict=True)),
        **{f"{name}.parquet": frame for name, frame in analysis.own.items()},
    }
    return {name: frame for name, frame in frames.items() if len(frame)}


def _write_frames(folder: Path, analysis: Analysis) -> None:
    for path in _own_files(folder):
        path.unlink()
    for name, frame in _frames_of(analysis).items():
        with written_whole(folder / name) as part:
            frame.to_parquet(part, index=False, compression="zstd")
    if analysis.pictures is not None:
        with written_whole(folder / PICTURES) as part:
            part.write_bytes(pictures_to_bytes(analysis.pictures))


def _frame(path: Path) -> pd.DataFrame:
    if not checked_file(path.parent, path.name).exists():
        return pd.DataFrame()
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        name = f"{path.parent.parent.name}: {path.name}"
        raise InputError(f"{name} is damaged: `abl sweep FILE` makes it again") from error


def _is_kept(folder: Path, analysis: Analysis, text: str) -> bool:
    """Whether this outcome lies there, and its frames, each to its end."""
    try:
        same = read_kept(folder / "outcome.json", MUCH) == text.encode()
        return (
            same
            and not wrong_in_table(folder)
            and all(
                read_metadata(folder / name).num_rows == len(frame)
                for name, frame in _frames_of(analysis).items()
            )
        )
    except (OSError, ValueError):
        return False


def rendered(outcome: Outcome) -> dict[str, str]:
    """The table in every format, by file name."""
    made = styled_table(outcome)
    return {f"table.{suffix}": printed(made, format) for format, suffix in SUFFIX.items()}


def what_changed(store: Store, outcome: Outcome) -> str:
    """How a sweep differs from its last run under the same name; "" if it does not."""
    try:
        before = outcome_named(store, outcome.name)
    except InputError:
        return ""
    if before.key == outcome.key:
        return ""
    old = Counter(arm.key for arm in before.arms)
    new = Counter(arm.key for arm in outcome.arms)
    return (
        f"{outcome.name} was edited since its last run: {(new - old).total()} arms are new or "
        f"changed, {(old - new).total()} are gone; the old table is kept as {before.key[:16]}"
    )
