"""Outcomes are written: tables in every format, frames, figures and the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pyarrow.parquet import read_metadata

from abl.app.drawing_beside import SecondDrawer
from abl.app.results import (
    ENVIRONMENT,
    NETWORKS,
    OF_MLFLOW,
    PICTURES,
    POINTS,
    PREDICTIONS,
    REPORT,
    TRIALS,
    is_drawn_name,
    kept_environment,
    outcome_folder,
    own_files,
    recorded_files,
    study_tables,
)
from abl.app.table_sums import (
    drawn_names,
    drop_sums,
    forget_drawn,
    has_sums,
    note_drawn,
    read_table_file,
    write_sums,
    wrong_drawn,
    wrong_in_table,
)
from abl.kept_files import MUCH, read_kept
from abl.plan.outcome import Outcome
from abl.plan.outcome_json import outcome_to_json
from abl.record.done import write_atomically
from abl.record.mlflow_writer import ANSWER
from abl.record.patient import ABSENT
from abl.record.store import Store
from abl.report.figures.arms import Frames
from abl.report.named import words_of
from abl.report.page.closer import LEARNING, THUMBNAILS
from abl.report.pictures import pictures_to_bytes
from abl.report.tables import printed, styled_table
from abl.report.tables.external_table import external_sizes
from abl.report.tables.facts import facts_tables
from abl.report.tables.model import shown_json
from abl.report.tables.render import answer_markdown
from abl.scratch import written_whole
from abl.studies.contract import study_named
from abl.studies.shared.analysis import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARM_NAME = "arm_name"
SUFFIX = {"text": "txt", "md": "md", "csv": "csv", "latex": "tex", "html": "html"}


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
    kept = _is_kept(folder, analysis, text)
    if surroundings is not None and (ran or not (folder / "outcome.json").exists()):
        write_atomically(folder / ENVIRONMENT, json.dumps(surroundings, indent=1, default=str))
    if not kept:
        drop_sums(folder)
        # what was drawn of other numbers must not stay beside these
        (folder / REPORT).unlink(missing_ok=True)
        write_atomically(folder / "sweep.yaml", sweep_text)
        _write_frames(folder, analysis)
        write_atomically(folder / "outcome.json", text)
    if not has_sums(folder):
        write_sums(folder, ["outcome.json", "sweep.yaml", PICTURES, *_frames_of(analysis)])
    _keep_rendered(folder, rendered(outcome))
    write_atomically(folder.parent / "latest.json", json.dumps({"key": outcome.key[:16]}))
    return folder


def _keep_rendered(folder: Path, tables: Mapping[str, str]) -> None:
    """Writes tables that are not there as they are now; their checksums never speak of others."""
    noted = drawn_names(folder) or []
    if all(name in noted and _is_text(folder / name, shown) for name, shown in tables.items()):
        return
    forget_drawn(folder, keep=set(noted) - tables.keys())
    for name, shown in tables.items():
        write_atomically(folder / name, shown)
    # of an earlier version's table nothing is noted before it is known what was drawn of it
    if noted or not (folder / REPORT).exists():
        note_drawn(folder, tables)


def draw_outcome(
    folder: Path, analysis: Analysis, sweep_text: str, second: SecondDrawer | None = None
) -> None:
    """Figures and report of a kept outcome, unless they are there as they were drawn.

    Of a study that is not known (from a user's file that is no longer loaded) the general ones.

    Args:
        second: Draws some of them.
    """
    if _is_drawn(folder):
        return
    tables = rendered(analysis.outcome)
    old = [name for name in drawn_names(folder) or () if is_drawn_name(name)]
    forget_drawn(folder, keep=tables)
    for name in old:  # should drawing fail, none that was changed is taken for one of ours
        (folder / name).unlink(missing_ok=True)
    from abl.report.figures.style import save_figure
    from abl.report.page.html_report import report_page

    outcome, study = analysis.outcome, study_named(analysis.outcome.study)
    own_tables = study_tables(outcome, _of_study(analysis))
    for name, table in own_tables.items():
        write_atomically(folder / f"{name}{OF_MLFLOW}", shown_json(table))
    second = second or SecondDrawer()
    figures = drawn_figures(analysis, second.give)
    pictures = {}
    for name, figure in reversed(figures.items()):  # the other one begins with the first
        made = second.take(name)
        pictures[name] = {
            kind: save_figure(figure, folder / f"{name}.{kind}", made.get(kind, b""))
            for kind in ("png", "svg")
        }
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
        own_frames=analysis.own,
        pictures=pictures,
        of_study=study.weaknesses if study else None,
    )
    # last, as it says that the figures are there
    write_atomically(folder / REPORT, page)
    drawn = [f"{name}.{kind}" for name in figures for kind in ("png", "svg")]
    note_drawn(folder, [*tables, *(f"{name}{OF_MLFLOW}" for name in own_tables), *drawn, REPORT])


def drawn_figures(
    analysis: Analysis, each: Callable[[str, Figure], None] = lambda name, figure: None
) -> dict[str, Figure]:
    """Name -> figure of a kept outcome, its study's among them if that is known.

    Args:
        each: Is given every figure as soon as it is made.
    """
    # matplotlib, which takes half a second and which nothing else here needs
    from abl.report.figures.every import figures_of

    outcome = analysis.outcome
    frames = Frames(
        analysis.predictions, analysis.networks, analysis.trials, analysis.pictures,
        analysis.searches, _of_study(analysis),
    )  # fmt: skip
    study = study_named(outcome.study)
    own = study.figures(outcome, frames) if study else {}
    return figures_of(outcome, frames, own, each)


def _of_study(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Frames of the study's own, without those that the page keeps for a closer look."""
    return {
        name: frame for name, frame in analysis.own.items() if name not in (LEARNING, THUMBNAILS)
    }


def _is_drawn(folder: Path) -> bool:
    """Whether figures and report are there, whole; those of an earlier version are noted so."""
    if not (folder / REPORT).exists():
        return False
    noted = drawn_names(folder)
    if noted is None:
        drawn = [name for name in recorded_files(folder) if is_drawn_name(name)]
        tables = (ANSWER, *(f"table.{suffix}" for suffix in SUFFIX.values()), "table.json")
        note_drawn(folder, [*drawn, *(name for name in tables if (folder / name).exists())])
        return True
    return REPORT in noted and not wrong_drawn(folder)


def rendered(outcome: Outcome) -> dict[str, str]:
    """The answer, the table in every format, and the table as MLflow shows it, by file name."""
    made = styled_table(outcome)
    return {
        ANSWER: answer_markdown(made),
        **{f"table.{suffix}": printed(made, format) for format, suffix in SUFFIX.items()},
        "table.json": shown_json(made),
    }


def _frames_of(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """What is kept, by file name."""
    frames = {
        PREDICTIONS: with_arm_names(analysis.outcome, analysis.predictions),
        NETWORKS: analysis.networks,
        TRIALS: analysis.trials,
        **dict(zip(POINTS, vars(analysis.searches).values(), strict=True)),
        **{f"{name}.parquet": frame for name, frame in analysis.own.items()},
    }
    return {name: frame for name, frame in frames.items() if len(frame)}


def with_arm_names(outcome: Outcome, predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions with what each arm is called beside its key."""
    if predictions.empty:
        return predictions
    names = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    named = predictions.drop(columns=ARM_NAME, errors="ignore")
    arms = named["arm"].astype(str).map(names).fillna("").astype("category")
    named.insert(1, ARM_NAME, arms)
    return named


def _write_frames(folder: Path, analysis: Analysis) -> None:
    for path in own_files(folder):
        path.unlink()
    for name, frame in _frames_of(analysis).items():
        with written_whole(folder / name) as part:
            frame.to_parquet(part, index=False, compression="zstd")
    if analysis.pictures is not None:
        with written_whole(folder / PICTURES) as part:
            part.write_bytes(pictures_to_bytes(analysis.pictures))


def _is_text(path: Path, text: str) -> bool:
    try:
        return read_table_file(lambda: read_kept(path, MUCH), path) == text.encode()
    except ABSENT:
        return False


def _is_kept(folder: Path, analysis: Analysis, text: str) -> bool:
    """Whether this outcome lies there, and its frames, each to its end.

    Raises:
        UnreadableTableError: One cannot be read; nothing was changed.
    """
    try:
        return (
            _is_text(folder / "outcome.json", text)
            and not wrong_in_table(folder)
            and all(
                read_metadata(folder / name).num_rows == len(frame)
                for name, frame in _frames_of(analysis).items()
            )
        )
    except (OSError, ValueError):
        return False
