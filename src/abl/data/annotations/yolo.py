"""YOLO: a text file an image, a line a region, in shares of the image's width and height.

Five numbers are a class and a box by its middle and sides, seven or more in odd number a class and
the corners of an outline. Where every line of a set has the corners of a rectangle, these are
turned boxes, and make no mask. The text lies beside its image, or below `labels/` where the image
is below `images/`; an empty one says that nothing was found. Names of classes are in data.yaml,
classes.txt or a file `.names`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading
from abl.data.annotations.regions import AnnotatedImage, AnnotationKind, Annotations, Region
from abl.data.annotations.values import corners_box, finite_numbers
from abl.data.annotations.yolo_names import LISTS, names_classes, yaml_files, yolo_class_names

MOST_OUTSIDE = 0.02  # shares of tools that round, and of boxes drawn over the edge
AS_ROUNDED = 0.02  # of a turned box, that corners may lie beside their places


def _recognises(folder: AnnotatedFolder) -> str | None:
    for name in _label_files(folder):
        first = next(iter(_lines(folder, name)), "")
        numbers = finite_numbers(first.split())
        if numbers and len(numbers) >= 5 and numbers[0] == int(numbers[0]) >= 0:
            return name
    return next(
        (
            name
            for name in yaml_files(folder)
            if _label_files(folder) and names_classes(folder, name)
        ),
        None,
    )


def _label_files(folder: AnnotatedFolder) -> list[str]:
    found = []
    for name in folder.ending(".txt"):
        path = PurePosixPath(name)
        if path.name.lower() in LISTS:
            continue
        below_labels = "labels" in (part.lower() for part in path.parent.parts)
        if below_labels or folder.image_with_stem(path.stem, name):
            found.append(name)
    return found


def _lines(folder: AnnotatedFolder, name: str) -> list[str]:
    try:
        return [line for line in folder.text(name).splitlines() if line.strip()]
    except ValueError:
        return []


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    names = yolo_class_names(reading)
    found = []
    for name in _label_files(folder):
        text = reading.text(name)
        regions = [] if text is None else _regions(reading, name, text, names)
        image = _image_of(reading, name)
        if image is not None:
            found.append(AnnotatedImage(image, tuple(regions), source=name))
    regions = [region for image in found for region in image.regions]
    turned = bool(regions) and all(map(_is_turned_box, regions))
    if turned:
        reading.notes.append(
            "Every line is the corners of a turned box; boxes are taken around them, and no masks."
        )
    for each in found:
        reading.add(_upright(each) if turned else each)
    used = {region.category for region in regions}
    if unused := [name for name in names.values() if name not in used]:
        reading.notes.append(f"Classes without a region: {', '.join(unused)}.")
    if not names:
        reading.notes.append("No data.yaml or classes.txt: classes are known by number alone.")
    return reading.done()


def _is_turned_box(region: Region) -> bool:
    """Whether its corners are those of a parallelogram, as rectangles are whatever the shares."""
    if not region.polygons or len(region.polygons[0]) != 4:
        return False
    first, second, third, fourth = region.polygons[0]
    size = np.ptp(region.polygons[0], axis=0).max()
    return bool(np.abs(first + third - second - fourth).max() <= AS_ROUNDED * size + 1e-5)


def _upright(image: AnnotatedImage) -> AnnotatedImage:
    return replace(
        image,
        regions=tuple(
            replace(each, polygons=(), box=corners_box(*each.polygons[0].T.tolist()))
            for each in image.regions
        ),
    )


def _image_of(reading: Reading, name: str) -> str | None:
    path = PurePosixPath(name)
    parts = ["images" if part.lower() == "labels" else part for part in path.parent.parts]
    named = PurePosixPath(*parts, path.stem).as_posix()
    found = reading.folder.image_with_stem(named, PurePosixPath(*parts, path.name).as_posix())
    if isinstance(found, str):
        return found
    return reading.image_named("", name, or_stem=named)


def _regions(reading: Reading, name: str, text: str, names: dict[int, str]) -> list[Region]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        region = _region(line, names, f"line {number}")
        if isinstance(region, str):
            reading.problem(region, name, number)
        else:
            found.append(region)
    return found


def _region(line: str, names: dict[int, str], at: str) -> Region | str:
    """The region of a line, or what is wrong with it."""
    numbers = finite_numbers(line.split())
    if not numbers or numbers[0] != int(numbers[0]) or numbers[0] < 0:
        return "is not the number of a class and shares of the image"
    label, shares = int(numbers[0]), np.array(numbers[1:])
    if len(numbers) == 6:
        return "has six numbers: a box with a confidence is a prediction"
    if len(numbers) < 5 or len(numbers) % 2 == 0:
        return f"has {len(numbers)} numbers; five are a box, seven or more in odd number an outline"
    if shares.min() < -MOST_OUTSIDE or shares.max() > 1 + MOST_OUTSIDE:
        return "has coordinates that are no shares of the image (0 to 1)"
    if names and label not in names:
        return f"has class {label}, which has no name"
    category = names.get(label, str(label))
    if len(numbers) > 5:
        return Region(category, polygons=(shares.reshape(-1, 2),), shares=True, at=at)
    x, y, width, height = shares.tolist()
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Region(category, box=box, shares=True, at=at)


KIND = AnnotationKind("yolo", "YOLO (text files)", _recognises, _read)
