"""`abl data`: check a data set, or make one; `abl splits`: how a sweep divides one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ROOT, DataOpt, RootOpt, SweepArg, app, data_app, tells


@app.command()
@tells
def splits(
    file: SweepArg,
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write.")],
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
) -> None:
    """Write which images each split of a sweep trains, validates and tests on, for others."""
    from abl import api
    from abl.app.split_file import write_splits

    print(write_splits(api.load(file, data=data or (), root=mlruns), out), end="")


@data_app.command()
@tells
def check(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
    box_format: Annotated[
        str, typer.Option(help="What columns of boxes hold: pixels, shares, xywh, yolo, ...")
    ] = "pixels",
    bits: Annotated[int, typer.Option(help="How many bits files of 16 use; 0: as they say.")] = 0,
) -> None:
    """Read a manifest and every image of it; say everything that is wrong, and what it holds."""
    from abl.data.checking import check_report

    names = tuple(classes.split(","))
    print(check_report(manifest, names, box_format=box_format, bits=bits), end="")


@data_app.command()
@tells
def tissue(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    sheet: Annotated[Path | None, typer.Option(help="PNG file: the worst cases, drawn.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="New folder: the images cut, with masks and boxes.")
    ] = None,
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
) -> None:
    """Find the tissue in each image, without the scanner's text; say what a crop to it keeps."""
    from abl.data.tissue_report import tissue_report

    print(tissue_report(manifest, tuple(classes.split(",")), sheet=sheet, out=out), end="")


@data_app.command()
@tells
def group(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write, beside the manifest.")],
    sheet: Annotated[
        Path | None, typer.Option(help="PNG file: the groups, drawn; default: beside --out.")
    ] = None,
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Put near-duplicate images into groups: the manifest again, with a column that keeps them
    together in splits.
    """
    from abl.data.group_files import write_groups

    names = tuple(classes.split(","))
    print(write_groups(manifest, out, names, sheet=sheet, force=force), end="")


@data_app.command()
@tells
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    patients: Annotated[int, typer.Option(min=4)] = 200,
    size: Annotated[int, typer.Option(min=32, max=1024)] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    flip: Annotated[float, typer.Option(min=0, max=0.99)] = 0.0,
) -> None:
    """Write the generated ultrasound set, and print the ceiling that no network can pass."""
    from abl.data.phantom import bayes_ceiling, write_phantom
    from abl.spec.data import Phantom

    settings = Phantom(patients=patients, size=size, seed=seed, flip=flip)
    write_phantom(settings, out)
    print(f"written to {out}")
    for name, value in bayes_ceiling(settings).items():
        print(f"{name:32} {value:.3f}" if isinstance(value, float) else f"{name:32} {value}")
