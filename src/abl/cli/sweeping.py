"""`abl sweep` and `abl plan`."""

from __future__ import annotations

import json
import shlex
import sys
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from abl.cli.app import (
    ROOT,
    DataOpt,
    RootOpt,
    StoreOpt,
    SweepArg,
    TrustOpt,
    WrittenRootOpt,
    app,
    load_trusted,
    print_table,
    tells,
    terminal_width,
)
from abl.cli.output import say
from abl.cli.termination import INTERRUPTED
from abl.errors import InputError
from abl.streams import own_stdout

STOPPED = "stopped; the same command goes on from here"


class ExecutorName(StrEnum):
    """Who runs the stages."""

    tune = "tune"
    local = "local"


@app.command()
@tells
def sweep(
    file: SweepArg,
    data: DataOpt = None,
    mlruns: WrittenRootOpt = ROOT,
    executor: Annotated[ExecutorName, typer.Option(help="Ray Tune, or this process.")] = (
        ExecutorName.tune
    ),
    workers: Annotated[int | None, typer.Option(min=1, help="CPUs to use; default all.")] = None,
    address: Annotated[str | None, typer.Option(help="HOST:PORT of a Ray cluster.")] = None,
    record: Annotated[
        str,
        typer.Option(
            envvar="ABL_RECORD", help="MLflow tracking URI; on for the one in mlruns; off for none."
        ),
    ] = "on",
    live: Annotated[
        bool, typer.Option("--live", help="Learning curves in MLflow while trainings run.")
    ] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="Shrink it: does it run?")] = False,
    spread: Annotated[
        bool | None,
        typer.Option("--spread/--no-spread", help="± sd over replicates, not the interval."),
    ] = None,
    store: StoreOpt = None,
    trust: TrustOpt = False,
) -> None:
    """Run a sweep: train what is missing, score every arm, print and record the table."""
    began = time.monotonic()  # before imports, which take seconds
    from abl import api
    from abl.app.spent import spent_text
    from abl.app.watching import watched

    recorded: bool | str = {"on": True, "off": False}.get(record, record)
    if live and not recorded:
        raise InputError("--live shows curves in MLflow: take it out, or --record off")
    loaded = load_trusted(file, trust=trust, data=data or (), root=mlruns, smoke=smoke, store=store)
    try:
        with watched(loaded, executor=str(executor), workers=workers) as listener:
            result = api.run(
                loaded,
                executor=executor.value,
                workers=workers,
                address=address,
                record=recorded,
                live=live,
                listener=listener,
                began=began,
            )
    except KeyboardInterrupt:  # while images are read, or figures drawn
        print(STOPPED, file=sys.stderr)
        raise
    if not result.report.interrupted:
        colour = own_stdout().isatty()
        table = api.table(result, width=terminal_width(), colour=colour, spread=spread, few=True)
        print_table(table, colour=colour)
    for message in result.messages:
        say(message)
    if result.report.interrupted:
        print(STOPPED, file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    _print_place(result, mlruns)
    if result.report.ran:
        say(f"time: {spent_text(result.seconds)}", fit=True)
    _tell_failures(result, loaded)


def _print_place(result: Any, mlruns: Path) -> None:
    folder, here = result.folder, Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    say(f"\ntables and figures: {shown}")
    if result.address:
        place = [] if mlruns == ROOT else ["--mlruns", str(mlruns)]
        say("in MLflow: " + shlex.join(["abl", "ui", result.outcome.name, *place]))


def _tell_failures(result: Any, loaded: Any) -> None:
    """Every stage and arm without a result, and figures, and why: exit code 1 if there is one."""
    from abl.app.plan_words import arms_in_words
    from abl.report.named import words_of

    report, outcome = result.report, result.outcome
    using = loaded.plan.arms_using() if report.failed else {}
    names = arms_in_words(loaded) if report.failed else []
    for digest, reason in report.failed.items():
        stage = loaded.plan.stages[digest]
        arms = [names[at] for at in sorted(using[digest])]
        shown = "; ".join(arms[:3]) + (f" and {len(arms) - 3} more" if len(arms) > 3 else "")
        say(f"abl: failed: {stage.label} (arms: {shown}): {reason}", error=True)
        if digest in report.traces:
            say(report.traces[digest], error=True, fit=False)  # a traceback's lines stay whole
    of_stages = {at for digest in report.failed for at in using[digest]}
    failed = [each for at, each in enumerate(outcome.arms) if each.failed and at not in of_stages]
    for arm in failed:
        say(f"abl: failed: arm {words_of(arm, outcome)}: {arm.failed}", error=True)
    if result.undrawn:
        say(f"abl: {result.undrawn}", error=True)
    if report.failed or failed or result.undrawn:
        raise typer.Exit(1)


@app.command()
@tells
def plan(
    file: SweepArg,
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
    smoke: Annotated[bool, typer.Option("--smoke", help="Shrink it first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    why: Annotated[
        str | None, typer.Option(metavar="ARM", help="Why each stage of an arm is to be computed.")
    ] = None,
    store: StoreOpt = None,
    trust: TrustOpt = False,
) -> None:
    """Show what `abl sweep` would do or refuse, and why; look at the images, execute nothing."""
    from abl.app.plan_words import arms_in_words
    from abl.app.watching import numbers_of
    from abl.report.plan_text import plan_text

    loaded = load_trusted(file, trust=trust, data=data or (), root=mlruns, smoke=smoke, store=store)
    numbers = numbers_of(loaded, why, say=partial(say, error=True))
    if as_json:
        print(json.dumps(numbers, indent=1), file=own_stdout())
        return
    say(plan_text(loaded.name, numbers, arms_in_words(loaded)), fit=True)
