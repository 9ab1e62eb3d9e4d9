"""What stands in the fields of readers' answers: classes by name or number, ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.readers.reader_answers import distinct_values
from abl.data.tables.alike_names import label_fault, shown_name
from abl.data.tables.words import DECIMAL_COMMA, NUMBER, class_numbers
from abl.errors import Problem


def read_answer_values(
    raw: pd.DataFrame,
    named: Sequence[str],
    problems: list[Problem],
    notes: list[str],
    named_by: str = "",
) -> pd.DataFrame:
    """truth, answer, rating and confidence as numbers (float64), nan where missing.

    Of two classes a rating that has two values alone is an answer; an answer that is a number
    beyond the classes is a rating: what a column is called says less than what it holds.

    Args:
        raw: The columns as text, "" where missing, with file and row.
        named: Classes 0, 1, ...
        problems, notes: To which what is wrong, or was read otherwise, is added.
        named_by: The option that names classes, told where an answer is of none.
    """
    values = pd.DataFrame(index=raw.index)
    values["truth"] = _classes(raw, "truth", named, problems, named_by)
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
    values["answer"] = _classes(raw, answer, named, problems, named_by) if answer else nothing
    values["rating"] = _decimals(raw, texts["rating"], problems) if texts["rating"] else nothing
    values["confidence"] = _decimals(raw, "confidence", problems)
    levels = distinct_values(values["rating"])
    if len(named) == 2 and len(levels) == 2 and values["answer"].isna().all():
        high = values["rating"] == levels[1]
        values["answer"] = high.astype(np.float64).where(values["rating"].notna())
        values["rating"] = nothing
        low, top = (f"{level:g}" for level in levels)
        notes.append(
            f"The ratings have two values: {top} is read as {named[1]}, {low} as the other."
        )
    return values


def _is_scale(texts: pd.Series, named: Sequence[str]) -> bool:
    """Whether a column holds numbers alone, and others than the classes."""
    distinct = [text for text in texts.unique() if text]
    numbers = [text for text in distinct if NUMBER.fullmatch(text) or _is_comma(text)]
    return (
        bool(distinct)
        and len(numbers) == len(distinct)
        and len(class_numbers(distinct, named)) < len(distinct)
    )


def _are_classes(texts: pd.Series, named: Sequence[str]) -> bool:
    distinct = [text for text in texts.unique() if text]
    if len(named) > 2 and all(NUMBER.fullmatch(text) for text in distinct):
        return False  # of several classes a rating is no number of one
    return bool(distinct) and len(class_numbers(distinct, named)) == len(distinct)


def _classes(
    raw: pd.DataFrame, column: str, named: Sequence[str], problems: list[Problem], named_by: str
) -> NDArray[np.float64]:
    texts = raw[column]
    numbers = class_numbers(texts.unique().tolist(), named)
    values = np.array([numbers.get(text, np.nan) for text in texts.tolist()], dtype=np.float64)
    for at in np.flatnonzero(np.isnan(values) & (texts != "").to_numpy()):
        said = label_fault(str(texts.iloc[at]), named, frozenset(), named_by)
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
