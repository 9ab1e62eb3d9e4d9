"""`abl data`: check a data set, or make one; `abl splits`: how a sweep divides one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abl.cli.app import (
    ROOT,
    DataOpt,
    ForceOpt,
    RootOpt,
    SweepArg,
    TrustOpt,
    app,
    data_app,
    load_trusted,
    tells,
    terminal_width,
)
from abl.cli.output import say
from abl.streams import own_stdout

if TYPE_CHECKING:
    from abl.data.masks.rule import MaskRule


@app.command()
@tells
def splits(
    file: SweepArg,
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write.")],
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
    trust: TrustOpt = False,
    force: ForceOpt = False,
) -> None:
    """Write which images each split of a sweep trains, validates and tests on, for others."""
    from abl.app.split_file import write_splits

    loaded = load_trusted(file, trust=trust, data=data or (), root=mlruns)
    say(write_splits(loaded, out, force=force))


ColumnOpt = Annotated[
    list[str] | None,
    typer.Option(help="As data.columns, a column of another name: image=File; may be repeated."),
]
MaskValueOpt = Annotated[
    str | None, typer.Option(help="As data.mask_value, several with commas: 1,2 or '#ff0000'.")
]
MaskCutOpt = Annotated[
    float | None, typer.Option(help="As data.mask_cut.", min=0, max=1, show_default=False)
]
MaskInvertedOpt = Annotated[
    bool | None, typer.Option(help="As data.mask_inverted: yes or no.", show_default=False)
]


def _mask_rule(value: str | None, cut: float | None, inverted: bool | None) -> MaskRule:
    from abl.data.masks.rule import MaskRule
    from abl.errors import InputError
    from abl.spec.data import mask_values_listed, masks_told_once

    try:
        values = () if value is None else mask_values_listed(value.split(","))
    except ValueError as error:
        raise InputError(f"--mask-value: {error}") from None
    try:
        masks_told_once(values, cut, inverted)
    except ValueError as error:
        raise InputError(str(error).replace("mask_", "--mask-")) from None
    return MaskRule(values, cut, inverted)


@data_app.command()
@tells
def check(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
    images: Annotated[
        Path | None, typer.Option(help="As data.images: the folder that paths start from.")
    ] = None,
    mask_value: MaskValueOpt = None,
    mask_cut: MaskCutOpt = None,
    mask_inverted: MaskInvertedOpt = None,
    box_format: Annotated[
        str, typer.Option(help="What columns of boxes hold: pixels, shares, xywh, yolo, ...")
    ] = "pixels",
    bits: Annotated[int, typer.Option(help="How many bits files of 16 use; 0: as they say.")] = 0,
    column: ColumnOpt = None,
) -> None:
    """Read a manifest, every image and mask of it; say everything that is wrong, and what it
    holds.
    """
    from abl.data.checks.checking import check_report
    from abl.data.checks.option_words import CHECKED, columns_named, told_as_options

    names, rule = tuple(classes.split(",")), _mask_rule(mask_value, mask_cut, mask_inverted)
    columns = columns_named(column or ())
    with told_as_options(*CHECKED) as worded:
        report = check_report(
            manifest, names, images=images, rule=rule, box_format=box_format, bits=bits,
            columns=columns, width=terminal_width() if own_stdout().isatty() else None,
        )  # fmt: skip
    say(worded(report), fit=True)


@data_app.command()
@tells
def tissue(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    sheet: Annotated[Path | None, typer.Option(help="PNG file: the worst cases, drawn.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="New folder: the images cut, with masks and boxes.")
    ] = None,
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
    local: Annotated[
        bool, typer.Option("--local", help="As image: {crop: {to: tissue, threshold: local}}.")
    ] = False,
    mask_value: MaskValueOpt = None,
    mask_cut: MaskCutOpt = None,
    mask_inverted: MaskInvertedOpt = None,
    column: ColumnOpt = None,
    force: ForceOpt = False,
) -> None:
    """Find the tissue in each image, without the scanner's text; say what a crop to it keeps."""
    from abl.data.checks.option_words import MASKS, columns_named, told_as_options
    from abl.data.tissue.tissue_report import tissue_report

    rule = _mask_rule(mask_value, mask_cut, mask_inverted)
    columns = columns_named(column or ())
    with told_as_options(*MASKS, "columns") as worded:
        report = tissue_report(
            manifest,
            tuple(classes.split(",")),
            sheet=sheet,
            out=out,
            rule=rule,
            local=local,
            columns=columns,
            force=force,
        )
    say(worded(report))


@data_app.command()
@tells
def group(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write, beside the manifest.")],
    sheet: Annotated[
        Path | None, typer.Option(help="PNG file: the groups, drawn; default: beside --out.")
    ] = None,
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
    column: ColumnOpt = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Put near-duplicate images into groups: the manifest again, with a column that keeps them
    together in splits.
    """
    from abl.data.checks.option_words import columns_named, told_as_options
    from abl.data.duplicates.group_files import write_groups

    names, columns = tuple(classes.split(",")), columns_named(column or ())
    with told_as_options("columns"):
        said = write_groups(manifest, out, names, sheet=sheet, columns=columns, force=force)
    say(said)


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
    from abl.spec.model_faults import from_options

    settings = from_options(Phantom, patients=patients, size=size, seed=seed, flip=flip)
    write_phantom(settings, out)
    say(f"written: {out / 'manifest.csv'}\n\n")
    say("ceiling, in expectation  accuracy    AUC     F1")
    for name, found in bayes_ceiling(settings).items():
        accuracy, auc, f1 = (f"{found[key]:.3f}" for key in ("accuracy", "auc", "f1"))
        say(f"{name:23}  {accuracy:>8}  {auc}  {f1}")
    say(f"\nnext: abl data check {out / 'manifest.csv'}")


@data_app.command()
@tells
def split_frames(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet file of composite frames.")],
    out: Annotated[Path, typer.Option(help="New folder: both images of each frame, pairs.csv.")],
    sheet: Annotated[Path | None, typer.Option(help="PNG file: where frames were cut.")] = None,
    offset: Annotated[
        str | None,
        typer.Option(help="From the elasticity image to the other, ACROSS,DOWN in pixels."),
    ] = None,
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
    column: ColumnOpt = None,
    force: ForceOpt = False,
) -> None:
    """Split frames that show a conventional and an elasticity image into pairs, by colour."""
    from abl.data.checks.option_words import columns_named, told_as_options
    from abl.data.composites.split_frames import split_composites
    from abl.errors import InputError

    found = None
    if offset is not None:
        parts = offset.split(",")
        try:
            found = (int(parts[0]), int(parts[1])) if len(parts) == 2 else None
        except ValueError:
            found = None
        if found is None:
            raise InputError(f"--offset {offset}: write two whole numbers, as in --offset=-320,0")
    names, columns = tuple(classes.split(",")), columns_named(column or ())
    with told_as_options("columns"):
        said = split_composites(
            manifest, names, out=out, sheet=sheet, offset=found, columns=columns, force=force
        )
    say(said)
