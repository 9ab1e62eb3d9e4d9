"""Commands that read what was run: table, compare, import, status, record, ui."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import (
    ROOT,
    DataOpt,
    ForceOpt,
    ModuleOpt,
    RootOpt,
    StoreOpt,
    WrittenRootOpt,
    app,
    print_table,
    tells,
    terminal_width,
    write_out,
)
from abl.cli.output import say
from abl.errors import InputError
from abl.streams import own_stdout

TableFormat = StrEnum("TableFormat", ["text", "md", "csv", "latex", "html"])
PairFormat = StrEnum("PairFormat", ["text", "md", "html", "csv"])


@app.command()
@tells
def table(
    name: Annotated[str, typer.Argument(help="Name of a sweep that was run.")],
    format: Annotated[TableFormat, typer.Option(help="How to write it.")] = TableFormat.text,
    show: Annotated[
        str,
        typer.Option(
            help="Another table: replicates, choices, tests, settings, cost, data, noise, "
            "external, searches, subgroup=COLUMN."
        ),
    ] = "",
    pivot: Annotated[str, typer.Option(help="ROWS,COLUMNS: two axes.")] = "",
    metric: Annotated[str, typer.Option(help="This metric alone.")] = "",
    published: Annotated[Path | None, typer.Option(help="CSV of published values.")] = None,
    decimals: Annotated[int | None, typer.Option(min=0, max=6, help="After the point.")] = None,
    fraction: Annotated[
        bool | None, typer.Option("--fraction/--per-cent", help="How shares are written.")
    ] = None,
    spread: Annotated[
        bool | None,
        typer.Option("--spread/--no-spread", help="± sd over replicates, not the interval."),
    ] = None,
    intervals: Annotated[
        bool | None,
        typer.Option("--intervals/--no-intervals", help="Beside --spread, the 95 % intervals too."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every arm as text too, where there are more than 40.")
    ] = False,
    data: DataOpt = None,
    module: ModuleOpt = None,
    mlruns: RootOpt = ROOT,
) -> None:
    """Print a sweep's ablation table again, or another table of it, without training."""
    from abl.app.showing import shown_table
    from abl.record.opening import store_at
    from abl.report.tables import printed

    made = shown_table(
        store_at(mlruns),
        name,
        show=show,
        pivot=pivot,
        metric=metric,
        published=published,
        decimals=decimals,
        fraction=fraction,
        spread=spread,
        intervals=intervals,
        roots=_paths(data),
        few=format is TableFormat.text and not every,
    )
    colour = format is TableFormat.text and own_stdout().isatty()
    print_table(printed(made, format.value, width=terminal_width(), colour=colour), colour=colour)


