"""What pydantic finds, as lines that say what to type instead; and what a dotted path names."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from types import UnionType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from abl.errors import InputError, Problem, nearest
from abl.spec.base import Part
from abl.spec.sweep import Sweep
from abl.spec.union_faults import faults_of
from abl.spec.yaml_file import Place, Places

PartOf = TypeVar("PartOf", bound=Part)


def problems_of(
    error: ValidationError, model: type[Part], written: Places, under: Place = ()
) -> list[Problem]:
    """Pydantic's errors as lines that say what to type instead, in the order of the file."""
    problems, faults = [], faults_of(error, lambda place: (*under, *place) in written.lines)
    for fault in faults:
        place = (*under, *(part for part in fault["loc"] if part != "__root__"))
        if place[-1:] == ("[key]",):  # of a block whose keys are words, one that is none of them
            block, key = place[:-2], place[:-1]
            message = message_of(fault, model, block, under)
            problems.append(Problem(message, str(written.path), written.line(key)))
            continue
        if fault["type"] != "extra_forbidden" and any(
            _is_around(place, known) or _is_around(known, place) for known in written.faults
        ):
            continue  # follows from what is told already
        if fault["type"] == "too_short" and any(
            each["loc"] != fault["loc"] and _is_around(fault["loc"], each["loc"]) for each in faults
        ):
            continue  # entries that are wrong are not counted
        message = message_of(fault, model, place, under)
        if fault["type"] == "value_error":
            # what does not fit together is told of a block; its words begin with the key
            place = (*place, *str(fault["ctx"]["error"]).partition(":")[0].split("."))
        problems.append(Problem(message, str(written.path), written.line(place)))
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def from_options(model: type[PartOf], **values: Any) -> PartOf:
    """A block of settings that options of a command give, which are called as the settings are.

    Raises:
        InputError: Every option whose value the setting does not allow, as a sweep file says it.
    """
    try:
        return model(**values)
    except ValidationError as error:
        problems = []
        for fault in error.errors():
            first, *inner = fault["loc"] or ("",)
            option = f"--{str(first).replace('_', '-')}"
            problems.append(Problem(message_of(fault, model, (option, *inner), ())))
        raise InputError(problems) from None


# kinds of pydantic's faults -> what is wanted, where its own words are a programmer's
_WANTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is wanted"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number is wanted"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "yes or no is wanted"),
    "string_type": "a text is wanted",
}


def _is_around(outer: Place, inner: Place) -> bool:
    return inner[: len(outer)] == outer


def message_of(fault: Any, model: type[Part], place: Place, under: Place) -> str:
    name = ".".join(str(part) for part in place)
    kind = fault["type"]
    if kind == "extra_forbidden":
        owner = model_at(model, place[len(under) : -1])
        valid = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
        hint = nearest_setting(str(place[-1]), valid) if valid else "there are none here"
        return f"unknown key '{name}': {hint}"
    if kind == "missing":
        wanted = _description(model, place, under)
        return f"key '{name}' is missing" + (f": {wanted}" if wanted else "")
    if kind == "value_error":
        text = str(fault["ctx"]["error"])
        return f"{name}: {text}" if name else text
    given = fault["input"]
    given = str(given).lower() if isinstance(given, bool) else given  # as YAML has it
    said = fault["msg"][0].lower() + fault["msg"][1:]
    if kind == "literal_error":
        words = fault["ctx"]["expected"].replace(" or ", ",").split(",")
        expected = [word.strip(" '") for word in words]
        return f"{name}: '{given}' is not known, {nearest(str(given), expected)}"
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        said = "a block of key: value is wanted"
    if kind == "string_pattern_mismatch" and (wanted := _description(model, place, under)):
        said = f"wanted are {wanted[0].lower()}{wanted[1:]}".partition(";")[0]
    said = _WANTED.get(kind, said) + fault.get("or", "")
    if kind == "tuple_type":
        return f"{name}: a list is wanted: [{fault['input']}]"
    if kind == "too_short":
        return f"{name}: give at least {fault['ctx']['min_length']}"
    shown = repr(given) if given is fault["input"] else given
    shown = "nothing" if given is None else shown
    shown = shown if len(shown) < 60 else shown[:57] + "..."
    return f"{name}: {said}, not {shown}{_share_meant(fault)}"


_PER_CENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*")
_NO_SHARES = ("momentum",)  # below 1, and never said in per cent


def _share_meant(fault: Any) -> str:
    """Of a share that is given in per cent, or a difference in points: what to write."""
    bounds, name = fault.get("ctx", {}), fault["loc"][-1] if fault["loc"] else ""
    is_share = 1 in (bounds.get("lt"), bounds.get("le"))
    is_other = name in _NO_SHARES or "or" in fault  # such as a number or a word
    return "" if is_other else share_meant(fault["input"], str(name), is_share=is_share)


def share_meant(value: object, name: str, *, is_share: bool = True) -> str:
    """`: write 0.02 for 2 points` of a margin of 2; "" of what is no number in per cent.

    Args:
        name: Of the setting.
        is_share: Else a value without a sign of per cent is none.
    """
    given = _PER_CENT.fullmatch(f"{value:g}" if isinstance(value, float) else str(value))
    if given is None or not (given[2] or is_share):
        return ""
    per_cent = float(given[1])
    if not 0 < per_cent <= 100:
        return ""
    unit = "%" if name != "margin" else "point" if per_cent == 1 else "points"
    return f": write {per_cent / 100:g} for {per_cent:g} {unit}"


def _description(model: type[BaseModel], place: Place, under: Place) -> str:
    """What the schema says of the setting at a place; "" if nothing."""
    *blocks, last = place[len(under) :] or ("",)
    owner = model_at(model, tuple(blocks))
    found = owner.model_fields.items() if owner else ()
    return next((f.description or "" for n, f in found if last in (n, f.alias)), "")


def model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
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


def setting_within(path: str) -> str:
    """A setting that a path ends in: `image.size` of `data.image.size`; "" if there is none."""
    parts = path.split(".")
    ends = (".".join(parts[at:]) for at in range(1, len(parts) - 1))
    return next((end for end in ends if end in _setting_paths()), "")


def nearest_setting(name: str, valid: Iterable[str]) -> str:
    """What to type instead of a wrong setting: one of the valid words, or where in the file a
    setting of that name stands (`augment.flip` is `train.augment.flip`), or the valid ones.
    """
    hint = nearest(name, valid)
    if hint.startswith("did you mean"):
        return hint
    tails = sorted((path for path in _setting_paths() if path.endswith(f".{name}")), key=len)
    if not tails:
        elsewhere = nearest(name, _setting_paths())
        return elsewhere if elsewhere.startswith("did you mean") else hint
    also = [path for path in tails[1:] if path.count(".") == tails[0].count(".")]
    return "did you mean " + " or ".join(f"'{path}'" for path in [tails[0], *also]) + "?"


@cache
def _setting_paths() -> tuple[str, ...]:
    """Every setting and block of a sweep file, dotted; those that are lists of blocks left out."""

    def below(model: type[BaseModel], path: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            own = f"{path}{field.alias or name}"
            yield own
            if isinstance(field.annotation, type | UnionType):
                for inner in _models_in(field.annotation):
                    yield from below(inner, f"{own}.")

    return tuple(dict.fromkeys(below(Sweep, "")))


def first_unknown(path: str) -> tuple[str, list[str]]:
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
    owner = model_at(Sweep, tuple(blocks))
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
