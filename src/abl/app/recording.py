"""Writing to MLflow: the outcome of a run, or all that the store holds and MLflow lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from abl.app.keeping import rendered
from abl.app.loaded import LoadedSweep
from abl.app.plan_words import arms_in_words
from abl.app.results import (
    kept_environment,
    kept_searches,
    outcome_folder,
    outcome_named,
    recorded_files,
    sweep_names,
)
from abl.errors import InputError
from abl.plan.outcome import Outcome, Searches
from abl.record.mlflow_arms import outcome_content
from abl.record.mlflow_errors import RecordError
from abl.record.mlflow_held import Held, note_held
from abl.record.mlflow_live import EVERY_S, LiveCurves
from abl.record.mlflow_stages import StageWriter, incomplete
from abl.record.mlflow_whole import Tally
from abl.record.mlflow_writer import MlflowRecord
from abl.record.opening import store_at
from abl.record.store import Store
from abl.report.labels import counted
from abl.report.named import run_names
from abl.report.tables.render import markdown_escaped
from abl.visible import visible_line

MOST_ARMS = 20  # that the run of a training names


@contextlib.contextmanager
def record_lease(record: MlflowRecord | None, messages: list[str]) -> Iterator[MlflowRecord | None]:
    if record is None:
        yield None
        return
    with record.lease() as ours:
        if not ours:
            messages.append("another run is recording here; `abl record` writes this one later")
        yield record if ours else None


def live_curves(sweep: LoadedSweep, record: MlflowRecord) -> LiveCurves:
    """What writes the curves of the sweep's trainings while they run."""
    names, using = arms_in_words(sweep), sweep.plan.arms_using()

    def arms_of(digest: str) -> str:
        arms = [visible_line(names[at]) for at in sorted(using.get(digest, ()))]
        more = f" and {len(arms) - MOST_ARMS} more" if len(arms) > MOST_ARMS else ""
        return markdown_escaped("; ".join(arms[:MOST_ARMS]) + more)

    return LiveCurves(record, sweep.store, sweep.name, arms_of, EVERY_S)


def record_store(root: Path, uri: str | None, url: str | None = None) -> list[str]:
    """Writes to MLflow what the store holds and MLflow lacks or has lost; says what was done.

    Args:
        root: The mlruns folder.
        uri: Of MLflow; None is the one in the folder.
        url: Of an object store; None is the one in the folder.

    Raises:
        InputError: MLflow or the store cannot be reached, or another run is recording.
    """
    store = store_at(root, url)
    store.check(writing=False)
    record = MlflowRecord(root, uri)
    record.check_reachable()
    with record.lease() as ours:
        if not ours:
            raise InputError("another run is recording here: try again when it has ended")
        try:
            return _written(store, record)
        except RecordError as error:
            raise InputError(str(error)) from error


def _written(store: Store, record: MlflowRecord) -> list[str]:
    said: list[str] = []
    digests = store.digests()
    known = record.recorded_runs(digests)
    lost = incomplete(record, store, known)
    whole = {digest: run.info.run_id for digest, run in known.items() if digest not in lost}
    writer = StageWriter(record, store, said.append, runs=whole, again=lost)
    for digest in digests:
        writer.add(digest)
    writer.close()
    if writer.lost:
        raise InputError(writer.lost)
    written, restored = len(writer.runs.keys() - known.keys()), len(lost & writer.runs.keys())
    stages = [f"{written} written", *([f"{restored} restored"] if restored else [])]
    said.append(f"stages: {', '.join(stages)}, {len(whole)} were there")
    for name in sweep_names(store):
        outcome = outcome_named(store, name)
        searches, tally = _outcome_written(store, record, outcome, writer.runs)
        parts = [counted(len(outcome.arms), "arm")]
        parts += [counted(len(searches.points), "point")] if searches else []
        parts += [f"{counted(tally.written, 'run')} written"] if tally.written else []
        parts += [f"{tally.restored} restored"] if tally.restored else []
        said.append(f"sweep {name}: {', '.join(parts)}")
    return said


def _outcome_written(
    store: Store, record: MlflowRecord, outcome: Outcome, runs: Mapping[str, str]
) -> tuple[Searches, Tally]:
    """Writes a kept table to MLflow; its searches, and what was written."""
    folder = outcome_folder(store, outcome)
    searches, tally = kept_searches(store, outcome), Tally()
    record.record_outcome(
        outcome,
        sweep_file=(folder / "sweep.yaml").read_text(encoding="utf-8"),
        artifacts=recorded_files(folder),
        rendered=rendered(outcome),
        environment=kept_environment(folder),
        stage_runs=runs,
        searches=searches,
        tally=tally,
        arm_names=run_names(outcome),
    )
    return searches, tally


def record_changed(root: Path, outcome: Outcome, uri: str | None = None) -> str:
    """Writes a table to MLflow that was changed without a run (`abl import`); why not, or "".

    Args:
        uri: Of MLflow; None is the one in the mlruns folder, if a sweep was recorded there.
    """
    record = MlflowRecord(root.absolute(), uri)
    if record.embedded and not record.database.exists():
        return ""
    store = store_at(root)
    try:
        record.check_reachable()
        with record.lease() as ours:
            if not ours:
                return "another run is recording here; `abl record` writes this table later"
            stages = {digest for arm in outcome.arms for digest in arm.stages}
            found = record.recorded_runs(list(stages))
            runs = {digest: run.info.run_id for digest, run in found.items()}
            _outcome_written(store, record, outcome, runs)
    except (InputError, RecordError) as error:
        return f"warning: not in MLflow yet ({error}); `abl record` writes it"
    return ""


def record_sweep(
    sweep: LoadedSweep,
    outcome: Outcome,
    record: MlflowRecord,
    writer: StageWriter,
    files: Mapping[str, Path],
    surroundings: Mapping[str, Any],
    messages: list[str],
    before: Held,
) -> str:
    """Writes what MLflow lacks of the sweep's stages, then the table; the page of its arms.

    Args:
        before: What it is known to hold without being asked.
    """
    for digest in sweep.plan.stages:
        writer.add(digest)
    writer.close()
    if writer.lost:
        return ""
    shown = rendered(outcome)
    content = outcome_content(outcome, shown)
    if content == before.content:
        return before.page
    try:
        record.record_outcome(
            outcome,
            sweep_file=sweep.text,
            artifacts=files,
            rendered=shown,
            environment=surroundings,
            stage_runs=writer.runs,
            searches=kept_searches(sweep.store, outcome),
            arm_names=run_names(outcome),
        )
        page = record.address(outcome, "")
        folder = sweep.store.sweep_folder(outcome.name)
        note_held(record, folder, Held(writer.runs, content, page))
        return page
    except (RecordError, InputError) as error:
        messages.append(f"warning: {error}; the work is kept, `abl record` writes the rest")
        return ""
