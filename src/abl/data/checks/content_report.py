"""What `abl data check` prints of the images of a data set, and what it warns of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from abl.data.arrays import ImageArray
from abl.data.boxes import doubts_of
from abl.data.checks.content import (
    facts_for_shortcuts,
    faint_words,
    files_of,
    looks_of,
    shares_of_areas,
)
from abl.data.checks.second_images import SECOND, exchanged_by_looks, exchanged_words
from abl.data.checks.shortcuts import Shortcut, shortcut_words, shortcuts
from abl.data.dataset import PAIR, Dataset
from abl.data.duplicates.grouping import with_second_images
from abl.data.splits.groups import kept_together

MOST_CENTRES = 12
_INDENT, _GAP = "    ", "  "
ASPECT = 0.02  # by which two images of a row may differ in shape


def content_lines(
    dataset: Dataset,
    array: ImageArray,
    areas: Mapping[str, np.ndarray] | None = None,
    width: int | None = None,
) -> list[str]:
    """Sizes, bits, grey levels, brightness and areas, by class and by centre: a table in lines.

    Args:
        array: The images, decoded.
        areas: Name -> (N,) share of its image that something else fills (a mask), nan where it is
            not known.
        width: Of a terminal: columns that have no room go on below. None: all stand beside.
    """
    looks, files = looks_of(array), files_of(dataset)
    high, broad = _sizes(array)
    shares = shares_of_areas(dataset, high, broad)
    for name, values in (areas or {}).items():
        shares[name] = values
    label = dataset.frame["label"].to_numpy()
    parts: list[tuple[str, np.ndarray]] = [("all", np.ones(len(dataset), bool))]
    parts += [(name, label == at) for at, name in enumerate(dataset.classes)]
    if "centre" in dataset.frame:
        centres = dataset.frame["centre"].fillna("").astype(str).to_numpy()
        named = [name for name in pd.unique(centres) if name]
        parts += [(f"centre {name}", centres == name) for name in sorted(named)[:MOST_CENTRES]]
    rows = [
        {"": name, **_row(rows, high, broad, looks, files, shares)} for name, rows in parts
        if rows.any()
    ]  # fmt: skip
    return _table_lines(rows, width)


def _table_lines(rows: Sequence[Mapping[str, str]], width: int | None) -> list[str]:
    """Rows in straight columns below their names, the first of which begins every block."""
    first, *others = (
        [text.ljust(wide) if not at else text.rjust(wide) for text in texts]
        for at, texts in enumerate([name, *(row[name] for row in rows)] for name in rows[0])
        for wide in [max(map(len, texts))]
    )
    blocks = [[first]]
    for column in others:
        taken = len(_INDENT) + sum(len(each[0]) + len(_GAP) for each in blocks[-1])
        if width is not None and taken + len(column[0]) > width and len(blocks[-1]) > 1:
            blocks.append([first])
        blocks[-1].append(column)
    lines = [line for block in blocks for line in zip(*block, strict=True)]
    return [f"{_INDENT}{_GAP.join(line)}".rstrip() for line in lines]


def _row(
    rows: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    looks: pd.DataFrame,
    files: pd.DataFrame,
    shares: pd.DataFrame,
) -> dict[str, str]:
    """The facts of some images (bool (N,)), in words."""
    h, w, some = height[rows], width[rows], looks[rows]
    sizes = len(set(zip(h.tolist(), w.tolist(), strict=True)))
    size = f"{w[0]:.0f}x{h[0]:.0f}" if sizes == 1 else (
        f"{w.min():.0f}-{w.max():.0f} x {h.min():.0f}-{h.max():.0f}"
    )  # fmt: skip
    found = {
        "images": f"{int(rows.sum())}",
        "width x height": size,
        "sizes": f"{sizes}",
    }
    if len(files):
        of = files[rows]
        kinds = sorted(set(of["format"]))
        deep = int(of["is_deep"].sum())
        bits = "8" if not deep else "16" if deep == len(of) else f"8, {deep} of 16"
        found |= {
            "files": "/".join(kinds),
            "KB": f"{of['bytes'].median() / 1024:.0f}",
            "bits": bits,
        }
    colour = int((some["colour"] > 0).sum())
    found |= {
        "colour": f"{colour}" if colour else "none",
        "grey range": f"{some['low'].min():.0f}-{some['high'].max():.0f}",
        "levels": f"{some['levels'].median():.0f}",
        "brightness": f"{some['mean'].mean():.0f}±{some['mean'].std(ddof=0):.0f}",
        "border": f"{some['border'].mean():.0f}",
    }
    for name in shares:
        known = shares[name].to_numpy()[rows]
        known = known[~np.isnan(known)]
        found[str(name)] = f"{100 * np.median(known):.1f} % ({len(known)})" if len(known) else "-"
    return found


def _sizes(array: ImageArray) -> tuple[np.ndarray, np.ndarray]:
    """Height and width of the images before they were reduced, float64."""
    height, width = (array.frame[f"source_{side}"] for side in ("height", "width"))
    return height.to_numpy(np.float64), width.to_numpy(np.float64)


def content_warnings(dataset: Dataset, array: ImageArray) -> list[str]:
    """Faint files, boxes that look like another format, and shortcuts; a sentence each."""
    return content_words(content_facts(dataset, array), dataset.classes)


def content_facts(dataset: Dataset, array: ImageArray) -> dict[str, Any]:
    """What is odd about the images of a data set, JSON-able.

    Returns:
        said: sentences on faint files and on boxes; shortcuts: fields of each; unit: what patients
        are called.
    """
    looks, files = looks_of(array), files_of(dataset)
    said = [each for each in [faint_words(dataset, files, looks)] if each]
    if dataset.boxes_of is None and PAIR not in dataset.frame:  # boxes are in these images' pixels
        said += doubts_of(dataset.frame, *_sizes(array))
    facts = facts_for_shortcuts(dataset, array, looks, files)
    found = shortcuts(facts, dataset.frame["label"].to_numpy(), kept_together(dataset.frame))
    return {"said": said, "shortcuts": [asdict(each) for each in found], "unit": dataset.clusters}


def content_words(facts: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """The sentences of `content_facts`, with the names of the classes."""
    told = [Shortcut(**each) for each in facts.get("shortcuts", ())]
    unit = str(facts.get("unit", "patient"))
    return [*facts.get("said", ()), *(shortcut_words(each, classes, unit) for each in told)]


def second_warnings(
    dataset: Dataset, first: ImageArray, second: ImageArray, rows: np.ndarray
) -> Iterator[str]:
    """What is odd about second images beside the first ones, a sentence each.

    Args:
        rows: int64 (n,): of the data set, in the order of `second`.
    """
    looks = [looks_of(array) for array in (first, second)]
    one, two = _sizes(first), _sizes(second)
    one = one[0][rows], one[1][rows]
    features = [
        looks[0][["colour", "mean", "sd", "levels"]].to_numpy()[rows],
        looks[1][["colour", "mean", "sd", "levels"]].to_numpy(),
    ]
    sizes = [np.log(np.stack(each, axis=1)) for each in (one, two)]
    exchanged = exchanged_by_looks(
        np.hstack([features[0], sizes[0]]), np.hstack([features[1], sizes[1]])
    )
    if said := exchanged_words(dataset.frame, rows[exchanged], "how they look"):
        yield said
    differ = np.abs(np.log((one[1] / one[0]) / (two[1] / two[0]))) > ASPECT
    if differ.any():
        yield _counted(dataset, rows[differ], f"have an {SECOND} of another shape (aspect ratio)")
    seconds = with_second_images(dataset)
    if said := faint_words(seconds, files_of(seconds), looks[1]):
        yield f"{SECOND}: {said}"


def _counted(dataset: Dataset, rows: Sequence[int] | np.ndarray, what: str) -> str:
    names = [str(dataset.frame["image"].iloc[row]) for row in rows[:5]]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{len(rows)} of {len(dataset)} rows {what}: {', '.join(names)}{more}"
