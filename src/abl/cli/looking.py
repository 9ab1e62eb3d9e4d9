"""Commands that read what was run: table, compare, status, record, ui, list, schema."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ROOT, DataOpt, RootOpt, app, print_whole, tells, terminal_width


class TableFormat(StrEnum):
    """How a table is written."""

    text = "text"
    md = "md"
    csv = "csv"
    latex = "latex"
    html = "html"


class PairFormat(StrEnum):
    """How a comparison is written."""

    text = "text"
    md = "md"
    html = "html"
    csv = "csv"


@app.command()
@tells
def table(
    name: Annotated[str, typer.Argument(help="Name of a sweep that was run.")],
    format: Annotated[TableFormat, typer.Option(help="How to write it.")] = TableFormat.text,
    show: Annotated[
        str,
        typer.Option(
            help="Another table: replicates, choices, tests, settings, cost, data, noise, "
            "subgroup=COLUMN."
        ),
    ] = "",
    pivot: Annotated[str, typer.Option(help="ROWS,COLUMNS: two axes.")] = "",
    metric: Annotated[str, typer.Option(help="This metric alone.")] = "",
    published: Annotated[Path | None, typer.Option(help="CSV of published values.")] = None,
    decimals: Annotated[int | None, typer.Option(min=0, max=6, help="After the point.")] = None,
    fraction: Annotated[
        bool | None, typer.Option("--fraction/--per-cent", help="How shares are written.")
    ] = None,
    intervals: Annotated[
        bool | None, typer.Option("--intervals/--no-intervals", help="95 % intervals.")
    ] = None,
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
) -> None:
    """Print a sweep's ablation table again, or another table of it, without training."""
    from abl.api import store_at
    from abl.report.tables import render
    from abl.showing import shown_table

    made = shown_table(
        store_at(mlruns),
        name,
        show=show,
        pivot=pivot,
        metric=metric,
        published=published,
        decimals=decimals,
        fraction=fraction,
        intervals=intervals,
        roots=data or (),
    )
    colour = format is TableFormat.text and sys.stdout.isatty()
    print_whole(render(made, format.value, width=terminal_width(), colour=colour))


@app.command()
@tells
def compare(
    first: Annotated[str, typer.Argument(metavar="SWEEP:ARM", help="As threshold:model1,3.")],
    second: Annotated[str, typer.Argument(metavar="SWEEP:ARM", help="What it is held against.")],
    format: Annotated[PairFormat, typer.Option(help="How to write it.")] = PairFormat.text,
    metric: Annotated[str, typer.Option(help="Default: the sweep's primary one.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
) -> None:
    """Explain one arm against another, image by image."""
    from abl.api import store_at
    from abl.comparing import comparison_text
    from abl.record.store import write_atomically

    text = comparison_text(
        store_at(mlruns),
        first,
        second,
        format=format.value,
        metric=metric,
        roots=data or (),
        width=terminal_width(),
        colour=out is None and sys.stdout.isatty(),
    )
    if out is None:
        print_whole(text)
    else:
        write_atomically(out, text)


@app.command(name="import")
@tells
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Predictions, CSV or Parquet.")],
    name: Annotated[str, typer.Option("--as", help="The arm's name.")],
    sweep: Annotated[str, typer.Option("--into", help="Name of a sweep that was run.")],
    against: Annotated[str, typer.Option(help="The arm it is compared with.")] = "",
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
) -> None:
    """Bring an arm trained elsewhere into a sweep's table."""
    from abl import api
    from abl.importing import import_arm

    outcome = import_arm(api.store_at(mlruns), sweep, file, name, against=against, roots=data or ())
    print_whole(api.table(outcome, width=terminal_width()))


@app.command()
@tells
def status(mlruns: RootOpt = ROOT) -> None:
    """Show the sweeps that were run here, and the store."""
    from abl.watching import status_text

    print(status_text(mlruns), end="")


@app.command()
@tells
def record(
    mlruns: RootOpt = ROOT, uri: Annotated[str, typer.Option(help="MLflow URI.")] = ""
) -> None:
    """Write to MLflow what the store holds and MLflow lacks."""
    from abl.session import record_store

    for line in record_store(mlruns.absolute(), uri or None):
        print(line)


@app.command()
@tells
def ui(
    name: Annotated[str | None, typer.Argument(help="Sweep to open at.")] = None,
    mlruns: RootOpt = ROOT,
    port: Annotated[int | None, typer.Option(help="Default: a free one.")] = None,
) -> None:
    """Open MLflow on the record, at the table of a sweep."""
    import signal

    from abl.record.mlflow_ui import start_ui
    from abl.watching import ui_addresses

    # the server runs in a session of its own: whoever ends this command must end it too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pages = ui_addresses(mlruns.absolute(), name)
    with start_ui(mlruns.absolute(), port) as running:
        print(f"MLflow: {running.url} (this machine only)")
        for sweep_name, page in pages.items():
            print(f"{sweep_name}: {running.url}{page}")
        print("Ctrl-C stops it", flush=True)
        running.wait()


@app.command(name="list")
@tells
def list_(
    what: Annotated[str, typer.Argument(help="networks, rules, metrics, studies or axes.")],
    timm: Annotated[bool, typer.Option("--timm", help="Networks: timm's too.")] = False,
) -> None:
    """List the names a sweep file may use."""
    from abl.watching import listed

    for name, text in listed(what, timm=timm):
        print(f"{name:24} {text}".rstrip())


@app.command()
@tells
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="A page instead.")] = False,
) -> None:
    """Write the JSON Schema of sweep files, for editors."""
    from abl.record.store import write_atomically
    from abl.watching import full_reference, full_schema

    text = full_reference() if markdown else full_schema()
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
