"""What stands in the fields of readers' answers: classes by name or number, ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.readers.reader_answers import distinct_values
from abl.data.tables.alike_names import label_fault, shown_name
from abl.data.tables.class_folders import OTHER, RANKS, SIGNS, class_order
from abl.data.tables.rows import class_name_problems
from abl.data.tables.words import (
    DECIMAL_COMMA,
    NUMBER,
    TRUTH,
    class_numbers,
    same_name,
    whole_number,
)
from abl.errors import Problem

_OF_CLASSES = ("truth", "answer")
_MOST_NAMED = 6


def class_pair(
    raw: pd.DataFrame, classes: Sequence[str] | None, *, known: bool, problems: list[Problem]
) -> tuple[str, str]:
    """Names of the classes 0 and 1.

    Args:
        raw: truth, answer, rating as text, "" where missing.
        classes: As asked for; None: those that the columns name.
        known: Whether the truth is known from elsewhere, by its numbers.
        problems: To which what is wrong is added.
    """
    if classes is not None:
        faults = class_name_problems(classes)
        if len(classes) != 2 and not faults:
            faults.append(f"--classes {','.join(classes)}: name two, the positive one last")
        problems += [Problem(each) for each in faults]
        return (classes[0], classes[-1]) if not faults else ("0", "1")
    texts = pd.unique(raw[list(_OF_CLASSES)].to_numpy().ravel())
    names: dict[str, str] = {}
    for text in texts:
        if text and not NUMBER.fullmatch(text) and same_name(text) not in TRUTH:
            names.setdefault(same_name(text), text)
    if not names:
        return _numbered(raw, known=known)
    named = class_order(list(names.values()))
    if len(named) == 1 and known is False and not _numbers(raw["truth"]):
        named = class_order([*named, *_other_of(named[0])])
    if len(named) != 2:
        shown = ", ".join(named[:_MOST_NAMED]) + (", ..." if len(named) > _MOST_NAMED else "")
        said = f"{len(named)} classes are named in truth and answer ({shown}), and two are compared"
        problems.append(Problem(f"{said}: write --classes NEGATIVE,POSITIVE and those two alone"))
        return ("0", "1")
    if all(_unranked(name) for name in named):
        said = f"which of {named[0]} and {named[1]} is positive? Write it last: --classes "
        problems.append(Problem(f"{said}{named[0]},{named[1]}"))
    return (named[0], named[1])


def _numbered(raw: pd.DataFrame, *, known: bool) -> tuple[str, str]:
    """Classes of columns that hold numbers alone: 0 and 1, or the two that the truth holds."""
    numbers = _numbers(raw["truth"])
    if not known and len(numbers) == 2 and numbers != [0, 1]:
        return (str(numbers[0]), str(numbers[1]))
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


def read_answer_values(
    raw: pd.DataFrame, named: tuple[str, str], problems: list[Problem], notes: list[str]
) -> pd.DataFrame:
    """truth, answer, rating and confidence as numbers (float64), nan where missing.

    A rating that has two values alone is an answer, and an answer that is a number beyond the
    classes a rating: what a column is called says less than what it holds.

    Args:
        raw: The columns as text, "" where missing, with file and row.
        named: Classes 0 and 1.
        problems, notes: To which what is wrong, or was read otherwise, is added.
    """
    values = pd.DataFrame(index=raw.index)
    values["truth"] = _classes(raw, "truth", named, problems)
    texts = dict.fromkeys(("answer", "rating"), "")
    is_scale = _is_scale(raw["answer"], named) and (raw["rating"] == "").all()
    as_classes = _are_classes(raw["rating"], named) and (raw["answer"] == "").all()
    if is_scale:
        texts["rating"] = "answer"
        notes.append("The column answer holds numbers beyond the classes: it is read as ratings.")
    elif as_classes:
        texts["answer"] = "rating"
    else:
        texts = {name: name for name in texts}
    nothing = np.full(len(raw), np.nan)
    answer = texts["answer"]
    values["answer"] = _classes(raw, answer, named, problems) if answer else nothing
    values["rating"] = _decimals(raw, texts["rating"], problems) if texts["rating"] else nothing
    values["confidence"] = _decimals(raw, "confidence", problems)
    levels = distinct_values(values["rating"])
    if len(levels) == 2 and values["answer"].isna().all():
        high = values["rating"] == levels[1]
        values["answer"] = high.astype(np.float64).where(values["rating"].notna())
        values["rating"] = nothing
        low, top = (f"{level:g}" for level in levels)
        notes.append(
            f"The ratings have two values: {top} is read as {named[1]}, {low} as the other."
        )
    return values


def _is_scale(texts: pd.Series, named: tuple[str, str]) -> bool:
    """Whether a column holds numbers alone, and others than the classes."""
    distinct = [text for text in texts.unique() if text]
    numbers = [text for text in distinct if NUMBER.fullmatch(text) or _is_comma(text)]
    return (
        bool(distinct)
        and len(numbers) == len(distinct)
        and len(class_numbers(distinct, named)) < len(distinct)
    )


def _are_classes(texts: pd.Series, named: tuple[str, str]) -> bool:
    distinct = [text for text in texts.unique() if text]
    return bool(distinct) and len(class_numbers(distinct, named)) == len(distinct)


def _classes(
    raw: pd.DataFrame, column: str, named: tuple[str, str], problems: list[Problem]
) -> NDArray[np.float64]:
    texts = raw[column]
    numbers = class_numbers(texts.unique().tolist(), named)
    values = np.array([numbers.get(text, np.nan) for text in texts.tolist()], dtype=np.float64)
    for at in np.flatnonzero(np.isnan(values) & (texts != "").to_numpy()):
        said = label_fault(str(texts.iloc[at]), named, frozenset())
        problems.append(_row_problem(raw, at, f"{column}: {said}"))
    return values


def _decimals(raw: pd.DataFrame, column: str, problems: list[Problem]) -> NDArray[np.float64]:
    texts = raw[column]
    known: dict[str, float] = {}
    for text in texts.unique():
        plain = text.replace(",", ".") if _is_comma(text) else text
        if NUMBER.fullmatch(plain):
            known[text] = float(plain)
    values = np.array([known.get(text, np.nan) for text in texts.tolist()], dtype=np.float64)
    for at in np.flatnonzero(np.isnan(values) & (texts != "").to_numpy()):
        said = f"{column} {shown_name(str(texts.iloc[at]))} is no number"
        problems.append(_row_problem(raw, at, said))
    return values


def _is_comma(text: str) -> bool:
    return DECIMAL_COMMA.fullmatch(text) is not None


def _row_problem(raw: pd.DataFrame, at: int | np.integer, message: str) -> Problem:
    return Problem(message, file=str(raw["file"].iloc[at]), line=int(raw["row"].iloc[at]))
