"""Keys of two tables in one spelling: folds counted from 1, letters that Unicode writes twice."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from abl.data.predictions.prediction_file import PredictionTable
from abl.data.tables.words import whole_number

COUNTED = ("repeat", "fold")  # keys that some count from 1


def counted_from_one(theirs: Collection[int], ours: Collection[int]) -> bool:
    """Whether numbers are those of others that count from 0, and themselves count from 1."""
    return bool(ours) and min(ours) == 0 and set(theirs) == {number + 1 for number in ours}


def unicode_forms(theirs: Iterable[str], ours: Iterable[str]) -> Mapping[str, str]:
    """Name of theirs -> the one of ours that is the same text in another form (NFC, NFD).

    Of names that are there as they are, and of those that fit several of ours, nothing is said.
    """
    foreign = [name for name in dict.fromkeys(theirs) if not name.isascii()]
    if not foreign:
        return {}
    own = list(dict.fromkeys(ours))
    known, forms = set(own), dict[str, list[str]]()
    for name in own:
        if not name.isascii():
            forms.setdefault(unicodedata.normalize("NFC", name), []).append(name)
    found = {}
    for name in foreign:
        fitting = forms.get(unicodedata.normalize("NFC", name), [])
        if name not in known and len(fitting) == 1:
            found[name] = fitting[0]
    return found


def named_alike(
    first: PredictionTable, other: PredictionTable, notes: list[str]
) -> PredictionTable:
    """The other table with its keys spelled as those of the first; what was changed is noted."""
    if other is first:
        return other
    frame = other.frame
    forms = unicode_forms(frame["image"], first.frame["image"])
    if forms:
        frame = frame.assign(image=frame["image"].replace(forms))
    steps: dict[str, int] = {}
    for key in COUNTED:
        if key in frame and key in first.frame:
            ours, theirs = _numbers(first.frame[key]), _numbers(frame[key])
            step = int(counted_from_one(ours, theirs)) - int(counted_from_one(theirs, ours))
            steps |= {key: step} if step else {}
    moved = frame.assign(
        **{key: (frame[key].astype(int) + step).astype(str) for key, step in steps.items()}
    )
    keys = [name for name in first.keys if name in moved]
    if steps and _index(moved, keys).isin(_index(first.frame, keys)).all():
        frame = moved
        for key, step in steps.items():
            one, zero = (other, first) if step < 0 else (first, other)
            notes.append(
                f"{one.file} counts {key} from 1, {zero.file} from 0: they were taken as the same."
            )
    return other if frame is other.frame else replace(other, frame=frame)


def names_apart(theirs: Iterable[str], ours: Iterable[str]) -> str:
    """In what names of files differ of which none meets another, as far as it is seen; else ""."""
    for words, part in _PARTS:
        own = {part(name) for name in ours}
        if any(part(name) in own for name in theirs):
            return words
    return ""


_PARTS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("the folder in front", lambda name: name.replace("\\", "/").rpartition("/")[2]),
    ("the ending", lambda name: name.rpartition(".")[0] or name),
    ("folder and ending", lambda name: PurePosixPath(name.replace("\\", "/")).stem),
)


def _numbers(texts: pd.Series) -> set[int]:
    """The numbers of a key; empty if one is none."""
    numbers = [whole_number(str(text)) for text in texts.unique()]
    return set() if None in numbers else {number for number in numbers if number is not None}


def _index(frame: pd.DataFrame, keys: list[str]) -> pd.Index:
    return pd.MultiIndex.from_frame(frame[keys].astype(str)) if keys else pd.Index(np.arange(0))
