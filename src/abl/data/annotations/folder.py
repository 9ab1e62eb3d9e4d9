"""A folder as it came: its files, and which image an annotation means."""

from __future__ import annotations

import json
import mmap
import os
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from abl.data.images import image_stem, is_image_name
from abl.errors import InputError, Problem, raise_if_any
from abl.spec.limits import ANNOTATIONS_MB, bounded_bytes

# made by systems, beside names that begin with a dot
PASSED_OVER = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
WRITTEN = ".abl-import"  # marks a folder of masks that `abl data import` wrote
NO_IMAGES = re.compile(
    r"(.*[_-])?(masks?|labels?|annotations?|segmentation\w*|gt|ground_?truth)", re.I
)
# texts that tell formats apart
MARKS = (
    *('"images"', '"annotations"', '"categories"', '"shapes"', '"imagePath"'),
    *('"_via_img_metadata"', '"regions"', '"filename"', "region_shape_attributes"),
    *("<annotation", "<annotations", "<case", "<mark"),
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that systems leave behind: `._x.png`, `__MACOSX`."""
    return name.startswith(".") or name in PASSED_OVER


class FileFaultError(ValueError):
    """Why a file of annotations cannot be read, in words to put behind its name."""


class AnnotatedFolder:
    """The files below a folder, listed once.

    Attributes:
        path: As it was given.
        files: Relative to it, / between folders, sorted; without hidden ones (`.x`, `._x.png`).
        hidden: How many were passed over because they, or a folder that they lie in, are hidden.
        taken: The files whose annotations were asked for so far.

    Raises:
        InputError: No such folder, or one within it that cannot be read.
    """

    def __init__(self, path: Path):
        if not path.is_dir():
            of_images = "give the folder that holds the images; unpack an archive first"
            said = f"is not a folder: {of_images}" if path.exists() else "no such folder"
            raise InputError(Problem(said, file=str(path)))
        self.path = path
        self.hidden = 0
        found: list[str] = []
        unread: list[Problem] = []

        def refuse(error: OSError) -> None:
            unread.append(Problem(f"cannot be read: {error.strerror}", file=str(error.filename)))

        for parent, folders, names in os.walk(path, onerror=refuse, followlinks=True):
            base = Path(parent).relative_to(path)
            if WRITTEN in names:  # masks of an earlier import are no images of this one
                folders[:] = []
                continue
            # a link to a folder above would lead round for ever
            folders[:] = [name for name in folders if not _leads_up(Path(parent, name))]
            if any(map(is_hidden, base.parts)):
                self.hidden += len(names)
                continue
            for name in names:
                if is_hidden(name):
                    self.hidden += 1
                else:
                    found.append((base / name).as_posix())
        raise_if_any(unread)
        self.files = tuple(sorted(found))
        self.taken: set[str] = set()
        self._words: dict[str, frozenset[str]] = {}

    def ending(self, *suffixes: str) -> list[str]:
        """The files with one of these suffixes (`.json`), whatever their case."""
        return [name for name in self.files if name.lower().endswith(suffixes)]

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The files named as images are."""
        return tuple(name for name in self.files if is_image_name(name))

    def text(self, name: str) -> str:
        """The text of a file, UTF-8 with or without a mark. Raises FileFaultError."""
        try:
            return self._bytes(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileFaultError(f"is not UTF-8 (byte {error.start})") from None

    def has_words(self, name: str, *words: str) -> bool:
        """Whether a file holds all of these texts; read once for all words of MARKS."""
        if name not in self._words:
            self._words[name] = frozenset(_marks_in(self.path / name))
        return self._words[name].issuperset(words)

    def json(self, name: str) -> Any:
        """What a JSON file holds. Raises FileFaultError."""
        text = self.text(name)
        if not text.strip():
            raise FileFaultError("is empty")
        try:
            return json.loads(text)
        except ValueError as error:  # also a number of more digits than Python converts
            raise FileFaultError(f"is not JSON: {error}") from None
        except RecursionError:
            raise FileFaultError("is not JSON that can be read: nested too deeply") from None

    def xml(self, name: str) -> ElementTree.Element:
        """The root of an XML file, in the encoding that it declares. Raises FileFaultError."""
        content = self._bytes(name)
        # entities within entities fill the memory; no tool of this field writes any
        if b"<!ENTITY" in content.replace(b"\0", b""):
            raise FileFaultError("declares entities, which are not read")
        try:
            return ElementTree.fromstring(content.lstrip())
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise FileFaultError(f"is not XML: {error}") from None

    def _bytes(self, name: str) -> bytes:
        self.taken.add(name)
        try:
            return bounded_bytes(self.path / name, ANNOTATIONS_MB)
        except InputError as error:
            raise FileFaultError(error.problems[0].message) from None
        except OSError as error:
            raise FileFaultError(f"cannot be read: {error.strerror}") from None

    def image_of(self, named: str, beside: str) -> str | list[str]:
        r"""The image that a file of annotations means.

        Of the images with this file name, those whose folders agree with the end of the name as it
        is written (`C:\data\train\x.png` and `train/x.png`) best; then the one nearest to the file
        of annotations; images below a folder of masks or labels come last. Letters may differ in
        case and in Unicode form where no name is the same.

        Args:
            named: As it is written, / or \ between folders.
            beside: The file of annotations, relative to the folder.

        Returns:
            Its path relative to the folder, or the paths of several between which nothing decides
            ([] if there is none).
        """
        parts = [part for part in re.split(r"[\\/]+", named.strip()) if part not in ("", ".")]
        if not parts:
            return []
        found = self._by_name.get(unicodedata.normalize("NFC", parts[-1]), [])
        found = found or self._by_name.get(_folded(parts[-1]), [])
        return self._decided(found, parts, beside)

    def image_with_stem(self, stem: str, beside: str) -> str | list[str]:
        """As `image_of`, by a file name without its suffix, folders before it or not."""
        parts = [part for part in re.split(r"[\\/]+", stem) if part not in ("", ".")]
        if not parts:
            return []
        return self._decided(self._by_stem.get(_folded(parts[-1]), []), parts, beside)

    def _decided(self, found: list[str], parts: list[str], beside: str) -> str | list[str]:
        if len(found) < 2:
            return found[0] if found else []
        home = PurePosixPath(beside).parent.parts

        def agreement(path: str) -> tuple[int, bool, int]:
            folders = PurePosixPath(path).parent.parts
            return (
                _common(folders[::-1], tuple(parts[:-1])[::-1]),
                not any(map(NO_IMAGES.fullmatch, folders)),
                2 * _common(folders, home) - len(folders),
            )

        best = max(map(agreement, found))
        nearest = [path for path in found if agreement(path) == best]
        return nearest[0] if len(nearest) == 1 else nearest

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        exact: dict[str, list[str]] = defaultdict(list)
        folded: dict[str, list[str]] = defaultdict(list)
        for path in self.images:
            name = PurePosixPath(path).name
            exact[unicodedata.normalize("NFC", name)].append(path)
            folded[_folded(name)].append(path)
        return {**folded, **exact}

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.images:
            found[_folded(image_stem(path))].append(path)
        return dict(found)


def _marks_in(path: Path) -> Iterator[str]:
    """The texts of MARKS that a file holds in as much of it as is read; none of an unreadable one.

    It is not taken into memory: beside annotations lie files of any size.
    """
    end = ANNOTATIONS_MB.bytes
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from (mark for mark in MARKS if data.find(mark.encode(), 0, end) >= 0)
    except (OSError, ValueError):  # ValueError: it is empty
        return


def _leads_up(folder: Path) -> bool:
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts agree from the start."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if _folded(a) != _folded(b):
            break
        count += 1
    return count
