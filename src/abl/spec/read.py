"""Sweep file -> Sweep, or every error of it at once; and what is left of it without its faults."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from abl.errors import InputError, Problem, raise_if_any
from abl.spec.model_faults import (
    first_unknown,
    message_of,
    model_at,
    nearest_setting,
    problems_of,
    setting_within,
)
from abl.spec.pointless import pointless, too_many_arms
from abl.spec.sweep import Sweep
from abl.spec.union_faults import faults_of
from abl.spec.yaml_file import Document, Place, Places, read_with_faults


@dataclass(frozen=True)
class SweepFile:
    """A sweep and where the file has what, for errors that are found later."""

    sweep: Sweep
    places: Places

    @property
    def folder(self) -> Path:
        """Folder that relative paths of the sweep start from."""
        return self.places.path.resolve().parent

    def problem(self, message: str, *place: str | int) -> Problem:
        """A problem at a place of the file."""
        return Problem(message, str(self.places.path), self.places.line(place))

    def placed(self, problem: Problem) -> Problem:
        """The problem at the block that its message begins with, if it has no place yet."""
        setting = problem.message.partition(":")[0].partition(" ")[0]
        if problem.file is None and setting in self.sweep.axes:
            return self.problem(problem.message, "axes", setting)
        key = setting.split(".")
        if problem.file is not None or key[0] not in type(self.sweep).model_fields:
            return problem
        return self.problem(problem.message, *key)


def read_sweep(path: Path) -> SweepFile:
    """Reads and checks a sweep file's form; names of components are checked by its study.

    Raises:
        InputError: With every problem of the file.
    """
    file, problems = read_form(read_with_faults(path))
    if problems or file is None:
        raise InputError(problems)
    return file


def read_form(document: Document) -> tuple[SweepFile | None, list[Problem]]:
    """The sweep file that a document is, and the faults of its form.

    If it has faults, what they leave of the file is given, so that a study can check the names in
    it and all is told at once; None if that would not be what the writer meant.
    """
    faults = document.places.faults
    problems = list(dict.fromkeys(faults.values()))
    places = [place for place in faults if not is_value_of_axis(place)]
    if problems:
        document = without(document, [place for place in faults if place not in places])
    try:
        sweep = Sweep.model_validate(document.values)
        if not problems:
            return _judged(SweepFile(sweep, document.places), [])
    except ValidationError as error:
        problems += problems_of(error, Sweep, document.places)
        problems.sort(key=lambda problem: problem.line or 0)
        written = document.places.lines
        places += [fault["loc"] for fault in faults_of(error, written.__contains__)]
    if any(place[:1] in {(name,) for name in _COMBINED} for place in places):
        return None, problems
    document = without(document, places)
    values = {"name": "unnamed", "data": {"phantom": {}}} | document.values
    if "axes" in {place[0] for place in faults}:
        # they may name a value that cannot be used
        values |= {"base": None, "contrasts": [], "exclude": []}
    try:
        sweep = Sweep.model_validate(values)
    except ValidationError:
        return None, problems
    return _judged(SweepFile(sweep, document.places), problems)


def _is_in(values: Any, place: Place) -> bool:
    for part in place:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _judged(file: SweepFile, problems: list[Problem]) -> tuple[SweepFile | None, list[Problem]]:
    if too_many := too_many_arms(file.sweep):
        # nobody waits for these to be listed
        return None, [*problems, *(file.problem(text, *place) for place, text in too_many)]
    if not file.places.faults:  # what is read may hang on a value that cannot be used
        problems += [file.problem(text, *place) for place, text in pointless(file.sweep)]
    return file, problems


# an arm is made of all of these together
_COMBINED = ("axes", "arms", "exclude", "base", "options", "study", "module")


def sweep_with(file: SweepFile, changes: dict[str, Any]) -> Sweep:
    """The sweep with some settings (dotted paths) changed, checked as if they stood in the file.

    Raises:
        InputError: Unknown path, or a value that the setting does not allow.
    """
    values = file.sweep.model_dump(by_alias=True)
    problems = []
    for path, value in changes.items():
        *blocks, name = path.split(".")
        block = values
        for part in blocks:
            block = block.get(part) if isinstance(block, dict) else None  # type: ignore[assignment]
        valid = model_at(Sweep, tuple(blocks))
        is_setting = valid is not None and name in valid.model_fields
        known = isinstance(block, dict) and (blocks[:1] == ["options"] or is_setting)
        if is_setting and not known:
            text = f"axes: '{path}' needs a block {'.'.join(blocks)}: write one"
            problems.append(file.problem(text, "axes", path))
            continue
        if not known or block is None:
            word, words = first_unknown(path)
            inner = setting_within(path)
            hint = f"did you mean '{inner}'?" if inner else nearest_setting(word, words)
            problems.append(file.problem(f"axes: no setting '{path}': {hint}", "axes", path))
            continue
        block[name] = copy.deepcopy(value)  # a later path may go on in it
    try:
        sweep = Sweep.model_validate(values)
    except ValidationError as error:
        for fault in faults_of(error, partial(_is_in, values)):
            place = ".".join(str(part) for part in fault["loc"])
            message = message_of(fault, Sweep, tuple(fault["loc"]), ())
            near = [p for p in changes if place.startswith(p) or p.startswith(place)]
            # of a whole block it is the axis that the message names first
            named = [p for p in near if p.rpartition(".")[2] in message]
            named.sort(key=lambda p: message.index(p.rpartition(".")[2]))
            path = next(iter([*named, *near]), "")
            problems.append(file.problem(message, *(("axes", path) if path else ())))
    raise_if_any(problems)
    return sweep


_GAP = object()


def is_value_of_axis(place: Place) -> bool:
    """Whether it is one of several, without which the others can be judged."""
    of_list = place[2:3] == ("values",)
    return place[0] == "axes" and len(place) == 3 + of_list and isinstance(place[-1], int)


def without(document: Document, places: list[Place]) -> Document:
    """The document without the values at these places, each of the others at its line."""
    values = copy.deepcopy(document.values)
    for place in places:
        _take_away(values, place)
    gaps: dict[Place, list[int | None]] = {}
    values = _closed(values, gaps)
    moved = {_moved(place, gaps): line for place, line in document.places.lines.items()}
    lines = {place: line for place, line in moved.items() if place is not None}
    return replace(document, values=values, places=replace(document.places, lines=lines))


def _take_away(values: dict[str, Any], place: Place) -> None:
    """Deletes what is at a place, or the smallest block around it that is written down.

    Of a list of blocks the whole block goes, as without one of its keys it would mean another; it
    leaves a gap, so that the places of the other blocks stay what they are. So does a value of an
    axis.
    """
    block: Any = values
    for at, part in enumerate(place):
        inner = block.get(part) if isinstance(block, dict) else None
        if at + 1 < len(place) and isinstance(inner, dict) and place[at + 1] in inner:
            block = inner
        elif isinstance(inner, list) and _is_entry(inner, place[at + 1 : at + 2]):
            inner[int(place[at + 1])] = _GAP
            return
        elif isinstance(inner, list) and is_value_of_axis(place):
            inner[int(place[-1])] = _GAP
            return
        elif isinstance(block, dict):
            block.pop(part, None)
            return


def _is_entry(values: list[Any], part: Place) -> bool:
    """Whether a place goes on to an entry of a list of blocks; a short form, such as a list in the
    place of {choices: [...]}, is none.
    """
    blocks = any(isinstance(value, dict) or value is _GAP for value in values)
    return blocks and bool(part) and isinstance(part[0], int)


def _closed(values: Any, gaps: dict[Place, list[int | None]], place: Place = ()) -> Any:
    """The values without gaps; adds where the entries of a list with gaps are then."""
    if isinstance(values, dict):
        return {name: _closed(value, gaps, (*place, name)) for name, value in values.items()}
    if not isinstance(values, list):
        return values
    if _GAP in values:
        left = itertools.count()
        gaps[place] = [None if value is _GAP else next(left) for value in values]
    kept = [(at, value) for at, value in enumerate(values) if value is not _GAP]
    return [_closed(value, gaps, (*place, at)) for at, value in kept]


def _moved(place: Place, gaps: dict[Place, list[int | None]]) -> Place | None:
    """Where what stood at a place is when gaps are closed; None of what is in one."""
    moved: list[str | int] = []
    for at, part in enumerate(place):
        known = gaps.get(place[:at])
        new = part if known is None else known[int(part)]
        if new is None:
            return None
        moved.append(new)
    return tuple(moved)
