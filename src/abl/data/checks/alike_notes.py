"""What is said of two parts of one data set, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_NUMBER = re.compile(r"(\d[\d,.]*\d|\d)")


def merged_notes(notes: Sequence[str], names: Collection[str]) -> list[str]:
    """Notes in their order, those of one data set that differ in one number as one, with both.

    The rows of an external centre are a part of the same file, of which the same is odd.

    Args:
        notes: `NAME: ...` of a data set, or anything else, which stays as it is.
        names: Of the data sets.
    """
    kept: list[tuple[str, list[str]]] = []
    for note in notes:
        name = next((each for each in names if note.startswith(f"{each}: ")), None)
        if name is None:
            kept.append(("", [note]))
            continue
        parts = _NUMBER.split(note.removeprefix(f"{name}: "))
        like = next((own for of, own in kept if of == name and _differ_once(own, parts)), None)
        if like is None:
            kept.append((name, parts))
            continue
        at = next(at for at, part in enumerate(parts) if part != like[at])
        like[at] = f"{like[at]} and {parts[at]}"
    return [f"{name}: {''.join(parts)}" if name else parts[0] for name, parts in kept]


def _differ_once(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether they are one text but for one number (at an odd position)."""
    if len(one) != len(other):
        return False
    differ = [at for at, part in enumerate(one) if part != other[at]]
    return len(differ) == 1 and differ[0] % 2 == 1
