"""Predictions from elsewhere with keys and names spelled as those of the sweep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from abl.data.tables.key_spellings import COUNTED, counted_from_one, unicode_forms
from abl.studies.shared.imported_arm import ImportedArm


def units_spelled(imported: ImportedArm, own: Iterable[str]) -> ImportedArm:
    """The arm with the names of `own` for those that are the same text in another Unicode form."""
    forms = unicode_forms(imported.frame["unit"].astype(str), own)
    if not forms:
        return imported
    frame = imported.frame.assign(unit=imported.frame["unit"].replace(forms))
    others = imported.others
    if others is not None:
        others = others.assign(unit=others["unit"].replace(forms))
    return replace(imported, frame=frame, others=others)


def keys_spelled(imported: ImportedArm, tests: pd.DataFrame) -> ImportedArm:
    """The arm with repeats and folds from 0, if its file counts from 1 and has every test so.

    Args:
        tests: repeat, fold, unit of the sweep's tests.
    """
    counted = [
        key
        for key in COUNTED
        if key in imported.frame and counted_from_one(set(imported.frame[key]), set(tests[key]))
    ]
    if not counted:
        return imported
    frame = _from_zero(imported.frame, counted)
    keys = [*(key for key in COUNTED if key in frame), "unit"]
    asked = pd.MultiIndex.from_frame(tests.astype({"unit": str})[keys])
    if not asked.isin(pd.MultiIndex.from_frame(frame[keys])).all():
        return imported
    others = None if imported.others is None else _from_zero(imported.others, counted)
    words = " and ".join(counted)
    said = (*imported.said, f"its file counts {words} from 1, the sweep from 0")
    return replace(imported, frame=frame, others=others, said=said)


def _from_zero(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.assign(**{key: frame[key] - 1 for key in keys})
