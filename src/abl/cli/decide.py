"""`abl decide`: rules and thresholds on predictions that any program made."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ForceOpt, app, say_written, tells, terminal_width
from abl.cli.output import say
from abl.errors import InputError

DecidedFormat = StrEnum("DecidedFormat", ["text", "md", "csv", "json"])


@app.command(name="decide")
@tells
def decide_command(
    original: Annotated[
        Path, typer.Option(help="Predictions of the original network (CSV or Parquet).")
    ],
    true: Annotated[Path | None, typer.Option(help="Those of the True network.")] = None,
    false: Annotated[Path | None, typer.Option(help="Those of the False network.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="One rule, as `abl list rules` names it.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="T*: 0.9, always, 38%, exact, promise or histogram.")
    ] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Every rule at its best T*.")] = False,
    search: Annotated[bool, typer.Option("--search", help="Search with Optuna.")] = False,
    false_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of the False network; default 0.1.")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Columns, separated by commas.")] = (
        "acc,spe,sen,f1,auc"
    ),
    by: Annotated[str | None, typer.Option(help="Metric to choose by; default f1.")] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="Grid for --sweep: FROM:TO:COUNT, numbers, always.")
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            help="What --search moves: threshold or class_thresholds, weight, cutoff, "
            "false_threshold."
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="Of --search; twice for a front: a metric or cost, then share."),
    ] = None,
    costs: Annotated[
        str | None, typer.Option(help="Of mistakes: 0,1/5,0 (a row a true class).")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Of --search; default 200.")] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="Of --search: one of `abl list samplers` but grid; default tpe."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of --search; default 0.")] = None,
    study: Annotated[
        Path | None, typer.Option(help="Journal of the search, to go on from.")
    ] = None,
    risk: Annotated[
        str | None,
        typer.Option(help="Of --threshold promise: error (default) of what stays, or missed."),
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="The risk stays under it; default 0.05.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="How sure the promise is; default 0.9.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names of labels 0, 1, ...; of two: benign,malignant.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the final predictions (.csv or .parquet).")
    ] = None,
    curve: Annotated[
        Path | None, typer.Option(help="File for the curves over T* of --sweep.")
    ] = None,
    format: Annotated[
        DecidedFormat | None, typer.Option(help="How to print; default text.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
    force: ForceOpt = False,
) -> None:
    """Decide from files of predictions that any program made; nothing is trained."""
    from abl.app.deciding.asked import Asked, read_costs
    from abl.app.deciding.command import decided

    if as_json and format not in (None, DecidedFormat.json):
        raise InputError(f"--json or --format {format}, not both")
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    asked = Asked(
        original,
        true,
        false,
        rule=rule,
        threshold=threshold,
        sweep=sweep,
        search=search,
        false_threshold=false_threshold,
        metrics=metrics.split(","),
        by=by,
        thresholds=thresholds,
        space=() if over is None else over.split(","),
        objectives=objective or (),
        trials=trials,
        sampler=sampler,
        seed=seed,
        costs=read_costs(costs, len(names) if names else None),
        study=study,
        risk=risk,
        level=level,
        confidence=confidence,
        classes=names,
        out=out,
        curve=curve,
        format="json" if as_json else (format or DecidedFormat.text).value,
        force=force,
    )
    say(decided(asked, terminal_width()).text)
    say_written(out, curve)
