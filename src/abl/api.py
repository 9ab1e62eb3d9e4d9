"""The Python API: load a sweep, look at its plan, run it, open what was run.

sweep = abl.load("sweeps/threshold.yaml")
result = abl.run(sweep)
print(abl.table(result, format="md"))
abl.open("threshold").predictions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel

from abl.app.loaded import LoadedSweep, study_of
from abl.data.load import manifest_of
from abl.errors import InputError, Problem, nearest
from abl.nets.trust import UntrustedError, trust_folder_of
from abl.plan.outcome import Outcome
from abl.plan.stage import Stage
from abl.record.opening import check_root, mirrored, store_at
from abl.runner.engine import Executor
from abl.runner.notebook_view import in_notebook
from abl.runner.protocols import Listener
from abl.spec.read import read_form
from abl.spec.smoke import smoked
from abl.spec.sweep import Sweep
from abl.spec.yaml_file import Document, document_from, read_with_faults, yaml_text
from abl.stages.inputs import Workspace
from abl.studies.shared.checks import load_problems
from abl.studies.shared.published_protocol import protocol_problems

if TYPE_CHECKING:  # loading and planning need none of what runs
    from abl.app.finished import FinishedSweep
    from abl.app.function_arm import Estimator, Trainer
    from abl.app.sweep_result import SweepResult

Format = Literal["text", "md", "csv", "latex", "html"]
ROOT = "mlruns"
FROM_PYTHON = "the sweep"  # where a fault of it stands


def load(
    sweep: str | Path | Mapping[str, Any] | Sweep,
    *,
    data: Sequence[str | Path] = (),
    root: str | Path = ROOT,
    smoke: bool = False,
    store: str | None = None,
    trust: bool = False,
) -> LoadedSweep:
    """Reads and checks a sweep.

    Args:
        sweep: Path of a sweep file; or what one says, as a mapping or an `abl.Sweep`, whose
            relative paths start from the current folder.
        data: Folders that hold data sets by name, and that manifests and weights may lie in; an
            address such as s3://bucket/sets is copied to this machine first.
        root: The mlruns folder: store and record.
        smoke: Shrink it to a check that it runs.
        store: Address of an object store (s3://bucket/folder) that holds the finished stages, for
            machines that share no folder; the root then keeps copies.
        trust: Run the file's `module:` though it comes from elsewhere; its folder is trusted from
            now on.

    Raises:
        InputError: With every problem of the file that can be seen without the data; a root that
            is no folder. UntrustedError, one of these, for a `module:` from elsewhere.
    """
    check_root(Path(root))
    document = _document(sweep)
    file, problems = read_form(document)
    if file is None:
        raise InputError(problems)
    try:
        broken = load_problems(file)  # the study itself may be the file's own
    except UntrustedError as error:
        if not trust:
            if problems:
                raise InputError([*problems, *error.problems]) from None
            raise
        trust_folder_of(error.module)
        broken = load_problems(file)
    if broken:  # what else would be told of its names follows from that
        raise InputError([*problems, *broken])
    study = study_of(file)
    if smoke and not problems:
        file = replace(file, sweep=smoked(file.sweep, study.smoke_options))
    problems += [*study.problems(file), *protocol_problems(file, study)]
    cache = Path(root).absolute() / "store" / "cache"
    roots = [mirrored(str(f), cache) if "://" in str(f) else Path(f) for f in data]
    problems += [Problem(f"--data {each}: no such folder") for each in roots if not each.is_dir()]
    if problems and file.sweep.data.phantom is None:  # without other faults the plan says it
        try:
            manifest_of(file.sweep.data, base=file.folder, roots=roots)
        except InputError as error:
            problems += [file.placed(problem) for problem in error.problems]
    if problems:
        raise InputError(sorted(problems, key=lambda problem: problem.line or 0))
    opened = store_at(root, store)
    opened.check(writing=False)
    workspace = Workspace(opened, file.folder, roots, given=file.places.path.parent)
    return LoadedSweep(document, file, study, workspace, Path(root).absolute(), shrunk=smoke)


def _document(sweep: str | Path | Mapping[str, Any] | Sweep) -> Document:
    if isinstance(sweep, str | Path):
        return read_with_faults(Path(sweep))
    # by way of the text that is kept beside its table: what it says is what was run
    return document_from(yaml_text(_plain(sweep)), Path(FROM_PYTHON))


def _plain(value: Any) -> Any:
    """Values as YAML has them: names for models, lists for tuples and arrays, numbers of Python."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(by_alias=True, exclude_unset=True))
    if isinstance(value, list | tuple | set | frozenset | range | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def run(
    sweep: LoadedSweep | str | Path | Mapping[str, Any] | Sweep,
    *,
    executor: Executor = "tune",
    workers: int | None = None,
    address: str | None = None,
    record: bool | str = True,
    live: bool = False,
    listener: Listener | None = None,
    began: float | None = None,
) -> SweepResult:
    """Runs what the store does not hold, scores every arm and records everything.

    Args:
        sweep: What `load` gave, or what it takes, if no more is to be said.
        executor: tune (Ray) or local (this process).
        workers: CPUs to use on this machine; default all.
        address: HOST:PORT of a Ray cluster.
        record: True for the embedded MLflow in the mlruns folder, a tracking URI, or False.
        live: MLflow gets learning curves while trainings run, not only at their end.
        listener: Is told what happens; see `Callback`. Without one a notebook shows the progress,
            and a script nothing.
        began: `time.monotonic()` when the command began that this is a part of; default now.

    Raises:
        InputError: The data, the executor or MLflow cannot be used; nothing was trained then.
    """
    from abl.app.session import run_sweep
    from abl.record.mlflow_writer import MlflowRecord

    if executor not in get_args(Executor):
        raise InputError(f"executor '{executor}': {nearest(str(executor), get_args(Executor))}")
    if live and not record:
        raise InputError("live curves are MLflow's: record the sweep, or leave them out")
    if not isinstance(sweep, LoadedSweep):
        sweep = load(sweep)
    check_root(sweep.root, writing=True)
    sweep.store.check(writing=True)
    uri = record if isinstance(record, str) else None
    shown: AbstractContextManager[Listener] = nullcontext(listener or Callback())
    if listener is None and in_notebook():
        from abl.app.watching import watched

        shown = watched(sweep, executor=executor, workers=workers)
    with shown as told:
        return run_sweep(
            sweep,
            told,
            executor=executor,
            workers=workers,
            address=address,
            record=MlflowRecord(sweep.root, uri) if record else None,
            live=live,
            began=began,
        )


def open(  # as of files, but of a sweep
    name: str, *, root: str | Path = ROOT, version: str | int = ""
) -> FinishedSweep:
    """A sweep that was run: tables and predictions as DataFrames, figures.

    Args:
        name: The sweep's.
        version: Number or first digits of the key of an earlier table, as `abl log` has them;
            default the newest.

    Raises:
        InputError: No such sweep or version.
    """
    from abl.app.finished import FinishedSweep
    from abl.app.versions import version_named

    store = store_at(root)
    return FinishedSweep(store, version_named(store, name, str(version))[1])


def add_arm(
    sweep: LoadedSweep | str | Path | Mapping[str, Any] | Sweep,
    name: str,
    train: Trainer | Estimator,
    *,
    against: str = "",
) -> FinishedSweep:
    """Trains an arm of one's own on every replicate of a sweep that was run, for its table.

    Args:
        sweep: As `run` takes it.
        name: The arm's in the table.
        train: A function from `ArmData` to the probabilities of its test images, float
            (N, classes); or an estimator of scikit-learn with `predict_proba`.
        against: Words of the arm it is compared with, if the sweep has several bases.

    Raises:
        InputError: The sweep was not run, or what was predicted are no probabilities.
    """
    from abl.app.finished import FinishedSweep
    from abl.app.function_arm import add_function_arm

    if not isinstance(sweep, LoadedSweep):
        sweep = load(sweep)
    return FinishedSweep(sweep.store, add_function_arm(sweep, name, train, against=against))


def table(
    sweep: Outcome | SweepResult | str,
    *,
    format: Format = "text",
    root: str | Path = ROOT,
    width: int = 120,
    colour: bool = False,
    spread: bool | None = None,
    few: bool = False,
) -> str:
    """An ablation table as text, md, csv, latex or html.

    Args:
        spread: Mean ± standard deviation over replicates, instead of the 95 % interval; default: as
            the sweep file's `table:` block says.
        few: Of more than 40 arms show those that matter, as `abl table` does without `--all`.
        sweep: What a run gave, or the name of a sweep that was run: its newest table.

    Raises:
        InputError: No such sweep.
    """
    from abl.app.results import outcome_named
    from abl.report.tables import printed, styled_table

    if not isinstance(sweep, Outcome | str):
        sweep = sweep.outcome
    outcome = sweep if isinstance(sweep, Outcome) else outcome_named(store_at(root), sweep)
    made = styled_table(outcome) if spread is None else styled_table(outcome, spread=spread)
    if few:
        from abl.report.tables.few_rows import for_terminal

        made = for_terminal(made, outcome)
    return printed(made, format, width=width, colour=colour)


class Callback:
    """What a run tells: override what you want to hear of, and pass one to `run`.

    Methods may be called from several threads, and what they raise ends the run.
    """

    def started(self, stage: Stage, where: str) -> None: ...
    def finished(self, stage: Stage, seconds: float, reused: bool) -> None: ...
    def failed(self, stage: Stage, reason: str) -> None: ...
    def blocked(self, stages: list[Stage], cause: Stage) -> None: ...
    def given_up(self, stage: Stage) -> None: ...
    def grown(self, stages: list[Stage]) -> None: ...
    def message(self, text: str) -> None: ...
