"""`abl init`: from a folder of images to a manifest and a sweep file."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import app, tells
from abl.cli.output import say


@app.command()
@tells
def init(
    folder: Annotated[Path, typer.Argument(help="The folder of images, as it comes.")],
    out: Annotated[
        Path, typer.Option(help="Folder for manifest.csv and sweep.yaml.", show_default="here")
    ] = Path(),
    classes: Annotated[
        str | None, typer.Option(help="Classes to take, mildest first: benign,malignant.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="CSV file in the folder that names images and labels.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Its column of images.")] = None,
    label: Annotated[str | None, typer.Option(help="Its column of classes.")] = None,
    patient: Annotated[str | None, typer.Option(help="Its column of patients.")] = None,
    patients: Annotated[
        str | None,
        typer.Option(
            help="unknown, or folder: each patient's images lie in a folder of their own."
        ),
    ] = None,
    patient_from: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Reads the patient off an image's path: the part in ( ), such as 'P(\\d+)_'.",
        ),
    ] = None,
    networks: Annotated[str | None, typer.Option(help="Networks to compare: a,b,c.")] = None,
    size: Annotated[int | None, typer.Option(min=8, max=2048, help="Side in pixels.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there.")
    ] = False,
) -> None:
    """From a folder of images to manifest.csv and a sweep file that runs as it is."""
    from abl.app.init.command import InitOptions, init_sweep
    from abl.app.init.label_table import Columns

    options = InitOptions(
        out=out,
        classes=_listed(classes),
        table=table,
        columns=Columns(image, label, patient),
        patients=patients,
        patient_from=patient_from,
        networks=_listed(networks),
        size=size,
        force=force,
    )
    typed = sys.stdin.isatty() and sys.stdout.isatty()
    ask = _asked if typed else None
    say(init_sweep(folder, options, ask, say=partial(say, error=True)))


def _asked(question: str) -> str:
    return str(typer.prompt(question, default="", show_default=False))


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",")) if text is not None else ()
