"""Near-duplicate images: copies that were scaled, compressed, brightened, or written on.

Perceptual hash of 256 bits: signs of the 16 x 16 lowest DCT coefficients of the 64 x 64 reduced
image about their median (imagehash.phash; Zauner, "Implementation and benchmarking of perceptual
image hash functions", 2010, section 3.2.1). On two public ultrasound sets (ddti, bus_uclm) copies
made by JPEG at quality 20, halving, gain, gamma, noise, a shift by one pixel, a crop of 1 % a side
or three lines of text differ in at most 34 bits, 95 % of each kind in at most 31; the closest
different patients differ in 60. Mirrored or strongly cropped copies are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abl.data.arrays import ImageArray
from abl.data.cache_folders import folder_key, folder_once
from abl.data.dataset import PAIR, Dataset
from abl.data.pixels import hash_chunk
from abl.data.splits.splits import Split
from abl.data.tables.words import ROLES
from abl.data.workers import mapped_over
from abl.errors import Problem

THRESHOLD = 32  # of 256 bits, in which a pair may differ
CHUNK = 64  # images a job
HASHED = 500  # images worth the start of a process
ROWS = 64  # images compared with all others at a time: 15 MB for 30,000
PAIRS = "pairs.npy"
COLUMNS = ["position_a", "position_b", "distance"]
PAIR_COLUMNS = [*COLUMNS, "which_a", "which_b"]
IMAGE, IMAGE2 = "image", "image2"
SHOWN = 20  # pairs named in an error
NOWHERE = -1  # role of an image that is in no part of a split


def near_duplicate_pairs(array: ImageArray) -> pd.DataFrame:
    """Pairs of images that are nearly the same; equal pixels always are.

    They are found once and kept beside the array's folder.

    Args:
        array: Decoded images; colour is compared as luma.

    Returns:
        position_a < position_b, distance (bits), all int64, sorted; one row a pair.
    """
    return _pairs_kept("duplicates", [array], lambda pairs: pairs)


def near_duplicates_between(first: ImageArray, second: ImageArray) -> pd.DataFrame:
    """Pairs of an image of one array and one of another that are nearly the same.

    Args:
        first, second: Decoded images; the pairs are kept beside the first one's folder.

    Returns:
        position_a (of the first), position_b (of the second), distance (bits), all int64, sorted.
    """
    start = len(first)

    def across(pairs: np.ndarray) -> np.ndarray:
        crossing = pairs[(pairs[:, 0] < start) & (pairs[:, 1] >= start)]
        return crossing - np.array([0, start, 0])

    return _pairs_kept("between", [first, second], across)


def _pairs_kept(
    what: str, arrays: Sequence[ImageArray], chosen: Callable[[np.ndarray], np.ndarray]
) -> pd.DataFrame:
    """The chosen ones of the close pairs of all images, found once."""

    def write(folder: Path) -> None:
        hashes = [
            part
            for array in arrays
            for part in mapped_over(
                len(array), CHUNK, partial(hash_chunk, array.folder), worth=HASHED
            )
        ]
        np.save(folder / PAIRS, chosen(close_pairs(np.concatenate(hashes), THRESHOLD)))

    key = folder_key(what, *(array.folder.name for array in arrays), THRESHOLD)
    folder = folder_once(arrays[0].folder.parent, f"duplicates-{key}", write)
    return pd.DataFrame(np.load(folder / PAIRS), columns=COLUMNS)


def close_pairs(hashes: np.ndarray, threshold: int) -> np.ndarray:
    """Pairs of hashes at most so many bits apart, by counting bits of all pairs in blocks.

    Args:
        hashes: uint64 (N, HASH_WORDS of pixels.py).

    Returns:
        int64 (pairs, 3): a < b, bits.
    """
    words = np.ascontiguousarray(hashes.T)
    found = [np.empty((0, 3), dtype=np.int64)]
    for start in range(0, words.shape[1], ROWS):
        block, others = words[:, start : start + ROWS], words[:, start:]
        # half of the bits rule out nearly every pair
        distance = _distance(block[0, :, None], others[0]) + _distance(block[1, :, None], others[1])
        a, b = np.nonzero(distance <= threshold)
        a, b = a[b > a], b[b > a]
        bits = _distance(block[:, a], others[:, b]).sum(axis=0, dtype=np.int64)
        near = bits <= threshold
        found.append(np.stack([a[near] + start, b[near] + start, bits[near]], axis=1))
    return np.concatenate(found)


def column_of(dataset: Dataset) -> str:
    """The column whose images a data set shows, or the first of the two that it pairs."""
    return IMAGE2 if dataset.boxes_of is not None and PAIR not in dataset.frame else IMAGE


def pairs_of_rows(
    dataset: Dataset,
    parts: Sequence[tuple[str, np.ndarray, ImageArray]],
    *,
    keep_own: bool = False,
) -> pd.DataFrame:
    """Near-duplicates of a data set as rows of its frame: within a modality, and across two.

    Args:
        parts: Column that images are of (image, image2), their rows int64 (n,), the images.
        keep_own: Whether the two images of one row may make a pair.

    Returns:
        PAIR_COLUMNS: position_a <= position_b, distance (bits), which_a, which_b (column of the
        image), sorted.
    """
    row = np.concatenate([rows for _, rows, _ in parts])
    which = np.repeat([name for name, _, _ in parts], [len(rows) for _, rows, _ in parts])
    if PAIR in dataset.frame:  # a row each, whichever image it is
        which = np.where(dataset.frame["modality"] == "second", IMAGE2, IMAGE).astype(object)
    if len(parts) == 1:
        found = near_duplicate_pairs(parts[0][2])
    else:
        found = _pairs_kept("rows", [array for _, _, array in parts], lambda pairs: pairs)
    a, b = (found[name].to_numpy() for name in COLUMNS[:2])
    first = np.where(row[a] <= row[b], a, b)
    second = np.where(row[a] <= row[b], b, a)
    own = row[first] == row[second]
    table = pd.DataFrame(
        {
            "position_a": row[first],
            "position_b": row[second],
            "distance": found["distance"].to_numpy(),
            "which_a": which[first].astype(object),
            "which_b": which[second].astype(object),
        }
    )
    return table[keep_own | ~own].sort_values(
        ["position_a", "position_b", "distance"], ignore_index=True
    )


def duplicates_across(split: Split, pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs whose images lie on two sides of a split, and role_a, role_b."""
    parts = [positions for _, positions in split.items()]
    last = max([-1, *(int(each.max(initial=-1)) for each in (*parts, *_sides(pairs)))])
    roles = np.full(last + 1, NOWHERE, dtype=np.int64)
    for number, (_, positions) in enumerate(split.items()):
        roles[positions] = number
    role_a, role_b = (roles[each] for each in _sides(pairs))
    names = np.array(ROLES, dtype=object)
    with_roles = pairs.assign(role_a=names[role_a], role_b=names[role_b])
    # an image that is in no part leaks nothing
    apart = (role_a != role_b) & (role_a != NOWHERE) & (role_b != NOWHERE)
    return with_roles[apart].reset_index(drop=True)


