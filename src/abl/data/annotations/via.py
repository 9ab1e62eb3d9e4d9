"""VIA 2 (VGG Image Annotator): a project, its annotations as JSON, or as CSV.

Polygons, circles and ellipses are outlines (`theta` in radians; without it the ellipse is upright),
`rect` is a box from x, y and its sides. Points and open lines have no area and are left out. An
attribute of a region is its category if it is the only one, or the first of CATEGORY that there
is; the file's attributes become columns.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from abl.data.annotations.fill import ellipse_outline
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading
from abl.data.annotations.regions import AnnotatedImage, AnnotationKind, Annotations, Region
from abl.data.annotations.values import NOT_NUMBERS, dictionary, finite_numbers, name_of

CATEGORY = ("label", "class", "category", "type", "name", "diagnosis")
NO_AREA = ("point", "polyline", "line")
OF_CSV = ("filename", "region_shape_attributes", "region_attributes", "file_attributes")


def _recognises(folder: AnnotatedFolder) -> str | None:
    return next(iter([*_json_files(folder), *_csv_files(folder)]), None)


def _json_files(folder: AnnotatedFolder) -> list[str]:
    return [
        name
        for name in folder.ending(".json")
        if folder.has_words(name, '"_via_img_metadata"')
        or folder.has_words(name, '"filename"', '"regions"')
    ]


def _csv_files(folder: AnnotatedFolder) -> list[str]:
    return [
        name for name in folder.ending(".csv") if folder.has_words(name, "region_shape_attributes")
    ]


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    for name in _json_files(folder):
        content = reading.json(name)
        if isinstance(content, dict):
            _read_images(reading, name, content)
        elif content is not None:
            reading.problem("is not VIA: it is no object", name)
    for name in _csv_files(folder):
        if (text := reading.text(name)) is not None:
            _read_csv(reading, name, text)
    return reading.done()


def _read_images(reading: Reading, name: str, content: dict[str, Any]) -> None:
    images = dictionary(content.get("_via_img_metadata", content))
    for key, image in images.items():
        if not isinstance(image, dict) or not isinstance(image.get("filename"), str):
            reading.leave(f"{name}: {key}", "entry without a file name")
            continue
        regions = image.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, dict) else regions
        if not isinstance(regions, list):
            reading.problem(f"regions of {image['filename']} are no list", name)
            continue
        pairs = (
            (dictionary(each).get("shape_attributes"), dictionary(each).get("region_attributes"))
            for each in regions
        )
        _add(reading, name, image["filename"], image.get("file_attributes"), pairs)


def _read_csv(reading: Reading, name: str, text: str) -> None:
    try:
        rows = list(csv.DictReader(io.StringIO(text.lstrip("#"), newline=""), strict=True))
    except csv.Error as error:
        reading.problem(f"not CSV: {error}", name)
        return
    lacking = [column for column in OF_CSV[:3] if rows and column not in rows[0]]
    if lacking:
        reading.problem(f"has no column {', '.join(lacking)}", name, 1)
        return
    regions: dict[str, list[tuple[Any, Any]]] = {}
    of_file: dict[str, Any] = {}
    for number, row in enumerate(rows, 2):
        values = {}
        for column in OF_CSV[1:]:
            try:
                values[column] = json.loads(row.get(column) or "{}")
            except (ValueError, RecursionError):
                reading.problem(f"{column} is not JSON", name, number)
        image = row["filename"] or ""
        regions.setdefault(image, [])
        of_file[image] = values.get("file_attributes") or of_file.get(image)
        shape = values.get("region_shape_attributes")
        if shape:  # a row without one says that its image has no region
            regions[image].append((shape, values.get("region_attributes")))
    for image, pairs in regions.items():
        _add(reading, name, image, of_file[image], pairs)


def _add(
    reading: Reading, name: str, image: str, of_file: Any, pairs: Iterable[tuple[Any, Any]]
) -> None:
    path = reading.image_named(image, name)
    if path is None:
        return
    columns = dict(_attributes(of_file))
    regions = []
    for position, (shape, attributes) in enumerate(pairs):
        shape = dictionary(shape)
        kind = name_of(shape.get("name"))
        if kind in NO_AREA:
            what = f"{name}: region at {position} of {image}"
            reading.leave(what, f"{kind}, which has no area")
        else:
            regions.append(_region(shape, kind, dict(_attributes(attributes)), position))
    reading.add(AnnotatedImage(path, tuple(regions), columns=columns, source=name))


def _attributes(value: Any) -> Iterator[tuple[str, str]]:
    for key, said in dictionary(value).items():
        if isinstance(said, dict):  # boxes to tick: {"cyst": true}
            said = ", ".join(str(each) for each, is_set in said.items() if is_set)
        if text := name_of(said):
            yield name_of(key), text


def _region(shape: dict[str, Any], kind: str, attributes: dict[str, str], position: int) -> Region:
    folded = {name.lower(): value for name, value in attributes.items()}
    named = [folded[name] for name in CATEGORY if name in folded]
    category = next(iter(attributes.values())) if len(attributes) == 1 else next(iter(named), "")
    common: dict[str, Any] = {
        "category": category, "attributes": attributes, "at": f"region at {position}",
    }  # fmt: skip
    if kind in ("polygon", "polyline"):
        xs, ys = (finite_numbers(shape.get(f"all_points_{axis}")) for axis in "xy")
        if xs is None or ys is None or len(xs) != len(ys):
            return Region(**common, fault=NOT_NUMBERS)
        return Region(**common, polygons=(np.array([xs, ys], dtype=np.float64).T,))
    keys = {
        "rect": ("x", "y", "width", "height"),
        "circle": ("cx", "cy", "r"),
        "ellipse": ("cx", "cy", "rx", "ry"),
    }.get(kind)
    if keys is None:
        return Region(**common, fault=f"{kind or 'a shape without a name'}, which is not read")
    numbers = finite_numbers([shape.get(key) for key in keys])
    angle = finite_numbers([shape.get("theta", 0.0)])
    if numbers is None or angle is None:
        return Region(**common, fault=NOT_NUMBERS)
    if kind == "rect":
        x, y, width, height = numbers
        return Region(**common, box=(x, y, x + width, y + height))
    radii = (numbers[2], numbers[-1])
    if min(radii) < 0:
        return Region(**common, fault="radius below 0")
    outline = ellipse_outline((numbers[0], numbers[1]), radii, angle[0])
    return Region(**common, polygons=(outline,))


KIND = AnnotationKind("via", "VIA (JSON or CSV)", _recognises, _read)