@app.command()
@tells
def compare(
    first: Annotated[str, typer.Argument(metavar="SWEEP:ARM", help="As threshold:model1,3.")],
    second: Annotated[str, typer.Argument(metavar="SWEEP:ARM", help="What it is held against.")],
    format: Annotated[
        PairFormat | None, typer.Option(help="How to write it; default: as the file ends, or text.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Default: the sweep's primary one.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
    data: DataOpt = None,
    module: ModuleOpt = None,
    mlruns: RootOpt = ROOT,
    force: ForceOpt = False,
) -> None:
    """Explain one arm against another, image by image."""
    from abl.app.comparing import comparison_text, refuse_comparison
    from abl.record.opening import store_at

    store = store_at(mlruns)
    if out is not None:
        refuse_comparison(store, [first, second], out, _paths(data), force=force)
    if format is None:
        ending = out.suffix.lower().removeprefix(".") if out is not None else ""
        ending = {"htm": "html", "markdown": "md"}.get(ending, ending)
        format = PairFormat(ending) if ending in list(PairFormat) else PairFormat.text
    colour = out is None and own_stdout().isatty()
    text = comparison_text(
        store,
        first,
        second,
        format=format.value,
        metric=metric,
        roots=_paths(data),
        width=terminal_width(),
        colour=colour,
    )
    if out is None:
        print_table(text, colour=colour)
    else:
        write_out(out, text)


def _paths(given: list[str] | None) -> list[Path]:
    return [Path(each) for each in given or ()]


@app.command(name="import")
@tells
def import_(
    sweep: Annotated[str, typer.Option("--into", help="Name of a sweep that was run.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Predictions, CSV or Parquet.")
    ] = None,
    name: Annotated[str, typer.Option("--as", help="The arm's name.")] = "",
    against: Annotated[str, typer.Option(help="The arm it is compared with.")] = "",
    forget: Annotated[
        str, typer.Option(metavar="NAME", help="Take an imported arm out again instead.")
    ] = "",
    data: DataOpt = None,
    record: Annotated[
        str,
        typer.Option(
            envvar="ABL_RECORD", help="MLflow tracking URI; on for the one in mlruns; off for none."
        ),
    ] = "on",
    mlruns: WrittenRootOpt = ROOT,
) -> None:
    """Bring an arm trained elsewhere into a sweep's table, or take it out."""
    from abl import api
    from abl.app.importing import forget_arm, import_arm
    from abl.app.recording import record_changed
    from abl.record.opening import store_at

    store = store_at(mlruns)
    if forget:
        if file is not None or name or against:
            raise InputError("--forget stands alone beside --into: leave out FILE, --as, --against")
        outcome = forget_arm(store, sweep, forget)
    elif file is None or not name:
        raise InputError("write FILE and --as NAME, or --forget NAME")
    else:
        outcome = import_arm(store, sweep, file, name, against=against, roots=_paths(data))
    print_table(api.table(outcome, width=terminal_width(), few=True))
    if record != "off":
        told = record_changed(mlruns, outcome, None if record == "on" else record)
        if told:
            say(f"abl: {told}", error=True)


@app.command()
@tells
def status(mlruns: RootOpt = ROOT, store: StoreOpt = None) -> None:
    """Show the sweeps that were run here, and the store."""
    from abl.app.watching import status_text

    say(status_text(mlruns, store), fit=True)


@app.command()
@tells
def record(
    mlruns: WrittenRootOpt = ROOT,
    uri: Annotated[str, typer.Option(help="MLflow URI.")] = "",
    store: StoreOpt = None,
) -> None:
    """Write to MLflow what the store holds and MLflow lacks or has lost."""
    from abl.app.recording import record_store

    _refuse_if_absent(mlruns)
    for line in record_store(mlruns.absolute(), uri or None, store):
        say(line)


@app.command()
@tells
def ui(
    name: Annotated[str | None, typer.Argument(help="Sweep to open at.")] = None,
    mlruns: WrittenRootOpt = ROOT,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="1 to 65535; 0 takes a free one.")
    ] = 0,
    host: Annotated[
        str, typer.Option(help="Interface to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
) -> None:
    """Open MLflow on the record, at the table of a sweep."""
    from abl.app.watching import ui_addresses
    from abl.record.mlflow_ui import reachable_from_outside, start_ui

    _refuse_if_absent(mlruns)
    pages = ui_addresses(mlruns.absolute(), name)
    outside = reachable_from_outside(host)
    with start_ui(mlruns.absolute(), port, host) as running:
        print(f"MLflow: {running.url}" + ("" if outside else " (this machine only)"))
        if outside:
            print(
                "abl: warning: reachable from other machines: whoever reaches this port reads and "
                "changes the record without a password; leave --host out to keep it here",
                file=sys.stderr,
            )
        for sweep_name, page in pages.items():
            print(f"{sweep_name}: {running.url}{page}")
        print("Ctrl-C stops it", flush=True)
        running.wait()


def _refuse_if_absent(mlruns: Path) -> None:
    if not mlruns.is_dir():
        raise InputError(f"--mlruns {mlruns}: nothing was run there: run `abl sweep FILE` first")
