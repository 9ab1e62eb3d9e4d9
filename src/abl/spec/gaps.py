"""A sweep file without the values that are at fault, so that the rest can be judged."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Any

from abl.spec.yaml_file import Document, Place

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
    moved = {_moved(place, gaps): line for place, line in document.lines.items()}
    lines = {place: line for place, line in moved.items() if place is not None}
    return replace(document, values=values, lines=lines)


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
        elif at + 1 < len(place) and isinstance(inner, list) and _are_blocks(inner):
            inner[int(place[at + 1])] = _GAP
            return
        elif isinstance(inner, list) and is_value_of_axis(place):
            inner[int(place[-1])] = _GAP
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
