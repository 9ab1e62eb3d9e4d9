"""DDTI (Pedraza et al., "An open access thyroid ultrasound image database", SIPAIM 2015).

An XML file a case: facts of it, among them `tirads`, and for each of its images a `mark` with the
outlines of nodules as JSON; image k of case n is the file n_k.jpg. The case is the patient; its
facts become columns. The outlines of some images are cut short in the published files or missing:
these images keep their row, and no mask, as whole outlines before the cut need not be all.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import PurePosixPath
from typing import Any

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.reading import Reading
from abl.data.annotations.regions import AnnotatedImage, AnnotationKind, Annotations, Region
from abl.data.annotations.values import NOT_NUMBERS, dictionary, name_of, points_of

FACTS = ("age", "sex", "composition", "echogenicity", "margins", "calcifications", "tirads")
CUT_SHORT = "outlines are cut short or damaged in the file"


def _recognises(folder: AnnotatedFolder) -> str | None:
    return next(iter(_files(folder)), None)


def _files(folder: AnnotatedFolder) -> list[str]:
    return [name for name in folder.ending(".xml") if folder.has_words(name, "<case", "<mark")]


def _read(folder: AnnotatedFolder) -> Annotations:
    reading = Reading(folder)
    for name in _files(folder):
        root = reading.xml(name)
        if root is None:
            continue
        if root.tag != "case":
            reading.problem("is not a case of DDTI", name)
            continue
        _read_case(reading, name, root)
    return reading.done()


def _read_case(reading: Reading, name: str, root: ElementTree.Element) -> None:
    stem = PurePosixPath(name).stem
    case = name_of(root.findtext("number") or "") or stem
    columns = {fact: name_of(root.findtext(fact) or "") for fact in FACTS}
    columns = {fact: value for fact, value in columns.items() if value}
    texts: dict[str, list[str]] = {}
    for mark in root.findall("mark"):
        number = name_of(mark.findtext("image") or "")
        texts.setdefault(number, []).append((mark.findtext("svg") or "").strip())
    for number, outlines in texts.items():
        image = f"{stem}_{number}"
        path = reading.image_named("", name, or_stem=image) if number else None
        if not number:
            reading.leave(f"{name}: mark without the number of its image", "mark of no image")
        if path is None:
            continue
        reading.add(
            AnnotatedImage(
                path,
                tuple(_regions(outlines)),
                patient=case,
                columns={"case": case, **columns},
                source=name,
            )
        )
    _add_unmarked(reading, name, case, columns, {f"{stem}_{number}" for number in texts})


def _add_unmarked(
    reading: Reading, name: str, case: str, columns: dict[str, str], marked: set[str]
) -> None:
    """Images of the case that it does not speak of: its label is theirs too."""
    here = PurePosixPath(name)
    for image in reading.folder.images:
        path = PurePosixPath(image)
        of_case = path.stem.rpartition("_")[0] == here.stem
        if of_case and path.stem not in marked and path.parent == here.parent:
            facts = {"case": case, **columns}
            reading.add(AnnotatedImage(image, (), patient=case, columns=facts, source=name))


def _regions(texts: list[str]) -> list[Region]:
    found = []
    for text in texts:
        if not text:
            continue
        try:
            outlines = json.loads(text)
        except (ValueError, RecursionError):
            outlines = None
        if not isinstance(outlines, list):
            found.append(Region(fault=CUT_SHORT, at="mark"))
            continue
        for position, outline in enumerate(outlines):
            found.append(_region(dictionary(outline).get("points"), position))
    return found


def _region(points: Any, position: int) -> Region:
    pairs = [
        [dictionary(each).get("x"), dictionary(each).get("y")]
        for each in (points if isinstance(points, list) else [])
    ]
    corners = points_of(pairs) if pairs else None
    at = f"outline at {position}"
    return (
        Region(fault=NOT_NUMBERS, at=at) if corners is None else Region(polygons=(corners,), at=at)
    )


KIND = AnnotationKind("ddti", "DDTI (XML files)", _recognises, _read)
