"""The SegmentationObject and SegmentationClass PNGs of Pascal VOC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import NOT_THERE, Reading
from abl.data.annotations.regions import Bitmap, Region
from abl.spec.limits import MAX_PIXELS

BACKGROUND, BORDER = 0, 255
FOLDERS = ("segmentationobject", "segmentationclass")
UNREADABLE = "segmentation that cannot be read as a PNG of values or of the colours of VOC"


class VocPixels:
    """Objects and classes by pixel, for the images of one reading.

    Attributes:
        names: All of its files.
    """

    def __init__(self, reading: Reading):
        self._reading = reading
        self._files = self.files(reading.folder)
        self.names = set(self._files.values())
        self._claimed: set[str] = set()
        self._class_names = _class_names(reading)

    @staticmethod
    def files(folder: AnnotatedFolder) -> dict[tuple[str, str], str]:
        """(folder's name in small letters, stem) -> the file."""
        found = {}
        for name in folder.ending(".png"):
            path = PurePosixPath(name)
            if (kind := path.parent.name.lower()) in FOLDERS:
                found[kind, path.stem] = name
        return found

    def claim(self, stem: str) -> None:
        """Says that this stem has an XML file."""
        self._claimed.add(stem)

    def unclaimed(self) -> Iterator[tuple[str, str, str]]:
        """Stem, image and PNG of those without an XML file; those without an image are told."""
        for stem in sorted({stem for _, stem in self._files} - self._claimed):
            source = next(self._files[k, stem] for k in FOLDERS if (k, stem) in self._files)
            found = self._reading.folder.image_with_stem(stem, source)
            several = [found] if isinstance(found, str) else found
            images = [each for each in several if each not in self.names]
            if len(images) == 1:
                yield stem, images[0], source
            elif images:
                few = ", ".join(images[:3])
                self._reading.problem(f"its image may be any of {few}", source)
            else:
                self._reading.leave(source, NOT_THERE)

    def regions(self, stem: str, objects: tuple[Region, ...]) -> tuple[Region, ...]:
        """The objects with their pixels, where they are known; objects alone where not."""
        if name := self._files.get(("segmentationobject", stem)):
            return self._objects(name, objects)
        if name := self._files.get(("segmentationclass", stem)):
            return self._classes(name, objects)
        return objects

    def _objects(self, name: str, objects: tuple[Region, ...]) -> tuple[Region, ...]:
        bitmaps = self._bitmaps(name)
        if bitmaps is None:
            return objects
        if not objects and ("segmentationclass", PurePosixPath(name).stem) not in self._files:
            return tuple(
                Region(bitmap=bitmap, at=f"value {value}") for value, bitmap in bitmaps.items()
            )
        if not objects:
            return self._classes(
                self._files["segmentationclass", PurePosixPath(name).stem], objects
            )
        if list(bitmaps) != list(range(1, len(objects) + 1)):
            self._reading.leave(name, "SegmentationObject with other objects than its XML file")
            return objects
        return tuple(
            replace(each, bitmap=bitmaps[at], box=None, fault="")
            for at, each in enumerate(objects, 1)
        )

    def _classes(self, name: str, objects: tuple[Region, ...]) -> tuple[Region, ...]:
        bitmaps = self._bitmaps(name)
        if bitmaps is None:
            return objects
        categories = {each.category for each in objects}
        if len(bitmaps) == len(categories) == 1:
            names = {next(iter(bitmaps)): categories.pop()}
        elif objects and not self._class_names:
            self._reading.leave(name, "SegmentationClass of several classes without labelmap.txt")
            return objects
        else:
            names = {value: self._class_names.get(value, str(value)) for value in bitmaps}
            if self._class_names and (lacking := [v for v in names if v not in self._class_names]):
                values = ", ".join(map(str, lacking))
                self._reading.problem(
                    f"has the class of value {values}, which labelmap.txt does not name; "
                    "add its line there",
                    name,
                )
        found = [
            Region(names[value], bitmap=bitmap, at=f"value {value}")
            for value, bitmap in bitmaps.items()
        ]
        there = set(names.values())
        return (*found, *(each for each in objects if each.category not in there))

    def _bitmaps(self, name: str) -> dict[int, Bitmap] | None:
        """Value -> its pixels, in the order of values; None if it cannot be read, which is told."""
        path = self._reading.folder.path / name
        try:
            values = np.unique(_values(path))
        except ValueError:
            self._reading.leave(name, UNREADABLE)
            return None
        inside = [int(value) for value in values if value not in (BACKGROUND, BORDER)]
        if not inside and BORDER in values:  # a mask of two values: there is no border of nothing
            return {1: Bitmap(partial(_pixels, path, BORDER), whole=True)}
        return {value: Bitmap(partial(_pixels, path, value), whole=True) for value in inside}


def _pixels(path: Path, value: int) -> np.ndarray:
    return _values(path) == value


@lru_cache(maxsize=1)  # the objects of one image after each other
def _values(path: Path) -> np.ndarray:
    """Values of the pixels, uint8 (H, W). Raises ValueError if it is no such image."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError
            if image.mode in ("P", "L", "1"):
                return np.asarray(image).astype(np.uint8)
            colours = np.asarray(image.convert("RGB")).astype(np.int64)
    except Exception as error:  # a broken file makes Pillow raise anything
        raise ValueError(str(error)) from None
    packed = (colours @ np.array([65536, 256, 1])).astype(np.int64)
    known = {int(colour): value for value, colour in enumerate(_colours())}
    there = np.unique(packed)
    if not all(int(colour) in known for colour in there):
        raise ValueError("other colours")
    table = np.array([known[int(colour)] for colour in there], dtype=np.uint8)
    return table[np.searchsorted(there, packed)]


def _colours() -> list[int]:
    """The colour of each value, 0xRRGGBB: bits of the value spread over the channels from the top.

    Source: VOCcode/VOClabelcolormap.m of the development kit.
    """
    found = []
    for value in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (value >> (3 * bit + channel) & 1) << (7 - bit)
        found.append(channels[0] << 16 | channels[1] << 8 | channels[2])
    return found


def _class_names(reading: Reading) -> dict[int, str]:
    """Value -> class, from a labelmap.txt (`name:r,g,b::` a line), by colour."""
    values = {colour: value for value, colour in enumerate(_colours())}
    found: dict[int, str] = {}
    for name in reading.folder.ending("labelmap.txt"):
        for line in (reading.text(name) or "").splitlines():
            label, _, rest = line.partition(":")
            numbers = [each.strip() for each in rest.partition(":")[0].split(",")]
            if line.startswith("#") or len(numbers) != 3 or not all(map(str.isdecimal, numbers)):
                continue
            red, green, blue = (int(number) for number in numbers)
            value = values.get(red << 16 | green << 8 | blue)
            if value is not None and value not in (BACKGROUND, BORDER):
                found[value] = label.strip()
    return found
