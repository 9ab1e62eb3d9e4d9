"""Which classes readers' answers are of, by the names in a file or as asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from abl.data.tables.class_folders import OTHER, RANKS, SIGNS, class_order
from abl.data.tables.rows import class_name_problems
from abl.data.tables.words import NUMBER, TRUTH, class_numbers, same_name, whole_number
from abl.errors import Problem, nearest

_OF_CLASSES = ("truth", "answer")
_MOST_NAMED = 6
_NO_CLASSES = (("0", "1"), 1)  # after a fault


def named_classes(
    raw: pd.DataFrame,
    asked: Sequence[str] | None,
    positive: str | None,
    *,
    known: bool,
    problems: list[Problem],
) -> tuple[tuple[str, ...], int | None]:
    """Names of the classes 0, 1, ..., and which of them is positive; of more than two maybe none.

    Of more than two classes those of the column truth count, so that a misspelt answer makes no
    class of its own.

    Args:
        raw: truth, answer, rating as text, "" where missing.
        asked: As asked for; None: those that the columns name.
        positive: The positive class as asked for; None: the last of two.
        known: Whether the truth is known from elsewhere, by its numbers.
        problems: To which what is wrong is added.
    """
    before = len(problems)
    if asked is None:
        names = _found(raw, known=known, asks_positive=positive is None, problems=problems)
    else:
        names = tuple(asked)
        faults = class_name_problems(asked)
        if len(names) < 2 and not faults:
            faults.append(
                f"--classes {','.join(names)}: name two or more, of two the positive last"
            )
        problems += [Problem(each) for each in faults]
    if len(problems) > before:
        return _NO_CLASSES
    if positive is None:
        return names, (1 if len(names) == 2 else None)
    number = class_numbers([positive], names).get(positive)
    if number is None:
        problems.append(Problem(f"--positive {positive}: {nearest(positive, names)}"))
        return _NO_CLASSES
    if len(names) > 2 or number == 1:
        return names, number
    if known:
        said = (
            f"--positive {positive}: where the truth comes from elsewhere, {names[1]} is positive"
        )
        problems.append(Problem(said))
    return (names[1], names[0]), 1


def _found(
    raw: pd.DataFrame, *, known: bool, asks_positive: bool, problems: list[Problem]
) -> tuple[str, ...]:
    names = _names_in(raw, _OF_CLASSES)
    if not names:
        return _numbered(raw, known=known)
    if len(names) == 1 and not known and not _numbers(raw["truth"]):
        names = class_order([*names, *_other_of(names[0])])
    true = _names_in(raw, ("truth",))
    if len(names) > 2 and len(true) >= 2:
        names = true  # what else is answered is told with its row
    if len(names) < 2 or (len(names) > 2 and known):
        shown = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        count = "1 class is" if len(names) == 1 else f"{len(names)} classes are"
        said = f"{count} named in truth and answer ({shown}): name all with --classes"
        if known:
            said += ", in the order that the truth from elsewhere has"
        problems.append(Problem(said))
    elif len(names) == 2 and asks_positive and all(_unranked(name) for name in names):
        said = f"which of {names[0]} and {names[1]} is positive? Write it last: --classes "
        problems.append(Problem(f"{said}{names[0]},{names[1]}"))
    return names


def _names_in(raw: pd.DataFrame, columns: Sequence[str]) -> tuple[str, ...]:
    """The classes that columns name, each in its first spelling, from the mildest to the worst."""
    names: dict[str, str] = {}
    for text in pd.unique(raw[list(columns)].to_numpy().ravel()):
        if text and not NUMBER.fullmatch(text) and same_name(text) not in TRUTH:
            names.setdefault(same_name(text), text)
    return class_order(list(names.values()))


def _numbered(raw: pd.DataFrame, *, known: bool) -> tuple[str, ...]:
    """Classes of columns that hold numbers alone: 0 and 1, or those that the truth holds."""
    numbers = _numbers(raw["truth"])
    several = len(numbers) > 2 and numbers == _numbers(raw["answer"])
    if not known and (several or (len(numbers) == 2 and numbers != [0, 1])):
        return tuple(map(str, numbers))
    return ("0", "1")


def _numbers(texts: pd.Series) -> list[int]:
    found = (whole_number(text) for text in texts.unique())
    return sorted({number for number in found if number is not None})


def _other_of(name: str) -> list[str]:
    """The class beside a known word of which the columns hold no case; [] of other words."""
    pairs = {"malignant": "benign", "benign": "malignant", "positive": "negative"}
    other = (pairs | {"negative": "positive"}).get(same_name(name))
    return [] if other is None else [other]


def _unranked(name: str) -> bool:
    word = SIGNS.sub(" ", same_name(name))
    return all(word not in words for at, words in enumerate(RANKS) if at != OTHER)
