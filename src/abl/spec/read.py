"""Sweep file -> Sweep, or every error of the file at once, with lines and the nearest word."""

from __future__ import annotations

import copy
import itertools
import typing
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any

from pydantic import BaseModel, ValidationError

from abl.errors import InputError, Problem, nearest
from abl.spec.base import Part
from abl.spec.pointless import pointless, too_many_arms
from abl.spec.sweep import Sweep
from abl.spec.yaml_file import Document, Place, read_yaml


@dataclass(frozen=True)
class SweepFile:
    """A sweep and the file it was read from, for errors that are found later."""

    sweep: Sweep
    document: Document

    @property
    def folder(self) -> Path:
        """Folder that relative paths of the sweep start from."""
        return self.document.path.resolve().parent

    def problem(self, message: str, *place: str | int) -> Problem:
        """A problem at a place of the file."""
        return Problem(message, str(self.document.path), self.document.line(place))

    def placed(self, problem: Problem) -> Problem:
        """The problem at the block that its message begins with, if it has no place yet."""
        key = problem.message.partition(":")[0].partition(" ")[0].split(".")
        if problem.file is not None or key[0] not in type(self.sweep).model_fields:
            return problem
        return self.problem(problem.message, *key)


def read_sweep(path: Path) -> SweepFile:
    """Reads and checks a sweep file's form; names of components are checked by its study.

    Raises:
        InputError: With every problem of the file.
    """
    file, problems = read_form(path)
    if problems or file is None:
        raise InputError(problems)
    return file


def read_form(path: Path) -> tuple[SweepFile | None, list[Problem]]:
    """The sweep file and the faults of its form.

    If it has faults, what they leave of the file is given, so that a study can check the names in
    it and all is told at once; None if that would not be what the writer meant.

    Raises:
        InputError: It is not YAML.
    """
    document = read_yaml(path)
    try:
        return _judged(SweepFile(Sweep.model_validate(document.values), document), [])
    except ValidationError as error:
        problems = problems_of(error, Sweep, document)
        places = [fault["loc"] for fault in error.errors(include_url=False)]
    if any(place[:1] in {(name,) for name in _COMBINED} for place in places):
        return None, problems
    values = copy.deepcopy(document.values)
    for place in places:
        _take_away(values, place)
    gaps: dict[Place, list[int | None]] = {}
    values = {"name": "unnamed", "data": {"phantom": {}}} | _closed(values, gaps)
    moved = {_moved(place, gaps): line for place, line in document.lines.items()}
    lines = {place: line for place, line in moved.items() if place is not None}
    try:
        file = SweepFile(Sweep.model_validate(values), replace(document, lines=lines))
    except ValidationError:
        return None, problems
    return _judged(file, problems)


def _judged(file: SweepFile, problems: list[Problem]) -> tuple[SweepFile | None, list[Problem]]:
    if too_many := too_many_arms(file.sweep):
        # nobody waits for these to be listed
        return None, [*problems, *(file.problem(text, *place) for place, text in too_many)]
    return file, [*problems, *(file.problem(text, *place) for place, text in pointless(file.sweep))]


# an arm is made of all of these together
_COMBINED = ("axes", "arms", "exclude", "base", "options", "study", "module")
_GAP = object()


def _take_away(values: dict[str, Any], place: Place) -> None:
    """Deletes what is at a place, or the smallest block around it that is written down.

    Of a list of blocks the whole block goes, as without one of its keys it would mean another; it
    leaves a gap, so that the places of the other blocks stay what they are.
    """
    block: Any = values
    for at, part in enumerate(place):
        inner = block.get(part) if isinstance(block, dict) else None
        if at + 1 < len(place) and isinstance(inner, dict) and place[at + 1] in inner:
            block = inner
        elif at + 1 < len(place) and isinstance(inner, list) and _are_blocks(inner):
            inner[int(place[at + 1])] = _GAP
            return
        elif isinstance(block, dict):
            block.pop(part, None)
            return


def _are_blocks(values: list[Any]) -> bool:
    return any(isinstance(value, dict) or value is _GAP for value in values)


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


