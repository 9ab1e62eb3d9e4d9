"""What a sweep that crops to the tissue says of nodules that the crop cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from abl.data.arrays import image_array, tissue_boxes
from abl.data.dataset import Dataset
from abl.data.tissue_report import NAMED, shares_of_boxes


def cut_nodules_note(dataset: Dataset, cache: Path, longest_side: int) -> str:
    """A sentence that counts and names boxes that stick out of their tissue; "" if none does."""
    array = image_array(dataset, cache, longest_side=longest_side)
    kept = shares_of_boxes(array.frame, tissue_boxes(array))
    # a pixel's worth is rounding
    rows = np.flatnonzero(kept < 0.995)
    if not len(rows):
        return ""
    worst = rows[np.argsort(kept[rows], kind="stable")][:NAMED]
    named = ", ".join(
        f"{dataset.frame['image'].iloc[row]} ({100 * kept[row]:.0f} %)" for row in worst
    )
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    boxes = "box is" if len(rows) == 1 else "boxes are"
    counted = f"{len(rows)} of {len(kept)} {boxes} cut"
    return f"crop to tissue: {counted}; share that is kept: {named}{more}."
