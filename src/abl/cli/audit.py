"""`abl audit`: which labels to look at first, by predictions that any program made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ForceOpt, app, say_written, tells, terminal_width
from abl.cli.output import say


@app.command(name="audit")
@tells
def audit_command(
    predictions: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Out-of-fold predictions, CSV or Parquet: a file a network and run (NAME=FILE "
            "names the network), or with a column network.",
        ),
    ],
    theta: Annotated[
        float, typer.Option(help="Error rate from which an image counts as often wrong.")
    ] = 0.9,
    flag: Annotated[
        str, typer.Option(help="score, posterior (of the error rate), or share (as published).")
    ] = "score",
    classes: Annotated[
        str | None, typer.Option(help="Names of labels 0, 1, ...; of two: benign,malignant.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder or manifest of the images: near-duplicates whose labels differ."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for all images in order (.csv or .parquet).")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many images are printed.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All numbers.")] = False,
    force: ForceOpt = False,
) -> None:
    """Find the labels to look at first, from out-of-fold predictions; nothing is trained."""
    from abl.app.auditing.command import AuditAsked, audited

    names = None if classes is None else [name.strip() for name in classes.split(",")]
    asked = AuditAsked(
        predictions,
        theta,
        flag,
        classes=names,
        images=images,
        out=out,
        top=top,
        as_json=as_json,
        force=force,
    )
    say(audited(asked, terminal_width()).text)
    say_written(out)
