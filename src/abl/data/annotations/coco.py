"""COCO: one JSON file with images, annotations and categories.

Segmentations are polygons or run lengths, plain or compressed. `iscrowd` says how an area is
written rather than what it is, as most converters set it wherever they write run lengths: such
annotations are taken as the others are, and counted in a note. Ids are compared as text, so that
1 and "1" meet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from abl.data.annotations.fill import compressed_counts, run_lengths
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
    dictionary,
    file_name_of,
    finite_numbers,
    name_of,
    number_of,
    size_of,
)

SHOWN_IDS = 8
OF_IMAGES = {
    *("id", "width", "height", "file_name", "license", "date_captured", "coco_url", "flickr_url")
}


def _recognises(folder: AnnotatedFolder) -> str | None:
    return next(_files(folder), None)


def _files(folder: AnnotatedFolder) -> Iterator[str]:
    for name in folder.ending(".json"):
        if folder.has_words(name, '"images"') and (
            folder.has_words(name, '"annotations"') or folder.has_words(name, '"categories"')
        ):
            yield name


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    for name, content in reading.objects(_files(folder), "images", "COCO"):
        _read_file(reading, name, content)
    return reading.done()


def _read_file(reading: Reading, name: str, content: dict[str, Any]) -> None:
    categories = {
        name_of(each.get("id")): name_of(each.get("name"))
        for each in map(dictionary, _listed(reading, name, content, "categories"))
    }
    regions: dict[str, list[Region]] = defaultdict(list)
    unused = set(categories)
    unlisted: dict[str, list[str]] = defaultdict(list)
    crowds = 0
    listed = [each for each in content["images"] if isinstance(each, dict)]
    if len(listed) < len(content["images"]):
        reading.problem("has images that are no objects", name)
    ids = Counter(name_of(image.get("id")) for image in listed)
    for position, annotation in enumerate(_listed(reading, name, content, "annotations")):
        if not isinstance(annotation, dict):
            reading.leave(f"{name}: annotation at {position}", "annotation that is no object")
            continue
        region = _region(annotation, categories, position)
        image = name_of(annotation.get("image_id"))
        if image not in ids:
            reading.leave(f"{name}: {region.at}", "annotation of an image that is not listed")
            continue
        crowds += annotation.get("iscrowd") in (1, True, "1")
        category = name_of(annotation.get("category_id"))
        if categories and category and category not in categories:
            unlisted[category].append(region.at)
        unused.discard(category)
        regions[image].append(region)
    _tell_unlisted(reading, name, unlisted, categories)
    for identifier, count in ids.items():
        if count > 1:
            number = "two" if count == 2 else str(count)
            reading.problem(f"{number} images have the id {identifier or 'null'}", name)
    for entry in listed:
        identifier = name_of(entry.get("id"))
        if ids[identifier] > 1:
            continue
        path = reading.image_named(file_name_of(entry.get("file_name")), name)
        if path is None:
            continue
        columns = {key: name_of(entry[key]) for key in entry if key not in OF_IMAGES}
        columns = {key: value for key, value in columns.items() if value}
        if split := split_word(PurePosixPath(name).parts):
            columns["split"] = split
        size = size_of(entry.get("height"), entry.get("width"))
        reading.add(
            AnnotatedImage(path, tuple(regions[identifier]), size, columns=columns, source=name)
        )
    if crowds:
        reading.notes.append(
            f"{name}: {crowds} annotations with iscrowd are taken as the others are."
        )
    if unused:
        names = ", ".join(sorted(categories[each] or each for each in unused))
        reading.notes.append(f"{name}: categories without an annotation: {names}.")


def _tell_unlisted(
    reading: Reading, name: str, unlisted: dict[str, list[str]], categories: dict[str, str]
) -> None:
    """Refuses numbers of categories that the file's own list lacks: they would become classes."""
    there = list(categories)
    few = ", ".join(there[:SHOWN_IDS]) + (", ..." if len(there) > SHOWN_IDS else "")
    for category, places in unlisted.items():
        more = f" and {len(places) - 1:,} more" if len(places) > 1 else ""
        reading.problem(
            f"category_id {category} of {places[0]}{more} is not in categories, which has {few}; "
            "add it there with its name, or mend the annotation",
            name,
        )


def _listed(reading: Reading, name: str, content: dict[str, Any], key: str) -> list[Any]:
    value = content.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        reading.problem(f"is not COCO: {key} is no list", name)
        return []
    return value


def _region(annotation: dict[str, Any], categories: dict[str, str], position: int) -> Region:
    category = name_of(annotation.get("category_id"))
    at = name_of(annotation.get("id"))
    common: dict[str, Any] = {
        "category": categories.get(category, category),
        "attributes": {
            name_of(key): name_of(value)
            for key, value in dictionary(annotation.get("attributes")).items()
        },
        "at": f"annotation {at}" if at else f"annotation at {position}",
    }
    try:
        polygons, bitmap = _outline(annotation.get("segmentation"))
        box = None if polygons or bitmap else _box(annotation.get("bbox"))
    except ValueError as error:
        return Region(**common, fault=str(error))
    return Region(**common, polygons=polygons, bitmap=bitmap, box=box)


def _outline(segmentation: Any) -> tuple[tuple[np.ndarray, ...], Bitmap | None]:
    if not segmentation:
        return (), None
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        shape = size_of(*size) if isinstance(size, list) and len(size) == 2 else None
        if shape is None:
            raise ValueError("run lengths without a size")
        return (), Bitmap(partial(_pixels, segmentation.get("counts"), *shape), whole=True)
    if not isinstance(segmentation, list):
        raise ValueError(NOT_NUMBERS)
    # one polygon without the list around it is a common slip
    parts = [segmentation] if number_of(segmentation[0]) is not None else segmentation
    polygons = []
    for part in parts:
        numbers = finite_numbers(part)
        if numbers is None or len(numbers) % 2:
            raise ValueError(NOT_NUMBERS)
        polygons.append(np.array(numbers, dtype=np.float64).reshape(-1, 2))
    return tuple(polygons), None


def _pixels(counts: Any, height: int, width: int) -> np.ndarray:
    numbers = compressed_counts(counts) if isinstance(counts, str) else finite_numbers(counts)
    if numbers is None:
        raise ValueError("run lengths are not numbers")
    return run_lengths(numbers, height, width)


def _box(box: Any) -> tuple[float, float, float, float]:
    numbers = finite_numbers(box, 4)
    if numbers is None:
        raise ValueError("neither a segmentation nor a box of four numbers")
    x, y, width, height = numbers
    return x, y, x + width, y + height


KIND = AnnotationKind("coco", "COCO (JSON)", _recognises, _read)
