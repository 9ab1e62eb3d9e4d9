"""LabelMe: a JSON file beside each image.

Polygons are outlines; circles come as two points, the centre and one of the edge; `mask` shapes as
a PNG of what lies between two corners, both inclusive. Rectangles are boxes: corners in any order,
the pixels they lie in included. Points and lines have no area and are left out. A flag of the
whole image that is set, if it is the only one, is its label.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from abl.data.annotations.fill import ellipse_outline
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading
from abl.data.annotations.regions import (
    AnnotatedImage,
    AnnotationKind,
    Annotations,
    Bitmap,
    Region,
)
from abl.data.annotations.values import (
    NOT_NUMBERS,
    Box,
    dictionary,
    file_name_of,
    name_of,
    points_of,
    size_of,
)
from abl.spec.limits import MAX_PIXELS

NO_AREA = ("point", "points", "line", "linestrip")


def _recognises(folder: AnnotatedFolder) -> str | None:
    return next(iter(_files(folder)), None)


def _files(folder: AnnotatedFolder) -> list[str]:
    return [
        name for name in folder.ending(".json") if folder.has_words(name, '"shapes"', '"imagePath"')
    ]


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    for name, content in reading.objects(_files(folder), "shapes", "LabelMe"):
        _read_file(reading, name, content)
    return reading.done()


def _read_file(reading: Reading, name: str, content: dict[str, Any]) -> None:
    stem = PurePosixPath(name).with_suffix("").as_posix()
    path = reading.image_named(file_name_of(content.get("imagePath")), name, or_stem=stem)
    if path is None:
        if isinstance(content.get("imageData"), str):
            reading.notes.append(
                f"{name} holds its image, which is not read; save it as a file beside it."
            )
        return
    regions = []
    for position, shape in enumerate(content["shapes"]):
        at = f"shape at {position}"
        if not isinstance(shape, dict):
            reading.leave(f"{name}: {at}", "shape that is no object")
        elif (kind := shape.get("shape_type") or "polygon") in NO_AREA:
            reading.leave(f"{name}: {at}", f"{kind}, which has no area")
        else:
            regions.append(_region(shape, name_of(kind), at))
    flags = dictionary(content.get("flags"))
    named = [name_of(flag) for flag, is_set in flags.items() if is_set is True]
    reading.add(
        AnnotatedImage(
            path,
            tuple(regions),
            size_of(content.get("imageHeight"), content.get("imageWidth")),
            label=named[0] if len(named) == 1 else "",
            columns={name_of(flag): name_of(is_set) for flag, is_set in flags.items()},
            source=name,
        )
    )


def _region(shape: dict[str, Any], kind: str, at: str) -> Region:
    common: dict[str, Any] = {
        "category": name_of(shape.get("label")),
        "attributes": {
            name_of(flag): name_of(value) for flag, value in dictionary(shape.get("flags")).items()
        },
        "at": at,
    }
    points = points_of(shape.get("points"))
    if points is None:
        return Region(**common, fault=NOT_NUMBERS)
    if kind == "polygon":
        return Region(**common, polygons=(points,))
    if kind == "circle" and len(points) == 2:
        centre, radius = points[0], math.dist(*points)
        outline = ellipse_outline((centre[0], centre[1]), (radius, radius))
        return Region(**common, polygons=(outline,))
    if kind == "rectangle" and len(points) in (2, 4):
        return Region(**common, box=_inclusive(points))
    if kind == "mask" and len(points) == 2:
        box = _inclusive(points)
        pixels = partial(_pixels, shape.get("mask"), box)
        return Region(**common, bitmap=Bitmap(pixels, int(box[0]), int(box[1])))
    return Region(**common, fault=f"{kind} of {len(points)} points, which is not read")


def _inclusive(points: np.ndarray) -> Box:
    low, high = np.floor(points.min(axis=0)), np.floor(points.max(axis=0)) + 1
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _pixels(text: Any, box: Box) -> np.ndarray:
    """The pixels of a `mask` shape, bool (h, w). Raises ValueError, in words."""
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]
        ) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError("mask is too large")
            pixels = np.asarray(image.convert("L")) > 0
    except (TypeError, binascii.Error):
        raise ValueError("mask is not a PNG in base64") from None
    except Exception as error:  # a broken file makes Pillow raise anything
        raise ValueError(f"mask cannot be read ({type(error).__name__})") from None
    x0, y0, x1, y1 = box
    if pixels.shape != (y1 - y0, x1 - x0):
        raise ValueError(
            f"mask is {pixels.shape[1]} x {pixels.shape[0]} pixels, its corners say "
            f"{x1 - x0:.0f} x {y1 - y0:.0f}"
        )
    return pixels


KIND = AnnotationKind("labelme", "LabelMe (JSON files)", _recognises, _read)
