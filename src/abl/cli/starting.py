"""Commands to begin with: doctor, and new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ROOT, app, tells
from abl.cli.output import say


@app.command()
@tells
def doctor(
    mlruns: Annotated[
        Path,
        typer.Option("--mlruns", envvar="ABL_MLRUNS", help="Folder of the store and the record."),
    ] = ROOT,
) -> None:
    """Look whether this machine has what a sweep needs; tell what is wrong and what to do."""
    from abl.app.doctor import findings

    wrong = 0
    for finding in findings(mlruns):
        say(finding.line, fit=True)
        wrong += bool(finding.wrong)
    if wrong:
        raise typer.Exit(1)


@app.command()
@tells
def new(
    name: Annotated[str, typer.Argument(help="A shipped sweep; without it they are listed.")] = "",
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Copy a shipped sweep, and the schema for editors, to begin with."""
    from abl.app.shipped import next_command, shipped_lines, write_shipped

    if not name:
        for each, text in shipped_lines():
            say(f"{each:34} {text}".rstrip(), fit=True)
        return
    written = write_shipped(name, out, force=force)
    for path in written:
        say(f"written: {path}")
    say(f"next: {next_command(written[0])}")
