"""Groups of images that are nearly the same: what `abl data group` writes as a column `group`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.arrays import ImageArray, image_array
from abl.data.checks.second_images import second_files
from abl.data.dataset import GROUP, TOGETHER, Dataset, SomeImages
from abl.data.duplicates.near_duplicates import IMAGE, IMAGE2, contradicting_first, pairs_of_rows
from abl.data.splits.groups import components

LONGEST_SIDE = 1024  # of the images that are compared
NEW = "g"  # a new group's name is this and a number


@dataclass(frozen=True)
class FoundGroup:
    """Images that hang together by near-duplicates, each of one at least.

    Attributes:
        rows: Of the data set, in order.
        pairs: Near-duplicates within it, see `pairs_of_rows`, the closest first.
        labels: Distinct labels of its rows.
    """

    name: str
    rows: tuple[int, ...]
    pairs: pd.DataFrame
    labels: tuple[int, ...]

    @property
    def contradicts(self) -> bool:
        return len(self.labels) > 1


def manifest_pairs(dataset: Dataset, cache: Path, *, keep_own: bool = False) -> pd.DataFrame:
    """Near-duplicates of all images that a manifest names, first and second, see `pairs_of_rows`.

    Args:
        dataset: Of first images, as `load_manifest` gives it.
        cache: Where images are decoded to.
        keep_own: Whether the two images of a row may make a pair.
    """
    plain = dataset.without_boxes()
    rows = np.arange(len(dataset))
    parts = [(IMAGE, rows, image_array(plain, cache, longest_side=LONGEST_SIDE))]
    _, has_second = second_files(dataset)
    if has_second.any():
        parts.append((IMAGE2, np.flatnonzero(has_second), second_array(dataset, cache)))
    return pairs_of_rows(dataset, parts, keep_own=keep_own)


def with_second_images(dataset: Dataset) -> Dataset:
    """The rows that have a second image, which takes the first one's place."""
    second, has_second = second_files(dataset)
    rows = np.flatnonzero(has_second)
    frame = dataset.without_boxes().frame.iloc[rows].reset_index(drop=True)
    source = SomeImages(second or dataset.source, tuple(rows.tolist()))
    return replace(dataset, frame=frame, source=source)


def second_array(dataset: Dataset, cache: Path) -> ImageArray:
    """The second images of the rows that have one, decoded."""
    return image_array(with_second_images(dataset), cache, longest_side=LONGEST_SIDE)


def pairs_between(names: Sequence[str] | np.ndarray, pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of rows with two names (N,): of two patients, or of what is not kept together."""
    of_row = np.asarray(names)
    a, b = (pairs[name].to_numpy(np.int64) for name in ("position_a", "position_b"))
    return pairs[of_row[a] != of_row[b]].reset_index(drop=True)


def found_groups(dataset: Dataset, pairs: pd.DataFrame) -> tuple[list[str], list[FoundGroup]]:
    """Groups from the near-duplicates of different patients, and from those that there are.

    Connected images are one group, so that the two ends of a long one may differ. Groups of the
    manifest keep their names, should near-duplicates join some the first of them.

    Returns:
        Group of each row, "" where it has none; the groups that near-duplicates make, those whose
        labels contradict first, then by their closest pair.
    """
    count = len(dataset)
    across = pairs_between(dataset.frame["patient"].to_numpy(), pairs)
    edges = across[["position_a", "position_b"]].to_numpy(np.int64)
    given = np.full(count, "", object)
    if TOGETHER in dataset.frame:
        given = dataset.frame[GROUP].to_numpy(object)
    names, member = np.unique(given.astype(str), return_inverse=True)
    has = np.flatnonzero(given != "")
    old = np.stack([has, count + member[has]], axis=1)
    component = components(np.concatenate([edges, old]), count + len(names))
    closest = contradicting_first(dataset, across)
    of_pair = component[closest["position_a"].to_numpy(np.int64)]
    group_of = given.astype(str).astype(object)
    groups: list[FoundGroup] = []
    labels = dataset.frame["label"].to_numpy()
    for which in dict.fromkeys(of_pair.tolist()):
        rows = np.flatnonzero(component[:count] == which)
        there = sorted({name for name in given[rows] if name})
        inside = closest[of_pair == which].sort_values("distance", kind="stable")
        found = FoundGroup(
            there[0] if there else "",
            tuple(rows.tolist()),
            inside.reset_index(drop=True),
            tuple(sorted(set(labels[rows].tolist()))),
        )
        groups.append(found)
    groups.sort(key=lambda each: (not each.contradicts, each.pairs["distance"].min(), each.rows))
    taken, number = set(given.tolist()), 0
    for at, each in enumerate(groups):
        name = each.name
        while not name or (name != each.name and name in taken):
            number += 1
            name = f"{NEW}{number}"
        groups[at] = replace(each, name=name)
        group_of[list(each.rows)] = name
    return group_of.tolist(), groups
