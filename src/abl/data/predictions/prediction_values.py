"""Labels and probabilities of a file of predictions: read, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.predictions.prediction_rows import Tell, as_text
from abl.data.tables.alike_names import label_fault, no_class_fault
from abl.data.tables.rounding import ALWAYS, EXACT, rounding_bound
from abl.data.tables.words import DECIMAL_COMMA, class_numbers, missing_words


def labels_read(
    text: pd.Series, names: Sequence[str], tell: Tell, named_by: str = ""
) -> NDArray[np.int64]:
    """(N,) classes; 0 where it is a fault. `named_by` is told where labels are of other classes."""
    distinct = text.unique().tolist()
    numbers, missing = class_numbers(distinct, names), missing_words(distinct)
    others = sorted(set(distinct) - missing)
    if others and not numbers and len(text) > 1:  # the classes are others: one fault
        first = np.arange(len(text)) == 0
        tell(first, lambda _: no_class_fault(others, names, named_by))
        return np.zeros(len(text), dtype=np.int64)
    labels = text.map(numbers).to_numpy(dtype=np.float64, na_value=np.nan)
    tell(np.isnan(labels), lambda at: label_fault(text.iloc[at], names, missing, named_by))
    return np.nan_to_num(labels).astype(np.int64)


def add_probabilities(
    path: Path, raw: pd.DataFrame, frame: pd.DataFrame, columns: Sequence[str], tell: Tell
) -> list[str]:
    """Adds p_0, ... to the frame; returns what was done to them, a sentence each."""
    inside = np.full(len(frame), True)
    values = np.empty((len(frame), len(columns)))
    for at, name in enumerate(columns):
        read = _numbers(raw[name])
        ok = (read >= -EXACT) & (read <= 1 + EXACT)
        values[:, at] = np.clip(read, 0, 1)
        tell(~ok, partial(_not_a_probability, raw[name]))
        inside &= ok
    total = values.sum(axis=1)
    bound = np.full(len(frame), ALWAYS)
    bound[inside] = rounding_bound(values[inside])
    off = np.abs(total - 1)
    beyond = inside & (off > bound * (1 + EXACT))
    tell(
        beyond,
        lambda at: (
            f"probabilities sum to {total[at]:.6g}, not 1; rounding explains a difference of "
            f"{bound[at]:.2g} at most"
        ),
    )
    rounded = inside & ~beyond & (off > EXACT)
    values[rounded] /= total[rounded, None]
    for at, name in enumerate(columns):
        frame[name] = values[:, at]
    if not rounded.any():
        return []
    count = int(rounded.sum())
    which = "1 row" if count == 1 else f"{count:,} rows"
    sums = dict.fromkeys(f"{end:.4g}" for end in (total[rounded].min(), total[rounded].max()))
    return [
        f"{path.name}: the probabilities of {which} sum to {' to '.join(sums)}, as they were "
        "rounded, and were divided by their sum."
    ]


def _numbers(raw: pd.Series) -> NDArray[np.float64]:
    """(N,), nan where a field is no number; a decimal comma in quotes is one."""
    numbers = pd.to_numeric(raw, errors="coerce")
    if pd.api.types.is_string_dtype(raw) and numbers.isna().any():
        text = as_text(raw)
        is_comma = text.str.fullmatch(DECIMAL_COMMA).to_numpy(dtype=bool)
        pointed = pd.to_numeric(text.str.replace(",", "."), errors="coerce").to_numpy()
        numbers = numbers.where(~is_comma, pointed)
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _not_a_probability(raw: pd.Series, at: int) -> str:
    value = raw.iloc[at]
    if value == "" or pd.isna(value):
        return f"{raw.name} is empty; write a number in [0, 1]"
    return f"{raw.name} is '{value!s}', not a number in [0, 1]"
