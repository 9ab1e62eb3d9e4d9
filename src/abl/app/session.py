"""A sweep at work: run, scored, kept and recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from abl.app.closer_look import with_closer_look
from abl.app.drawing_beside import SecondDrawer
from abl.app.importing import with_kept_imports
from abl.app.keeping import draw_outcome, keep_outcome
from abl.app.loaded import LoadedSweep
from abl.app.outcome_facts import with_facts
from abl.app.reading_beside import read_beside
from abl.app.recording import live_curves, record_lease, record_sweep
from abl.app.results import kept_environment, recorded_files, what_changed
from abl.app.spent import Spent, Timed, keep_spent
from abl.app.sweep_result import SweepResult
from abl.app.table_sums import UnreadableTableError, unreadable_told
from abl.app.this_machine import check_machine
from abl.app.warming import Warming
from abl.app.watched_run import note_begun
from abl.errors import DamagedError, disk_fault, disk_told, file_fault
from abl.nets.registry import OF_WEIGHTS
from abl.plan.outcome import Outcome
from abl.plan.stage import Stage
from abl.record.housekeeping import upkeep
from abl.record.mlflow_held import Held, held
from abl.record.mlflow_stages import StageWriter
from abl.record.mlflow_writer import MlflowRecord
from abl.record.patient import UnreadableError
from abl.report.checkout import git_state
from abl.report.environment import environment
from abl.runner.engine import Executor, run_plan, something_for_workers
from abl.runner.held_ray import HeldRay
from abl.runner.protocols import Listener, RunReport
from abl.runner.ray_folder import check_room
from abl.runner.ray_network import check_connections
from abl.runner.ray_nodes import check_address, ray_nodes
from abl.search.kept import check_storage
from abl.studies.shared.analysis import Analysis


class _Told:
    """Passes events on, and finished stages to the record."""

    def __init__(self, listener: Listener, writer: StageWriter | None, messages: list[str]):
        self._listener, self._writer, self._messages = listener, writer, messages
        self.blocked, self.grown = listener.blocked, listener.grown

    def started(self, stage: Stage, where: str) -> None:
        self._listener.started(stage, where)
        if self._writer is not None:
            self._writer.started(stage)

    def failed(self, stage: Stage, reason: str) -> None:
        self._listener.failed(stage, reason)
        if self._writer is not None:
            self._writer.broken_off(stage.digest, failed=True)

    def given_up(self, stage: Stage) -> None:
        self._listener.given_up(stage)
        if self._writer is not None:
            self._writer.broken_off(stage.digest, failed=False)

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
    live: bool = False,
    began: float | None = None,
) -> SweepResult:
    """Runs what the store does not hold, scores every arm, keeps and records the outcome.

    Args:
        live: Learning curves are recorded while trainings run.

    Raises:
        InputError: Data, executor or MLflow cannot be used; nothing was trained then.
        StageError: The disk of the store is full or read-only, or a file of the table cannot be
            read; what is finished is kept.
    """
    spent = Spent(began)
    on_cluster = executor == "tune" and address is not None
    if on_cluster:
        check_address(str(address))
    elif executor == "tune":
        check_room()
        check_connections()
    if executor == "tune":
        sweep.store.check_shared()
    if sweep.file.sweep.search is not None:
        check_storage()
    sweep.fetch_weights()
    _ = sweep.plan  # made now: faults of the data are told before MLflow is asked
    if executor == "local":
        check_machine(sweep)
    if record is not None:
        record.say = listener.message
    if record is not None and not record.embedded:
        record.check_reachable()

    def run(told: Listener) -> RunReport:
        growth = sweep.study.grow(sweep.file, sweep.plan, sweep.workspace, listener.message)
        return run_plan(
            sweep.plan.stages,
            sweep.store,
            told,
            executor=executor,
            workers=workers,
            address=address,
            growth=growth,
            ray=ray,
        )

    if on_cluster:
        # before hours of decoding: who is let in knows that now; left again, as a cluster that dies
        # meanwhile would take this process with it
        with ray_nodes(workers, address, listener.message):
            pass

    def read() -> list[str]:
        prepare = partial(sweep.workspace.prepare, listener.message)
        if executor != "tune" or on_cluster or sweep.workspace.is_decoded:
            return prepare()
        if not something_for_workers(sweep.plan.stages, sweep.store):
            return prepare()
        return read_beside(prepare, partial(ray.start, workers, listener.message))

    # Tune's driver has nothing to do while workers train; this process would train itself
    beside = executor == "tune"
    with HeldRay() as ray, closing(SecondDrawer()) as second:  # all else is made while Ray is left
        return _run_recorded(
            sweep, listener, read, run, record, spent, second, beside=beside, live=live
        )


def _run_recorded(
    sweep: LoadedSweep,
    listener: Listener,
    read: Callable[[], list[str]],
    run: Callable[[Listener], RunReport],
    record: MlflowRecord | None,
    spent: Spent,
    second: SecondDrawer,
    *,
    beside: bool,
    live: bool,
) -> SweepResult:
    """As `run_sweep`; `beside`: what can be is done while stages are at work."""
    messages: list[str] = []
    # before the run: who edits the code while it trains has not run the edited one
    code = git_state(sweep.file.folder)
    for note in sweep.name_notes:  # before one person trains and tests
        listener.message(f"warning: {note}")
    adapted = [note for note in sweep.plan.notes if note.startswith(OF_WEIGHTS)]
    adapted += sweep.setting_notes
    for note in adapted:
        listener.message(f"note: {note}")
    with disk_told(sweep.store.root), spent.on("reading"):
        notes = [*read(), *adapted]
    before = Held() if record is None else held(record, sweep.store.sweep_folder(sweep.name))
    if record is not None and record.embedded and sweep.plan.stages.keys() - before.stage_runs:
        # it is made by being asked: not before the images are known to be good
        with spent.on("recording"):
            record.check_reachable(make=not beside)
    root, plans = sweep.store.root, sweep.store.plans
    note_begun(sweep.store, sweep.name, sweep.file.places.path, sweep.workspace.roots)
    with (
        unreadable_told(),
        disk_told(root),
        plans.begin(sweep.name, sweep.plan.stages),
        record_lease(record, messages) as writing,
    ):
        with suppress(OSError, UnreadableError):  # what cannot be tidied up is in nobody's way
            for line in upkeep(sweep.store):
                listener.message(line)
        writer = None
        if writing:
            known, curves = before.stage_runs, live_curves(sweep, writing) if live else None
            writer = StageWriter(writing, sweep.store, messages.append, runs=known, live=curves)
        told = Timed(_Told(listener, writer, messages), spent)
        run_told = (
            partial(Warming(told, sweep.study.analysed_with, second.start).run, run)
            if beside
            else partial(run, told)
        )
        report, analysis = _run_and_analysed(sweep, run_told, spent)
        if analysis is None:
            # half a table would stand in the place of the last whole one
            if writer is not None:
                writer.close()
            folder, asked = sweep.store.sweep_folder(sweep.name), sweep.file.sweep
            none = Outcome(
                asked.name, "", asked.study, asked.title, (), asked.metrics, asked.primary, "", (),
                notes=("Stopped before the table was made.",),
            )  # fmt: skip
            return SweepResult(none, report, folder, "", messages)
        with spent.on("scoring"):
            outcome = with_facts(sweep, analysis, notes)
        analysis = with_closer_look(sweep, analysis)
        analysis, left_out = with_kept_imports(
            sweep.store, replace(analysis, outcome=outcome), sweep.file.sweep
        )
        outcome = analysis.outcome
        changed = what_changed(sweep.store, outcome)
        messages += [*left_out, *([changed] if changed else [])]
        surroundings = {**environment(sweep.file.folder), "git": code}
        if unseen := (code or {}).get("unseen"):
            messages.append(f"warning: {unseen}")
        ran = bool(report.ran)
        folder = keep_outcome(sweep.store, analysis, sweep.text, surroundings, ran=ran)
        with spent.on("drawing"):
            undrawn = _draw(sweep, folder, analysis, second, messages)
        page = ""
        if undrawn and writer is not None:
            # MLflow would take the table without its figures for whole
            writer.close()
        elif writing is not None and writer is not None:
            files = recorded_files(folder)
            ran_on = kept_environment(folder)
            with spent.on("recording"):
                page = record_sweep(
                    sweep, outcome, writing, writer, files, ran_on, messages, before
                )
        seconds = spent.seconds()
        if ran:
            keep_spent(sweep.store.sweep_folder(sweep.name), seconds)
    return SweepResult(outcome, report, folder, page, messages, seconds, undrawn, sweep.store)


def _run_and_analysed(
    sweep: LoadedSweep, run: Callable[[], RunReport], spent: Spent
) -> tuple[RunReport, Analysis | None]:
    """How the run ended, and its scores; no scores if a person stopped it."""
    with spent.on("waiting"):
        report = run()
    sweep.use_names()

    def analyse() -> Analysis:
        with spent.on("scoring"):
            return sweep.study.analyse(sweep.file, sweep.plan, sweep.workspace)

    if not report.interrupted:
        try:
            return report, analyse()
        except DamagedError:
            # where one file is damaged others may be: all are looked at, and computed again at once
            for digest in sweep.plan.stages:
                sweep.store.damaged(digest)
        with spent.on("waiting"):
            report = report.followed_by(run())
    return report, None if report.interrupted else analyse()


def _draw(
    sweep: LoadedSweep,
    folder: Path,
    analysis: Analysis,
    second: SecondDrawer,
    messages: list[str],
) -> str:
    """Makes figures and report; why a disk or file does not let it, "" otherwise."""
    root = sweep.store.root
    try:
        draw_outcome(folder, analysis, sweep.text, second)
    except Exception as error:  # hours of training are not lost for a figure
        unread = str(error) if isinstance(error, UnreadableTableError) else ""
        if line := unread or disk_fault(error, root) or file_fault(error, root):
            return f"figures and report could not be made: {line}"
        kind = type(error).__name__
        messages.append(f"warning: figures and report could not be made ({kind}: {error})")
    return ""
