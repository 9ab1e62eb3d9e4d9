"""`abl data import`: annotations of other programs to a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import data_app, tells
from abl.cli.output import say


@data_app.command(name="import")
@tells
def import_annotated(
    folder: Annotated[Path, typer.Argument(help="Images and their annotations, as they came.")],
    out: Annotated[Path, typer.Option(help="CSV file to write, in the folder or above it.")],
    kind: Annotated[
        str | None,
        typer.Option(
            help="Format, if there are several: coco, labelme, via, voc, yolo, cvat, ddti, "
            "beside (masks beside images)."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="What the class is: category, folder, image, or an attribute's name."),
    ] = None,
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", help="Values of a class, as malignant=4a,4b; may be repeated."),
    ] = None,
    empty: Annotated[str, typer.Option(help="Class of images without a region.")] = "",
    mixed: Annotated[
        str, typer.Option(help="Class of images with regions of several classes, or leave.")
    ] = "",
    patient: Annotated[
        str | None,
        typer.Option(
            help="What the patient is: an attribute's name, folder, an expression whose group in "
            "the path is it, or none."
        ),
    ] = None,
    exif: Annotated[
        str | None,
        typer.Option(help="Pixels that coordinates of turned images are of: stored or upright."),
    ] = None,
    masks: Annotated[str, typer.Option(help="Folder of masks beside --out.")] = "masks",
    left: Annotated[
        Path | None, typer.Option(help="CSV file for everything that was left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write an import anew.")] = False,
) -> None:
    """Make a manifest, masks and boxes of annotated images; say what was taken and left."""
    from abl.data.annotations.importing import ImportOptions, import_annotations

    options = ImportOptions(
        kind=kind,
        label=label,
        classes=class_ or (),
        empty=empty,
        mixed=mixed,
        patient=patient,
        exif=exif,
        masks=masks,
        left=left,
        force=force,
    )
    say(import_annotations(folder, out, options))
