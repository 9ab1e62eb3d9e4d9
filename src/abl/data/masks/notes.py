"""What is said of the masks of a data set: how they were read, what they cover and give away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from abl.data.dataset import Dataset
from abl.data.masks.mask_sets import has_box
from abl.data.masks.masks_read import MaskReadings, has_mask

NAMED = 5  # images named in a sentence
WAYS = 4  # ways of reading named in a line


def mask_notes(dataset: Dataset, readings: MaskReadings) -> list[str]:
    """Sentences for plan and table: masks that are soft, several, empty, whole, or tell the class.

    Args:
        readings: Of the same rows; of a generated set there is nothing to say.
    """
    known = ~np.isnan(readings.areas)
    if not known.any():
        return []
    count, notes = f"of {int(known.sum()):,} masks of {dataset.name}", []
    if readings.soft:
        cut = dataset.mask_rule.cut
        where = "half" if cut is None else f"{cut:g}"
        side = "below" if dataset.mask_rule.inverted else "above"
        notes.append(
            f"{readings.soft:,} {count} {_are(readings.soft)} soft: what lies {side} {where} of "
            "the range is nodule."
        )
    if readings.several:
        rows = "row has" if readings.several == 1 else "rows have"
        notes.append(f"{readings.several:,} {rows} several masks, which are united.")
    if readings.is_hollow.any():
        number = int(readings.is_hollow.sum())
        named = _named(dataset, np.flatnonzero(readings.is_hollow))
        drawn = "is an outline, not filled" if number == 1 else "are outlines, not filled"
        notes.append(
            f"{number:,} {count} {drawn}: the line alone is read as nodule; fill them if the "
            f"nodule is what they enclose: {named}."
        )
    for found, what in ((readings.is_empty, "empty"), (readings.areas == 1, "whole")):
        if found.any():
            said = {"empty": "without a nodule", "whole": "nodule all over"}[what]
            number = int(found.sum())
            named = _named(dataset, np.flatnonzero(found))
            boxed = int((found & has_box(dataset)).sum()) if what == "empty" else 0
            also = f" The boxes of {boxed:,} of these rows say that there is one." if boxed else ""
            notes.append(f"{number:,} {count} {_are(number)} {said}: {named}.{also}")
    return notes + _telling(dataset, readings)


def mask_lines(dataset: Dataset, readings: MaskReadings) -> list[str]:
    """Lines of `abl data check`: how masks are read, and what they cover, class by class."""
    masks = has_mask(dataset)
    if not masks.any():
        return []
    ways = [f"{word} ({count:,})" for word, count in readings.ways[:WAYS]]
    more = f" and {len(readings.ways) - WAYS} more" if len(readings.ways) > WAYS else ""
    lines = [
        f"  masks: {int(masks.sum()):,} of {len(masks):,} images; nodule is {', '.join(ways)}{more}"
    ]
    labels = dataset.frame["label"].to_numpy()
    for label, name in enumerate(dataset.classes):
        areas = readings.areas[masks & (labels == label)]
        if not len(areas):
            lines.append(f"    {name}: none")
            continue
        low, middle, high = (_percent(np.quantile(areas, at)) for at in (0, 0.5, 1))
        empty = int((areas == 0).sum())
        lines.append(
            f"    {name}: {len(areas):,}, share of the image: median {middle} % "
            f"({low} to {high}), empty: {empty:,}"
        )
    return lines


def vanished_note(dataset: Dataset, readings: MaskReadings, shows: np.ndarray, size: int) -> str:
    """A sentence on nodules of which nothing is left in the pixels that a network sees; or "".

    Args:
        shows: bool (M,): of the rows that have a mask, whether something is.
    """
    rows = np.flatnonzero(has_mask(dataset))
    lost = rows[~shows & (readings.areas[rows] > 0)]
    if not len(lost):
        return ""
    masks = "mask shows" if len(lost) == 1 else "masks show"
    return (
        f"{len(lost):,} {masks} nothing of the nodule at {size} x {size} pixels, cut as the images "
        f"of {dataset.name} are: {_named(dataset, lost)}."
    )


def _telling(dataset: Dataset, readings: MaskReadings) -> list[str]:
    """Classes whose masks are all empty, or that have none, where the others' are not."""
    labels = dataset.frame["label"].to_numpy()
    known, shows = ~np.isnan(readings.areas), readings.areas > 0
    notes = []
    for label, name in enumerate(dataset.classes):
        own = labels == label
        others = int((shows & ~own).sum())
        if not own.any() or not others or (shows & own).any():
            continue
        has = f"All {int((known & own).sum()):,} masks" if (known & own).any() else "No image"
        verb = "are empty" if has.startswith("All") else "has a mask"
        notes.append(
            f"{has} of class {name} of {dataset.name} {verb}, and {others:,} masks of other "
            "classes show a nodule: who is given the mask is told the class."
        )
    return notes


def _named(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> str:
    names = dataset.frame["image"].astype(str)
    shown = []
    for row in rows[:NAMED]:
        name = names.iloc[row]
        number = dataset.rows.get(name)
        shown.append(name if number is None else f"{name} (row {number})")
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    return ", ".join(shown) + more


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
