"""The kinds of annotations that are read, and which of them a folder holds."""

from __future__ import annotations

from abl.data.annotations import beside, coco, cvat, ddti, labelme, via, voc, yolo
from abl.data.annotations.folder import AnnotatedFolder, FileFaultError
from abl.data.annotations.regions import AnnotationKind
from abl.errors import InputError, Problem, nearest, raise_if_any

# a kind is a module of this folder with a KIND; the order is that of messages
KINDS: tuple[AnnotationKind, ...] = (
    *(coco.KIND, labelme.KIND, via.KIND, voc.KIND),
    *(yolo.KIND, cvat.KIND, ddti.KIND, beside.KIND),
)

MOST_BROKEN = 5  # files named where nothing is recognised


def recognised(folder: AnnotatedFolder) -> dict[str, str]:
    """Name of each kind that the folder holds -> what shows it."""
    reasons = {kind.name: kind.recognises(folder) for kind in KINDS}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def kind_of(folder: AnnotatedFolder, asked: str | None) -> AnnotationKind:
    """The kind to read: the one asked for, or the only one there is.

    Raises:
        InputError: No such kind, none in the folder, or several and none asked for.
    """
    by_name = {kind.name: kind for kind in KINDS}
    if asked is not None and asked not in by_name:
        raise InputError(f"--kind {asked}: {nearest(asked, by_name, show=len(by_name))}")
    found = recognised(folder)
    if asked is not None:
        if asked not in found:
            there = "; ".join(f"{name} ({reason})" for name, reason in found.items())
            said = f"holds no {by_name[asked].title}; " + (
                f"it holds {there}" if there else f"{_looked_for()}"
            )
            raise InputError(Problem(said, file=str(folder.path)))
        return by_name[asked]
    if not found:
        # a broken file may be the annotations: what is there is not known before it is mended
        raise_if_any(_broken_files(folder))
        said = f"holds no annotations that are read; {_looked_for()}"
        raise InputError(Problem(said, str(folder.path)))
    if len(found) > 1:
        there = "; ".join(f"--kind {name} ({reason})" for name, reason in found.items())
        said = f"holds several kinds of annotations, say which to read: {there}"
        raise InputError(Problem(said, file=str(folder.path)))
    return by_name[next(iter(found))]


def _looked_for() -> str:
    kinds = ", ".join(kind.title for kind in KINDS)
    return f"read are {kinds}; other programs export COCO or YOLO"


def _broken_files(folder: AnnotatedFolder) -> list[Problem]:
    """Why nothing was recognised in the first files that could have held annotations."""
    problems = []
    for name in folder.ending(".json", ".xml"):
        try:
            folder.json(name) if name.lower().endswith(".json") else folder.xml(name)
        except FileFaultError as fault:
            said = f"{fault}; mend it or move it out of the folder"
            problems.append(Problem(said, str(folder.path / name)))
        if len(problems) == MOST_BROKEN:
            break
    return problems
