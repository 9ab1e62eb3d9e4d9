"""Which files are the masks of a row: `a.png;b.png`, or columns mask, mask2, mask3, ..."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # processes that only decode need not import pandas
    from abl.data.tables.rows import Rows

BETWEEN = ";"
FURTHER = re.compile(r"mask_?[1-9][0-9]?")


def further_columns(rows: Rows) -> list[str]:
    """Columns mask2, mask3, ... (mask_2, ...) in the order of their numbers, if there is a mask."""
    if "mask" not in rows.frame:
        return []
    names = [str(name) for name in rows.frame.columns if FURTHER.fullmatch(str(name))]
    return sorted(names, key=lambda name: int(name.removeprefix("mask").removeprefix("_")))


def with_joined_masks(rows: Rows) -> Rows:
    """The rows with the masks of each as one text in column mask, files with ; between them.

    Parquet may hold lists of files.
    """
    if "mask" not in rows.frame:
        return rows
    further = further_columns(rows)
    cells = [
        each if isinstance(each, list | tuple) else getattr(each, "tolist", lambda: None)()
        for each in rows.frame["mask"]
    ]
    has_lists = any(isinstance(each, list | tuple) for each in cells)
    texts = rows.given("mask")
    if not (further or has_lists or any(BETWEEN in text for text in texts)):
        return rows
    for at, cell in enumerate(cells):
        if isinstance(cell, list | tuple):
            texts[at] = BETWEEN.join(str(name) for name in cell)
    columns = [texts, *(rows.given(name) for name in further)]
    joined = [
        BETWEEN.join(text for text in row if text.strip(f"{BETWEEN} "))
        for row in zip(*columns, strict=True)
    ]
    return replace(rows, frame=rows.frame.assign(mask=joined))


def mask_advice(path: str) -> str:
    """What to type where several files are named in another way than with ; between them."""
    return f"; write {BETWEEN} between several masks" if re.search(r"[|,+]", path) else ""


def mask_paths(folder: str | Path, text: str) -> tuple[str, ...]:
    """The files that a row's text of masks names; one whose own name has a ; is one file."""
    if BETWEEN not in text or os.path.isfile(Path(folder, text)):  # noqa: PTH113 - odd names are no
        return (text,) if text else ()
    return tuple(dict.fromkeys(part.strip() for part in text.split(BETWEEN) if part.strip()))


def files_named(folder: str | Path, column: str, text: str) -> tuple[str, ...]:
    """The files that a cell of a column of paths names."""
    return mask_paths(folder, text) if column == "mask" else (text,)


def joined_digest(digests: Sequence[str]) -> str:
    """One hex digest of the files of a row: that of a single file as it is, "" if one lacks."""
    if len(digests) == 1:
        return digests[0]
    if not digests or "" in digests:
        return ""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