def _sides(pairs: pd.DataFrame) -> list[np.ndarray]:
    return [pairs[name].to_numpy() for name in COLUMNS[:2]]


def duplicate_problems(dataset: Dataset, across: pd.DataFrame) -> list[Problem]:
    """A line for each pair of `duplicates_across`, with what to do about it: first those whose
    labels contradict, then the closest.
    """
    together = "give both one patient" if dataset.patients_known else "give both one group"
    advice = f"{together}, leave one out, or set data.duplicates: report"
    lines = [
        Problem(
            f"{image_words(dataset, pair, 'a', str(pair.role_a))} and "
            f"{image_words(dataset, pair, 'b', str(pair.role_b))} are near-duplicates "
            f"({pair.distance} of 256 bits differ){contradiction(dataset, pair)}; {advice}"
        )
        for pair in contradicting_first(dataset, across).head(SHOWN).itertuples()
    ]
    if len(across) > SHOWN:
        more = (
            f"and {len(across) - SHOWN:,} more such pairs; `abl data group` writes a column group "
            "for all of them at once"
        )
        lines.append(Problem(more))
    return lines


def contradicting_first(dataset: Dataset, pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs in the order in which they are told: those of two classes, then by distance."""
    same = ~_contradicts(dataset, pairs)
    order = np.lexsort([pairs["distance"].to_numpy(), same])
    return pairs.iloc[order].reset_index(drop=True)


def contradicting(dataset: Dataset, pairs: pd.DataFrame) -> int:
    """How many pairs are of two classes."""
    return int(_contradicts(dataset, pairs).sum())


def _contradicts(dataset: Dataset, pairs: pd.DataFrame) -> np.ndarray:
    """bool (pairs,): whether the two images have different labels."""
    labels = dataset.frame["label"].to_numpy()
    a, b = (pairs[name].to_numpy() for name in COLUMNS[:2])
    found: np.ndarray = labels[a] != labels[b]
    return found


def contradiction(dataset: Dataset, pair: Any) -> str:
    """What is said of a pair of two classes, "" of others; `pair` has position_a, position_b."""
    labels, names = dataset.frame["label"], dataset.classes
    a, b = int(labels.iloc[pair.position_a]), int(labels.iloc[pair.position_b])
    return "" if a == b else f" and their labels contradict: {names[a]} and {names[b]}"


def image_words(dataset: Dataset, pair: Any, side: str, role: str = "") -> str:
    """An image of a pair by its own name, with its modality if there are two, patient and role."""
    frame = dataset.frame
    row, which = getattr(pair, f"position_{side}"), getattr(pair, f"which_{side}", IMAGE)
    image = frame["image"].iloc[row]
    if IMAGE2 not in frame and which == IMAGE2:
        name = f"the second image of {image}"
    elif IMAGE2 not in frame:
        name = str(image)
    else:
        own = image if which == IMAGE or PAIR in frame else frame[IMAGE2].iloc[row]
        name = f"{which} {own}"
    told = [f"patient {frame['patient'].iloc[row]}"] if dataset.patients_known else []
    told += [role] if role else []
    return f"{name} ({', '.join(told)})" if told else name


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.bitwise_count(a ^ b)
