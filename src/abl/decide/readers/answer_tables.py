"""Tables of answers as people hand them over: classes as text, names of patients, gaps."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from abl.decide.check import Ints
from abl.errors import InputError

Missing = Literal["refuse", "drop", "keep"]
_NO_ANSWER = ("", "na", "n/a", "nan", "<na>")  # case folded; "none" may be a class
_INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
NO_CODE = -1  # where an answer is missing and that is kept


def answer_codes(
    ratings: ArrayLike, patients: ArrayLike | None, missing: Missing
) -> tuple[Ints, ArrayLike | None]:
    """(images, readers) codes of the classes, and the patients.

    Args:
        missing: refuse: an image that lacks an answer is a fault; drop: it is left out; keep: its
            code is NO_CODE there.

    Raises:
        InputError: No table of two readers or more, answers that lack and are refused, none left,
            infinite ones, patients without a name or of another number.
    """
    given = np.array(ratings, dtype=object)
    if given.ndim != 2 or not len(given) or given.shape[1] < 2:
        raise InputError(f"ratings: shape {given.shape}, not (images, readers >= 2)")
    names = None if patients is None else patient_names(patients)
    if names is not None and len(names) != len(given):
        raise InputError(f"{len(names)} patients for {len(given)} images")
    text = pd.DataFrame(given).map(_as_answer)
    folded = text.map(str.casefold)
    infinite = np.argwhere(folded.isin(_INFINITE).to_numpy())
    if len(infinite):
        row, reader = (int(at) + 1 for at in infinite[0])
        answer = str(text.to_numpy()[row - 1, reader - 1])
        raise InputError(f"ratings: row {row}, reader {reader}: '{answer}' is no class")
    lacks = folded.isin(_NO_ANSWER).to_numpy()
    whole = ~lacks.any(axis=1)
    if missing == "refuse" and not whole.all():
        by_reader = ", ".join(
            f"reader {at + 1}: {n}" for at, n in enumerate(lacks.sum(axis=0)) if n
        )
        raise InputError(
            f"ratings: {(~whole).sum()} of {len(given)} images lack an answer ({by_reader}), the "
            f"first is row {int(np.flatnonzero(~whole)[0]) + 1}; write missing='drop' to leave "
            "such images out"
        )
    if missing == "keep":
        whole = ~lacks.all(axis=1)
    if not whole.any():
        raise InputError("ratings: no image has an answer of every reader")
    texts, gaps = text.to_numpy(str)[whole], lacks[whole]
    code = np.full(texts.shape, NO_CODE, dtype=np.int64)
    code[~gaps] = np.unique(texts[~gaps], return_inverse=True)[1]
    return code, None if names is None else names[whole]


def checked_missing(missing: object, *known: Missing) -> None:
    """Raises InputError unless `missing` is one of those."""
    if missing not in known:
        words = " nor ".join(f"'{each}'" for each in known)
        raise InputError(f"missing: {missing!r} is neither {words}")


def _as_answer(value: Any) -> str:
    """The text of an answer; 1.0 is 1, as a column with gaps makes one of the other; "" of none."""
    if pd.isna(value) or value == "None":  # as numpy writes None among texts
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def patient_names(patients: ArrayLike) -> NDArray[np.str_]:
    """The names of patients as text (N,). Raises InputError where one has none, with its row."""
    given = np.asarray(patients, dtype=object)
    names = np.array([_as_answer(each) for each in given.ravel()], dtype=str)
    nameless = np.flatnonzero([name.casefold() in _NO_ANSWER for name in names.tolist()])
    if len(nameless):
        row = int(nameless[0])
        raise InputError(
            f"patients: {len(nameless)} of {len(names)} have no name, the first is row {row + 1} "
            f"({given.ravel()[row]!r})"
        )
    return names.reshape(given.shape)