def problems_of(
    error: ValidationError, model: type[Part], document: Document, under: Place = ()
) -> list[Problem]:
    """Pydantic's errors as lines that say what to type instead, in the order of the file."""
    problems = []
    for fault in error.errors(include_url=False):
        place = (*under, *(part for part in fault["loc"] if part != "__root__"))
        message = _message(fault, model, place, under)
        if fault["type"] == "value_error":
            # what does not fit together is told of a block; its words begin with the key
            place = (*place, *_key_of(str(fault["ctx"]["error"])))
        problems.append(Problem(message, str(document.path), document.line(place)))
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def _key_of(text: str) -> Place:
    return tuple(text.partition(":")[0].split("."))


def _message(fault: Any, model: type[Part], place: Place, under: Place) -> str:
    name = ".".join(str(part) for part in place)
    kind = fault["type"]
    if kind == "extra_forbidden":
        owner = _model_at(model, place[len(under) : -1])
        valid = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
        hint = nearest(str(place[-1]), valid) if valid else "there are none here"
        return f"unknown key '{name}': {hint}"
    if kind == "missing":
        return f"key '{name}' is missing"
    if kind == "value_error":
        text = str(fault["ctx"]["error"])
        return f"{name}: {text}" if name else text
    said = fault["msg"][0].lower() + fault["msg"][1:]
    if kind == "literal_error":
        expected = [
            word.strip(" '") for word in fault["ctx"]["expected"].replace(" or ", ",").split(",")
        ]
        return f"{name}: '{fault['input']}' is not known, {nearest(str(fault['input']), expected)}"
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        said = "a block of key: value is wanted"
    if kind == "tuple_type":
        return f"{name}: a list is wanted: [{fault['input']}]"
    if kind == "too_short":
        return f"{name}: give at least {fault['ctx']['min_length']}"
    shown = "nothing" if fault["input"] is None else repr(fault["input"])
    return f"{name}: {said}, not {shown if len(shown) < 60 else shown[:57] + '...'}"


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    for part in place:
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        if field is None:
            # an entry of a dict or list of blocks, such as axes.threshold
            continue
        inner = _models_in(field.annotation)
        if not inner:
            return None
        model = inner[0]
    return model


def _first_unknown(path: str) -> tuple[str, list[str]]:
    """The first part of a dotted path that is no setting, and those that are in its place."""
    model: type[BaseModel] = Sweep
    for part in path.split("."):
        field = model.model_fields.get(part)
        inner = [] if field is None else _models_in(field.annotation)
        if field is None or not inner:
            return part, list(model.model_fields)
        model = inner[0]
    return path.rpartition(".")[2], list(model.model_fields)


def annotation_of(path: str) -> Any:
    """The type of a setting by its dotted path, None if there is no such setting."""
    *blocks, name = path.split(".")
    owner = _model_at(Sweep, tuple(blocks))
    field = None if owner is None else owner.model_fields.get(name)
    found = None if field is None else field.annotation
    # Annotated[float, Field(...)] keeps its limits beside
    return typing.get_args(found)[0] if typing.get_origin(found) is typing.Annotated else found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, UnionType) or typing.get_args(annotation):
        return [model for arg in typing.get_args(annotation) for model in _models_in(arg)]
    return []


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
        valid = _model_at(Sweep, tuple(blocks))
        known = isinstance(block, dict) and (
            blocks[:1] == ["options"] or (valid is not None and name in valid.model_fields)
        )
        if not known or block is None:
            part, words = _first_unknown(path)
            problems.append(
                file.problem(f"axes: no setting '{path}': {nearest(part, words)}", "axes", path)
            )
            continue
        block[name] = value
    if problems:
        raise InputError(problems)
    try:
        return Sweep.model_validate(values)
    except ValidationError as error:
        found = []
        for fault in error.errors(include_url=False):
            place = ".".join(str(part) for part in fault["loc"])
            path = next((p for p in changes if place.startswith(p) or p.startswith(place)), "")
            message = _message(fault, Sweep, tuple(fault["loc"]), ())
            found.append(file.problem(message, *(("axes", path) if path else ())))
        raise InputError(found) from None
