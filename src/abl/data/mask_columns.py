"""Which files are the masks of a row: `a.png;b.png`, or columns mask, mask2, mask3, ..."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # processes that only decode need not import pandas
    from abl.data.tables import Rows

BETWEEN = ";"
FURTHER = re.compile(r"mask_?[1-9][0-9]?")


def further_columns(rows: Rows) -> list[str]:
    """Columns mask2, mask3, ... (mask_2, ...) in the order of their numbers, if there is a mask."""
    if "mask" not in rows.frame:
        return []
    names = [str(name) for name in rows.frame.columns if FURTHER.fullmatch(str(name))]
    return sorted(names, key=lambda name: int(name.removeprefix("mask").removeprefix("_")))


def joined_masks(rows: Rows) -> list[str]:
    """The masks of each row as one text, files with ; between them."""
    columns = [rows.given(name) for name in ("mask", *further_columns(rows))]
    if len(columns) == 1:
        return columns[0]
    return [BETWEEN.join(text for text in texts if text) for texts in zip(*columns, strict=True)]


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
