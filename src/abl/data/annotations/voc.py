"""Pascal VOC: an XML file of boxes an image, and PNGs of objects or classes by pixel.

Corners of boxes count pixels from 1 and are inclusive by definition (Everingham et al., "The PASCAL
Visual Object Classes Challenge", IJCV 2010), so that 1 is taken from the lower ones; many programs
count from 0: where a 0 occurs in the set, corners are taken as they are. Which it was is said.
In SegmentationObject, value k marks the k-th object of the XML file, in SegmentationClass a class;
0 is background and 255 the border between, which belongs to none.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import PurePosixPath

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading
from abl.data.annotations.regions import AnnotatedImage, AnnotationKind, Annotations, Region
from abl.data.annotations.values import NOT_NUMBERS, finite_numbers, name_of, size_of
from abl.data.annotations.voc_pixels import VocPixels

CORNERS = ("xmin", "ymin", "xmax", "ymax")
SETS = {"train": "train", "val": "validation", "test": "test"}


def _recognises(folder: AnnotatedFolder) -> str | None:
    pixels = VocPixels.files(folder)
    return next(iter([*_files(folder), *pixels.values()]), None)


def _files(folder: AnnotatedFolder) -> list[str]:
    return [
        name
        for name in folder.ending(".xml")
        if folder.has_words(name, "<annotation") and not folder.has_words(name, "<annotations")
    ]


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    pixels = VocPixels(reading)
    split_of = _splits(reading)
    found: list[AnnotatedImage] = []
    for name in _files(folder):
        root = reading.xml(name)
        if root is None:
            continue
        stem = PurePosixPath(name).stem
        image = reading.image_named(root.findtext("filename") or "", name, or_stem=stem)
        if image is not None:
            found.append(_annotated(root, image, name))
            pixels.claim(stem)
    found, counted_from = _with_origin(found)
    if counted_from is not None:
        reading.notes.append(counted_from)
    for each in found:
        stem = PurePosixPath(each.source).stem
        regions = pixels.regions(stem, each.regions)
        columns = {"split": split_of[stem]} if split_of.get(stem) else {}
        reading.add(replace(each, regions=regions, columns=columns))
    for stem, image, source in pixels.unclaimed():
        columns = {"split": split_of[stem]} if split_of.get(stem) else {}
        regions = pixels.regions(stem, ())
        reading.add(AnnotatedImage(image, regions, columns=columns, source=source))
    reading.used |= pixels.names
    return reading.done()


def _annotated(root: ElementTree.Element, image: str, name: str) -> AnnotatedImage:
    size = root.find("size")
    shape = None if size is None else size_of(size.findtext("height"), size.findtext("width"))
    regions = []
    for position, element in enumerate(root.findall("object"), 1):
        category, at = name_of(element.findtext("name") or ""), f"object {position}"
        corners = finite_numbers([element.findtext(f"bndbox/{corner}") for corner in CORNERS])
        if corners is None:
            regions.append(Region(category, fault=NOT_NUMBERS, at=at))
        else:
            x0, y0, x1, y1 = corners
            regions.append(Region(category, box=(x0, y0, x1, y1), at=at))
    return AnnotatedImage(image, tuple(regions), shape, source=name)


def _with_origin(images: list[AnnotatedImage]) -> tuple[list[AnnotatedImage], str | None]:
    """The images with half-open boxes, and what pixels were taken to be counted from."""
    lowest = [
        (min(region.box[:2]), image.source)
        for image in images
        for region in image.regions
        if region.box is not None
    ]
    if not lowest:
        return images, None
    value, source = min(lowest)
    if value < 1:
        return images, f"Corners of boxes count from 0, as {source} has {value:g}."
    shifted = [
        replace(
            image,
            regions=tuple(
                region
                if region.box is None
                else replace(
                    region,
                    box=(region.box[0] - 1, region.box[1] - 1, region.box[2], region.box[3]),
                )
                for region in image.regions
            ),
        )
        for image in images
    ]
    return shifted, "Corners of boxes count from 1, as VOC defines them; no 0 occurs."


def _splits(reading: Reading) -> dict[str, str]:
    """Stem of an image -> its part by the lists in ImageSets; "" if it is in several."""
    found: dict[str, str] = {}
    for name in reading.folder.ending(".txt"):
        path = PurePosixPath(name)
        part = SETS.get(path.stem.lower())
        if part is None or "imagesets" not in (each.lower() for each in path.parts):
            continue
        for line in (reading.text(name) or "").splitlines():
            if words := line.split():
                stem = words[0]
                found[stem] = part if found.get(stem, part) == part else ""
    return found


KIND = AnnotationKind("voc", "Pascal VOC (XML files, Segmentation PNGs)", _recognises, _read)
