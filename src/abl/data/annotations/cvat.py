"""CVAT for images 1.1: one XML file.

Boxes are half open and may be turned, in degrees about their middle: the box around the corners is
taken. Masks are run lengths by row within their box. A tag is the label of the whole image. Points,
lines and skeletons have no area and are left out. Tracks of a video are refused: their export "for
images" has them as shapes.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from abl.data.annotations.fill import ellipse_outline, run_lengths, turned_corners
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading
from abl.data.annotations.regions import (
    AnnotatedImage,
    AnnotationKind,
    Annotations,
    Bitmap,
    Region,
)
from abl.data.annotations.splits import split_word
from abl.data.annotations.values import (
    NOT_NUMBERS,
    corners_box,
    finite_numbers,
    name_of,
    points_of,
    size_of,
)

NO_AREA = ("points", "polyline", "skeleton", "cuboid")
SHAPES = ("box", "polygon", "ellipse", "mask", *NO_AREA)


def _recognises(folder: AnnotatedFolder) -> str | None:
    return next(iter(_files(folder)), None)


def _files(folder: AnnotatedFolder) -> list[str]:
    return [name for name in folder.ending(".xml") if folder.has_words(name, "<annotations")]


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    for name in _files(folder):
        root = reading.xml(name)
        if root is None:
            continue
        if root.find("track") is not None:
            reading.problem("holds tracks of a video; export it as 'CVAT for images'", name)
            continue
        for image in root.iter("image"):
            _read_image(reading, name, image)
    return reading.done()


def _read_image(reading: Reading, name: str, image: ElementTree.Element) -> None:
    named = image.get("name", "")
    path = reading.image_named(named, name)
    if path is None:
        return
    tags = {name_of(tag.get("label")) for tag in image.iter("tag")} - {""}
    columns = {}
    for tag in image.iter("tag"):
        columns.update(_attributes(tag))
    if split := split_word([image.get("subset", "")]) or split_word(
        PurePosixPath(named).parts[:-1]
    ):
        columns["split"] = split
    regions = []
    shapes = [each for each in image if each.tag in SHAPES]
    for position, shape in enumerate(shapes):
        if shape.tag in NO_AREA:
            what = f"{name}: {shape.tag} at {position} of {named}"
            reading.leave(what, f"{shape.tag}, which has no area")
        else:
            regions.append(_region(shape, f"{shape.tag} at {position}"))
    if len(tags) > 1:
        reading.problem(f"image '{named}' has several tags: {', '.join(sorted(tags))}", name)
    reading.add(
        AnnotatedImage(
            path,
            tuple(regions),
            size_of(image.get("height"), image.get("width")),
            label=tags.pop() if len(tags) == 1 else "",
            columns=columns,
            source=name,
        )
    )


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    found = {
        each.get("name", ""): name_of(each.text or "") for each in element.findall("attribute")
    }
    return {key: value for key, value in found.items() if key and value}


def _region(shape: ElementTree.Element, at: str) -> Region:
    common: dict[str, Any] = {
        "category": name_of(shape.get("label")), "attributes": _attributes(shape), "at": at,
    }  # fmt: skip
    angle = finite_numbers([shape.get("rotation", "0")])
    if angle is None:
        return Region(**common, fault=NOT_NUMBERS)
    if shape.tag == "polygon":
        text = shape.get("points", "")
        points = points_of([pair.split(",") for pair in text.split(";") if pair.strip()])
        if points is None:
            return Region(**common, fault=NOT_NUMBERS)
        return Region(**common, polygons=(points,))
    keys = {
        "box": ("xtl", "ytl", "xbr", "ybr"),
        "ellipse": ("cx", "cy", "rx", "ry"),
        "mask": ("left", "top", "width", "height"),
    }[shape.tag]
    numbers = finite_numbers([shape.get(key) for key in keys])
    if numbers is None:
        return Region(**common, fault=NOT_NUMBERS)
    a, b, c, d = numbers
    if shape.tag == "box":
        corners = turned_corners((a, b, c, d), angle[0])
        box = corners_box(*corners.T.tolist()) if angle[0] else (a, b, c, d)
        return Region(**common, box=box)
    if shape.tag == "ellipse":
        if min(c, d) < 0:
            return Region(**common, fault="radius below 0")
        outline = ellipse_outline((a, b), (c, d), math.radians(angle[0]))
        return Region(**common, polygons=(outline,))
    size = size_of(d, c)
    if size is None or a != int(a) or b != int(b):
        return Region(**common, fault=NOT_NUMBERS)
    pixels = partial(_pixels, shape.get("rle", ""), *size)
    return Region(**common, bitmap=Bitmap(pixels, int(a), int(b)))


def _pixels(text: str, height: int, width: int) -> np.ndarray:
    counts = finite_numbers([each for each in re.split(r"[,\s]+", text) if each])
    if counts is None:
        raise ValueError(NOT_NUMBERS)
    return run_lengths(counts, height, width, by_rows=True)


KIND = AnnotationKind("cvat", "CVAT for images (XML)", _recognises, _read)
