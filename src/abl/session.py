"""A sweep at work: read, planned, run, scored, kept and recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import yaml

from abl.errors import InputError, raise_if_any
from abl.importing import with_kept_imports
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.plan.stage import Stage
from abl.record.mlflow_client import RecordError
from abl.record.mlflow_writer import MlflowRecord
from abl.record.store import Store
from abl.record.writer import StageWriter
from abl.report.environment import environment
from abl.results import (
    draw_outcome,
    keep_outcome,
    outcome_named,
    recorded_files,
    rendered,
    sweep_names,
    what_changed,
)
from abl.runner.dispatch import Listener, RunReport
from abl.runner.engine import Executor, run_plan
from abl.spec.read import SweepFile
from abl.studies.analysis import Analysis
from abl.studies.base import Study
from abl.studies.workspace import Workspace


@dataclass
class LoadedSweep:
    """A sweep file that was read and checked, with the store it works on.

    Attributes:
        file: The sweep and its lines.
        study: What asks the question.
        workspace: Store, data roots, opened data sets.
        root: The mlruns folder.
        shrunk: Whether `--smoke` changed what the file says.
    """

    file: SweepFile
    study: Study
    workspace: Workspace
    root: Path
    shrunk: bool = False

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.file.sweep.name

    @property
    def text(self) -> str:
        """The sweep file that says what is run."""
        if not self.shrunk:
            return self.file.document.text
        settings = self.file.sweep.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return "# shrunk by --smoke\n" + yaml.safe_dump(settings, sort_keys=False)

    @property
    def store(self) -> Store:
        """Where finished stages lie."""
        return self.workspace.store

    @cached_property
    def plan(self) -> Plan:
        """Arms, replicates and stages; reads the manifest, executes nothing."""
        try:
            plan = self.study.expand(self.file, self.workspace)
            raise_if_any(self.workspace.problems)
        except InputError as error:
            placed = [self.file.placed(problem) for problem in error.problems]
            raise InputError(placed) from None
        if self.workspace.absent:
            plan.notes.append(
                f"ImageNet weights of {', '.join(self.workspace.absent)} are not on this machine: "
                "`abl sweep` fetches them first"
            )
        return plan

    def fetch_weights(self) -> None:
        """Fetches the hub weights that the plan names, before anything is trained."""
        if self.workspace.fetch_weights():
            self.__dict__.pop("plan", None)


@dataclass
class SweepResult:
    """What a run gave.

    Attributes:
        outcome: The ablation table as values; without arms if a person stopped the run.
        report: Which stages ran, failed, were reused.
        folder: Where tables and figures lie.
        address: Path of the arms' page below MLflow's address, "" if it was not recorded.
        messages: What the person should know, a sentence each.
    """

    outcome: Outcome
    report: RunReport
    folder: Path
    address: str
    messages: list[str]


class _Told:
    """Passes events on, and finished stages to the record."""

    def __init__(self, listener: Listener, writer: StageWriter | None, messages: list[str]):
        self._listener = listener
        self._writer = writer
        self._messages = messages
        self.started = listener.started
        self.failed = listener.failed
        self.blocked = listener.blocked

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        self._listener.finished(stage, seconds, reused)
        if self._writer is not None:
            self._writer.add(stage.digest)

    def message(self, text: str) -> None:
        self._messages.append(text)
        self._listener.message(text)


def run_sweep(
    sweep: LoadedSweep,
    listener: Listener,
    *,
    executor: Executor,
    workers: int | None,
    address: str | None,
    record: MlflowRecord | None,
) -> SweepResult:
    """Runs what the store does not hold, scores every arm, keeps and records the outcome.

    Raises:
        InputError: Data, executor or MLflow cannot be used; nothing was trained then.
    """
    messages: list[str] = []
    sweep.fetch_weights()
    plan = sweep.plan
    if record is not None:
        record.check_reachable()
    notes = sweep.workspace.prepare(listener.message)
    with _lease(record, messages) as writing:
        writer = StageWriter(writing, sweep.store, messages.append) if writing else None
        told = _Told(listener, writer, messages)
        report = run_plan(
            plan.stages, sweep.store, told, executor=executor, workers=workers, address=address
        )
        if report.interrupted:
            # half a table would stand in the place of the last whole one
            if writer is not None:
                writer.close()
            folder = sweep.store.sweep_folder(sweep.name)
            return SweepResult(_no_outcome(sweep), report, folder, "", messages)
        analysis = sweep.study.analyse(sweep.file, plan, sweep.workspace)
        outcome = _with_facts(sweep, analysis.outcome, notes)
        analysis, left_out = with_kept_imports(
            sweep.store, replace(analysis, outcome=outcome), sweep.file.sweep
        )
        outcome = analysis.outcome
        changed = what_changed(sweep.store, outcome)
        messages += [*left_out, *([changed] if changed else [])]
        folder = keep_outcome(sweep.store, analysis, sweep.text)
        _draw(sweep, folder, analysis, messages)
        page = ""
        if writing is not None and writer is not None:
            page = _record_outcome(
                sweep, outcome, writing, writer, recorded_files(folder), messages
            )
    return SweepResult(outcome, report, folder, page, messages)


def _no_outcome(sweep: LoadedSweep) -> Outcome:
    settings = sweep.file.sweep
    return Outcome(
        name=settings.name,
        key="",
        study=settings.study,
        title=settings.title,
        axes=(),
        metrics=settings.metrics,
        primary=settings.primary,
        curve_axis="",
        arms=(),
        notes=("Stopped before the table was made.",),
    )


def _draw(sweep: LoadedSweep, folder: Path, analysis: Analysis, messages: list[str]) -> None:
    try:
        draw_outcome(folder, analysis, sweep.text, environment(sweep.file.folder))
    except Exception as error:  # hours of training are not lost for a figure
        kind = type(error).__name__
        messages.append(f"warning: figures and report could not be made ({kind}: {error})")


@contextlib.contextmanager
def _lease(record: MlflowRecord | None, messages: list[str]) -> Iterator[MlflowRecord | None]:
    if record is None:
        yield None
        return
    with record.lease() as ours:
        if not ours:
            messages.append("another run is recording here; `abl record` writes this one later")
        yield record if ours else None


def _with_facts(sweep: LoadedSweep, outcome: Outcome, notes: list[str]) -> Outcome:
    data = [opened.dataset for opened in sweep.workspace.opened()]
    notes = [*(note for dataset in data for note in dataset.notes), *notes]
    facts = dict(outcome.facts) | {
        "table": sweep.file.sweep.table.model_dump(),
        "unit": sweep.file.sweep.data.unit,
        "margin": sweep.file.sweep.margin,
        "classes": list(data[0].classes) if data else [],
        "patients_by_split": sweep.file.sweep.splits.by,
        "stages": len(sweep.plan.stages),
        "asked": sweep.plan.asked,
    }
    return replace(outcome, facts=facts, notes=(*outcome.notes, *notes))


def record_store(root: Path, uri: str | None) -> list[str]:
    """Writes to MLflow what the store holds and MLflow lacks; says what was done.

    Raises:
        InputError: MLflow cannot be reached, or another run is recording.
    """
    store = Store(root / "store")
    record = MlflowRecord(root, uri)
    record.check_reachable()
    said: list[str] = []
    with record.lease() as ours:
        if not ours:
            raise InputError("another run is recording here: try again when it has ended")
        writer = StageWriter(record, store, said.append)
        digests = store.digests()
        known = set(record.recorded(digests))
        for digest in digests:
            writer.add(digest)
        writer.close()
        if writer.lost:
            raise InputError(writer.lost)
        said.append(f"stages: {len(set(writer.runs) - known)} written, {len(known)} were there")
        for name in sweep_names(store):
            outcome = outcome_named(store, name)
            folder = store.sweep_folder(name) / outcome.key[:16]
            record.record_outcome(
                outcome,
                sweep_file=(folder / "sweep.yaml").read_text(encoding="utf-8"),
                artifacts=recorded_files(folder),
                rendered=rendered(outcome),
                environment=environment(),
                stage_runs=writer.runs,
            )
            said.append(f"sweep {name}: {len(outcome.arms)} arms")
    return said


def _record_outcome(
    sweep: LoadedSweep,
    outcome: Outcome,
    record: MlflowRecord,
    writer: StageWriter,
    files: dict[str, Path],
    messages: list[str],
) -> str:
    """Writes what MLflow lacks of the sweep's stages, then the table; the page of its arms."""
    for digest in sweep.plan.stages:
        writer.add(digest)
    writer.close()
    if writer.lost:
        return ""
    try:
        record.record_outcome(
            outcome,
            sweep_file=sweep.text,
            artifacts=files,
            rendered=rendered(outcome),
            environment=environment(sweep.file.folder),
            stage_runs=writer.runs,
        )
        return record.address(outcome, "")
    except (RecordError, InputError) as error:
        messages.append(f"warning: {error}; the work is kept, `abl record` writes the rest")
        return ""
