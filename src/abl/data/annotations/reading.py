"""What readers of formats share: faults, what is left out, and images by their names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from abl.data.annotations.folder import NO_IMAGES, AnnotatedFolder, FileFaultError
from abl.data.annotations.regions import AnnotatedImage, Annotations, Left
from abl.data.annotations.splits import split_word
from abl.data.tables.rows import first_of_each_kind
from abl.errors import InputError, Problem

NOT_THERE = "its image is not in the folder"
NOT_ANNOTATED = "image without an annotation"


class Reading:
    """One reading of a folder, into which a format's reader puts what it finds.

    Attributes:
        problems: What has to be mended before anything is written.
        used: Files that are no images of their own, such as masks.
    """

    def __init__(self, folder: AnnotatedFolder):
        self.folder = folder
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.left: list[Left] = []
        self.used: set[str] = set()
        self._images: dict[str, AnnotatedImage] = {}

    def json(self, name: str) -> Any:
        """What a JSON file holds, None (and a problem) if it cannot be read."""
        return self._read(name, self.folder.json)

    def xml(self, name: str) -> ElementTree.Element | None:
        """The root of an XML file, None (and a problem) if it cannot be read."""
        return self._read(name, self.folder.xml)

    def text(self, name: str) -> str | None:
        """The text of a file, None (and a problem) if it cannot be read."""
        return self._read(name, self.folder.text)

    def _read(self, name: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(name)
        except FileFaultError as fault:
            self.problem(f"{fault}; mend it or move it out of the folder", name)
            return None

    def objects(self, names: Iterable[str], key: str, what: str) -> Iterator[tuple[str, Any]]:
        """(name, content) of JSON files that hold a list under a key; others are problems.

        Args:
            what: The format that they are to be of.
        """
        for name in names:
            content = self.json(name)
            if isinstance(content, dict) and isinstance(content.get(key), list):
                yield name, content
            elif content is not None:
                self.problem(f"is not {what}: it has no list of {key}", name)

    def problem(self, message: str, name: str, line: int | None = None) -> None:
        self.problems.append(Problem(message, str(self.folder.path / name), line))

    def leave(self, what: str, why: str) -> None:
        self.left.append(Left(what, why))

    def image_named(self, named: str, beside: str, *, or_stem: str = "") -> str | None:
        """The image that a file means; None if it is not there or there are several, which is told.

        Args:
            beside: The file of annotations.
            or_stem: Its name without suffix, should there be no image of the name.
        """
        found = self.folder.image_of(named, beside)
        if not found and or_stem:
            found = self.folder.image_with_stem(or_stem, beside)
        if isinstance(found, str):
            return found
        name = named or or_stem
        if not found:
            self.leave(f"{beside}: {name}" if name else beside, NOT_THERE)
        else:
            few = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            self.problem(
                f"'{name}' may be any of {few}; name it with its folder, or import each folder "
                "by itself",
                beside,
            )
        return None

    def add(self, image: AnnotatedImage) -> None:
        """Takes an image; one that was taken before is a problem."""
        if image.image in self._images:
            first = self._images[image.image].source
            where = "twice" if first == image.source else f"also in {first}"
            self.problem(f"image '{image.image}' is there {where}", image.source)
            return
        self._images[image.image] = image

    def done(self) -> Annotations:
        """Everything that was read. Raises InputError with all problems."""
        if self.problems:
            raise InputError(first_of_each_kind(self.problems))
        accounted = {*self._images, *self.used}
        for name in self.folder.images:
            below_masks = any(map(NO_IMAGES.fullmatch, PurePosixPath(name).parent.parts))
            if name not in accounted and not below_masks:
                self.leave(name, NOT_ANNOTATED)
        images = tuple(_with_split(self._images[name]) for name in sorted(self._images))
        return Annotations(images, tuple(self.left), tuple(self.notes))


def _with_split(image: AnnotatedImage) -> AnnotatedImage:
    """The image with its part, if its folders are named train, test and the like."""
    split = split_word(PurePosixPath(image.image).parent.parts)
    if "split" in image.columns or not split:
        return image
    return replace(image, columns={**image.columns, "split": split})
