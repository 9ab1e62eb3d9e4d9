"""Metrics of one class: `sen@benign` in a file is `sen@benign#0` inside, with the class's position,
as predictions know classes by their position alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def with_position(name: str, classes: Sequence[str]) -> str:
    """A metric's name with the position of the class that it names; any other as it is.

    A name that has a position gets that of these classes. A number between 0 and 1 is never a
    class: `ppv@0.1` states a prevalence.
    """
    plain = without_position(name)
    parts = plain.split("@")
    for at in range(1, len(parts)):
        word = "@".join(parts[at:])
        if word in classes and not _is_share(word):
            return f"{plain}#{list(classes).index(word)}"
    return name


def without_position(name: str) -> str:
    """`sen@benign` of `sen@benign#0`: as people write it."""
    before, mark, position = name.rpartition("#")
    return before if mark and "@" in before and position.isdigit() else name


def positions_in(value: Any, classes: Sequence[str]) -> Any:
    """The same of every text in lists and blocks that is a metric of one class."""
    if isinstance(value, str):
        return with_position(value, classes)
    if isinstance(value, dict):
        return {key: positions_in(inner, classes) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(positions_in(inner, classes) for inner in value)
    return value


def _is_share(word: str) -> bool:
    try:
        return 0 < float(word) < 1
    except ValueError:
        return False
