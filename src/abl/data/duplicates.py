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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.arrays import ImageArray, image_array
from abl.data.cache_folders import folder_key, folder_once
from abl.data.dataset import Dataset
from abl.data.pixels import hash_chunk
from abl.data.splits import Split
from abl.data.words import ROLES
from abl.data.workers import mapped_over
from abl.errors import Problem
from abl.spec.data import Data

THRESHOLD = 32  # of 256 bits, in which a pair may differ
CHUNK = 64  # images a job
HASHED = 500  # images worth the start of a process
ROWS = 64  # images compared with all others at a time: 15 MB for 30,000
PAIRS = "pairs.npy"
COLUMNS = ["position_a", "position_b", "distance"]


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


def duplicates_across(split: Split, pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs whose images lie on two sides of a split, and role_a, role_b."""
    count = sum(len(positions) for _, positions in split.items())
    roles = np.empty(count, dtype=np.int64)
    for number, (_, positions) in enumerate(split.items()):
        roles[positions] = number
    role_a, role_b = (roles[pairs[name].to_numpy()] for name in COLUMNS[:2])
    names = np.array(ROLES, dtype=object)
    with_roles = pairs.assign(role_a=names[role_a], role_b=names[role_b])
    return with_roles[role_a != role_b].reset_index(drop=True)


def duplicate_problems(frame: pd.DataFrame, across: pd.DataFrame) -> list[Problem]:
    """A line for each pair of `duplicates_across`, with what to do about it."""
    problems = []
    for pair in across.to_dict("records"):
        a, b = (frame.iloc[pair[name]] for name in COLUMNS[:2])
        problems.append(
            Problem(
                f"{a['image']} (patient {a['patient']}, {pair['role_a']}) and {b['image']} "
                f"(patient {b['patient']}, {pair['role_b']}) are near-duplicates "
                f"({pair['distance']} of 256 bits differ); give both one patient, leave one out, "
                "or set data.duplicates: report"
            )
        )
    return problems


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.bitwise_count(a ^ b)


SHOWN = 20  # pairs named in an error


@dataclass(frozen=True)
class KeptApart:
    """Two data sets that may share no image.

    Attributes:
        external, internal: As an arm sees them.
        data: The internal data block: its `duplicates` says what is done.
        longest_side: Of the external set's decoded images.
    """

    name: str
    external: Dataset
    internal: Dataset
    data: Data
    longest_side: int

    def looked_through(self, cache: Path) -> tuple[list[Problem], str]:
        """What is refused, and the sentence where pairs are only reported; "" if there are none.

        Args:
            cache: Where the images of both lie decoded.
        """
        if self.data.duplicates == "ignore":
            return [], ""
        external = _decoded(self.external, cache, self.longest_side)
        internal = _decoded(self.internal, cache, self.data.longest_side)
        pairs = near_duplicates_between(external, internal).to_dict("records")
        if not pairs:
            return [], ""
        if self.data.duplicates == "report":
            pair, lie = ("pair", "lies") if len(pairs) == 1 else ("pairs", "lie")
            between = f"external set {self.name} and the sweep's own data"
            return [], f"{len(pairs)} {pair} of near-duplicate images {lie} across {between}."
        problems = []
        for each in pairs[:SHOWN]:
            a = self.external.frame.iloc[each[COLUMNS[0]]]
            b = self.internal.frame.iloc[each[COLUMNS[1]]]
            problems.append(
                Problem(
                    f"external set {self.name}: {a['image']} (patient {a['patient']}) and "
                    f"{b['image']} (patient {b['patient']}) of the sweep's own data are "
                    f"near-duplicates ({each['distance']} of 256 bits differ); leave one out, or "
                    "set data.duplicates: report"
                )
            )
        if len(pairs) > SHOWN:
            problems.append(Problem(f"and {len(pairs) - SHOWN:,} more such pairs"))
        return problems, ""


def _decoded(dataset: Dataset, cache: Path, longest_side: int) -> ImageArray:
    plain = replace(dataset.without_boxes(), boxes_of=None)
    return image_array(plain, cache, longest_side=longest_side)
