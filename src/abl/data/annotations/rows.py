"""Annotations to rows of a manifest: what each image gets, and why others get none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abl.data.annotations.labels import LEAVE, Labelling
from abl.data.annotations.places import (
    NOTHING_FILLED,
    DrawnRegions,
    OtherSizeError,
    UnknownFrameError,
    place_of,
)
from abl.data.annotations.regions import AnnotatedImage, Left, Region
from abl.data.manifest import CONTROL
from abl.data.tables.rows import first_of_each_kind
from abl.errors import InputError, Problem

NO_REGION = "image without a region, so without a class (--empty NAME gives it one)"
NO_CLASS = "image without a class"
OTHER_CLASS = "region of a category that is in no --class"
TWO_CLASSES = "image with regions of several classes"
LINK = "link to an image outside the manifest's folder"
ODD_NAME = "image with a name that no manifest can hold"
ALL_BOXES = "regions are boxes alone"
SOME_BOXES = "boxes beside outlines, so that a mask would lack them"
NOT_DRAWN = "a region cannot be drawn"
NO_PIXEL = "outlines fill no pixel"


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the manifest to be, its mask apart.

    Attributes:
        regions: How many are united in its mask and box.
    """

    image: AnnotatedImage
    label: str
    patient: str
    regions: int
    place: DrawnRegions


@dataclass
class Account:
    """What is said of the rows.

    Attributes:
        left: Images and regions without a row or a place.
        no_mask: Images that have a row with regions and no mask.
    """

    left: list[Left] = field(default_factory=list)
    no_mask: list[Left] = field(default_factory=list)


def labelled(
    images: Sequence[AnnotatedImage], labelling: Labelling, account: Account
) -> list[tuple[AnnotatedImage, str]]:
    """The images that have a class, with it.

    Raises:
        InputError: Every image with regions of several classes, unless it was said what they are.
    """
    found, problems = [], []
    for image in images:
        if CONTROL.search(image.image) or not _is_text(image.image):
            account.left.append(Left(repr(image.image), ODD_NAME))
            continue
        values = labelling.values(image)
        account.left += _other_categories(image, labelling)
        if len(values) > 1 and labelling.mixed == LEAVE:
            account.left.append(Left(image.image, TWO_CLASSES))
        elif len(values) > 1 and labelling.mixed in values:
            found.append((image, labelling.mixed))
        elif len(values) > 1:
            problems.append(
                Problem(
                    f"has regions of {', '.join(values)}, and a row is an image; --mixed NAME "
                    "gives such images that class, --mixed leave leaves them out",
                    image.image,
                )
            )
        elif values:
            found.append((image, values[0]))
        elif not image.regions and not image.mask_files and labelling.empty:
            found.append((image, labelling.empty))
        else:
            account.left.append(_without_class(image, labelling))
    if problems:
        raise InputError(first_of_each_kind(problems))
    return found


def _other_categories(image: AnnotatedImage, labelling: Labelling) -> Iterator[Left]:
    kept = set(map(id, labelling.regions(image)))
    for region in image.regions:
        if id(region) not in kept:
            name = region.category or "none"
            yield Left(f"{image.source}: {region.at} ({name}) of {image.image}", OTHER_CLASS)


def _without_class(image: AnnotatedImage, labelling: Labelling) -> Left:
    if said := labelling.said(image):
        name = labelling.by.removeprefix("region:")
        return Left(f"{image.image} ({', '.join(said)})", f"image with a {name} in no --class")
    if not image.regions and labelling.of_regions:
        return Left(image.image, NO_REGION)
    return Left(image.image, NO_CLASS)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of a file name that are not UTF-8
        return False
    return True


def rows_of(
    found: Sequence[tuple[AnnotatedImage, str]],
    *,
    labelling: Labelling,
    patient_of: Callable[[AnnotatedImage], str] | None,
    folder: Path,
    root: Path,
    frame: str | None,
    account: Account,
    problems: list[Problem],
) -> Iterator[Row]:
    """A row for each image that can be read and is of the size that was annotated.

    Args:
        root: The folder of the manifest, in which images have to lie once links are followed.
        frame: Of which pixels coordinates are; see `place_of`.
        problems: Gets images of which that is not known; no row is to be kept then.
    """
    root = root.resolve()
    for image, label in found:
        if not (folder / image.image).resolve().is_relative_to(root):
            account.left.append(Left(image.image, LINK))
            continue
        regions = labelling.regions(image)
        try:
            place = _place(image, regions, folder, frame)
        except OtherSizeError as error:
            account.left.append(
                Left(f"{image.image}: {error}", "image of another size than annotated")
            )
            continue
        except UnknownFrameError as error:
            problems.append(Problem(str(error), image.image))
            continue
        except InputError as error:
            if error.problems[0].file is None:  # not a fault of this image
                raise
            account.left += [
                Left(f"{each.file}: {each.message}", "image that cannot be read")
                for each in error.problems
            ]
            continue
        account.left += [
            Left(f"{image.source}: {at} of {image.image}", fault) for at, fault in place.faults
        ]
        if regions and place.mask is None:
            account.no_mask.append(Left(image.image, _no_mask(regions, place)))
        patient = "" if patient_of is None else patient_of(image)
        yield Row(image, label, patient, len(regions), place)


def _no_mask(regions: list[Region], place: DrawnRegions) -> str:
    faults = {fault for _, fault in place.faults}
    if faults - {NOTHING_FILLED}:
        return NOT_DRAWN
    if not any(each.has_outline for each in regions):
        return ALL_BOXES
    return NO_PIXEL if all(each.has_outline for each in regions) else SOME_BOXES


def _place(
    image: AnnotatedImage, regions: list[Region], folder: Path, frame: str | None
) -> DrawnRegions:
    if image.mask_files:  # its masks are there, and say more than anything drawn here
        return DrawnRegions(None, None)
    return place_of(image, regions, folder, frame)
