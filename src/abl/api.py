"""The Python API: load a sweep, look at its plan, run it, print its table.

sweep = abl.load("sweeps/threshold.yaml")
result = abl.run(sweep)
print(abl.table(result.outcome, format="md"))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from abl.app.loaded import LoadedSweep, study_of
from abl.app.results import outcome_named
from abl.app.session import SweepResult, run_sweep
from abl.errors import InputError, Problem, nearest
from abl.nets.trust import UntrustedError, trust_folder_of
from abl.plan.outcome import Outcome
from abl.plan.stage import Stage
from abl.record.mlflow_writer import MlflowRecord
from abl.record.opening import check_root, mirrored, store_at
from abl.report.tables import printed, styled_table
from abl.runner.engine import Executor
from abl.runner.protocols import Listener
from abl.spec.read import read_form
from abl.spec.sweep import smoked
from abl.spec.yaml_file import read_with_faults
from abl.stages.inputs import Workspace
from abl.studies.shared.checks import load_problems
from abl.studies.shared.published_protocol import protocol_problems

Format = Literal["text", "md", "csv", "latex", "html"]
ROOT = "mlruns"


def load(
    path: str | Path,
    *,
    data: Sequence[str | Path] = (),
    root: str | Path = ROOT,
    smoke: bool = False,
    store: str | None = None,
    trust: bool = False,
) -> LoadedSweep:
    """Reads and checks a sweep file.

    Args:
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
    document = read_with_faults(Path(path))
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
    if problems:
        raise InputError(sorted(problems, key=lambda problem: problem.line or 0))
    opened = store_at(root, store)
    opened.check(writing=False)
    workspace = Workspace(opened, file.folder, roots)
    return LoadedSweep(document, file, study, workspace, Path(root).absolute(), shrunk=smoke)


def run(
    sweep: LoadedSweep | str | Path,
    *,
    executor: Executor = "tune",
    workers: int | None = None,
    address: str | None = None,
    record: bool | str = True,
    listener: Listener | None = None,
    began: float | None = None,
) -> SweepResult:
    """Runs what the store does not hold, scores every arm and records everything.

    Args:
        sweep: What `load` gave, or the path of a sweep file that needs no more said.
        executor: tune (Ray) or local (this process).
        workers: CPUs to use on this machine; default all.
        address: HOST:PORT of a Ray cluster.
        record: True for the embedded MLflow in the mlruns folder, a tracking URI, or False.
        began: `time.monotonic()` when the command began that this is a part of; default now.

    Raises:
        InputError: The data, the executor or MLflow cannot be used; nothing was trained then.
    """
    if executor not in get_args(Executor):
        raise InputError(f"executor '{executor}': {nearest(str(executor), get_args(Executor))}")
    if not isinstance(sweep, LoadedSweep):
        sweep = load(sweep)
    check_root(sweep.root, writing=True)
    sweep.store.check(writing=True)
    uri = record if isinstance(record, str) else None
    return run_sweep(
        sweep,
        listener or Silent(),
        executor=executor,
        workers=workers,
        address=address,
        record=MlflowRecord(sweep.root, uri) if record else None,
        began=began,
    )


def table(
    sweep: Outcome | SweepResult | str,
    *,
    format: Format = "text",
    root: str | Path = ROOT,
    width: int = 120,
    colour: bool = False,
    spread: bool | None = None,
) -> str:
    """An ablation table as text, md, csv, latex or html.

    Args:
        spread: Mean ± standard deviation over replicates, instead of the 95 % interval; default: as
            the sweep file's `table:` block says.
        sweep: What a run gave, or the name of a sweep that was run: its newest table.

    Raises:
        InputError: No such sweep.
    """
    if isinstance(sweep, SweepResult):
        sweep = sweep.outcome
    outcome = sweep if isinstance(sweep, Outcome) else outcome_named(store_at(root), sweep)
    made = styled_table(outcome) if spread is None else styled_table(outcome, spread=spread)
    return printed(made, format, width=width, colour=colour)


class Silent:
    """A listener that says nothing."""

    def started(self, stage: Stage, where: str) -> None: ...
    def finished(self, stage: Stage, seconds: float, reused: bool) -> None: ...
    def failed(self, stage: Stage, reason: str) -> None: ...
    def blocked(self, stages: list[Stage], cause: Stage) -> None: ...
    def given_up(self, stage: Stage) -> None: ...
    def grown(self, stages: list[Stage]) -> None: ...
    def message(self, text: str) -> None: ...
