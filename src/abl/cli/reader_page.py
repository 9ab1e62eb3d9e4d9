"""`abl readers page`: the page on which readers answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ROOT, DataOpt, ModuleOpt, WrittenRootOpt, tells
from abl.cli.output import say
from abl.cli.readers import readers_app


@readers_app.command(name="page")
@tells
def reading_page_command(
    sweep: Annotated[str, typer.Argument(help="Name of a sweep that was run.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write.")] = None,
    images: Annotated[
        int | None,
        typer.Option(min=1, help="So many test images, each class with its share; default 500."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of which images, and in what order.")] = 0,
    session: Annotated[
        int, typer.Option(min=1, help="2: the same images once more, in another order.")
    ] = 1,
    treatment: Annotated[
        str, typer.Option(help="A column of the answers: unaided, aided; each in another order.")
    ] = "",
    aid: Annotated[
        str | None,
        typer.Option(
            metavar="ARM",
            help="Two pages, unaided and aided: the second shows what this arm said of each image.",
        ),
    ] = None,
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="Both images of a pair, also where networks see the first."),
    ] = False,
    data: DataOpt = None,
    module: ModuleOpt = None,
    mlruns: WrittenRootOpt = ROOT,
) -> None:
    """Write a page on which readers answer: test images without labels, in a random order."""
    from abl.app.reader_page.writing_page import write_reading_page
    from abl.record.opening import store_at

    said = write_reading_page(
        store_at(mlruns),
        sweep,
        out=out,
        images=images,
        seed=seed,
        session=session,
        treatment=treatment.strip(),
        aid=aid,
        pairs=pairs,
        roots=[Path(each) for each in data or ()],
    )
    for line in said:
        say(line)
