"""Patients, nodules and centres whose names look alike: told with their rows, before they split one
person over training and test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from abl.data.dataset import Dataset
from abl.data.tables.alike_names import alike_groups, shown_name, unlike_in

MOST_GROUPS = 5
MOST_ROWS = 3
Sides = Iterable[tuple[str, np.ndarray]]  # role, positions of its rows
MAY_BE_ONE = "Names that may be one "  # in every sentence of these
MAY_BE_SEVERAL = "Names that may be several patients: "
_SHORTENED = re.compile(r"\d([.,]\d+)?[eE]\+?\d\d+", re.ASCII)
_ONE_NAME = "write one name"
_ADVICE = {
    "patient": "that person may lie on two sides of a split and counts as several: write one name, "
    "or data: {patient_names: alike}",
}


def alike_notes(dataset: Dataset) -> list[str]:
    """A sentence for each kind of name of which some look alike: which, in which rows."""
    frame = dataset.frame
    images = frame["image"].astype(str)
    row_of = {str(image): row for image, row in dataset.rows.items()}
    rows = images.map(row_of) if row_of else None
    notes = []
    if not (frame["patient"].astype(str) == images).all():  # else nobody is known
        notes.append(alike_sentence("patient", frame["patient"], rows))
        notes.append(_shortened(frame["patient"].astype(str), rows))
    if not (frame["nodule"] == frame["patient"]).all():
        of_patient = frame.groupby("patient")["nodule"].unique()
        groups = [group for nodules in of_patient for group in alike_groups(nodules.tolist())]
        notes.append(_sentence("nodule", groups, frame["nodule"], rows))
    if "centre" in frame:
        notes.append(alike_sentence("centre", frame["centre"], rows))
    return [note for note in notes if note]


def name_notes(notes: Iterable[str]) -> list[str]:
    """Those of the notes on a data set that tell of names that look alike, each once."""
    return list(
        dict.fromkeys(note for note in notes if MAY_BE_ONE in note or MAY_BE_SEVERAL in note)
    )


def torn_note(frame: pd.DataFrame, splits: Iterable[Sides]) -> str:
    """How many look-alikes among patients lie on several sides of a split; "" if none does.

    Args:
        splits: Each the rows (positions) of train, validation and test.
    """
    groups = alike_groups(frame["patient"].astype(str).unique().tolist())
    if not groups:
        return ""
    group_of = {name: at for at, group in enumerate(groups) for name in group}
    of_row = frame["patient"].astype(str).map(group_of).to_numpy(dtype=float, na_value=-1)
    torn: set[int] = set()
    for sides in splits:
        there = [{int(at) for at in of_row[rows] if at >= 0} for _, rows in sides]
        torn |= {at for one, two in combinations(there, 2) for at in one & two}
    if not torn:
        return ""
    first = " and ".join(shown_name(name) for name in groups[min(torn)])
    return (
        f"{MAY_BE_ONE}patient lie on two sides of a split: {len(torn):,} of {len(groups):,}, the "
        f"first are {first}."
    )


def alike_words(names: Sequence[str], rows: Mapping[str, Sequence[int]]) -> str:
    """Look-alikes with their rows and in what they differ.

    Args:
        rows: Name -> its rows of the file, if there is one.
    """
    first, *others = [shown_name(name) + _at(rows.get(name, ())) for name in names]
    how = dict.fromkeys(each for name in names[1:] for each in unlike_in(names[0], name))
    return f"{first} and {', '.join(others)} ({', '.join(how)})"


def alike_sentence(what: str, names: pd.Series, rows: pd.Series | None) -> str:
    """What is said of names that look alike; "" if there are none.

    Args:
        what: What is named, such as patient or reader.
        names, rows: (N,) name, and row of the file, of each image.
    """
    names = names.fillna("").astype(str)
    distinct = [name for name in names.unique().tolist() if name]
    return _sentence(what, alike_groups(distinct), names, rows)


def _sentence(
    what: str, groups: Sequence[list[str]], names: pd.Series, rows: pd.Series | None
) -> str:
    if not groups:
        return ""
    shown = groups[:MOST_GROUPS]
    rows_of: dict[str, list[int]] = {}
    if rows is not None:
        asked = names.isin([name for group in shown for name in group]).to_numpy(dtype=bool)
        for name, row in zip(names[asked], rows[asked], strict=True):
            rows_of.setdefault(name, []).append(int(row))
    words = "; ".join(alike_words(group, rows_of) for group in shown)
    more = f"; and {len(groups) - len(shown):,} more" if len(groups) > len(shown) else ""
    return f"{MAY_BE_ONE}{what}: {words}{more}. If they are one, {_ADVICE.get(what, _ONE_NAME)}."


def _shortened(names: pd.Series, rows: pd.Series | None) -> str:
    """What is said of long numbers of which a spreadsheet has kept the first digits."""
    found = [name for name in names.unique().tolist() if _SHORTENED.fullmatch(name)]
    if not found:
        return ""
    rows_of = {} if rows is None else {name: rows[names == name] for name in found[:MOST_GROUPS]}
    shown = [f"'{name}'{_at([*map(int, rows_of.get(name, ()))])}" for name in found[:MOST_GROUPS]]
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    return (
        f"{MAY_BE_SEVERAL}{', '.join(shown)}{more}: long numbers of which a spreadsheet has kept "
        "the first digits alone; save the column as text."
    )


def _at(rows: Sequence[int]) -> str:
    if not rows:
        return ""
    listed = ", ".join(map(str, rows[:MOST_ROWS]))
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return f" [row{'s' if len(rows) > 1 else ''} {listed}{more}]"
