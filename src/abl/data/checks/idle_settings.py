"""What is said of settings of a data block that its files and rows have no use for."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from abl.data.checks.image_checks import FileCheck
from abl.data.dataset import BOX, ROI
from abl.spec.pointless import CHANGES_NOTHING

_PIXELS = "pixels"


def unused_notes(
    name: str, frame: pd.DataFrame, checks: Iterable[FileCheck], *, box_format: str, bits: int
) -> list[str]:
    """A sentence for `bits` and for `box_format` that no file, or row, of a data set asks for.

    Args:
        frame: With the boxes and regions that its manifest gives alone.
        checks: Of its images.
    """
    notes = []
    if bits and not any(check.hears_bits for check in checks):
        lacks = f"no PNG, TIFF or PPM file of 16 bits is among the images of {name}"
        notes.append(f"bits: {bits} {CHANGES_NOTHING}: {lacks}.")
    there = [column for column in (*BOX, *ROI) if column in frame]
    if box_format != _PIXELS and not frame[there].notna().to_numpy().any():
        lacks = f"no row of {name} has a box or a region ({BOX[0]}, {ROI[0]}, ...)"
        notes.append(f"box_format: {box_format} {CHANGES_NOTHING}: {lacks}.")
    return notes


def none_missing(name: str, what: str) -> str:
    """Of `drop_missing` where every row has what is asked for."""
    return f"drop_missing: [{what}] {CHANGES_NOTHING}: every row of {name} has its {what}."


def no_nodules(name: str, setting: str, instead: str) -> str:
    """Of nodules that are asked for of a data set that names none.

    Args:
        setting, instead: `unit: nodule`, `unit: patient`.
    """
    return (
        f"{setting} {CHANGES_NOTHING} beside {instead}: {name} has no column nodule, and each "
        f"patient counts as one: name it with data: {{columns: {{nodule: ...}}}}, or write "
        f"{instead}."
    )


def names_no_nodules(frame: pd.DataFrame) -> bool:
    """Whether nodules are patients, as where a manifest has no column for them."""
    return bool((frame["nodule"] == frame["patient"]).all())
