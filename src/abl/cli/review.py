"""`abl review`: a page of the images to look at, and a corrected data set of the answers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ROOT, DataOpt, ModuleOpt, WrittenRootOpt, app, tells
from abl.cli.output import say
from abl.errors import InputError

Resolution = StrEnum("Resolution", ["unsure", "first", "keep"])


@app.command()
@tells
def review(
    sweep: Annotated[str, typer.Argument(help="Name of a sweep that was run.")],
    apply: Annotated[
        list[Path] | None,
        typer.Option(help="A review.csv that was filled in; again for a second reader's."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write.")] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="On the page, those to look at first; default 200.")
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="An arm that counts as a network, in a few words; may be repeated."),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Leave out what the networks said; draw the order.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Of --blind; default 0.")] = None,
    resolve: Annotated[
        Resolution | None,
        typer.Option(help="Where readers disagree: unsure (default), the first one's word, keep."),
    ] = None,
    test_labels: Annotated[
        bool, typer.Option("--test-labels", help="Correct the labels of test sets too.")
    ] = False,
    data: DataOpt = None,
    module: ModuleOpt = None,
    mlruns: WrittenRootOpt = ROOT,
) -> None:
    """Write a page of the images to look at, or bring what readers decided into the data."""
    from abl.record.opening import store_at

    roots = [Path(each) for each in data or ()]
    if apply:
        from abl.app.reviewing.applying import apply_review

        _refuse(
            images=images, arm=arm, blind=blind, seed=seed, why="is of the page: not with --apply"
        )
        if out is None:
            raise InputError("--apply needs --out FOLDER: the corrected set is written there")
        said = apply_review(
            store_at(mlruns),
            sweep,
            apply,
            out=out,
            resolve=(resolve or Resolution.unsure).value,
            test_labels=test_labels,
            roots=roots,
        )
    else:
        from abl.app.reviewing.writing import MOST_IMAGES, write_review

        _refuse(resolve=resolve, test_labels=test_labels, why="is of --apply")
        if seed is not None and not blind:
            raise InputError("--seed draws the order of --blind: leave it out")
        said = write_review(
            store_at(mlruns),
            sweep,
            out=out,
            images=images or MOST_IMAGES,
            arms=arm or (),
            blind=blind,
            seed=seed or 0,
            roots=roots,
        )
    for line in said:
        say(line)


def _refuse(*, why: str, **given: object) -> None:
    """Raises InputError for options that cannot matter."""
    for name, value in given.items():
        if value:
            raise InputError(f"--{name.replace('_', '-')} {why}")
