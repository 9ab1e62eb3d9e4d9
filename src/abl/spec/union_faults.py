"""Faults of a value that may be of several kinds, such as a number or a list of numbers.

Pydantic tells what is wrong with it as each of them, at places that name its own types
(`svm.c.tuple[constrained-float, ...].1`): here they become one fault a value, at its own place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from abl.spec.yaml_file import Place

_KIND = re.compile(
    r"constrained-\w+|float|int|str|bool|none|(literal|tuple|list|dict|union|nullable)\[.*\]"
    r"|(lax-or-strict|function-\w+)\[.*\]"
)
_NOT_OF_THIS_KIND = {"literal_error", "tuple_type", "list_type", "none_required"}

Fault = Mapping[str, Any]


def faults_of(error: ValidationError, is_written: Callable[[Place], bool]) -> list[Fault]:
    """Pydantic's faults, one a value where that may be of several kinds.

    Args:
        is_written: Whether something stands at a place of what was validated; a key there may be
            called as a type is.
    """
    found: dict[Place, list[Fault]] = {}
    plain: dict[int, Place] = {}
    faults = error.errors(include_url=False)
    for at, fault in enumerate(faults):
        own, is_union = _without_kinds(fault["loc"], is_written)
        plain[at] = own
        if is_union:
            found.setdefault(own, []).append({**fault, "loc": own})
    told: list[Fault] = []
    for at, fault in enumerate(faults):
        place = plain[at]
        if place == fault["loc"] and place not in found:
            told.append(fault)
        elif place in found and not any(_is_below(inner, place) for inner in found):
            told.append(_meant(found.pop(place)))
    return told


def _without_kinds(place: Place, is_written: Callable[[Place], bool]) -> tuple[Place, bool]:
    own: Place = ()
    for part in place:
        inner = (*own, part)
        if isinstance(part, str) and _KIND.fullmatch(part) and not is_written(inner):
            continue
        own = inner
    return own, own != place


def _is_below(inner: Place, outer: Place) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _meant(faults: Sequence[Fault]) -> Fault:
    """Of the faults of one value that of the kind it was meant to be; words that are allowed in
    the place of a number are named with it."""
    words = [each["ctx"]["expected"] for each in faults if each["type"] == "literal_error"]
    others = [each for each in faults if each["type"] not in _NOT_OF_THIS_KIND] or list(faults)
    chosen = others[0]
    if not words or chosen["type"] == "literal_error":
        return chosen
    return {**chosen, "or": f" (or {', '.join(words)})"}
